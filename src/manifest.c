/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "manifest.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "manifest-app.h"
#include "manifest-check.h"
#include "manifest-json.h"
#include "util.h"

/* Checks follow the appc specification 0.8.11, "Image Manifest Schema" and "types". */

static int check_kind_and_version(json_t *root, struct mayfly_error *err)
{
        const char *kind = NULL, *version = NULL;
        int zero;

        int r = mf_json_string(root, "", "acKind", 1, &kind, err);
        if (r == 0 && strcmp(kind, "ImageManifest") != 0)
                r = mf_json_bad(err, "acKind", "is \"%.100s\", not \"ImageManifest\"", kind);
        if (r == 0)
                r = mf_json_string(root, "", "acVersion", 1, &version, err);
        if (r < 0)
                return r;
        if (!mf_is_semver(version, &zero))
                return mf_json_bad(err, "acVersion", "is \"%.100s\", which is no semantic version such as 0.8.11",
                                   version);
        return zero ? mf_json_bad(err, "acVersion", "must not be zero") : 0;
}

static int check_platform(const char *path, const char *os, const char *arch, struct mayfly_error *err)
{
        if (!os)
                return arch ? mf_json_bad(err, path, "have an arch (\"%.60s\") without an os", arch) : 0;
        if (!mf_is_platform(os, NULL))
                return mf_json_bad(err, path, "have the unknown os \"%.60s\"", os);
        return mf_is_platform(os, arch)
                       ? 0
                       : mf_json_bad(err, path, "have arch \"%.60s\", unknown for os \"%s\"", arch, os);
}

static int check_label(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        if (!mf_is_ac_identifier(name))
                return mf_json_bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        return strcmp(name, "name") == 0 ? mf_json_bad(err, at, "must not be called \"name\"") : 0;
}

static int check_annotation(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        if (!mf_is_ac_identifier(name))
                return mf_json_bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        if (strcmp(name, "created") == 0 && !mf_is_rfc3339(value))
                return mf_json_bad(err, at, "has \"%.100s\" for \"created\", which is no RFC 3339 time", value);
        if ((strcmp(name, "homepage") == 0 || strcmp(name, "documentation") == 0) && !mf_is_web_url(value))
                return mf_json_bad(err, at, "has \"%.100s\" for \"%s\", which is no http(s) URL", value, name);
        return 0;
}

static const char *pair_value(json_t *list, const char *name)
{
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) if (strcmp(json_string_value(mf_json_member(item, "name")), name) ==
                                              0) return json_string_value(mf_json_member(item, "value"));
        return NULL;
}

static int check_labels(json_t *object, const char *path, struct mayfly_error *err)
{
        json_t *list = NULL;

        int r = mf_json_list(object, "labels", path, &list, err);
        if (r == 0)
                r = mf_json_check_pairs(list, path, check_label, err);
        if (r == 0)
                r = check_platform(path, pair_value(list, "os"), pair_value(list, "arch"), err);
        return r;
}

