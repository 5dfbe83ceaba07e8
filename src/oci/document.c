/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/json.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define MANIFESTS_MAX ((size_t) 1000)
#define LAYERS_MAX ((size_t) 127) /* as docker, and as many images as can be laid over each other */
#define REF_NAME "org.opencontainers.image.ref.name"

static void clear_descriptor(struct mf_oci_descriptor *descriptor)
{
        free(descriptor->media_type);
        mf_strv_free(descriptor->urls);
        free(descriptor->os);
        free(descriptor->architecture);
        free(descriptor->variant);
        free(descriptor->ref_name);
}

void mf_oci_document_clear(struct mf_oci_document *document)
{
        free(document->media_type);
        clear_descriptor(&document->config);
        for (size_t i = 0; i < document->n; i++)
                clear_descriptor(&document->list[i]);
        free(document->list);
        *document = (struct mf_oci_document){ 0 };
}

/* --- descriptors ------------------------------------------------------------------------------------------------ */

/* Copies a string member, if it is there. Returns 0 or negative errno. */
static int copy_string(json_t *object, const char *what, const char *path, const char *name, char **ret,
                       struct mayfly_error *err)
{
        const char *value = NULL;

        int r = mf_oci_json_string(object, what, path, name, 0, &value, err);
        if (r < 0 || !value)
                return r;
        *ret = strdup(value);
        return *ret ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int read_platform(json_t *item, const char *what, const char *path, struct mf_oci_descriptor *ret,
                         struct mayfly_error *err)
{
        json_t *platform = NULL;
        char at[100];

        snprintf(at, sizeof(at), "%s.platform", path);
        int r = mf_oci_json_object(item, what, at, "platform", &platform, err);
        if (r < 0 || !platform)
                return r;
        r = copy_string(platform, what, at, "os", &ret->os, err);
        if (r == 0)
                r = copy_string(platform, what, at, "architecture", &ret->architecture, err);
        return r == 0 ? copy_string(platform, what, at, "variant", &ret->variant, err) : r;
}

/* Reads the digest. Returns 0 or negative errno. */
static int read_digest(json_t *item, const char *what, const char *path, struct mf_oci_descriptor *ret,
                       struct mayfly_error *err)
{
        char id[MF_ID_LENGTH + 1], at[100];
        const char *digest = NULL;

        snprintf(at, sizeof(at), "%s.digest", path);
        int r = mf_oci_json_string(item, what, at, "digest", 1, &digest, err);
        if (r < 0)
                return r;
        if (mf_image_id_of_digest(digest, id) < 0)
                return mf_oci_json_bad(
                        err, what, at,
                        "\"%.150s\" is not a digest that mayfly can check; it must be sha256: and 64, or "
                        "sha512: and 128 lower-case hex digits",
                        digest);
        strcpy(ret->digest, digest);
        return 0;
}

/* Reads a descriptor. *ret must be zeroed, and is for clear_descriptor() in any case. Returns 0 or negative errno. */
static int read_descriptor(json_t *item, const char *what, const char *path, struct mf_oci_descriptor *ret,
                           struct mayfly_error *err)
{
        json_t *annotations = NULL;
        char at[100];
        int64_t size = 0;

