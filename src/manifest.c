/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "manifest.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "manifest-check.h"
#include "util.h"

/* Checks follow the appc specification 0.8.11, "Image Manifest Schema" and "types". */

#define LIST_MAX 10000U

/* A message is one line, whatever the manifest has in it. */
static void one_line(char *text)
{
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = '?';
}

static __attribute__((format(printf, 3, 4))) void set_bad(struct mayfly_error *err, const char *path,
                                                          const char *format, ...)
{
        char why[512];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        one_line(why);
        mf_error_set(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "image manifest: %s %s", path, why);
}

#define bad(err, path, ...) (set_bad(err, path, __VA_ARGS__), -EBADMSG)

/* The specification's example and schema differ in the case of keys, so any case will do. */
static json_t *member(json_t *object, const char *name)
{
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
                if (strcasecmp(json_object_iter_key(i), name) == 0)
                        return json_is_null(json_object_iter_value(i)) ? NULL : json_object_iter_value(i);
        return NULL;
}

/* Adds a name to a set: 1 when it is new, 0 when it was there, -ENOMEM. */
static int add_name(json_t *set, const char *name)
{
        if (json_object_get(set, name))
                return 0;
        return json_object_set_new_nocheck(set, name, json_true()) < 0 ? -ENOMEM : 1;
}

static void decref(json_t **json)
{
        json_decref(*json);
}

/* An object of the schema. Keys that differ in case alone mean the same one, and are as ambiguous as duplicates. */
static int check_object(json_t *object, const char *path, struct mayfly_error *err)
{
        mf_cleanup(decref) json_t *seen = json_object();

        if (!json_is_object(object))
                return bad(err, path, "must be an object");
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                mf_cleanup(mf_freep) char *key = strdup(json_object_iter_key(i));
                for (char *p = key; p && *p; p++)
                        *p = (char) tolower((unsigned char) *p);
                int r = key && seen ? add_name(seen, key) : -ENOMEM;
                if (r < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r == 0)
                        return bad(err, path, "has the key \"%.100s\" twice, in different case",
                                   json_object_iter_key(i));
        }
        return 0;
}

/* An integer of `at`.NAME from min to max; `fallback` when it is absent and that is not below min. */
static int get_integer(json_t *object, const char *path, const char *name, json_int_t min, json_int_t max,
                       json_int_t fallback, json_int_t *ret, struct mayfly_error *err)
{
        json_t *value = member(object, name);
        char full[256];

        snprintf(full, sizeof(full), "%s.%s", path, name);
        if (!value && fallback < min)
                return bad(err, full, "is missing");
        if (value && !json_is_integer(value))
                return bad(err, full, "must be a whole number");
        *ret = value ? json_integer_value(value) : fallback;
        if (value && (*ret < min || *ret > max))
                return bad(err, full,
                           "is %" JSON_INTEGER_FORMAT ", outside %" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT, *ret,
                           min, max);
        return 0;
}

static int get_string(json_t *object, const char *path, const char *name, int required, const char **ret,
                      struct mayfly_error *err)
{
        json_t *value = member(object, name);
        char full[256];

        *ret = NULL;
        snprintf(full, sizeof(full), "%s%s%s", path, *path ? "." : "", name);
        if (!value)
                return required ? bad(err, full, "is missing") : 0;
        if (!json_is_string(value))
                return bad(err, full, "must be a string");
        if (strlen(json_string_value(value)) != json_string_length(value))
                return bad(err, full, "has a NUL character in it");
        *ret = json_string_value(value);
        return 0;
}

static int get_list(json_t *object, const char *name, const char *path, json_t **ret, struct mayfly_error *err)
{
        *ret = member(object, name);
        if (*ret && !json_is_array(*ret))
                return bad(err, path, "must be a list");
        if (*ret && json_array_size(*ret) > LIST_MAX)
                return bad(err, path, "has %zu items, over %u", json_array_size(*ret), LIST_MAX);
        return 0;
}

