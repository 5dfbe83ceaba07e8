/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"
#include "protocol/files.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define LIST_BYTES_MAX ((size_t) 256 * 1024 * 1024)

/* Adds the information on an open file to the answer. Returns 0 or negative errno. */
static int add_info(struct mf_pack *pack, int fd)
{
        char target[PATH_MAX] = "";
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        const int is_link = S_ISLNK(st.st_mode);
        if (is_link && readlinkat(fd, "", target, sizeof(target) - 1) < 0)
                return -errno;
        mf_pack_number(pack, st.st_mode);
        mf_pack_number(pack, st.st_uid);
        mf_pack_number(pack, st.st_gid);
        mf_pack_number(pack, (uint64_t) st.st_size);
        mf_pack_number(pack, (uint64_t) (st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec));
        mf_pack_number(pack, st.st_nlink);
        mf_pack_string(pack, is_link ? target : NULL);
        return 0;
}

int files_stat(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const int follows = mf_unpack_number(&call->arguments) != 0;

        mf_cleanup(mf_closep) int fd = files_open(path, O_PATH | (follows ? 0 : O_NOFOLLOW));
        int r = fd < 0 ? fd : add_info(&call->answer.result, fd);
        return r < 0 ? files_say(err, r, path, "found") : 0;
}

static int add_file(struct mf_pack *pack, int directory, const char *name)
{
        mf_cleanup(mf_closep) int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        mf_pack_string(pack, fd < 0 ? NULL : name); /* it was removed meanwhile */
        return fd < 0 ? 0 : add_info(pack, fd);
}

int files_list(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        char **names = NULL;
        size_t n = 0;

        mf_cleanup(mf_closep) int fd = files_open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        int r = fd < 0 ? fd : mf_dir_names_up_to(fd, MF_FILES_ENTRIES_MAX, &names);
        while (r == 0 && names[n])
                n++;
        mf_pack_number(&call->answer.result, n);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = call->answer.result.bytes.size < LIST_BYTES_MAX ? add_file(&call->answer.result, fd, names[i])
                                                                    : -EFBIG;
        mf_strv_free(names);
        if (r == -EFBIG)
                return mf_error(err, r, MAYFLY_STAGE_FILES,
                                "%s in the container cannot be listed: it has more than %u files, or their names and "
                                "targets take more than 256 MiB; let a command in the container choose some of them",
                                path, MF_FILES_ENTRIES_MAX);
        return r < 0 ? files_say(err, r, path, "listed") : 0;
}
