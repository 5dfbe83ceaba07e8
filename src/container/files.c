/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <mayfly/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "protocol/files.h"
#include "tree/receive.h"
#include "tree/send.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/trace.h"

/* Files into a container and out of it. */

#define READ_MAX ((size_t) 64 * 1024 * 1024)
#define GET_BYTES_MAX (UINT64_C(4) << 30)

/* --- checks --------------------------------------------------------------------------------------------------- */

int mf_files_check_path(const char *path, struct mayfly_error *err)
{
        if (!path || path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the path \"%.200s\" is not absolute; give the path in the container",
                                path ? path : "");
        if (strlen(path) >= PATH_MAX)
                return mf_error(err, -ENAMETOOLONG, MAYFLY_STAGE_SPEC,
                                "the path \"%.60s...\" has %zu bytes; it can have %d", path, strlen(path),
                                PATH_MAX - 1);
        for (const char *part = path; part; part = strchr(part + 1, '/'))
                if (strncmp(part, "/..", 3) == 0 && (part[3] == '/' || part[3] == '\0'))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "the path \"%.200s\" has \"..\"; give the path without", path);
        return 0;
}

static int check_file(const struct mayfly_file *file, struct mayfly_error *err)
{
        const int contents = (file->text != NULL) + (file->data != NULL) + (file->source != NULL);
        struct stat st;

        int r = mf_files_check_path(file->path, err);
        if (r < 0)
                return r;
        if (contents != 1)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the file for %.200s has %s text, data and source; set one of them", file->path,
                                contents == 0 ? "none of" : "more than one of");
        if (file->data_size && !file->data)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the file for %.200s has data_size without data",
                                file->path);
        if (file->mode & ~(mode_t) 07777)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the file for %.200s has mode %#o; give permissions only", file->path,
                                (unsigned) file->mode);
        if (file->source && stat(file->source, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "the source %.200s for %.200s", file->source,
                                      file->path);
        if (file->source && file->mode && S_ISDIR(st.st_mode))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the file for %.200s has a mode, but its source %.200s is a directory, whose files keep "
                        "their own; leave mode 0",
                        file->path, file->source);
        return 0;
}

int mf_files_check_all(const struct mayfly_file *files, struct mayfly_error *err)
{
        int r = 0;

        for (; r == 0 && files && files->size; files++)
                r = check_file(files, err);
        return r;
}

/* --- put ------------------------------------------------------------------------------------------------------ */

/* Sends what `source` names. */
static int send_source(struct mf_stream *stream, const struct mayfly_file *file, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(file->source, O_PATH | O_CLOEXEC);
        mf_cleanup(mf_closep) int proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || proc < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "%s", fd < 0 ? file->source : "/proc/self/fd");
        const struct mf_tree_source source = { .fd = fd,
                                               .proc = proc,
                                               .label = strcmp(file->source, "/") == 0 ? "" : file->source,
                                               .where = "",
                                               .has_mode = file->mode != 0,
                                               .mode = file->mode };
        return mf_tree_send(stream, &source, err);
}

static int send_content(struct mf_stream *stream, const struct mayfly_file *file, struct mayfly_error *err)
{
        const void *data = file->text ? file->text : file->data;
        const size_t size = file->text ? strlen(file->text) : file->data_size;

        if (file->source)
                return send_source(stream, file, err);
        return mf_tree_send_data(stream, data, size, file->mode ? file->mode : 0644);
}

static int put(struct mayfly_container *container, const struct mayfly_file *file, struct mayfly_error *err)
{
        const unsigned keep_owners = file->keep_owners && file->source ? MF_FILES_KEEP_OWNERS : 0;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_pack arguments = { 0 };
        struct mf_stream stream;

        mf_pack_string(&arguments, file->path);
        mf_pack_number(&arguments, keep_owners | (file->mode ? MF_FILES_KEEP_SET_IDS : 0));
        mf_pack_number(&arguments, file->uid);
        mf_pack_number(&arguments, file->gid);
        int r = mf_files_begin(container, MF_OPERATION_FILES_PUT, &arguments, &stream, err);
        if (r < 0)
                return r;
        r = send_content(&stream, file, &why);
        return mf_files_finish(container, &stream, r, &why, err);
}

int mf_files_prepare(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_file *file = container->has_files ? NULL : container->files;
        MF_TRACE("files", container->machine);

        container->files_client.deadline_us = container->start_deadline_us;
        int r = container->spec.keep_files ? mf_files_start(container, err) : 0;
        for (; r == 0 && file && file->size; file++)
                r = put(container, file, err);
        container->files_client.deadline_us = 0;
        if (r == 0)
                container->has_files = 1;
        return r;
}

