/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/docker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/entry.h"
#include "oci/config.h"
#include "oci/digest.h"
#include "oci/json.h"
#include "oci/source.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define WHAT "manifest.json"
#define IMAGES_MAX ((size_t) 1000)

void mf_docker_images_clear(struct mf_docker_images *images)
{
        for (size_t i = 0; i < images->n; i++) {
                struct mf_docker_image *image = &images->list[i];
                for (size_t k = 0; k < image->n_layers; k++)
                        free(image->layers[k].file);
                free(image->layers);
                free(image->config_file);
                free(image->tag);
                mf_buffer_clear(&image->manifest);
        }
        free(images->list);
        *images = (struct mf_docker_images){ 0 };
}

/* Copies the name of a file in the archive, normalized. Returns 0 or negative errno. */
static int copy_name(const char *name, char **ret, struct mayfly_error *err)
{
        char clean[PATH_MAX];
        const char *why;

        mf_entry_normalize(name, clean, &why);
        if (why || !*clean)
                return mf_oci_json_bad(err, WHAT, NULL, "\"%.200s\" is not the name of a file in the archive", name);
        *ret = strdup(clean);
        return *ret ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

/* Finds the layers' files, and their diff_ids in the config. Returns 0 or negative errno. */
static int read_layers(struct mf_docker_image *image, const struct mf_buffer *config, char *const *names,
                       struct mayfly_error *err)
{
        struct mf_oci_config parsed = { 0 };
        size_t n = mf_strv_length((const char *const *) names);

        int r = mf_oci_config_parse(&parsed, config->data, config->size, "", err);
        if (r < 0)
                return r;
        if (parsed.image->n_dependencies != n)
                r = mf_oci_json_bad(err, WHAT, "Layers", "there are %zu, but the config %s has %zu diff_ids", n,
                                    image->config_file, parsed.image->n_dependencies);
        image->layers = calloc(n + 1, sizeof(*image->layers));
        if (!image->layers && r == 0)
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        for (size_t i = 0; i < n && r == 0; i++) {
                mf_digest_of_image_id(parsed.image->dependencies[i].id, image->layers[i].digest);
                image->n_layers = i + 1;
                r = copy_name(names[i], &image->layers[i].file, err);
        }
        mf_oci_config_clear(&parsed);
        return r;
}

/* Writes a manifest of the image, with the layers as they are in the archive. Returns 0 or negative errno. */
static int write_manifest(struct mf_docker_image *image, uint64_t config_size, const struct mf_oci_files *files,
                          struct mayfly_error *err)
{
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r = 0;

        if (!f)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        fprintf(f,
                "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                "\"digest\":\"%s\",\"size\":%llu},\"layers\":[",
                image->config, (unsigned long long) config_size);
        for (size_t i = 0; i < image->n_layers && r == 0; i++) {
                struct mf_oci_file file;
                r = mf_oci_files_get(files, image->layers[i].file, &file, err);
                if (r == -ENOENT)
                        r = mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                     "%s has no file \"%.200s\", a layer of the image %s; save the image again",
                                     mf_oci_files_path(files), image->layers[i].file, image->config);
                if (r < 0)
                        break;
                fprintf(f,
                        "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%llu}",
                        i ? "," : "", image->layers[i].digest, (unsigned long long) file.size);
                mf_oci_file_close(&file);
        }
        fputs("]}", f);
        int failed = ferror(f);
        if ((fclose(f) != 0 || failed) && r == 0)
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0)
                image->manifest = (struct mf_buffer){ .data = text, .size = size, .allocated = size + 1 };
        else
                free(text);
        return r;
}

/* Reads an item of the list. *ret is for mf_docker_images_clear() in any case. Returns 0 or negative errno. */
static int read_image(json_t *item, struct mf_docker_image *ret, const struct mf_oci_files *files,
                      struct mayfly_error *err)
{
        const char *name = NULL;
        char **layers = NULL, **tags = NULL;
        struct mf_buffer config = { 0 };

        int r = mf_oci_json_string(item, WHAT, "Config", "Config", 1, &name, err);
        if (r == 0)
                r = copy_name(name, &ret->config_file, err);
        if (r == 0)
                r = mf_oci_json_strings(item, WHAT, "Layers", "Layers", &layers, err);
        if (r == 0)
                r = mf_oci_json_strings(item, WHAT, "RepoTags", "RepoTags", &tags, err);
        if (r == 0 && tags && tags[0])
                ret->tag = mf_take(tags[0]);
        for (size_t i = 1; ret->tag && tags && tags[i]; i++)
                free(tags[i]);
        if (ret->tag)
                free(mf_take(tags));
        if (r == 0)
                r = mf_oci_files_read(files, ret->config_file, MF_OCI_DOCUMENT_MAX, &config, err);
        if (r == -ENOENT)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                             "%s has no file \"%.200s\", the config of an image; save the image again",
                             mf_oci_files_path(files), ret->config_file);
        if (r == 0)
                r = mf_oci_digest(&config, "sha256", ret->config, err);
        if (r == 0)
                r = read_layers(ret, &config, layers, err);
        if (r == 0)
                r = write_manifest(ret, config.size, files, err);
        mf_buffer_clear(&config);
        mf_strv_free(layers);
        mf_strv_free(tags);
        return r;
}

static int read_images(json_t *list, struct mf_docker_images *ret, const struct mf_oci_files *files,
                       struct mayfly_error *err)
{
        json_t *item;
        size_t i;

        if (json_array_size(list) > IMAGES_MAX)
                return mf_oci_json_bad(err, WHAT, NULL, "there are %zu images; up to %zu are possible",
                                       json_array_size(list), IMAGES_MAX);
        ret->list = calloc(json_array_size(list) + 1, sizeof(*ret->list));
        if (!ret->list)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                char shown[MF_OCI_JSON_SHOWN_MAX];
                if (!json_is_object(item))
                        return mf_oci_json_bad(err, WHAT, NULL, "%s is not an object", mf_oci_json_show(item, shown));
                ret->n = i + 1;
                int r = read_image(item, &ret->list[i], files, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

int mf_docker_images_read(struct mf_docker_images *ret, const struct mf_oci_files *files, struct mayfly_error *err)
{
        mf_cleanup(mf_oci_json_decrefp) json_t *list = NULL;
        struct mf_docker_images images = { 0 };
        struct mf_buffer text = { 0 };

        int r = mf_oci_files_read(files, "manifest.json", MF_OCI_DOCUMENT_MAX, &text, err);
        if (r < 0)
                return r;
        r = mf_oci_json_load(&list, text.data, text.size, WHAT, 1, err);
        mf_buffer_clear(&text);
        if (r == 0)
                r = read_images(list, &images, files, err);
        if (r < 0)
                mf_docker_images_clear(&images);
        else
                *ret = images;
        return r;
}
