/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/spool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/read.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/temporary.h"

struct spool {
        const struct mf_spool_limits *limits;
        int fd;
        uint64_t size;
        int write_error; /* negative errno */
};

/* Writes the next bytes. Returns 0, -EFBIG, -ECANCELED, or negative errno, which write_error has, too. */
static int add(void *userdata, const void *data, size_t size)
{
        struct spool *spool = userdata;

        if (size > spool->limits->max_unpacked - spool->size)
                return -EFBIG;
        if (spool->limits->cancelled && spool->limits->cancelled(spool->limits->userdata))
                return -ECANCELED;
        spool->size += size;
        spool->write_error = mf_write_full(spool->fd, data, size);
        return spool->write_error;
}

/* Sets the error for `r`, which `why` explains unless it is empty. Returns `r`. */
static int explain(int r, const struct mayfly_error *why, const struct spool *spool, const char *path,
                   const char *directory, struct mayfly_error *err)
{
        if (spool->write_error < 0)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                "%s is compressed, and a copy without compression cannot be written to %s after %llu "
                                "bytes: %s; set TMPDIR to a directory with more space, or decompress the file yourself",
                                path, directory, (unsigned long long) spool->size, strerrordesc_np(-r));
        if (r == -EFBIG)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                "%s has more than max_unpacked = %llu bytes without its compression; raise "
                                "max_unpacked if it is meant to be so large",
                                path, (unsigned long long) spool->limits->max_unpacked);
        if (r == -ECANCELED)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE, "reading %s was cancelled", path);
        return mf_error(err, r, MAYFLY_STAGE_ARCHIVE, "%s cannot be read: %s", path,
                        why->message[0] ? why->message : strerrordesc_np(-r));
}

int mf_spool(int fd, const char *path, const struct mf_spool_limits *limits, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const char *directory;

        mf_cleanup(mf_closep) int copy = mf_temporary_file(&directory);
        if (copy < 0)
                return mf_error_errno(err, copy, MAYFLY_STAGE_ARCHIVE,
                                      "%s is compressed, and no temporary file for a copy without compression can be "
                                      "made in %s (set TMPDIR to another directory)",
                                      path, directory);
        struct spool spool = { .limits = limits, .fd = copy };
        if (lseek(fd, 0, SEEK_SET) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be read", path);
        int r = mf_decompress_file(fd, add, &spool, &why);
        return r < 0 ? explain(r, &why, &spool, path, directory, err) : mf_take_fd(&copy);
}

/* The first bytes. */
struct head {
        char *bytes;
        size_t size, wanted;
};

/* Takes bytes until there are enough; then -ENOBUFS ends it. */
static int take(void *userdata, const void *data, size_t size)
{
        struct head *head = userdata;
        const size_t room = head->wanted - head->size, n = size < room ? size : room;

        memcpy(head->bytes + head->size, data, n);
        head->size += n;
        return head->size == head->wanted ? -ENOBUFS : 0;
}

ssize_t mf_spool_head(int fd, void *head, size_t size)
{
        struct head taken = { .bytes = head, .wanted = size };

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        int r = mf_decompress_file(fd, take, &taken, NULL);
        return r == 0 || taken.size > 0 ? (ssize_t) taken.size : r;
}
