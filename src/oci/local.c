/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/read.h"
#include "archive/tar.h"
#include "oci/digest.h"
#include "oci/docker.h"
#include "oci/document.h"
#include "oci/files.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define DEPTH_MAX 4
#define DOCUMENTS_MAX 1000U /* that are read for one answer */
#define HEAD 65536          /* bytes to guess by */
#define NAME_MAX_BLOB (MF_ID_LENGTH + 16)

struct local {
        struct mf_oci_source source;
        struct mf_oci_files *files;
        int is_layout;
        struct mf_buffer index; /* index.json of a layout */
        struct mf_docker_images docker;
        unsigned documents; /* that were read for the answer at hand */
        int (*cancelled)(void *userdata);
        void *userdata;
};

static void free_local(struct mf_oci_source *source)
{
        struct local *local = (struct local *) source; /* its first member */

        mf_docker_images_clear(&local->docker);
        mf_buffer_clear(&local->index);
        mf_oci_files_free(local->files);
        free(source->shown);
        free(local);
}

/* Copies a buffer. Returns 0 or -ENOMEM. */
static int copy_buffer(struct mf_buffer *ret, const struct mf_buffer *from)
{
        *ret = (struct mf_buffer){ 0 };
        return mf_buffer_add(ret, from->data, from->size);
}

/* Sets *ret to the name of a blob in a layout, "blobs/sha256/<hex>". */
static void blob_name(const char *digest, char ret[NAME_MAX_BLOB])
{
        snprintf(ret, NAME_MAX_BLOB, "blobs/%.6s/%s", digest, digest + 7);
}

/* Begins an answer, which may read so many documents. */
static void begin(struct local *local, int (*cancelled)(void *userdata), void *userdata)
{
        local->documents = 0;
        local->cancelled = cancelled;
        local->userdata = userdata;
}

/* Counts a document that an index names. Indexes that name each other's copies many times lead to more documents than can be read. Returns 0,
 * -EFBIG or -ECANCELED. */
static int count_document(struct local *local, struct mayfly_error *err)
{
        if (++local->documents > DOCUMENTS_MAX)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_MANIFEST,
                                "the indexes in %s lead to more than %u documents; copy the images that are needed to "
                                "a layout of their own",
                                local->source.shown, DOCUMENTS_MAX);
        if (local->cancelled && local->cancelled(local->userdata))
                return mf_error(err, -ECANCELED, MAYFLY_STAGE_MANIFEST, "reading %s was cancelled",
                                local->source.shown);
        return 0;
}

/* --- finding an image by its config --------------------------------------------------------------------------------- */

/* Calls `each` for every manifest that the index leads to, until it returns non-zero, and returns that. Documents that are missing or
 * damaged are passed over: the layout may have a part of a larger image. Returns also -EFBIG or -ECANCELED, with an error. */
static int each_manifest(struct local *local, const struct mf_buffer *text, int depth,
                         int (*each)(void *userdata, const struct mf_buffer *text,
                                     const struct mf_oci_document *manifest, const char *name),
                         void *userdata, struct mayfly_error *err)
{
        struct mf_oci_document index = { 0 };
        int r = 0;

        if (depth > DEPTH_MAX || mf_oci_document_parse(&index, text->data, text->size, NULL) < 0)
                return 0;
        for (size_t i = 0; index.kind == MF_OCI_INDEX && i < index.n && r == 0; i++) {
                struct mf_oci_document document = { 0 };
                struct mf_buffer inner = { 0 };
                char name[NAME_MAX_BLOB];
                blob_name(index.list[i].digest, name);
                r = count_document(local, err);
                if (r < 0 || mf_oci_files_read(local->files, name, MF_OCI_DOCUMENT_MAX, &inner, NULL) < 0)
                        continue;
                if (mf_oci_document_parse(&document, inner.data, inner.size, NULL) == 0) {
                        if (document.kind == MF_OCI_INDEX)
                                r = each_manifest(local, &inner, depth + 1, each, userdata, err);
                        else if (document.kind == MF_OCI_MANIFEST)
                                r = each(userdata, &inner, &document, index.list[i].ref_name);
                        mf_oci_document_clear(&document);
                }
                mf_buffer_clear(&inner);
        }
        mf_oci_document_clear(&index);
        return r;
}