static int check_kind_and_version(json_t *root, struct mayfly_error *err)
{
        const char *kind = NULL, *version = NULL;
        int zero;

        int r = get_string(root, "", "acKind", 1, &kind, err);
        if (r == 0 && strcmp(kind, "ImageManifest") != 0)
                r = bad(err, "acKind", "is \"%.100s\", not \"ImageManifest\"", kind);
        if (r == 0)
                r = get_string(root, "", "acVersion", 1, &version, err);
        if (r < 0)
                return r;
        if (!mf_is_semver(version, &zero))
                return bad(err, "acVersion", "is \"%.100s\", which is no semantic version such as 0.8.11", version);
        return zero ? bad(err, "acVersion", "must not be zero") : 0;
}

static int check_platform(const char *path, const char *os, const char *arch, struct mayfly_error *err)
{
        if (!os)
                return arch ? bad(err, path, "have an arch (\"%.60s\") without an os", arch) : 0;
        if (!mf_is_platform(os, NULL))
                return bad(err, path, "have the unknown os \"%.60s\"", os);
        return mf_is_platform(os, arch) ? 0 : bad(err, path, "have arch \"%.60s\", unknown for os \"%s\"", arch, os);
}

/* A list of {name, value} with names of their own: labels, annotations, environment. */
static int check_pairs(json_t *list, const char *path,
                       int (*check)(const char *, const char *, const char *, struct mayfly_error *),
                       struct mayfly_error *err)
{
        mf_cleanup(decref) json_t *seen = json_object();
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item)
        {
                const char *name = NULL, *value = NULL;
                char at[128];
                snprintf(at, sizeof(at), "%s[%zu]", path, i);
                int r = check_object(item, at, err);
                if (r == 0)
                        r = get_string(item, at, "name", 1, &name, err);
                if (r == 0)
                        r = get_string(item, at, "value", 1, &value, err);
                if (r == 0)
                        r = check(at, name, value, err);
                if (r < 0)
                        return r;
                r = seen ? add_name(seen, name) : -ENOMEM;
                if (r < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r == 0)
                        return bad(err, at, "repeats the name \"%.100s\"", name);
        }
        return 0;
}

static int check_label(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        if (!mf_is_ac_identifier(name))
                return bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        return strcmp(name, "name") == 0 ? bad(err, at, "must not be called \"name\"") : 0;
}

static int check_annotation(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        if (!mf_is_ac_identifier(name))
                return bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        if (strcmp(name, "created") == 0 && !mf_is_rfc3339(value))
                return bad(err, at, "has \"%.100s\" for \"created\", which is no RFC 3339 time", value);
        if ((strcmp(name, "homepage") == 0 || strcmp(name, "documentation") == 0) && !mf_is_web_url(value))
                return bad(err, at, "has \"%.100s\" for \"%s\", which is no http(s) URL", value, name);
        return 0;
}

static int check_env_item(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        return mf_is_env_name(name) ? 0
                                    : bad(err, at, "has the name \"%.100s\", which is no environment variable's", name);
}

static const char *pair_value(json_t *list, const char *name)
{
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) if (strcmp(json_string_value(member(item, "name")), name) ==
                                              0) return json_string_value(member(item, "value"));
        return NULL;
}

/* To a NULL-terminated list, an allocated string, which is the list's then in any case. */
static int add_string(char ***list, char *string)
{
        size_t n = 0;

        while ((*list)[n])
                n++;
        char **grown = string ? realloc(*list, (n + 2) * sizeof(char *)) : NULL;
        if (!grown) {
                free(string);
                return -ENOMEM;
        }
        *list = grown;
        grown[n] = string;
        grown[n + 1] = NULL;
        return 0;
}

static int add_unsupported(struct mf_run_config *config, const char *what)
{
        return add_string(&config->unsupported, strdup(what));
}

