/* SPDX-License-Identifier: MIT */
#include <mayfly/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "util/error.h"
#include "util/macro.h"

/* What files are, and changes of single ones. */

/* Begins a request about the path. Returns 0 or negative errno with an error. */
static int begin(struct mayfly_container *container, const char *function, const char *path, struct mf_pack *ret,
                 struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a container", function);
        int r = mf_container_check_use(container, err);
        if (r == 0)
                r = mf_files_check_path(path, err);
        if (r == 0)
                mf_pack_string(ret, path);
        return r;
}

/* Asks for an operation that has the path in `arguments`, and up to two numbers. */
static int ask(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
               uint64_t first, uint64_t second, struct mayfly_error *err)
{
        mf_pack_number(arguments, first);
        mf_pack_number(arguments, second);
        return mf_files_ask(container, operation, arguments, err);
}

/* Does the same, where there is no result but the error. */
static int change(struct mayfly_container *container, const char *function, enum mf_operation operation,
                  const char *path, uint64_t first, uint64_t second, struct mayfly_error *err)
{
        struct mf_pack arguments = { 0 };

        int r = begin(container, function, path, &arguments, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        return ask(container, operation, &arguments, first, second, err);
}

MF_EXPORT int mayfly_container_mkdir(struct mayfly_container *container, const char *path, mode_t mode,
                                     struct mayfly_error *err)
{
        return change(container, __func__, MF_OPERATION_FILES_MKDIR, path, mode & 07777, 0, err);
}

MF_EXPORT int mayfly_container_remove(struct mayfly_container *container, const char *path, struct mayfly_error *err)
{
        return change(container, __func__, MF_OPERATION_FILES_REMOVE, path, 0, 0, err);
}

MF_EXPORT int mayfly_container_chmod(struct mayfly_container *container, const char *path, mode_t mode,
                                     struct mayfly_error *err)
{
        return change(container, __func__, MF_OPERATION_FILES_CHMOD, path, mode & 07777, 0, err);
}

MF_EXPORT int mayfly_container_chown(struct mayfly_container *container, const char *path, uid_t uid, gid_t gid,
                                     struct mayfly_error *err)
{
        return change(container, __func__, MF_OPERATION_FILES_CHOWN, path, uid, gid, err);
}

/* --- information ---------------------------------------------------------------------------------------------- */

/* Reads an information into one block of memory. Returns NULL: out of memory, or an answer that is not mayfly's. */
static struct mayfly_file_info *read_info(struct mf_unpack *answer, const char *name)
{
        struct mayfly_file_info info = { .size = sizeof(info) };

        info.mode = (mode_t) mf_unpack_number(answer);
        info.uid = (uid_t) mf_unpack_number(answer);
        info.gid = (gid_t) mf_unpack_number(answer);
        info.bytes = mf_unpack_number(answer);
        info.mtime_ns = (int64_t) mf_unpack_number(answer);
        info.links = mf_unpack_number(answer);
        const char *target = mf_unpack_string(answer);
        const size_t name_size = strlen(name) + 1, target_size = target ? strlen(target) + 1 : 0;
        struct mayfly_file_info *made = answer->failed ? NULL : malloc(sizeof(info) + name_size + target_size);
        if (!made)
                return NULL;
        char *strings = (char *) (made + 1);
        info.name = memcpy(strings, name, name_size);
        info.target = target ? memcpy(strings + name_size, target, target_size) : NULL;
        *made = info;
        return made;
}

/* The last part of a path: of "/" that itself. */
static const char *last_part(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash[1] ? slash + 1 : path;
}

static int look(struct mayfly_container *container, const char *function, const char *path, int follows,
                struct mayfly_file_info **ret, struct mayfly_error *err)
{
        struct mf_pack arguments = { 0 };

        if (container && !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a place for its result", function);
        int r = begin(container, function, path, &arguments, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        r = ask(container, MF_OPERATION_FILES_STAT, &arguments, (uint64_t) follows, 0, err);
        if (r < 0)
                return r;
        struct mf_unpack answer = mf_files_result(container);
        struct mayfly_file_info *info = read_info(&answer, last_part(path));
        if (!info)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        *ret = info;
        return 0;
}

MF_EXPORT int mayfly_container_stat(struct mayfly_container *container, const char *path, struct mayfly_file_info **ret,
                                    struct mayfly_error *err)
{
        return look(container, __func__, path, 1, ret, err);
}

MF_EXPORT int mayfly_container_lstat(struct mayfly_container *container, const char *path,
                                     struct mayfly_file_info **ret, struct mayfly_error *err)
{
        return look(container, __func__, path, 0, ret, err);
}

MF_EXPORT struct mayfly_file_info *mayfly_file_info_free(struct mayfly_file_info *info)
{
        free(info);
        return NULL;
}

MF_EXPORT int mayfly_container_exists(struct mayfly_container *container, const char *path, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = change(container, __func__, MF_OPERATION_FILES_STAT, path, 1, 0, &why);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0)
                mf_error_copy(err, r, why.stage, why.message);
        return r < 0 ? r : 1;
}

MF_EXPORT struct mayfly_file_info **mayfly_file_list_free(struct mayfly_file_info **list)
{
        for (struct mayfly_file_info **info = list; info && *info; info++)
                free(*info);
        free(list);
        return NULL;
}

/* Reads a list. Returns NULL: out of memory, or an answer that is not mayfly's. */
static struct mayfly_file_info **read_list(struct mf_unpack *answer)
{
        const uint64_t n = mf_unpack_number(answer);
        struct mayfly_file_info **list = n <= answer->left ? calloc(n + 1, sizeof(*list)) : NULL;
        size_t size = 0;

        for (uint64_t i = 0; list && i < n; i++) {
                const char *name = mf_unpack_string(answer);
                if (!name && !answer->failed)
                        continue;
                list[size] = name ? read_info(answer, name) : NULL;
                if (!list[size++])
                        return (void *) mayfly_file_list_free(list);
        }
        return list;
}

MF_EXPORT int mayfly_container_list(struct mayfly_container *container, const char *path,
                                    struct mayfly_file_info ***ret, struct mayfly_error *err)
{
        struct mf_pack arguments = { 0 };

        if (container && !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s() needs a place for its result", __func__);
        int r = begin(container, __func__, path, &arguments, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        r = ask(container, MF_OPERATION_FILES_LIST, &arguments, 0, 0, err);
        if (r < 0)
                return r;
        struct mf_unpack answer = mf_files_result(container);
        struct mayfly_file_info **list = read_list(&answer);
        if (!list)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        *ret = list;
        return 0;
}