struct search {
        const char *digest;
        struct mf_buffer found;
        char known[1500]; /* the images that are there, for the message */
        size_t used;
};

/* Adds an image to those that the message lists. */
static void add_known(struct search *search, const char *config, const char *name)
{
        if (search->used < sizeof(search->known) && !strstr(search->known, config))
                search->used += (size_t) snprintf(search->known + search->used, sizeof(search->known) - search->used,
                                                  "%s%s%s%.100s%s", search->used ? ", " : "", config, name ? " (" : "",
                                                  name ? name : "", name ? ")" : "");
}

static int match_config(void *userdata, const struct mf_buffer *text, const struct mf_oci_document *manifest,
                        const char *name)
{
        struct search *search = userdata;

        add_known(search, manifest->config.digest, name);
        if (strcmp(manifest->config.digest, search->digest) != 0)
                return 0;
        int r = copy_buffer(&search->found, text);
        return r < 0 ? r : 1;
}

/* Finds the manifest of the image whose config has the digest. Returns 0, -ENOENT with an error, or -ENOMEM. */
static int find_by_config(struct local *local, const char *digest, struct mf_buffer *ret, struct mayfly_error *err)
{
        struct search search = { .digest = digest };
        int r = 0;

        if (local->is_layout) {
                r = each_manifest(local, &local->index, 0, match_config, &search, err);
        } else {
                for (size_t i = 0; i < local->docker.n && r == 0; i++) {
                        const struct mf_docker_image *image = &local->docker.list[i];
                        add_known(&search, image->config, image->tag);
                        if (strcmp(image->config, digest) == 0) {
                                r = copy_buffer(&search.found, &image->manifest);
                                r = r < 0 ? r : 1;
                        }
                }
        }
        if (r < 0)
                return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : r;
        if (r == 0)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_MANIFEST, "%s has no image %s; it has %s%s",
                                local->source.shown, digest, search.used ? search.known : "none that can be read",
                                search.used ? ". Pin that ID if it is the image that you mean" : "; check the path");
        *ret = search.found;
        return 0;
}

/* --- the source --------------------------------------------------------------------------------------------------- */

/* Reads a document of a layout that is there as a blob. Returns 0, -ENOENT without an error, also for the config of an image, which leads
 * to the image's manifest, or another negative errno. */
static int read_document(struct local *local, const char *digest, struct mf_buffer *ret, struct mayfly_error *err)
{
        struct mf_oci_document document = { 0 };
        char name[NAME_MAX_BLOB];

        blob_name(digest, name);
        int r = mf_oci_files_read(local->files, name, MF_OCI_DOCUMENT_MAX, ret, err);
        if (r < 0)
                return r;
        r = mf_oci_document_parse(&document, ret->data, ret->size, NULL);
        int is_config = r == 0 && document.kind == MF_OCI_CONFIG;
        if (r == 0)
                mf_oci_document_clear(&document);
        if (!is_config)
                return 0;
        mf_buffer_clear(ret);
        return -ENOENT;
}

/* Reads what the archive has, for a reference that is not pinned. Returns 0 or negative errno. */
static int read_unpinned(struct local *local, struct mf_buffer *ret, struct mayfly_error *err)
{
        struct search search = { .digest = "" };

        if (local->is_layout || local->docker.n == 1)
                return copy_buffer(ret, local->is_layout ? &local->index : &local->docker.list[0].manifest) == 0
                               ? 0
                               : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        for (size_t i = 0; i < local->docker.n; i++)
                add_known(&search, local->docker.list[i].config, local->docker.list[i].tag);
        return mf_error(err, local->docker.n ? -EINVAL : -ENOENT, MAYFLY_STAGE_MANIFEST, "%s has %s%s",
                        local->source.shown, local->docker.n ? "several images: " : "no image; check the path",
                        search.known);
}