static int check_labels(json_t *object, const char *path, struct mayfly_error *err)
{
        json_t *list = NULL;

        int r = get_list(object, "labels", path, &list, err);
        if (r == 0)
                r = check_pairs(list, path, check_label, err);
        if (r == 0)
                r = check_platform(path, pair_value(list, "os"), pair_value(list, "arch"), err);
        return r;
}

/* Which were checked. */
static int get_labels(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        size_t i;
        json_t *item;

        json_array_foreach(member(root, "labels"), i, item)
        {
                char *label;
                if (asprintf(&label, "%s=%s", json_string_value(member(item, "name")),
                             json_string_value(member(item, "value"))) < 0 ||
                    add_string(&config->labels, label) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int check_dependency(json_t *item, const char *at, struct mayfly_error *err)
{
        const char *name = NULL, *id = NULL;
        char labels[96];
        json_int_t size = 0;

        int r = check_object(item, at, err);
        if (r == 0)
                r = get_string(item, at, "imageName", 1, &name, err);
        if (r == 0 && !mf_is_ac_identifier(name))
                r = bad(err, at, "has the imageName \"%.100s\", which is no AC Identifier", name);
        if (r == 0)
                r = get_string(item, at, "imageID", 0, &id, err);
        /* The digits are for when the image is fetched: the specification's own example has "sha512-...". */
        if (r == 0 && id && (strncmp(id, "sha512-", 7) != 0 || !id[7]))
                r = bad(err, at, "has the imageID \"%.100s\", which is not sha512- and a digest", id);
        if (r == 0)
                r = get_integer(item, at, "size", 0, INT64_MAX, 0, &size, err);
        snprintf(labels, sizeof(labels), "%s.labels", at);
        return r == 0 ? check_labels(item, labels, err) : r;
}

static int check_dependencies(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;
        char at[64];

        int r = get_list(root, "dependencies", "dependencies", &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item)
        {
                snprintf(at, sizeof(at), "dependencies[%zu]", i);
                r = check_dependency(item, at, err);
                if (r < 0)
                        return r;
                config->has_dependencies = 1;
        }
        r = get_list(root, "pathWhitelist", "pathWhitelist", &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item)
        {
                snprintf(at, sizeof(at), "pathWhitelist[%zu]", i);
                const char *path = json_string_value(item);
                if (!path || strlen(path) != json_string_length(item))
                        return bad(err, at, "must be a string without NUL characters");
                if (path[0] != '/')
                        return bad(err, at, "is \"%.100s\", which is no absolute path", path);
        }
        if (list && json_array_size(list) > 0 && add_unsupported(config, "pathWhitelist") < 0)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        return 0;
}

static int get_strings(json_t *list, const char *path, char ***ret, struct mayfly_error *err)
{
        json_t *item;
        size_t i;

        *ret = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!*ret)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item)
        {
                if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item))
                        return bad(err, path, "must be a list of strings without NUL characters");
                (*ret)[i] = strdup(json_string_value(item));
                if (!(*ret)[i])
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int get_environment(json_t *app, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;

        int r = get_list(app, "environment", "app.environment", &list, err);
        if (r == 0)
                r = check_pairs(list, "app.environment", check_env_item, err);
        if (r < 0)
                return r;
        free(config->env);
        config->env = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!config->env)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i,
                           item) if (asprintf(&config->env[i], "%s=%s", json_string_value(member(item, "name")),
                                              json_string_value(member(item, "value"))) < 0)
        {
                config->env[i] = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int get_groups(json_t *app, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;

        int r = get_list(app, "supplementaryGIDs", "app.supplementaryGIDs", &list, err);
        if (r < 0)
                return r;
        config->extra_groups = calloc(json_array_size(list) + 1, sizeof(uint32_t));
        if (!config->extra_groups)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item)
        {
                char at[64];
                snprintf(at, sizeof(at), "app.supplementaryGIDs[%zu]", i);
                if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) >= UINT32_MAX)
                        return bad(err, at, "is no group number from 0 to %u", UINT32_MAX - 1);
                config->extra_groups[config->n_extra_groups++] = (uint32_t) json_integer_value(item);
        }
        return 0;
}

