/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "archive/read.h"
#include "oci/layer-rules.h"
#include "store/check.h"
#include "store/unpack.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/ring.h"

/* A layer of an OCI image, compressed or not, on the whole road from bytes to files. Nothing may be written outside the one directory, and
 * what is there must be what its record says. */

#define TAR_MAX (1U << 20)
#define ID "sha256-0000000000000000000000000000000000000000000000000000000000000000"

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

/* The rings are larger than what they get, so one thread does. */
struct tar {
        char *data;
        size_t size;
};

static struct mf_ring *ring_of(const void *data, size_t size)
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

static int add_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct mf_layer *layer = userdata;
        struct mf_oci_place place;

        int r = mf_oci_entry_place(entry, &place, err);
        if (r < 0 || place.role == MF_OCI_IGNORED)
                return r;
        if (place.role != MF_OCI_ENTRY)
                return mf_layer_hide(layer, place.path, place.role == MF_OCI_OPAQUE, entry, err);
        return mf_layer_add(layer, place.path, place.target, entry, err);
}

static int on_difference(void *userdata, const char *path, const char *what)
{
        (void) userdata;
        fprintf(stderr, "%s: %s\n", path, what);
        abort();
}

/* Compares the layer with its record. */
static void compare(int fd)
{
        struct mf_check check = { .difference = on_difference };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (geteuid() == 0)
                must(mf_check_image(fd, ID, work.path, &check, &err) == 0);
}

static int unpack(const struct tar *tar, struct mayfly_error *err)
{
        struct mf_ring *ring = ring_of(tar->data, tar->size);

        must(mkdirat(work.fd, "layer", 0700) == 0);
        int fd = openat(work.fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(fd >= 0);
        struct mf_layer *layer = mf_layer_new(fd, ID);
        must(layer);
        mf_layer_set_partial(layer);
        int r = mf_untar_layer(ring, add_entry, layer, err);
        if (r == 0)
                r = mf_layer_finish(layer, err);
        mf_layer_free(layer);
        if (r == 0)
                compare(fd);
        mf_close(fd);
        must(mf_remove_tree(work.fd, "layer") == 0);
        must(rmdir(work.path) == 0); /* nothing was beside it */
        mf_close(work.fd);
        make_work();
        mf_ring_free(ring);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tar tar = { .data = malloc(TAR_MAX) };
        struct mf_ring *ring = ring_of(data, size);

        must(tar.data);
        if (work.fd < 0)
                make_work();
        int r = mf_decompress_layer(ring, on_bytes, &tar, &err);
        mf_ring_free(ring);
        if (r == 0)
                r = unpack(&tar, &err);
        if (r < 0 && r != -EFBIG)
                must_have_failed(r, err);
        free(tar.data);
        return 0;
}
