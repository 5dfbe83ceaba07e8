/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/write.h"
#include "oci/digest.h"
#include "oci/write.h"
#include "util/error.h"
#include "util/macro.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define BLOCK 65536

/* The archive that is being written. */
struct archive {
        struct mf_writer *writer;
        struct mf_oci_written layer, config, manifest;
};

/* Sets the digest and the size of the layer's blob. Returns 0 or negative errno. */
static int measure_layer(struct archive *archive, int fd, struct mayfly_error *err)
{
        struct mf_digest *digest = mf_digest_new_like("sha256");
        char block[BLOCK], id[MF_ID_LENGTH + 1];
        ssize_t n = digest ? 1 : -1;

        for (off_t at = 0; n > 0; at += n) {
                n = pread(fd, block, sizeof(block), at);
                if (n > 0 && mf_digest_update(digest, block, (size_t) n) < 0)
                        n = -1;
                if (n > 0)
                        archive->layer.size += (uint64_t) n;
        }
        if (n == 0 && mf_digest_final(digest, id) < 0)
                n = -1;
        mf_digest_free(digest);
        if (n < 0)
                return mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE, "the layer that was written cannot be read back");
        mf_digest_of_image_id(id, archive->layer.digest);
        return 0;
}

/* Sets the digest and the size of a document. Returns 0 or negative errno. */
static int measure(struct mf_oci_written *ret, const struct mf_buffer *text, struct mayfly_error *err)
{
        ret->size = text->size;
        return mf_oci_digest(text, "sha256", ret->digest, err);
}

/* Begins a file of the archive. Returns 0 or negative errno. */
static int put_name(const struct archive *archive, const char *name, uint64_t size, struct mayfly_error *err)
{
        const struct mf_entry entry = { .name = name, .mode = S_IFREG | 0644, .size = size };

        return mf_writer_put(archive->writer, &entry, err);
}

static int put_text(const struct archive *archive, const char *name, const void *text, size_t size,
                    struct mayfly_error *err)
{
        int r = put_name(archive, name, size, err);

        return r == 0 ? mf_writer_data(archive->writer, text, size, err) : r;
}

/* Sets *ret to the name of a blob. */
static void blob_name(const struct mf_oci_written *blob, char ret[MF_ID_LENGTH + 16])
{
        snprintf(ret, MF_ID_LENGTH + 16, "blobs/%.6s/%s", blob->digest, blob->digest + 7);
}

static int put_blob(const struct archive *archive, const struct mf_oci_written *blob, const struct mf_buffer *text,
                    struct mayfly_error *err)
{
        char name[MF_ID_LENGTH + 16];

        blob_name(blob, name);
        return put_text(archive, name, text->data, text->size, err);
}

static int put_layer(const struct archive *archive, int fd, struct mayfly_error *err)
{
        char name[MF_ID_LENGTH + 16], block[BLOCK];
        uint64_t at = 0;

        blob_name(&archive->layer, name);
        int r = put_name(archive, name, archive->layer.size, err);
        while (r == 0 && at < archive->layer.size) {
                ssize_t n = pread(fd, block, sizeof(block), (off_t) at);
                if (n <= 0)
                        return mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE,
                                        "the layer that was written cannot be read back");
                at += (uint64_t) n;
                r = mf_writer_data(archive->writer, block, (size_t) n, err);
        }
        return r;
}

/* Makes the documents, and writes all. Returns 0 or negative errno. */
static int write_all(struct archive *archive, const struct mf_oci_parts *parts, struct mf_buffer documents[3],
                     struct mayfly_error *err)
{
        struct mf_buffer *config = &documents[0], *manifest = &documents[1], *index = &documents[2];
        char diff_id[MF_ID_LENGTH + 1], id[MF_ID_LENGTH + 1];

        mf_digest_of_image_id(parts->diff_id, diff_id);
        int r = mf_oci_write_config(config, parts->config, diff_id, parts->created);
        if (r == 0)
                r = measure(&archive->config, config, err);
        if (r == 0)
                r = mf_oci_write_manifest(manifest, &archive->config, &archive->layer);
        if (r == 0)
                r = measure(&archive->manifest, manifest, err);
        if (r == 0)
                r = mf_oci_write_index(index, &archive->manifest, parts->name);
        if (r < 0)
                return mf_error(err, r, MAYFLY_STAGE_MANIFEST,
                                r == -EINVAL ? "the configuration of the image has text that is not UTF-8"
                                             : "out of memory");
        r = put_text(archive, "oci-layout", LAYOUT, strlen(LAYOUT), err);
        if (r == 0)
                r = put_text(archive, "index.json", index->data, index->size, err);
        if (r == 0)
                r = put_blob(archive, &archive->config, config, err);
        if (r == 0)
                r = put_blob(archive, &archive->manifest, manifest, err);
        if (r == 0)
                r = put_layer(archive, parts->layer, err);
        return r == 0 ? mf_writer_finish(archive->writer, id, err) : r;
}

int mf_oci_archive_write(int fd, const struct mf_oci_parts *parts, struct mayfly_error *err)
{
        struct archive archive = { .layer.media_type = parts->is_gzip ? MF_OCI_TYPE_LAYER "+gzip" : MF_OCI_TYPE_LAYER,
                                   .config.media_type = MF_OCI_TYPE_CONFIG,
                                   .manifest.media_type = MF_OCI_TYPE_MANIFEST };
        struct mf_buffer documents[3] = { 0 };

        int r = measure_layer(&archive, parts->layer, err);
        if (r == 0)
                r = mf_writer_new(&archive.writer, fd, MAYFLY_COMPRESSION_NONE, NULL, err);
        if (r == 0)
                r = write_all(&archive, parts, documents, err);
        for (size_t i = 0; i < MF_ELEMENTSOF(documents); i++)
                mf_buffer_clear(&documents[i]);
        mf_writer_free(archive.writer);
        return r;
}