static int get_manifest(struct mf_oci_source *source, const char *which, struct mf_buffer *ret, char **ret_media_type,
                        int (*cancelled)(void *userdata), void *userdata, struct mayfly_error *err)
{
        struct local *local = (struct local *) source;
        struct mf_buffer document = { 0 };
        char id[MF_ID_LENGTH + 1];
        int r = -ENOENT;

        begin(local, cancelled, userdata);
        if (!which || mf_image_id_of_digest(which, id) < 0)
                r = read_unpinned(local, &document, err);
        else if (local->is_layout)
                r = read_document(local, which, &document, err);
        if (r == -ENOENT && which)
                r = find_by_config(local, which, &document, err);
        if (r < 0)
                return r;
        *ret = document;
        *ret_media_type = NULL;
        return 0;
}

/* Finds the file of a blob. Returns as mf_oci_files_get(). */
static int find_blob(const struct local *local, const char *digest, struct mf_oci_file *ret, struct mayfly_error *err)
{
        char name[NAME_MAX_BLOB];

        if (local->is_layout) {
                blob_name(digest, name);
                return mf_oci_files_get(local->files, name, ret, err);
        }
        for (size_t i = 0; i < local->docker.n; i++) {
                const struct mf_docker_image *image = &local->docker.list[i];
                if (strcmp(image->config, digest) == 0)
                        return mf_oci_files_get(local->files, image->config_file, ret, err);
                for (size_t k = 0; k < image->n_layers; k++)
                        if (strcmp(image->layers[k].digest, digest) == 0)
                                return mf_oci_files_get(local->files, image->layers[k].file, ret, err);
        }
        return -ENOENT;
}

/* Hands a file's bytes to the sink. Returns 0 or negative errno. */
static int send_file(const struct local *local, const struct mf_oci_file *file, const struct mf_oci_blob *blob,
                     const struct mf_oci_sink *sink, struct mayfly_error *err)
{
        char block[65536];

        for (uint64_t at = 0; at < file->size;) {
                size_t want = file->size - at < sizeof(block) ? (size_t) (file->size - at) : sizeof(block);
                ssize_t n = pread(file->fd, block, want, (off_t) (file->offset + at));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return mf_error(err, n < 0 ? -errno : -EIO, MAYFLY_STAGE_ARCHIVE,
                                        "the blob %s in %s cannot be read: %s", blob->digest, local->source.shown,
                                        n < 0 ? strerrordesc_np(errno) : "it has become shorter");
                if (sink->cancelled && sink->cancelled(sink->userdata))
                        return mf_error(err, -ECANCELED, MAYFLY_STAGE_ARCHIVE, "reading %s was cancelled",
                                        local->source.shown);
                int r = sink->data(sink->userdata, block, (size_t) n);
                if (r < 0)
                        return r;
                at += (uint64_t) n;
        }
        return 0;
}

static int get_blob(struct mf_oci_source *source, const struct mf_oci_blob *blob, const struct mf_oci_sink *sink,
                    struct mayfly_error *err)
{
        struct local *local = (struct local *) source;
        struct mf_oci_file file;

        int r = find_blob(local, blob->digest, &file, err);
        if (r == -ENOENT)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                "%s does not have the blob %s, a part of the image; copy the whole image there",
                                source->shown, blob->digest);
        if (r < 0)
                return r;
        r = send_file(local, &file, blob, sink, err);
        mf_oci_file_close(&file);
        return r;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Reads what says which images there are. Returns 0 or negative errno. */
