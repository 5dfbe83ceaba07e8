/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/tags.h"

#include <errno.h>
#include <gumbo.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/buffer.h"
#include "util/error.h"

#define MEMORY_MAX ((size_t) 128 << 20) /* of the tree; a page of 512 KiB that is no attack takes a tenth of it */
#define TIME_MAX_S 2 /* of a processor's; a page of 512 KiB that is no attack takes a fiftieth of it */
#define TAGS_MAX 1000U
#define BLANKS " \t\r\n\f"

/* --- gumbo's memory ---------------------------------------------------------------------------------------------- */

/* Gumbo does not expect an allocation to fail, its release of a deep tree overflows the stack, and its time grows with
 * the square of the depth. So what it has allocated is in a list: when there is no more memory or time, a jump leaves
 * gumbo, and the list is all that is released. */
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
        int error; /* -ENOMEM, -E2BIG over the memory's limit, -ETIME; when `end` was jumped to */
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

/* 0, -ENOMEM, or -EBADMSG when there are too many. */
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

static int read_element(struct mf_tags *tags, const GumboElement *element)
{
        const GumboAttribute *name = gumbo_get_attribute(&element->attributes, "name");
        const GumboAttribute *content = gumbo_get_attribute(&element->attributes, "content");

        if (element->tag != GUMBO_TAG_META || element->tag_namespace != GUMBO_NAMESPACE_HTML || !name || !content)
                return 0;
        if (strcmp(name->value, "ac-discovery") == 0)
                return add_tag(tags, content->value, 0);
        return strcmp(name->value, "ac-discovery-pubkeys") == 0 ? add_tag(tags, content->value, 1) : 0;
}

/* Gumbo reads the first four as a browser without scripts and plug-ins would; a browser of today shows nothing of them.
 * What is in a select is not in the tree of gumbo before 0.14, and is in that of later versions, for the HTML standard
 * changed in 2025. A page must not depend on the version. */
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

/* An element whose children are being looked at; the next of them. */
struct level {
        const GumboVector *children;
        unsigned next;
};

/* All elements below `root` in the page's order. Not by recursion: the page decides how deep they are. */
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

/* 0, -ENOMEM, -E2BIG or -ETIME when the page takes too much memory or time, -EBADMSG when it has too many tags. */
static int read_page(struct mf_tags *tags, const char *html, size_t size)
{
        struct arena arena = { .deadline = cpu_time().tv_sec + TIME_MAX_S };
        GumboOptions options = kGumboDefaultOptions;
        int r;

        options.allocator = allocate;
        options.deallocator = deallocate;
        options.userdata = &arena;
        options.max_errors = 0;
        if (setjmp(arena.end) == 0)
                r = read_tree(tags, gumbo_parse_with_options(&options, html, size)->root);
        else
                r = arena.error;
        release(&arena);
        return r;
}

int mf_tags_parse(struct mf_tags *ret, const char *html, size_t size, struct mayfly_error *err)
{
        struct mf_tags tags = { 0 };

        int r = read_page(&tags, html, size);
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
