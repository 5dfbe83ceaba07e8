/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/contents.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/sparse.h"
#include "store/whitelist.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"

#define LINKS_MAX 40 /* as many as Linux follows */
#define TEXT_MAX ((size_t) 1024 * 1024)
#define ROOT "rootfs"

struct mf_contents {
        const struct mf_image_config *config;
        struct mf_whitelist *whitelist; /* of the image, or NULL */
        struct mf_watch watch;
        void *entries; /* a tree of struct mf_content, by path */

        /* The file that is being written: */
        struct mf_content *current; /* NULL: its content is not needed */
        struct mf_buffer head;      /* its beginning */
        size_t wanted;              /* so many bytes of it */
        uint64_t size;              /* of all */
};

/* --- what is written */

static int compare(const void *a, const void *b)
{
        return strcmp(((const struct mf_content *) a)->path, ((const struct mf_content *) b)->path);
}

static void free_content(void *p)
{
        struct mf_content *content = p;

        if (content->executable)
                mf_executable_clear(content->executable);
        free(content->executable);
        free(content->symlink);
        free(content->text);
        free(content);
}

/* Returns the entry of a path "rootfs/...", or NULL. */
static struct mf_content *entry_at(const struct mf_contents *contents, const char *path)
{
        const struct mf_content key = { .path = path };
        struct mf_content **found = tfind(&key, &contents->entries, compare);

        return found ? *found : NULL;
}

/* Returns the entry of a path, which is made if there is none, or NULL when there is no memory. */
static struct mf_content *make_entry(struct mf_contents *contents, const char *path)
{
        struct mf_content *content = entry_at(contents, path);

        if (content)
                return content;
        content = calloc(1, sizeof(*content) + strlen(path) + 1);
        if (!content)
                return NULL;
        content->path = strcpy((char *) (content + 1), path);
        if (!tsearch(content, &contents->entries, compare)) {
                free(content);
                return NULL;
        }
        return content;
}

/* Adds the directories that an archive need not have entries for. Returns 0 or -ENOMEM. */
static int add_parents(struct mf_contents *contents, const char *path)
{
        char *parent = strdup(path);
        int r = parent ? 0 : -ENOMEM;

        for (char *slash; r == 0 && (slash = strrchr(parent, '/'));) {
                *slash = '\0';
                if (entry_at(contents, parent))
                        break;
                struct mf_content *content = make_entry(contents, parent);
                if (content)
                        content->mode = S_IFDIR | 0755;
                r = content ? 0 : -ENOMEM;
        }
        free(parent);
        return r;
}

int mf_contents_finish(struct mf_contents *contents, struct mayfly_error *err)
{
        struct mf_content *file = mf_take(contents->current);
        int r = 0;

        if (file && file->mode & 0111) {
                file->executable = calloc(1, sizeof(*file->executable));
                r = file->executable
                            ? mf_executable_parse(file->executable, contents->head.data ? contents->head.data : "",
                                                  contents->head.size, contents->size)
                            : -ENOMEM;
        } else if (file) {
                file->text = strndup(contents->head.data ? contents->head.data : "", contents->head.size);
                r = file->text ? 0 : -ENOMEM;
        }
        contents->head.size = 0;
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_ARCHIVE) : 0;
}

/* Whether a file may be the image's /etc/passwd or /etc/group, also where symbolic links lead to it. */
static int is_database(const struct mf_entry *entry)
{
        const char *name = strrchr(entry->name, '/');

        return name && (strcmp(name, "/passwd") == 0 || strcmp(name, "/group") == 0) && entry->size <= TEXT_MAX;
}

/* Prepares to take in the beginning of a regular file, if it is needed. */
static void begin_file(struct mf_contents *contents, struct mf_content *content, const struct mf_entry *entry)
{
        const struct mf_sparse *sparse = entry->sparse;

        if (!S_ISREG(entry->mode) || entry->hardlink || (!(entry->mode & 0111) && (sparse || !is_database(entry))))
                return;
        if (sparse && (sparse->n == 0 || sparse->list[0].offset > 0 || sparse->list[0].size < MF_EXECUTABLE_HEAD))
                return; /* it begins with a hole, or has one where the header may be */
        contents->current = content;
        contents->size = entry->size;
        contents->wanted = entry->mode & 0111 ? MF_EXECUTABLE_HEAD : TEXT_MAX;
}

static int on_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct mf_contents *contents = userdata;
        struct mf_content *content;

        int r = mf_contents_finish(contents, err);
        if (r < 0 || strncmp(entry->name, ROOT, strlen(ROOT)) != 0)
                return r;
        content = add_parents(contents, entry->name) < 0 ? NULL : make_entry(contents, entry->name);
        if (!content)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        content->mode = entry->mode;
        content->uid = entry->uid;
        content->gid = entry->gid;
        if (entry->hardlink && strcmp(entry->hardlink, entry->name) != 0)
                content->same = entry_at(contents, entry->hardlink);
        if (entry->symlink && !entry->hardlink && !content->symlink && !(content->symlink = strdup(entry->symlink)))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        begin_file(contents, content, entry);
        return 0;
}

static int on_data(void *userdata, const void *data, size_t size, struct mayfly_error *err)
{
        struct mf_contents *contents = userdata;
        const size_t left = contents->wanted - contents->head.size;

        if (!contents->current || left == 0)
                return 0;
        return mf_buffer_add(&contents->head, data, size < left ? size : left) < 0
                       ? mf_error_oom(err, MAYFLY_STAGE_ARCHIVE)
                       : 0;
}