/* Of what was checked. */
static int get_labels(json_t *object, char ***ret, struct mayfly_error *err)
{
        size_t i;
        json_t *item;

        *ret = calloc(1, sizeof(char *));
        if (!*ret)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(mf_json_member(object, "labels"), i, item)
        {
                char *label;
                if (asprintf(&label, "%s=%s", json_string_value(mf_json_member(item, "name")),
                             json_string_value(mf_json_member(item, "value"))) < 0)
                        label = NULL;
                if (mf_strings_add(ret, label) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int get_dependency(json_t *item, const char *at, struct mf_dependency *ret, struct mayfly_error *err)
{
        const char *name = NULL, *id = NULL;
        char labels[96];
        json_int_t size = 0;

        int r = mf_json_check_object(item, at, err);
        if (r == 0)
                r = mf_json_string(item, at, "imageName", 1, &name, err);
        if (r == 0 && !mf_is_ac_identifier(name))
                r = mf_json_bad(err, at, "has the imageName \"%.100s\", which is no AC Identifier", name);
        if (r == 0)
                r = mf_json_string(item, at, "imageID", 0, &id, err);
        /* The digits are for when the image is fetched: the specification's own example has "sha512-...". */
        if (r == 0 && id && (strncmp(id, "sha512-", 7) != 0 || !id[7]))
                r = mf_json_bad(err, at, "has the imageID \"%.100s\", which is not sha512- and a digest", id);
        if (r == 0)
                r = mf_json_integer(item, at, "size", 0, INT64_MAX, 0, &size, err);
        snprintf(labels, sizeof(labels), "%s.labels", at);
        if (r == 0)
                r = check_labels(item, labels, err);
        if (r == 0)
                r = get_labels(item, &ret->labels, err);
        if (r < 0)
                return r;
        ret->size = (uint64_t) size;
        ret->name = strdup(name);
        ret->id = id ? strdup(id) : NULL;
        return ret->name && (ret->id || !id) ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int get_dependencies(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;
        char at[64];

        int r = mf_json_list(root, "dependencies", "dependencies", &list, err);
        if (r < 0)
                return r;
        config->dependencies = calloc(json_array_size(list) + 1, sizeof(*config->dependencies));
        if (!config->dependencies)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item)
        {
                snprintf(at, sizeof(at), "dependencies[%zu]", i);
                config->n_dependencies++;
                r = get_dependency(item, at, &config->dependencies[i], err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int get_whitelist(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list = NULL;
        char at[64];

        int r = mf_json_list(root, "pathWhitelist", "pathWhitelist", &list, err);
        if (r < 0 || json_array_size(list) == 0) /* an empty one is as none */
                return r;
        r = mf_json_strings(list, "pathWhitelist", &config->whitelist, err);
        for (size_t i = 0; r == 0 && config->whitelist[i]; i++) {
                snprintf(at, sizeof(at), "pathWhitelist[%zu]", i);
                if (config->whitelist[i][0] != '/')
                        r = mf_json_bad(err, at, "is \"%.100s\", which is no absolute path", config->whitelist[i]);
        }
        return r;
}

static int parse(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        const char *name = NULL;
        json_t *list = NULL, *app;

        int r = mf_json_check_object(root, "the whole", err);
        if (r < 0)
                return r;
        config->env = calloc(1, sizeof(char *));
        if (!config->env)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        r = check_kind_and_version(root, err);
        if (r == 0)
                r = mf_json_string(root, "", "name", 1, &name, err);
        if (r == 0 && !mf_is_ac_identifier(name))
                r = mf_json_bad(err, "name",
                                "is \"%.100s\", which is no AC Identifier (a-z, 0-9, and single -._~/ between)", name);
        if (r == 0 && !(config->name = strdup(name)))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0)
                r = check_labels(root, "labels", err);
        if (r == 0)
                r = get_labels(root, &config->labels, err);
        if (r == 0)
                r = mf_json_list(root, "annotations", "annotations", &list, err);
        if (r == 0)
                r = mf_json_check_pairs(list, "annotations", check_annotation, err);
        if (r == 0)
                r = get_dependencies(root, config, err);
        if (r == 0)
                r = get_whitelist(root, config, err);
        app = mf_json_member(root, "app");
        if (r == 0 && app)
                r = mf_manifest_app(app, config, err);
        return r;
}

int mf_manifest_parse(struct mf_run_config **ret, const char *json, size_t size, struct mayfly_error *err)
{
        json_error_t why;
        json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);

        if (!root)
                mf_json_one_line(why.text);
        if (!root)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "image manifest: line %d, column %d: %s; it must be one JSON object", why.line,
                                why.column, why.text);
        struct mf_run_config *config = calloc(1, sizeof(*config));
        int r = config ? parse(root, config, err) : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_decref(root);
        if (r < 0) {
                mf_run_config_free(config);
                return r;
        }
        *ret = config;
        return 0;
}