        if (!json_is_object(item)) {
                char shown[MF_OCI_JSON_SHOWN_MAX];
                return mf_oci_json_bad(err, what, path, "%s is not an object", mf_oci_json_show(item, shown));
        }
        int r = read_digest(item, what, path, ret, err);
        snprintf(at, sizeof(at), "%s.size", path);
        if (r == 0)
                r = mf_oci_json_number(item, what, at, "size", -1, &size, err);
        ret->size = (uint64_t) size;
        snprintf(at, sizeof(at), "%s.mediaType", path);
        if (r == 0)
                r = copy_string(item, what, at, "mediaType", &ret->media_type, err);
        if (r == 0 && !ret->media_type && !(ret->media_type = strdup("")))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        snprintf(at, sizeof(at), "%s.urls", path);
        if (r == 0)
                r = mf_oci_json_strings(item, what, at, "urls", &ret->urls, err);
        if (r == 0)
                r = read_platform(item, what, path, ret, err);
        snprintf(at, sizeof(at), "%s.annotations", path);
        if (r == 0)
                r = mf_oci_json_object(item, what, at, "annotations", &annotations, err);
        if (r == 0 && annotations)
                r = copy_string(annotations, what, at, REF_NAME, &ret->ref_name, err);
        return r;
}

/* Reads a list of descriptors. Returns 0 or negative errno. */
static int read_list(json_t *root, const char *what, const char *name, size_t max, struct mf_oci_document *ret,
                     struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;

        int r = mf_oci_json_list(root, what, name, name, max, &list, err);
        if (r < 0)
                return r;
        if (!list)
                return mf_oci_json_bad(err, what, name, "it is missing");
        ret->list = calloc(json_array_size(list) + 1, sizeof(*ret->list));
        if (!ret->list)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                char path[60];
                snprintf(path, sizeof(path), "%s[%zu]", name, i);
                ret->n = i + 1;
                r = read_descriptor(item, what, path, &ret->list[i], err);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- kinds ------------------------------------------------------------------------------------------------------ */

/* Tells what the document is by its members. Returns 0 or -EBADMSG. */
static int find_kind(json_t *root, enum mf_oci_kind *ret, struct mayfly_error *err)
{
        int is_index = mf_oci_json_member(root, "manifests") != NULL,
            is_manifest = mf_oci_json_member(root, "layers") != NULL || mf_oci_json_member(root, "config") != NULL;

        if (mf_oci_json_member(root, "fsLayers") || json_integer_value(json_object_get(root, "schemaVersion")) == 1)
                return mf_error(
                        err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                        "the image has a docker manifest of schema 1, an old format that mayfly cannot use; push the "
                        "image again with a current docker");
        if (mf_oci_json_member(root, "rootfs") && !is_index && !mf_oci_json_member(root, "layers")) {
                *ret = MF_OCI_CONFIG;
                return 0;
        }
        if (is_index && is_manifest)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "the image's manifest has both \"manifests\" and \"layers\" or \"config\"; programs "
                                "would disagree about what the image is");
        if (!is_index && !is_manifest)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "the document is neither an index (\"manifests\") nor a manifest (\"config\" and "
                                "\"layers\") nor a config (\"rootfs\") of an image");
        *ret = is_index ? MF_OCI_INDEX : MF_OCI_MANIFEST;
        return 0;
}

/* Checks that the media type, if the document has one, says the same as its members. Returns 0 or -EBADMSG. */
static int check_type(const struct mf_oci_document *document, const char *what, struct mayfly_error *err)
{
        static const char *const indexes[] = { "application/vnd.oci.image.index.v1+json",
                                               "application/vnd.docker.distribution.manifest.list.v2+json", NULL };
        static const char *const manifests[] = { "application/vnd.oci.image.manifest.v1+json",
                                                 "application/vnd.docker.distribution.manifest.v2+json", NULL };

        if (!document->media_type)
                return 0;
        for (const char *const *t = document->kind == MF_OCI_INDEX ? indexes : manifests; *t; t++)
                if (strcmp(document->media_type, *t) == 0)
                        return 0;
        return mf_oci_json_bad(err, what, "mediaType",
                               "\"%.150s\" is not a type that fits the document, or is one that mayfly does not know",
                               document->media_type);
}

static int read_document(json_t *root, struct mf_oci_document *ret, struct mayfly_error *err)
{
        int64_t version = 0;

        int r = find_kind(root, &ret->kind, err);
        if (r < 0 || ret->kind == MF_OCI_CONFIG)
                return r;
        const char *what = ret->kind == MF_OCI_INDEX ? "index" : "manifest";
        r = mf_oci_json_number(root, what, "schemaVersion", "schemaVersion", 2, &version, err);
        if (r == 0 && version != 2)
                r = mf_oci_json_bad(err, what, "schemaVersion", "%lld is not 2", (long long) version);
        if (r == 0)
                r = copy_string(root, what, "mediaType", "mediaType", &ret->media_type, err);
        if (r == 0)
                r = check_type(ret, what, err);
        if (r < 0)
                return r;
        if (ret->kind == MF_OCI_INDEX)
                return read_list(root, what, "manifests", MANIFESTS_MAX, ret, err);
        json_t *config = mf_oci_json_member(root, "config");
        if (!config)
                return mf_oci_json_bad(err, what, "config", "it is missing");
        r = read_descriptor(config, what, "config", &ret->config, err);
        return r < 0 ? r : read_list(root, what, "layers", LAYERS_MAX, ret, err);
}