/* Checks what all functions need. */
static int check(struct mayfly_container *container, const char *function, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a container", function);
        return mf_container_check_use(container, err);
}

MF_EXPORT int mayfly_container_put(struct mayfly_container *container, const struct mayfly_file *file,
                                   struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the file", "MAYFLY_FILE_INIT", struct mayfly_file, keep_owners);
        struct mayfly_file own = MAYFLY_FILE_INIT;

        int r = check(container, __func__, err);
        if (r == 0 && !file)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a file", __func__);
        if (r == 0)
                r = mf_options_take(&own, file, &kind, err);
        if (r == 0)
                r = check_file(&own, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        return put(container, &own, err);
}

/* --- get ------------------------------------------------------------------------------------------------------ */

static int begin_get(struct mayfly_container *container, const char *path, int is_file, uint64_t max_entries,
                     struct mf_stream *stream, struct mayfly_error *err)
{
        struct mf_pack arguments = { 0 };

        mf_pack_string(&arguments, path);
        mf_pack_number(&arguments, (uint64_t) is_file);
        mf_pack_number(&arguments, max_entries);
        return mf_files_begin(container, MF_OPERATION_FILES_GET, &arguments, stream, err);
}

/* Opens the directory above a path of the host; *ret_name is the path's last part, in `copy`. */
static int open_above(char *copy, const char **ret_name, struct mayfly_error *err)
{
        size_t length = strlen(copy);

        while (length > 1 && copy[length - 1] == '/')
                copy[--length] = '\0';
        char *slash = strrchr(copy, '/');
        *ret_name = slash ? slash + 1 : copy;
        if (!**ret_name)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the target \"%s\" has no last part; give the path that the copy will have", copy);
        if (slash)
                *slash = '\0';
        const char *above = !slash ? "." : slash == copy ? "/" : copy;
        int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "the directory %s for the copy", above) : fd;
}

static int get(struct mayfly_container *container, const char *path, const char *target_path,
               const struct mayfly_get_options *options, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *copy = strdup(target_path);
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_tree_target target = { .into = -1,
                                         .label = target_path,
                                         .where = "",
                                         .keep_owners = options->keep_owners,
                                         .max_bytes = options->max_bytes ? options->max_bytes : GET_BYTES_MAX,
                                         .max_entries =
                                                 options->max_entries ? options->max_entries : MF_FILES_ENTRIES_MAX,
                                         .uid = (uid_t) -1,
                                         .gid = (gid_t) -1 };
        struct mf_stream stream;

        if (!copy)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        mf_cleanup(mf_closep) int parent = open_above(copy, &target.name, err);
        if (parent < 0)
                return parent;
        target.parent = parent;
        int r = begin_get(container, path, 0, target.max_entries, &stream, err);
        if (r < 0)
                return r;
        r = mf_tree_receive(&stream, &target, &why);
        return mf_files_finish(container, &stream, r, &why, err);
}

MF_EXPORT int mayfly_container_get(struct mayfly_container *container, const char *path, const char *target,
                                   const struct mayfly_get_options *options, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the options", "MAYFLY_GET_OPTIONS_INIT", struct mayfly_get_options, max_entries);
        struct mayfly_get_options own = MAYFLY_GET_OPTIONS_INIT;

        int r = check(container, __func__, err);
        if (r == 0)
                r = mf_options_take(&own, options, &kind, err);
        if (r == 0)
                r = mf_files_check_path(path, err);
        if (r == 0 && (!target || !*target))
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a target, the path that the copy will have",
                             __func__);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        return get(container, path, target, &own, err);
}

MF_EXPORT int mayfly_container_read_file(struct mayfly_container *container, const char *path, size_t max, char **ret,
                                         size_t *ret_size, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *data = NULL;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_stream stream;
        size_t size = 0;

        int r = check(container, __func__, err);
        if (r == 0 && !ret)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a place for its result", __func__);
        if (r == 0)
                r = mf_files_check_path(path, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        r = begin_get(container, path, 1, 1, &stream, err);
        if (r < 0)
                return r;
        max = max ? max : READ_MAX;
        r = mf_tree_receive_data(&stream, max, &data, &size);
        if (r == -EFBIG)
                (void) mf_error(&why, r, MAYFLY_STAGE_FILES,
                                "%s in the container has more than %zu bytes; raise `max`, or get it into a file", path,
                                max);
        r = mf_files_finish(container, &stream, r, &why, err);
        if (r < 0)
                return r;
        *ret = mf_take(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}
