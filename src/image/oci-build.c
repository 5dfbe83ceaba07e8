/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/write.h"
#include "oci/digest.h"
#include "oci/write.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define BLOCK 65536

/* The layout that is being written: an archive, or a directory. */
struct layout {
        struct mf_writer *writer; /* NULL: the directory */
        int directory;
        int file; /* of the directory, the one that is being written */
        struct mf_oci_written layer, config, manifest;
};

/* Sets the digest and the size of the layer's blob. Returns 0 or negative errno. */
static int measure_layer(struct layout *layout, int fd, struct mayfly_error *err)
{
        struct mf_digest *digest = mf_digest_new_like("sha256");
        char block[BLOCK], id[MF_ID_LENGTH + 1];
        ssize_t n = digest ? 1 : -1;

        for (off_t at = 0; n > 0; at += n) {
                n = pread(fd, block, sizeof(block), at);
                if (n > 0 && mf_digest_update(digest, block, (size_t) n) < 0)
                        n = -1;
                if (n > 0)
                        layout->layer.size += (uint64_t) n;
        }
        if (n == 0 && mf_digest_final(digest, id) < 0)
                n = -1;
        mf_digest_free(digest);
        if (n < 0)
                return mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE, "the layer that was written cannot be read back");
        mf_digest_of_image_id(id, layout->layer.digest);
        return 0;
}

/* Sets the digest and the size of a document. Returns 0 or negative errno. */
static int measure(struct mf_oci_written *ret, const struct mf_buffer *text, struct mayfly_error *err)
{
        ret->size = text->size;
        return mf_oci_digest(text, "sha256", ret->digest, err);
}

/* Ends the file of the directory. Returns 0 or negative errno. */
static int end_file(struct layout *layout, struct mayfly_error *err)
{
        int r = layout->file >= 0 && fsync(layout->file) < 0 ? -errno : 0;

        layout->file = mf_close(layout->file);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the layout cannot be flushed to the disk") : 0;
}

/* Begins a file of the layout. Returns 0 or negative errno. */
static int put_name(struct layout *layout, const char *name, uint64_t size, struct mayfly_error *err)
{
        const struct mf_entry entry = { .name = name, .mode = S_IFREG | 0644, .size = size };

        if (layout->writer)
                return mf_writer_put(layout->writer, &entry, err);
        int r = end_file(layout, err);
        if (r < 0)
                return r;
        layout->file = openat(layout->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        return layout->file < 0
                       ? mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s of the layout cannot be made", name)
                       : 0;
}

/* Adds to the file that was begun. Returns 0 or negative errno. */
static int put_data(struct layout *layout, const void *data, size_t size, struct mayfly_error *err)
{
        if (layout->writer)
                return mf_writer_data(layout->writer, data, size, err);
        int r = mf_write_full(layout->file, data, size);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the layout cannot be written") : 0;
}

static int put_text(struct layout *layout, const char *name, const void *text, size_t size, struct mayfly_error *err)
{
        int r = put_name(layout, name, size, err);

        return r == 0 ? put_data(layout, text, size, err) : r;
}

/* Sets *ret to the name of a blob. */
static void blob_name(const struct mf_oci_written *blob, char ret[MF_ID_LENGTH + 16])
{
        snprintf(ret, MF_ID_LENGTH + 16, "blobs/%.6s/%s", blob->digest, blob->digest + 7);
}

static int put_blob(struct layout *layout, const struct mf_oci_written *blob, const struct mf_buffer *text,
                    struct mayfly_error *err)
{
        char name[MF_ID_LENGTH + 16];

        blob_name(blob, name);
        return put_text(layout, name, text->data, text->size, err);
}

static int put_layer(struct layout *layout, int fd, struct mayfly_error *err)
{
        char name[MF_ID_LENGTH + 16], block[BLOCK];
        uint64_t at = 0;

        blob_name(&layout->layer, name);
        int r = put_name(layout, name, layout->layer.size, err);
        while (r == 0 && at < layout->layer.size) {
                ssize_t n = pread(fd, block, sizeof(block), (off_t) at);
                if (n <= 0)
                        return mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE,
                                        "the layer that was written cannot be read back");
                at += (uint64_t) n;
                r = put_data(layout, block, (size_t) n, err);
        }
        return r;
}

/* Makes the documents, and writes all. Returns 0 or negative errno. */
static int write_all(struct layout *layout, const struct mf_oci_parts *parts, struct mf_buffer documents[3],
                     struct mayfly_error *err)
{
        struct mf_buffer *config = &documents[0], *manifest = &documents[1], *index = &documents[2];
        char diff_id[MF_ID_LENGTH + 1], id[MF_ID_LENGTH + 1];

        mf_digest_of_image_id(parts->diff_id, diff_id);
        int r = mf_oci_write_config(config, parts->config, diff_id, parts->created);
        if (r == 0)
                r = measure(&layout->config, config, err);
        if (r == 0)
                r = mf_oci_write_manifest(manifest, &layout->config, &layout->layer);
        if (r == 0)
                r = measure(&layout->manifest, manifest, err);
        if (r == 0)
                r = mf_oci_write_index(index, &layout->manifest, parts->name);
        if (r < 0)
                return mf_error(err, r, MAYFLY_STAGE_MANIFEST,
                                r == -EINVAL ? "the configuration of the image has text that is not UTF-8"
                                             : "out of memory");
        r = put_text(layout, "oci-layout", LAYOUT, strlen(LAYOUT), err);
        if (r == 0)
                r = put_text(layout, "index.json", index->data, index->size, err);
        if (r == 0)
                r = put_blob(layout, &layout->config, config, err);
        if (r == 0)
                r = put_blob(layout, &layout->manifest, manifest, err);
        if (r == 0)
                r = put_layer(layout, parts->layer, err);
        if (r < 0)
                return r;
        return layout->writer ? mf_writer_finish(layout->writer, id, err) : end_file(layout, err);
}

/* Prepares the archive or the directory. Returns 0 or negative errno. */
static int begin(struct layout *layout, int fd, struct mayfly_error *err)
{
        struct stat st;

        if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
                return mf_writer_new(&layout->writer, fd, MAYFLY_COMPRESSION_NONE, NULL, err);
        layout->directory = fd;
        if (mkdirat(fd, "blobs", 0777) < 0 || mkdirat(fd, "blobs/sha256", 0777) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the layout cannot be made");
        return 0;
}

int mf_oci_layout_write(int fd, const struct mf_oci_parts *parts, struct mayfly_error *err)
{
        struct layout layout = { .file = -1,
                                 .layer.media_type = parts->is_gzip ? MF_OCI_TYPE_LAYER "+gzip" : MF_OCI_TYPE_LAYER,
                                 .config.media_type = MF_OCI_TYPE_CONFIG,
                                 .manifest.media_type = MF_OCI_TYPE_MANIFEST };
        struct mf_buffer documents[3] = { 0 };

        int r = measure_layer(&layout, parts->layer, err);
        if (r == 0)
                r = begin(&layout, fd, err);
        if (r == 0)
                r = write_all(&layout, parts, documents, err);
        for (size_t i = 0; i < MF_ELEMENTSOF(documents); i++)
                mf_buffer_clear(&documents[i]);
        mf_writer_free(layout.writer);
        mf_close(layout.file);
        return r;
}
