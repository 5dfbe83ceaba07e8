/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "util/fd.h"
#include "util/fs.h"

#define TAR_MAX (1U << 20)

static struct {
        char path[64];
        int fd;
} work = { .fd = -1 };

static void remove_work(void)
{
        (void) mf_remove_tree(AT_FDCWD, work.path);
}

static void make_work(void)
{
        static int registered;
        const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

        snprintf(work.path, sizeof(work.path), "%s/mayfly-fuzz-XXXXXX", base);
        must(mkdtemp(work.path));
        work.fd = open(work.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(work.fd >= 0);
        registered = registered || atexit(remove_work) == 0;
}

struct mf_ring *ring_of(const void *data, size_t size)
{
        struct mf_ring *ring = mf_ring_new(size + 1);

        must(ring && mf_ring_push(ring, data, size) == 0);
        mf_ring_finish(ring, 0);
        return ring;
}

static int on_bytes(void *userdata, const void *data, size_t size)
{
        struct tar *tar = userdata;

        if (tar->size + size > TAR_MAX)
                return -EFBIG;
        memcpy(tar->data + tar->size, data, size);
        tar->size += size;
        return 0;
}

int read_tar(struct tar *ret, decompressor *decompress, const uint8_t *data, size_t size, struct mayfly_error *err)
{
        struct mf_ring *ring = ring_of(data, size);

        *ret = (struct tar){ .data = malloc(TAR_MAX) };
        must(ret->data);
        int r = decompress(ring, on_bytes, ret, err);
        mf_ring_free(ring);
        return r;
}

int open_layer(void)
{
        if (work.fd < 0)
                make_work();
        must(mkdirat(work.fd, "layer", 0700) == 0);
        int fd = openat(work.fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(fd >= 0);
        return fd;
}

const char *layers_parent(void)
{
        return work.path;
}

void remove_layer(int fd)
{
        mf_close(fd);
        must(mf_remove_tree(work.fd, "layer") == 0);
        must(rmdir(work.path) == 0); /* nothing was beside it */
        mf_close(work.fd);
        make_work();
}