static int open_local(struct local *local, struct mayfly_error *err)
{
        const char *kind = mf_oci_files_is_directory(local->files) ? "directory" : "archive";

        int r = mf_oci_files_read(local->files, "index.json", MF_OCI_DOCUMENT_MAX, &local->index, err);
        if (r == 0) {
                local->is_layout = 1;
                return 0;
        }
        if (r != -ENOENT)
                return r;
        r = mf_docker_images_read(&local->docker, local->files, err);
        if (r == -ENOENT)
                return mf_error(
                        err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                        "the %s %s has neither an index.json (an OCI layout) nor a manifest.json (docker save); "
                        "check the path",
                        kind, local->source.shown);
        return r;
}

int mf_oci_local_open(struct mf_oci_source **ret, const char *path, const struct mf_spool_limits *limits,
                      struct mayfly_error *err)
{
        static const struct mf_oci_source_type type = { get_manifest, get_blob, free_local };
        struct local *local = calloc(1, sizeof(*local));

        if (!local)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        local->source = (struct mf_oci_source){ .type = &type, .shown = strdup(path) };
        int r = local->source.shown ? mf_oci_files_open(&local->files, path, limits, err)
                                    : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0)
                r = open_local(local, err);
        if (r < 0)
                free_local(&local->source);
        else
                *ret = &local->source;
        return r;
}

/* --- all images --------------------------------------------------------------------------------------------------- */

/* Reads a document that an index names, and compares its size and digest. Returns 0 or negative errno. */
static int read_listed(const struct local *local, const struct mf_oci_descriptor *descriptor, struct mf_buffer *ret,
                       struct mayfly_error *err)
{
        char name[NAME_MAX_BLOB], digest[MF_ID_LENGTH + 1];

        blob_name(descriptor->digest, name);
        int r = mf_oci_files_read(local->files, name, MF_OCI_DOCUMENT_MAX, ret, err);
        if (r == -ENOENT)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "there is no blob %s, which an index names; copy the whole image there",
                                descriptor->digest);
        if (r < 0)
                return r;
        r = mf_oci_digest(ret, descriptor->digest, digest, err);
        if (r == 0 && (ret->size != descriptor->size || strcmp(digest, descriptor->digest) != 0))
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                             "the blob %s has %zu bytes and the digest %s; an index says that it has %llu bytes",
                             descriptor->digest, ret->size, digest, (unsigned long long) descriptor->size);
        if (r < 0)
                mf_buffer_clear(ret);
        return r;
}

/* Adds the manifests of an index to the list. Returns 0 or negative errno. */
static int list_index(struct local *local, const struct mf_buffer *text, int depth, struct mf_strings *ret,
                      struct mayfly_error *err)
{
        struct mf_oci_document index = { 0 };

        int r = mf_oci_document_parse(&index, text->data, text->size, err);
        if (r == 0 && index.kind != MF_OCI_INDEX)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "index.json is not an index");
        if (r == 0 && depth > DEPTH_MAX)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "indexes are nested more than %d deep", DEPTH_MAX);
        for (size_t i = 0; i < index.n && r == 0; i++) {
                struct mf_oci_document document = { 0 };
                struct mf_buffer inner = { 0 };
                r = count_document(local, err);
                if (r == 0)
                        r = read_listed(local, &index.list[i], &inner, err);
                if (r == 0)
                        r = mf_oci_document_parse(&document, inner.data, inner.size, err);
                if (r == 0 && document.kind == MF_OCI_INDEX)
                        r = list_index(local, &inner, depth + 1, ret, err);
                else if (r == 0 && mf_strings_add(ret, strdup(index.list[i].digest)) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                mf_oci_document_clear(&document);
                mf_buffer_clear(&inner);
        }
        mf_oci_document_clear(&index);
        return r;
}

