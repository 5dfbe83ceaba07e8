/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/tags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch/gumbo.h"
#include "util/buffer.h"
#include "util/error.h"

#define MEMORY_MAX ((size_t) 128 << 20) /* for the tree; an honest page of 512 KiB takes a tenth of it */
#define TIME_MAX_S 2                    /* of processor time; an honest page of 512 KiB takes a fiftieth of it */
#define TAGS_MAX 1000U
#define BLANKS " \t\r\n\f"

/* Gumbo's calls, which are there after mf_tags_parse() has loaded it. */
static struct mf_gumbo gumbo;

/* --- gumbo's memory ---------------------------------------------------------------------------------------------- */

/* Gumbo does not expect an allocation to fail, it overflows the stack when it frees a deep tree, and its time grows with the
 * square of the depth. So all its allocations are in a list. When memory or time is used up, a jump leaves gumbo, and the list
 * is freed. */
struct block {
        struct block *next, *previous;
        size_t size;
        _Alignas(max_align_t) char data[];
};

struct arena {
        struct block *first;
        size_t used;
        unsigned calls;
        time_t deadline; /* of this thread's processor time */
        jmp_buf end;
        int error; /* the reason of a jump to `end`: -ENOMEM, -E2BIG over MEMORY_MAX, -ETIME */
};

static struct timespec cpu_time(void)
{
        struct timespec now = { 0 };

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return now;
}

static _Noreturn void give_up(struct arena *arena, int error)
{
        arena->error = error;
        longjmp(arena->end, 1);
}

static void *allocate(void *userdata, size_t size)
{
        struct arena *arena = userdata;

        if (size >= MEMORY_MAX - arena->used)
                give_up(arena, -E2BIG);
        if (++arena->calls % 256 == 0 && cpu_time().tv_sec > arena->deadline)
                give_up(arena, -ETIME);
        struct block *block = malloc(sizeof(*block) + size);
        if (!block)
                give_up(arena, -ENOMEM);
        *block = (struct block){ .next = arena->first, .size = size };
        if (arena->first)
                arena->first->previous = block;
        arena->first = block;
        arena->used += size;
        return block->data;
}

static void deallocate(void *userdata, void *data)
{
        struct arena *arena = userdata;

        if (!data)
                return;
        struct block *block = (struct block *) (void *) ((char *) data - offsetof(struct block, data));
        if (block->previous)
                block->previous->next = block->next;
        else
                arena->first = block->next;
        if (block->next)
                block->next->previous = block->previous;
        arena->used -= block->size;
        free(block);
}

static void release(struct arena *arena)
{
        for (struct block *block = arena->first, *next; block; block = next) {
                next = block->next;
                free(block);
        }
        arena->first = NULL;
}

/* --- the tags ---------------------------------------------------------------------------------------------------- */

/* Adds a tag whose content is two words. Returns 0, -ENOMEM, or -EBADMSG when there are too many tags. */
static int add_tag(struct mf_tags *tags, const char *content, int of_keys)
{
        const char *prefix = content + strspn(content, BLANKS);
        size_t length = strcspn(prefix, BLANKS);
        const char *template = prefix + length + strspn(prefix + length, BLANKS);
        size_t size = strcspn(template, BLANKS);

        if (size == 0 || template[size + strspn(template + size, BLANKS)]) /* not two words */
                return 0;
        if (tags->n >= TAGS_MAX)
                return -EBADMSG;
        struct mf_tag *list = mf_grow(tags->list, tags->n, &tags->allocated, sizeof(*list));
        if (!list)
                return -ENOMEM;
        tags->list = list;
        struct mf_tag *tag = &list[tags->n++];
        *tag = (struct mf_tag){ strndup(prefix, length), strndup(template, size), of_keys };
        return tag->prefix && tag->template ? 0 : -ENOMEM;
}

/* Adds the tag of an element, if it is one. Returns as add_tag(). */
static int read_element(struct mf_tags *tags, const GumboElement *element)
{
        const GumboAttribute *name = gumbo.get_attribute(&element->attributes, "name");
        const GumboAttribute *content = gumbo.get_attribute(&element->attributes, "content");

        if (element->tag != GUMBO_TAG_META || element->tag_namespace != GUMBO_NAMESPACE_HTML || !name || !content)
                return 0;
        if (strcmp(name->value, "ac-discovery") == 0)
                return add_tag(tags, content->value, 0);
        return strcmp(name->value, "ac-discovery-pubkeys") == 0 ? add_tag(tags, content->value, 1) : 0;
}