static int check_flag(json_t *object, const char *path, const char *name, struct mayfly_error *err)
{
        json_t *value = member(object, name);
        char full[256];

        snprintf(full, sizeof(full), "%s.%s", path, name);
        return value && !json_is_boolean(value) ? bad(err, full, "must be true or false") : 0;
}

static int check_port(json_t *item, const char *at, struct mayfly_error *err)
{
        const char *protocol = NULL;
        json_int_t port = 0, count = 1;

        int r = get_string(item, at, "protocol", 1, &protocol, err);
        if (r == 0)
                r = get_integer(item, at, "port", 1, 65535, 0, &port, err);
        if (r == 0)
                r = get_integer(item, at, "count", 1, 65535, 1, &count, err);
        if (r == 0 && port + count > 65536)
                r = bad(err, at, "has %d ports from %d on, past 65535", (int) count, (int) port);
        return r == 0 ? check_flag(item, at, "socketActivated", err) : r;
}

static int check_mount_point(json_t *item, const char *at, struct mayfly_error *err)
{
        const char *path = NULL;

        int r = get_string(item, at, "path", 1, &path, err);
        if (r == 0 && path[0] != '/')
                r = bad(err, at, "has the path \"%.100s\", which is not absolute", path);
        return r == 0 ? check_flag(item, at, "readOnly", err) : r;
}

static int check_isolator(json_t *item, const char *at, struct mayfly_error *err)
{
        return member(item, "value") ? 0 : bad(err, at, "has no value");
}

static int check_handler(json_t *item, const char *at, struct mayfly_error *err)
{
        const char *name = json_string_value(member(item, "name"));
        json_t *exec = member(item, "exec");

        if (strcmp(name, "pre-start") != 0 && strcmp(name, "post-stop") != 0)
                return bad(err, at, "is \"%.60s\"; the events are pre-start and post-stop", name);
        if (!json_is_array(exec) || json_array_size(exec) == 0)
                return bad(err, at, "has no exec");
        for (size_t i = 0; i < json_array_size(exec); i++) {
                json_t *word = json_array_get(exec, i);
                if (!json_is_string(word) || strlen(json_string_value(word)) != json_string_length(word))
                        return bad(err, at, "has an exec[%zu] that is no string without NUL characters", i);
        }
        return 0;
}

/* A list of objects that have a `name` of their own. */
static int check_named(json_t *app, const char *key, int identifier,
                       int (*check)(json_t *, const char *, struct mayfly_error *), struct mf_run_config *config,
                       struct mayfly_error *err)
{
        mf_cleanup(decref) json_t *seen = json_object();
        json_t *list = NULL, *item;
        char at[128];
        size_t i;

