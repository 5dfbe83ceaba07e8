/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fuzz.h"
#include "layer.h"

#include <errno.h>
#include <unistd.h>

#include "archive/read.h"
#include "oci/layer-rules.h"
#include "store/check.h"
#include "store/unpack.h"
#include "util/ring.h"

/* A layer of an OCI image, compressed or not, on the whole road from bytes to files. Nothing may be written outside the one directory, and
 * what is there must be what its record says. */

#define ID "sha256-0000000000000000000000000000000000000000000000000000000000000000"

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
                must(mf_check_image(fd, ID, layers_parent(), &check, &err) == 0);
}

static int unpack(const struct tar *tar, struct mayfly_error *err)
{
        struct mf_ring *ring = ring_of(tar->data, tar->size);
        int fd = open_layer();
        struct mf_layer *layer = mf_layer_new(fd, ID);

        must(layer);
        mf_layer_set_partial(layer);
        int r = mf_untar_layer(ring, add_entry, layer, err);
        if (r == 0)
                r = mf_layer_finish(layer, err);
        mf_layer_free(layer);
        if (r == 0)
                compare(fd);
        remove_layer(fd);
        mf_ring_free(ring);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tar tar;

        int r = read_tar(&tar, mf_decompress_layer, data, size, &err);
        if (r == 0)
                r = unpack(&tar, &err);
        if (r < 0 && r != -EFBIG)
                must_have_failed(r, err);
        free(tar.data);
        return 0;
}
