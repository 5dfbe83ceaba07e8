/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fuzz.h"
#include "layer.h"

#include <errno.h>
#include <limits.h>

#include "aci/archive-rules.h"
#include "archive/read.h"
#include "store/unpack.h"
#include "util/ring.h"

/* An archive, compressed or not, on the whole road from bytes to files. What the check without files accepts must be
 * what can be unpacked, and the other way round; and nothing may be written outside the one directory. */

static int check_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        char *text = NULL, path[PATH_MAX];
        const char *why;

        int r = mf_archive_rules_add(userdata, entry, err);
        mf_entry_normalize(entry->name, path, &why);
        if (r == 0 && strcmp(path, "manifest") == 0)
                r = mf_entry_text(entry, &text, err);
        free(text);
        return r;
}

struct unpacking {
        struct mf_layer *layer;
        struct mf_parts parts;
};

static int add_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct unpacking *unpacking = userdata;
        struct mf_place place;

        int r = mf_entry_place(entry, &place, err);
        if (r < 0 || !*place.path)
                return r;
        mf_parts_note(&unpacking->parts, place.path);
        return mf_layer_add(unpacking->layer, place.path, place.target, entry, err);
}

static int check(const struct tar *tar, struct mayfly_error *err)
{
        struct mf_ring *ring = ring_of(tar->data, tar->size);
        struct mf_archive_rules *rules = mf_archive_rules_new();

        must(rules);
        int r = mf_untar(ring, check_entry, rules, err);
        if (r == 0)
                r = mf_archive_rules_finish(rules, err);
        mf_archive_rules_free(rules);
        mf_ring_free(ring);
        return r;
}

static int unpack(const struct tar *tar, struct mayfly_error *err)
{
        struct mf_ring *ring = ring_of(tar->data, tar->size);
        int fd = open_layer();
        struct unpacking unpacking = { .layer = mf_layer_new(fd, "sha512-") };

        must(unpacking.layer);
        int r = mf_untar(ring, add_entry, &unpacking, err);
        if (r == 0)
                r = mf_parts_check(&unpacking.parts, err);
        if (r == 0)
                r = mf_layer_finish(unpacking.layer, err);
        mf_layer_free(unpacking.layer);
        remove_layer(fd);
        mf_ring_free(ring);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT, unpack_err = MAYFLY_ERROR_INIT;
        struct tar tar;

        int r = read_tar(&tar, mf_decompress, data, size, &err);
        if (r == 0) {
                r = check(&tar, &err);
                int unpacked = unpack(&tar, &unpack_err);
                if (r == 0 && unpacked == -EBADMSG) {
                        fprintf(stderr, "only unpacking refuses: %s\n", unpack_err.message);
                        abort();
                }
                if (r < 0 && unpacked == 0 && !strstr(err.message, "no entry for that directory") &&
                    !strstr(err.message, "too long a name")) {
                        fprintf(stderr, "only the check refuses: %s\n", err.message);
                        abort();
                }
        }
        if (r < 0 && r != -EFBIG)
                must_have_failed(r, err);
        free(tar.data);
        return 0;
}

#ifdef MAYFLY_FUZZER
/* Changed headers get their checksums right, or nothing would come of them. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
        size = LLVMFuzzerMutate(data, size, max_size);
        for (size_t at = 0; seed % 16 && at + 512 <= size; at += 512) {
                unsigned sum = 0;
                char text[8];
                if (memcmp(data + at + 257, "ustar", 5) != 0)
                        continue;
                memset(data + at + 148, ' ', 8);
                for (size_t i = 0; i < 512; i++)
                        sum += data[at + i];
                snprintf(text, sizeof(text), "%06o", sum);
                memcpy(data + at + 148, text, 7);
        }
        return size;
}
#endif