        snprintf(at, sizeof(at), "app.%s", key);
        int r = get_list(app, key, at, &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item)
        {
                const char *name = NULL;
                snprintf(at, sizeof(at), "app.%s[%zu]", key, i);
                r = check_object(item, at, err);
                if (r == 0)
                        r = get_string(item, at, "name", 1, &name, err);
                if (r == 0 && !(identifier ? mf_is_ac_identifier(name) : mf_is_ac_name(name)))
                        r = bad(err, at, "has the name \"%.100s\", which is no AC %s", name,
                                identifier ? "Identifier" : "Name");
                if (r == 0)
                        r = check(item, at, err);
                if (r < 0)
                        return r;
                r = identifier ? 1 : seen ? add_name(seen, name) : -ENOMEM;
                if (r < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                if (r == 0)
                        return bad(err, at, "repeats the name \"%.100s\"", name);
        }
        if (list && json_array_size(list) > 0 && strcmp(key, "ports") != 0 && add_unsupported(config, key) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        return 0;
}

/* userAnnotations and userLabels: any keys, for the user alone. */
static int check_map(json_t *app, const char *key, struct mayfly_error *err)
{
        json_t *map = member(app, key);
        char at[64];

        snprintf(at, sizeof(at), "app.%s", key);
        if (map && !json_is_object(map))
                return bad(err, at, "must be an object");
        for (void *i = json_object_iter(map); i; i = json_object_iter_next(map, i))
                if (!json_is_string(json_object_iter_value(i)))
                        return bad(err, at, "has a value for \"%.100s\" that is no string", json_object_iter_key(i));
        return 0;
}

static int get_app(json_t *app, struct mf_run_config *config, struct mayfly_error *err)
{
        const char *user = NULL, *group = NULL, *cwd = NULL;
        json_t *list = NULL;

        int r = check_object(app, "app", err);
        if (r == 0)
                r = get_list(app, "exec", "app.exec", &list, err);
        if (r < 0)
                return r;
        if (list && json_array_size(list) > 0) {
                json_t *first = json_array_get(list, 0);
                if (json_is_string(first) && json_string_length(first) == 0)
                        return bad(err, "app.exec", "starts with an empty string");
                r = get_strings(list, "app.exec", &config->exec, err);
        }
        if (r == 0)
                r = get_string(app, "app", "user", 1, &user, err);
        if (r == 0 && (!user || !*user))
                r = bad(err, "app.user", "is empty");
        if (r == 0)
                r = get_string(app, "app", "group", 1, &group, err);
        if (r == 0 && (!group || !*group))
                r = bad(err, "app.group", "is empty");
        if (r == 0)
                r = get_string(app, "app", "workingDirectory", 0, &cwd, err);
        if (r == 0 && cwd && *cwd && cwd[0] != '/')
                r = bad(err, "app.workingDirectory", "is \"%.100s\", which is not absolute", cwd);
        if (r != 0)
                return r;
        config->user = strdup(user);
        config->group = strdup(group);
        config->cwd = strdup(cwd && *cwd ? cwd : "/");
        if (!config->user || !config->group || !config->cwd)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        r = get_environment(app, config, err);
        if (r == 0)
                r = get_groups(app, config, err);
        if (r == 0)
                r = check_named(app, "eventHandlers", 0, check_handler, config, err);
        if (r == 0)
                r = check_named(app, "mountPoints", 0, check_mount_point, config, err);
        if (r == 0)
                r = check_named(app, "ports", 0, check_port, config, err);
        if (r == 0)
                r = check_named(app, "isolators", 1, check_isolator, config, err);
        if (r == 0)
                r = check_map(app, "userAnnotations", err);
        if (r == 0)
                r = check_map(app, "userLabels", err);
        return r;
}

static int parse(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        const char *name = NULL;
        json_t *list = NULL, *app;

        int r = check_object(root, "the whole", err);
        if (r < 0)
                return r;
        config->env = calloc(1, sizeof(char *));
        config->labels = calloc(1, sizeof(char *));
        config->unsupported = calloc(1, sizeof(char *));
        if (!config->env || !config->labels || !config->unsupported)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        r = check_kind_and_version(root, err);
        if (r == 0)
                r = get_string(root, "", "name", 1, &name, err);
        if (r == 0 && !mf_is_ac_identifier(name))
                r = bad(err, "name", "is \"%.100s\", which is no AC Identifier (a-z, 0-9, and single -._~/ between)",
                        name);
        if (r == 0 && !(config->name = strdup(name)))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0)
                r = check_labels(root, "labels", err);
        if (r == 0)
                r = get_labels(root, config, err);
        if (r == 0)
                r = get_list(root, "annotations", "annotations", &list, err);
        if (r == 0)
                r = check_pairs(list, "annotations", check_annotation, err);
        if (r == 0)
                r = check_dependencies(root, config, err);
        app = member(root, "app");
        if (r == 0 && app)
                r = get_app(app, config, err);
        return r;
}

int mf_manifest_parse(struct mf_run_config **ret, const char *json, size_t size, struct mayfly_error *err)
{
        json_error_t why;
        json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);

        if (!root)
                one_line(why.text);
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