/* Checks the file that says that a directory is a layout. Returns 0 or negative errno. */
static int check_version(const struct local *local, struct mayfly_error *err)
{
        struct mf_buffer text = { 0 };

        int r = mf_oci_files_read(local->files, "oci-layout", 4096, &text, err);
        if (r == -ENOENT)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "there is no file \"oci-layout\", which every layout has");
        if (r == 0)
                r = mf_oci_layout_check(text.data, text.size, err);
        mf_buffer_clear(&text);
        return r;
}

int mf_oci_local_list(struct mf_oci_source *source, char ***ret, int (*cancelled)(void *userdata), void *userdata,
                      struct mayfly_error *err)
{
        struct local *local = (struct local *) source;
        struct mf_strings list = { 0 };
        int r = 0;

        begin(local, cancelled, userdata);
        if (local->is_layout) {
                r = check_version(local, err);
                if (r == 0)
                        r = list_index(local, &local->index, 0, &list, err);
        }
        for (size_t i = 0; i < local->docker.n && r == 0; i++)
                if (mf_strings_add(&list, strdup(local->docker.list[i].config)) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0 && list.n == 0)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "there is no image");
        if (r < 0)
                mf_strings_clear(&list);
        else
                *ret = list.list;
        return r;
}

/* --- guessing ------------------------------------------------------------------------------------------------------- */

/* Whether archives of images have a file of this name: "blobs/...", "manifest.json", "<64 hex>.json", "sha256:<64 hex>". */
static int is_of_images(const char *name)
{
        static const char *const names[] = { "blobs", "oci-layout", "index.json", "manifest.json", "repositories" };
        const size_t length = strcspn(name, "/");

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                if (strlen(names[i]) == length && memcmp(name, names[i], length) == 0)
                        return 1;
        name += strncmp(name, "sha256:", 7) == 0 ? 7 : 0;
        return strspn(name, "0123456789abcdef") == 64;
}

/* The first bytes of a tar. */
struct head {
        char bytes[HEAD];
        ssize_t size;
};

static ssize_t give_head(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct head *head = userdata;
        const ssize_t n = head->size;

        (void) err;
        *ret = head->bytes;
        head->size = 0;
        return n;
}

/* Whether the compressed file begins as an archive of images, and not as an ACI. Returns 1, 0, or -ENOMEM. */
static int begins_as_images(int fd)
{
        mf_cleanup(mf_freep) struct head *head = malloc(sizeof(*head));
        char name[PATH_MAX] = "";
        struct mf_entry entry;
        const char *why;

        if (!head)
                return -ENOMEM;
        head->size = mf_spool_head(fd, head->bytes, sizeof(head->bytes));
        struct mf_tar *tar = head->size > 0 ? mf_tar_new(give_head, head) : NULL;
        while (tar && !*name && mf_tar_next(tar, &entry, NULL) > 0)
                mf_entry_normalize(entry.name + strspn(entry.name, "/"), name, &why);
        mf_tar_free(tar);
        return is_of_images(name);
}

/* Whether the directory, or the tar that is not compressed, has what images are found by. Returns 1, 0, or -ENOMEM. */
static int has_images(const char *path)
{
        static const char *const names[] = { "index.json", "manifest.json" };
        static const struct mf_spool_limits none = { 0 };
        struct mf_oci_files *files = NULL;
        struct mf_oci_file file;
        int found = 0;

        int r = mf_oci_files_open(&files, path, &none, NULL);
        for (size_t i = 0; i < MF_ELEMENTSOF(names) && r == 0 && !found; i++)
                if (mf_oci_files_get(files, names[i], &file, NULL) == 0) {
                        mf_oci_file_close(&file);
                        found = 1;
                }
        mf_oci_files_free(files);
        return r == -ENOMEM ? r : found;
}

int mf_oci_is_local(const char *path)
{
        char head[MF_ARCHIVE_HEAD];

        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);
        return n > 0 && mf_archive_is_compressed(head, (size_t) n) ? begins_as_images(fd) : has_images(path);
}
