/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/filter-layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/implied-dirs.h"
#include "store/record-table.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

struct run {
        const struct mf_filter *filter;
        int dirfd;
        struct mf_record *record;
        struct mf_record_table table; /* of the image */
        struct mf_paths implicit;     /* likewise */
        struct mayfly_error *err;
        char path[4 * PATH_MAX];
};

static int cannot(struct run *run, int code, const char *doing)
{
        if (code == -EMLINK)
                return mf_error(run->err, code, MAYFLY_STAGE_STORE,
                                "a file of the image is in as many layers as its file system allows (\"%.300s\"); "
                                "remove layers with mayfly gc --all",
                                run->path);
        return mf_error_errno(run->err, code, MAYFLY_STAGE_STORE, "%s \"%.300s\" in a layer of %.20s...", doing,
                              run->path, run->filter->image_id);
}

/* Whether the line's entry is to be there; run->path is then where. */
static int passes(struct run *run, const struct mf_record_line *line)
{
        const size_t length = strlen(MF_ROOTFS);

        if (!mf_record_in_rootfs(line, run->path, sizeof(run->path)))
                return 0;
        for (size_t i = 0; i < run->filter->n; i++)
                if (!mf_whitelist_passes(run->filter->whitelist[i], run->path + length + (run->path[length] == '/'),
                                         line->field[MF_RECORD_TYPE][0] == 'd'))
                        return 0;
        return 1;
}

static int put(const struct run *run, int is_directory)
{
        if (is_directory)
                return mf_mkdir_private(run->dirfd, run->path);
        return linkat(run->filter->image_fd, run->path, run->dirfd, run->path, 0) < 0 ? -errno : 0;
}

/* The directories that run->path is in, as far as they are not there: those are implied ones. */
static int make_parents(struct run *run)
{
        for (char *p = strchr(run->path, '/'); p; p = strchr(p + 1, '/')) {
                *p = '\0';
                int r = mf_mkdir_private(run->dirfd, run->path);
                *p = '/';
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        return 0;
}

static int add(struct run *run, struct mf_record_line *line)
{
        int is_directory = line->field[MF_RECORD_TYPE][0] == 'd';

        /* What the image only implies is there if something in it is. */
        if (is_directory && mf_paths_has(&run->implicit, run->path) && strcmp(run->path, MF_ROOTFS) != 0)
                return 0;
        /* A link has all that the file has, whatever became of its other names. */
        const struct mf_record_line *first = mf_record_table_first(&run->table, line);
        int r = first ? put(run, is_directory) : -EBADMSG;
        if (r == -ENOENT) {
                r = make_parents(run);
                if (r == 0)
                        r = put(run, is_directory);
        }
        if (r < 0)
                return cannot(run, r, is_directory ? "making" : "linking");
        r = is_directory ? 0 : mf_record_add_copy(run->record, line->field[MF_RECORD_NAME], first);
        return r < 0 ? cannot(run, r, "recording") : 0;
}

/* Once all is there. */
static int finish_directory(struct run *run)
{
        mf_cleanup(mf_closep) int from =
                openat(run->filter->image_fd, run->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        mf_cleanup(mf_closep) int to = openat(run->dirfd, run->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (to < 0 && errno == ENOENT && mf_paths_has(&run->implicit, run->path))
                return 0;
        int r = from < 0 || to < 0 ? -errno : mf_copy_dir_metadata(from, to);
        if (r == 0)
                r = fstat(to, &st) < 0 ? -errno : mf_record_add(run->record, run->path, &st, NULL, to, NULL);
        return r < 0 ? cannot(run, r, "finishing") : 0;
}

static int is_there(void *userdata, const char *path)
{
        const struct run *run = userdata;

        return faccessat(run->dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int make_all(struct run *run)
{
        int r = mf_dirs_list_load(MF_IMPLIED_DIRS, &run->implicit, run->filter->image_fd);

        for (size_t i = 0; i < run->table.n && r == 0; i++)
                if (passes(run, &run->table.line[i]))
                        r = add(run, &run->table.line[i]);
        for (size_t i = run->table.n; i > 0 && r == 0; i--)
                if (run->table.line[i - 1].field[MF_RECORD_TYPE][0] == 'd' && passes(run, &run->table.line[i - 1]))
                        r = finish_directory(run);
        if (r == 0)
                r = mf_dirs_list_write(MF_IMPLIED_DIRS, &run->implicit, is_there, run, run->dirfd, run->record);
        return r < 0 ? mf_error_errno(run->err, r, MAYFLY_STAGE_STORE, "making a layer of the image %.20s...",
                                      run->filter->image_id)
                     : 0;
}

static int make(void *userdata, int dirfd, struct mf_record *record, struct mayfly_error *err)
{
        const struct mf_filter *filter = userdata;
        struct run *run = calloc(1, sizeof(*run));

        if (!run)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        *run = (struct run){ .filter = filter, .dirfd = dirfd, .record = record, .err = err };
        int r = mf_record_table_need(&run->table, filter->image_fd, filter->image_id, err);
        if (r == 0)
                r = make_all(run);
        mf_paths_clear(&run->implicit);
        mf_record_table_clear(&run->table);
        free(run);
        return r;
}

int mf_filter_layer(struct mf_cached_layer *ret, struct mf_filter *filter, struct mayfly_error *err)
{
        struct mf_cached_layer cached = { .make = make, .userdata = filter };
        FILE *f = open_memstream(&cached.text, &cached.size);
        mf_cleanup(mf_freep) char *escaped = NULL;

        if (!f)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        fprintf(f, "mayfly-layer 1\nimage %s\n", filter->image_id);
        int failed = 0;
        for (size_t i = 0; i < filter->n; i++) {
                fputs("whitelist\n", f);
                for (size_t k = 0; k < filter->whitelist[i]->paths.n && !failed; k++) {
                        const char *path = filter->whitelist[i]->paths.path[k];
                        free(escaped);
                        escaped = malloc(strlen(path) * 4 + 1);
                        if (escaped)
                                mf_record_escape(escaped, path);
                        failed = !escaped || fprintf(f, "/%s\n", escaped) < 0;
                }
        }
        failed |= ferror(f);
        if (fclose(f) != 0 || failed || mf_layer_cache_name(&cached) < 0) {
                free(cached.text);
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        *ret = cached;
        return 0;
}