int mf_oci_document_parse(struct mf_oci_document *ret, const char *text, size_t size, struct mayfly_error *err)
{
        mf_cleanup(mf_oci_json_decrefp) json_t *root = NULL;
        struct mf_oci_document document = { 0 };

        int r = mf_oci_json_load(&root, text, size, "manifest", 0, err);
        if (r < 0)
                return r;
        r = read_document(root, &document, err);
        if (r < 0)
                mf_oci_document_clear(&document);
        else
                *ret = document;
        return r;
}

int mf_oci_layout_check(const char *text, size_t size, struct mayfly_error *err)
{
        mf_cleanup(mf_oci_json_decrefp) json_t *root = NULL;
        const char *version = NULL;

        int r = mf_oci_json_load(&root, text, size, "file oci-layout", 0, err);
        if (r == 0)
                r = mf_oci_json_string(root, "file oci-layout", "imageLayoutVersion", "imageLayoutVersion", 1, &version,
                                       err);
        if (r == 0 && strncmp(version, "1.", 2) != 0)
                r = mf_oci_json_bad(err, "file oci-layout", "imageLayoutVersion",
                                    "\"%.60s\" is not a version that mayfly knows; it knows 1.0.0", version);
        return r;
}

/* --- media types -------------------------------------------------------------------------------------------------- */

static int is_one_of(const char *type, const char *const *types)
{
        for (; *types; types++)
                if (strcmp(type, *types) == 0)
                        return 1;
        return 0;
}

int mf_oci_manifest_check(const struct mf_oci_document *manifest, struct mayfly_error *err)
{
        static const char *const configs[] = { "application/vnd.oci.image.config.v1+json",
                                               "application/vnd.docker.container.image.v1+json", NULL };
        static const char *const layers[] = { "application/vnd.oci.image.layer.v1.tar",
                                              "application/vnd.oci.image.layer.v1.tar+gzip",
                                              "application/vnd.oci.image.layer.v1.tar+zstd",
                                              "application/vnd.oci.image.layer.nondistributable.v1.tar",
                                              "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                                              "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                                              "application/vnd.docker.image.rootfs.diff.tar",
                                              "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                              "application/vnd.docker.image.rootfs.diff.tar.zstd",
                                              "application/vnd.docker.image.rootfs.foreign.diff.tar",
                                              "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                              NULL };

        /* Old versions of docker give the config no other type than this one. */
        const int is_old = manifest->media_type &&
                           strcmp(manifest->media_type, "application/vnd.docker.distribution.manifest.v2+json") == 0 &&
                           strcmp(manifest->config.media_type, "application/octet-stream") == 0;
        if (!is_old && !is_one_of(manifest->config.media_type, configs))
                return mf_oci_json_bad(err, "manifest", "config.mediaType",
                                       "\"%.150s\" is not the configuration of a container image, so this is another "
                                       "kind of artifact; name an image",
                                       manifest->config.media_type);
        for (size_t i = 0; i < manifest->n; i++) {
                char at[60];
                snprintf(at, sizeof(at), "layers[%zu].mediaType", i);
                if (!is_one_of(manifest->list[i].media_type, layers))
                        return mf_oci_json_bad(err, "manifest", at,
                                               "\"%.150s\" is not a type of layer that mayfly knows; it knows tar, "
                                               "plain or under gzip or zstd",
                                               manifest->list[i].media_type);
        }
        return 0;
}

uint64_t mf_oci_manifest_size(const struct mf_oci_document *manifest)
{
        uint64_t size = manifest->config.size;

        for (size_t i = 0; i < manifest->n; i++)
                if (__builtin_add_overflow(size, manifest->list[i].size, &size))
                        return UINT64_MAX;
        return size;
}
