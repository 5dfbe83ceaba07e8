/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aci/manifest-app.h"
#include "aci/manifest-json.h"
#include "model/ac-types.h"
#include "model/image-id.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

/* Checks follow the appc specification 0.8.11, "Image Manifest Schema" and "types". */

static int check_kind_and_version(json_t *root, struct mayfly_error *err)
{
        const char *kind = NULL, *version = NULL;
        int zero;

        int r = mf_json_string(root, "", "acKind", 1, &kind, err);
        if (r == 0 && strcmp(kind, "ImageManifest") != 0)
                r = mf_json_bad(err, "acKind", "\"%.100s\" is not \"ImageManifest\"", kind);
        if (r == 0)
                r = mf_json_string(root, "", "acVersion", 1, &version, err);
        if (r < 0)
                return r;
        if (!mf_is_semver(version, &zero))
                return mf_json_bad(err, "acVersion", "\"%.100s\" is not a semantic version such as 0.8.11", version);
        return zero ? mf_json_bad(err, "acVersion", "\"%s\" is zero, which is not a version", version) : 0;
}

static int not_identifier(const char *at, const char *member, const char *name, struct mayfly_error *err)
{
        return mf_json_bad_member(
                err, at, member, "\"%.100s\" is not an AC Identifier (a-z, 0-9, and single -._~/ or /~ between)", name);
}

static int check_label(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        if (!mf_is_ac_identifier(name))
                return not_identifier(at, "name", name, err);
        return strcmp(name, "name") == 0
                       ? mf_json_bad_member(err, at, "name",
                                            "\"name\" cannot be a label: the manifest has a member of that name")
                       : 0;
}

static int check_annotation(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        if (!mf_is_ac_identifier(name))
                return not_identifier(at, "name", name, err);
        if (strcmp(name, "created") == 0 && !mf_is_rfc3339(value))
                return mf_json_bad_member(err, at, "value",
                                          "\"%.100s\" is not an RFC 3339 time such as 2014-10-27T19:32:27Z", value);
        if ((strcmp(name, "homepage") == 0 || strcmp(name, "documentation") == 0) && !mf_is_web_url(value))
                return mf_json_bad_member(err, at, "value", "\"%.100s\" is not an http(s) URL", value);
        return 0;
}

/* Returns the value of the label, or NULL when the list has none. *ret_place is its place in the list. */
static const char *find_label(json_t *list, const char *name, size_t *ret_place)
{
        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *item = json_array_get(list, i);
                if (strcmp(json_string_value(mf_json_member(item, "name")), name) == 0) {
                        *ret_place = i;
                        return json_string_value(mf_json_member(item, "value"));
                }
        }
        return NULL;
}

/* Appc's name of an architecture that uname(2), Debian or Docker call by another name, or NULL. */
static const char *appc_arch(const char *os, const char *arch)
{
        static const char *const names[][2] = { { "x86_64", "amd64" }, { "x64", "amd64" },    { "arm64", "aarch64" },
                                                { "i686", "i386" },    { "i586", "i386" },    { "i486", "i386" },
                                                { "x86", "i386" },     { "386", "i386" },     { "ppc64el", "ppc64le" },
                                                { "armhf", "armv7l" }, { "armv7", "armv7l" }, { "armel", "armv6l" } };

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++)
                if (strcmp(arch, names[i][0]) == 0 && mf_is_platform(os, names[i][1]))
                        return names[i][1];
        return NULL;
}

/* Checks that appc lists the labels os and arch together. Returns 0 or -EBADMSG. */
static int check_platform(json_t *list, const char *path, struct mayfly_error *err)
{
        size_t os_at = 0, arch_at = 0;
        const char *os = find_label(list, "os", &os_at), *arch = find_label(list, "arch", &arch_at);
        char at[128];

        snprintf(at, sizeof(at), "%s[%zu]", path, os ? os_at : arch_at);
        if (!os)
                return arch ? mf_json_bad_member(err, at, "name",
                                                 "\"arch\" is given without an os; add the label os=linux")
                            : 0;
        if (!mf_is_platform(os, NULL))
                return mf_json_bad_member(err, at, "value",
                                          "\"%.60s\" is not an os that appc has (linux, freebsd, darwin)", os);
        snprintf(at, sizeof(at), "%s[%zu]", path, arch_at);
        if (mf_is_platform(os, arch))
                return 0;
        const char *name = arch ? appc_arch(os, arch) : NULL;
        if (name)
                return mf_json_bad_member(err, at, "value",
                                          "\"%.60s\" is not an arch that appc has for %s; write \"%s\"", arch, os,
                                          name);
        return mf_json_bad_member(err, at, "value", "\"%.60s\" is not an arch that appc has for %s (amd64, i386, ...)",
                                  arch, os);
}