int mf_contents_new(struct mf_contents **ret, const struct mf_image_config *config, struct mayfly_error *err)
{
        struct mf_contents *contents = calloc(1, sizeof(*contents));

        if (!contents || (config->whitelist && mf_whitelist_new(&contents->whitelist, config->whitelist) < 0)) {
                free(contents);
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        }
        contents->config = config;
        contents->watch = (struct mf_watch){ .entry = on_entry, .data = on_data, .userdata = contents };
        *ret = contents;
        return 0;
}

struct mf_contents *mf_contents_free(struct mf_contents *contents)
{
        if (contents) {
                tdestroy(contents->entries, free_content);
                mf_whitelist_free(contents->whitelist);
                mf_buffer_clear(&contents->head);
                free(contents);
        }
        return NULL;
}

const struct mf_watch *mf_contents_watch(const struct mf_contents *contents)
{
        return &contents->watch;
}

/* --- what is there */

/* A search on its way. */
struct search {
        const struct mf_contents *contents;
        char path[sizeof(ROOT) + PATH_MAX]; /* "rootfs/...", as far as it has come; no symbolic link is in it */
        char rest[2 * PATH_MAX];            /* relative to it */
        int links;
};

/* Returns whether a container has something else at the path, which is absolute. */
static int is_elsewhere(const struct mf_image_config *config, const char *path)
{
        static const char *const always[] = { "/dev", "/proc", "/sys" };

        for (size_t i = 0; i < MF_ELEMENTSOF(always); i++)
                if (strcmp(path, always[i]) == 0)
                        return 1;
        for (size_t i = 0; i < config->n_mount_points; i++) {
                const char *point = config->mount_points[i].path;
                size_t length = strlen(point);
                while (length > 1 && point[length - 1] == '/')
                        length--;
                if (strncmp(path, point, length) == 0 && !path[length])
                        return 1;
        }
        return 0;
}

/* Returns the entry that the search has come to, or NULL when the image has none there. */
static const struct mf_content *here(const struct search *search)
{
        const struct mf_content *content = entry_at(search->contents, search->path);
        const struct mf_whitelist *whitelist = search->contents->whitelist;
        const char *path = search->path + strlen(ROOT);

        if (content && whitelist && !mf_whitelist_passes(whitelist, *path ? path + 1 : path, S_ISDIR(content->mode)))
                return NULL;
        while (content && content->same)
                content = content->same;
        return content;
}

/* Takes the first component of the rest into the path. Returns MF_FOUND, or MF_FOUND_NONE when it would be too long. */
static enum mf_found take_component(struct search *search)
{
        const size_t n = strcspn(search->rest, "/"), length = strlen(search->path);
        const int is_dot = n == 0 || (n == 1 && search->rest[0] == '.');

        if (n == 2 && memcmp(search->rest, "..", 2) == 0) {
                char *slash = strrchr(search->path, '/');
                if (slash)
                        *slash = '\0';
        } else if (!is_dot && length + n + 2 > sizeof(search->path)) {
                return MF_FOUND_NONE;
        } else if (!is_dot) {
                search->path[length] = '/';
                memcpy(search->path + length + 1, search->rest, n);
                search->path[length + 1 + n] = '\0';
        }
        const size_t taken = n + (search->rest[n] == '/');
        memmove(search->rest, search->rest + taken, strlen(search->rest + taken) + 1);
        return MF_FOUND;
}

/* Goes on where a symbolic link, at the search's path, leads. */
static enum mf_found follow(struct search *search, const char *target)
{
        char rest[sizeof(search->rest)];

        if (++search->links > LINKS_MAX)
                return MF_FOUND_LOOP;
        if (snprintf(rest, sizeof(rest), "%s%s%s", target, *search->rest ? "/" : "", search->rest) >=
            (int) sizeof(rest))
                return MF_FOUND_NONE;
        strcpy(search->rest, rest);
        *(target[0] == '/' ? search->path + strlen(ROOT) : strrchr(search->path, '/')) = '\0';
        return MF_FOUND;
}

/* Goes one component on. */
static enum mf_found step(struct search *search)
{
        if (take_component(search) != MF_FOUND)
                return MF_FOUND_NONE;
        if (is_elsewhere(search->contents->config, search->path + strlen(ROOT)))
                return MF_FOUND_ELSEWHERE;
        const struct mf_content *content = here(search);
        if (content && content->symlink)
                return follow(search, content->symlink);
        return content && *search->rest && !S_ISDIR(content->mode) ? MF_FOUND_NONE : MF_FOUND;
}

/* Does the search. With dependencies, what is not here may be there. */
static enum mf_found search_all(struct search *search, const struct mf_content **ret)
{
        enum mf_found found = MF_FOUND;

        while (found == MF_FOUND && *search->rest)
                found = step(search);
        const struct mf_content *content = found == MF_FOUND ? here(search) : NULL;
        if (found == MF_FOUND && !content)
                found = search->contents->config->n_dependencies > 0 ? MF_FOUND_ELSEWHERE : MF_FOUND_NONE;
        if (content)
                *ret = content;
        return found;
}

enum mf_found mf_contents_find(const struct mf_contents *contents, const char *cwd, const char *path,
                               char where[PATH_MAX], const struct mf_content **ret)
{
        struct search *search = calloc(1, sizeof(*search));
        enum mf_found found = MF_FOUND_NONE;

        if (!search)
                return MF_FOUND_ELSEWHERE; /* nothing is known */
        search->contents = contents;
        strcpy(search->path, ROOT);
        const int n = *path == '/' ? snprintf(search->rest, sizeof(search->rest), "%s", path)
                                   : snprintf(search->rest, sizeof(search->rest), "%s/%s", cwd, path);
        if (n < (int) PATH_MAX)
                found = search_all(search, ret);
        snprintf(where, PATH_MAX, "%s", search->path[strlen(ROOT)] ? search->path + strlen(ROOT) : "/");
        free(search);
        return found;
}