/* Whether a browser shows nothing of the node. Gumbo reads the first four elements as a browser without scripts and plug-ins
 * would. The contents of a select are in gumbo's tree only since its version 0.14, since the HTML standard changed in 2025: the
 * result must not depend on the version. */
static int is_hidden(const GumboNode *node)
{
        if (node->type != GUMBO_NODE_ELEMENT)
                return 1; /* text, comments, templates */
        switch (node->v.element.tag) {
        case GUMBO_TAG_NOSCRIPT:
        case GUMBO_TAG_NOFRAMES:
        case GUMBO_TAG_NOEMBED:
        case GUMBO_TAG_IFRAME:
        case GUMBO_TAG_SELECT:
                return 1;
        default:
                return 0;
        }
}

/* The children of an element, and the next to read. */
struct level {
        const GumboVector *children;
        unsigned next;
};

/* Reads all elements below `root` in the order of the page. There is no recursion: the page decides how deep they are. Returns
 * as add_tag(). */
static int read_tree(struct mf_tags *tags, const GumboNode *root)
{
        struct level *levels = NULL;
        size_t n = 0, allocated = 0;
        int r = 0;

        for (const GumboNode *node = root; r == 0;) {
                if (!is_hidden(node)) {
                        struct level *grown = mf_grow(levels, n, &allocated, sizeof(*levels));
                        r = grown ? read_element(tags, &node->v.element) : -ENOMEM;
                        levels = grown ? grown : levels;
                        if (r == 0)
                                levels[n++] = (struct level){ &node->v.element.children, 0 };
                }
                while (n > 0 && levels[n - 1].next == levels[n - 1].children->length)
                        n--;
                if (n == 0)
                        break;
                node = levels[n - 1].children->data[levels[n - 1].next++];
        }
        free(levels);
        return r;
}

/* Reads a page. Returns 0, -ENOMEM, -E2BIG or -ETIME when the page takes too much memory or time, or -EBADMSG when it has too
 * many tags. */
static int read_page(struct mf_tags *tags, const char *html, size_t size)
{
        struct arena arena = { .deadline = cpu_time().tv_sec + TIME_MAX_S };
        GumboOptions options = *gumbo.DefaultOptions;
        int r;

        options.allocator = allocate;
        options.deallocator = deallocate;
        options.userdata = &arena;
        options.max_errors = 0;
        if (setjmp(arena.end) == 0)
                r = read_tree(tags, gumbo.parse_with_options(&options, html, size)->root);
        else
                r = arena.error;
        release(&arena);
        return r;
}

int mf_tags_parse(struct mf_tags *ret, const char *html, size_t size, struct mayfly_error *err)
{
        static struct mf_library_calls calls = MF_LIBRARY_CALLS(MF_LIBRARY_GUMBO, MF_GUMBO_LIST, gumbo);
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };

        int r = mf_library_load(&calls, MAYFLY_STAGE_DISCOVERY, &why);
        if (r < 0)
                return mf_error(err, r, MAYFLY_STAGE_DISCOVERY, "cannot be read: %s", why.message);
        r = read_page(&tags, html, size);
        if (r == 0) {
                *ret = tags;
                return 0;
        }
        mf_tags_clear(&tags);
        if (r == -ENOMEM)
                return mf_error_oom(err, MAYFLY_STAGE_DISCOVERY);
        if (r == -E2BIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DISCOVERY,
                                "has so many elements that reading them takes more than %zu MiB of memory",
                                MEMORY_MAX >> 20);
        if (r == -ETIME)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DISCOVERY,
                                "has elements so deep in each other that reading them takes more than %d s",
                                TIME_MAX_S);
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_DISCOVERY, "has more than %u ac-discovery tags", TAGS_MAX);
}

void mf_tags_clear(struct mf_tags *tags)
{
        for (size_t i = 0; i < tags->n; i++) {
                free(tags->list[i].prefix);
                free(tags->list[i].template);
        }
        free(tags->list);
        *tags = (struct mf_tags){ 0 };
}