static int check_labels(json_t *object, const char *path, struct mayfly_error *err)
{
        json_t *list = NULL;

        int r = mf_json_list(object, "labels", path, &list, err);
        if (r == 0)
                r = mf_json_check_pairs(list, path, check_label, err);
        if (r == 0)
                r = check_platform(list, path, err);
        return r;
}

/* Sets *ret to the labels as "NAME=value". They have been checked. Returns 0 or -ENOMEM. */
static int get_labels(json_t *object, char ***ret, struct mayfly_error *err)
{
        json_t *list = mf_json_member(object, "labels"), *item;
        char **labels = calloc(json_array_size(list) + 1, sizeof(char *));
        size_t i;

        *ret = labels;
        if (!labels)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                const char *name = json_string_value(mf_json_member(item, "name"));
                const char *value = json_string_value(mf_json_member(item, "value"));
                if (asprintf(&labels[i], "%s=%s", name, value) < 0) {
                        labels[i] = NULL;
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                }
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
                r = not_identifier(at, "imageName", name, err);
        if (r == 0)
                r = mf_json_string(item, at, "imageID", 0, &id, err);
        /* The digits are checked when the image is fetched: the specification's own example has "sha512-...". */
        if (r == 0 && id &&
            (!mf_image_id_has_prefix(id) || !id[MF_ID_PREFIX_LENGTH] || strchr(id + MF_ID_PREFIX_LENGTH, '-')))
                r = mf_json_bad_member(err, at, "imageID", "\"%.140s\" is not sha512- and a digest", id);
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
        ret->name = name ? strdup(name) : NULL;
        ret->id = id ? strdup(id) : NULL;
        return ret->name && (ret->id || !id) ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int get_dependencies(json_t *root, struct mf_image_config *config, struct mayfly_error *err)
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
        json_array_foreach(list, i, item) {
                snprintf(at, sizeof(at), "dependencies[%zu]", i);
                config->n_dependencies++;
                r = get_dependency(item, at, &config->dependencies[i], err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int get_whitelist(json_t *root, struct mf_image_config *config, struct mayfly_error *err)
{
        json_t *list = NULL;
        char at[64];

        int r = mf_json_list(root, "pathWhitelist", "pathWhitelist", &list, err);
        if (r < 0 || json_array_size(list) == 0) /* an empty list means the same as none */
                return r;
        r = mf_json_strings(list, "pathWhitelist", &config->whitelist, err);
        for (size_t i = 0; r == 0 && config->whitelist[i]; i++) {
                snprintf(at, sizeof(at), "pathWhitelist[%zu]", i);
                if (config->whitelist[i][0] != '/')
                        r = mf_json_bad(err, at, "\"%.100s\" is not an absolute path", config->whitelist[i]);
        }
        return r;
}

/* Adds the variables that appc requires (specification, "Execution Environment"). Returns 0 or -ENOMEM. */
static int set_format_env(struct mf_image_config *config, struct mayfly_error *err)
{
        const char *slash = strrchr(config->name, '/');

        config->format_env = calloc(2, sizeof(char *));
        config->metadata_env = strdup("AC_METADATA_URL");
        if (!config->format_env || !config->metadata_env)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (asprintf(&config->format_env[0], "AC_APP_NAME=%s", slash ? slash + 1 : config->name) < 0) {
                config->format_env[0] = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int parse(json_t *root, struct mf_image_config *config, struct mayfly_error *err)
{
        const char *name = NULL;
        json_t *list = NULL, *app;

        int r = mf_json_check_object(root, "the manifest", err);
        if (r < 0)
                return r;
        config->env = calloc(1, sizeof(char *));
        if (!config->env)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        r = check_kind_and_version(root, err);
        if (r == 0)
                r = mf_json_string(root, "", "name", 1, &name, err);
        if (r == 0 && !mf_is_ac_identifier(name))
                r = not_identifier("", "name", name, err);
        if (r == 0 && !(config->name = strdup(name)))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0)
                r = set_format_env(config, err);
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

int mf_manifest_parse(struct mf_image_config **ret, const char *json, size_t size, struct mayfly_error *err)
{
        json_error_t why;
        json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);

        if (!root)
                mf_json_one_line(why.text);
        if (!root)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "image manifest: line %d, column %d: %s; it must be one JSON object", why.line,
                                why.column, why.text);
        struct mf_image_config *config = calloc(1, sizeof(*config));
        int r = config ? parse(root, config, err) : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_decref(root);
        if (r < 0) {
                mf_image_config_free(config);
                return r;
        }
        *ret = config;
        return 0;
}
