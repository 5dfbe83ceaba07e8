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
#include "util.h"

/* Checks follow the appc specification 0.8.11, "Image Manifest Schema" and "types". */

#define LIST_MAX 10000U

static __attribute__((format(printf, 3, 4))) void set_bad(struct mayfly_error *err, const char *path,
                                                          const char *format, ...)
{
        char why[512];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        mf_error_set(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "image manifest: %s %s", path, why);
}

#define bad(err, path, ...) (set_bad(err, path, __VA_ARGS__), -EBADMSG)

/* The specification's example and schema differ in the case of keys, so any case will do. */
static json_t *member(json_t *object, const char *name)
{
        const char *key;
        json_t *value;

        json_object_foreach(object, key, value) if (strcasecmp(key, name) == 0) return json_is_null(value) ? NULL
                                                                                                           : value;
        return NULL;
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

/* ^[a-z0-9]+([SEPARATORS][a-z0-9]+)*$ */
static int is_identifier(const char *s, const char *separators)
{
        int after_word = 0;

        for (; *s; s++) {
                if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9'))
                        after_word = 1;
                else if (after_word && strchr(separators, *s))
                        after_word = 0;
                else
                        return 0;
        }
        return after_word;
}

#define is_ac_identifier(s) is_identifier(s, "-._~/")
#define is_ac_name(s) is_identifier(s, "-")

static int check_kind_and_version(json_t *root, struct mayfly_error *err)
{
        const char *kind, *version;
        unsigned a, b, c;
        int n = 0;

        int r = get_string(root, "", "acKind", 1, &kind, err);
        if (r == 0 && strcmp(kind, "ImageManifest") != 0)
                r = bad(err, "acKind", "is \"%.100s\", not \"ImageManifest\"", kind);
        if (r == 0)
                r = get_string(root, "", "acVersion", 1, &version, err);
        if (r < 0)
                return r;
        if (sscanf(version, "%9u.%9u.%9u%n", &a, &b, &c, &n) != 3 || !isdigit((unsigned char) version[0]) ||
            (version[n] && version[n] != '-' && version[n] != '+'))
                return bad(err, "acVersion", "is \"%.100s\", which is no semantic version such as 0.8.11", version);
        if (a == 0 && b == 0 && c == 0)
                return bad(err, "acVersion", "must not be zero");
        return 0;
}

static int check_platform(const char *os, const char *arch, struct mayfly_error *err)
{
        static const struct {
                const char *os, *archs[12];
        } known[] = {
                { "linux",
                  { "amd64", "i386", "aarch64", "aarch64_be", "armv6l", "armv7l", "armv7b", "ppc64", "ppc64le",
                    "s390x" } },
                { "freebsd", { "amd64", "i386", "arm" } },
                { "darwin", { "x86_64", "i386" } },
        };

        if (!os)
                return arch ? bad(err, "labels", "have an arch (\"%.60s\") without an os", arch) : 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(known); i++) {
                if (strcmp(os, known[i].os) != 0)
                        continue;
                for (size_t j = 0; arch && known[i].archs[j]; j++)
                        if (strcmp(arch, known[i].archs[j]) == 0)
                                return 0;
                return arch ? bad(err, "labels", "have arch \"%.60s\", unknown for os \"%s\"", arch, os) : 0;
        }
        return bad(err, "labels", "have the unknown os \"%.60s\"", os);
}

/* A list of {name, value} with names of their own: labels, annotations, environment. */
static int check_pairs(json_t *list, const char *path,
                       int (*check)(const char *, const char *, const char *, struct mayfly_error *),
                       struct mayfly_error *err)
{
        size_t i, j;
        json_t *item;

        json_array_foreach(list, i, item)
        {
                const char *name, *value;
                char at[128];
                snprintf(at, sizeof(at), "%s[%zu]", path, i);
                if (!json_is_object(item))
                        return bad(err, at, "must be an object with name and value");
                int r = get_string(item, at, "name", 1, &name, err);
                if (r == 0)
                        r = get_string(item, at, "value", 1, &value, err);
                if (r == 0)
                        r = check(at, name, value, err);
                if (r < 0)
                        return r;
                for (j = 0; j < i; j++)
                        if (strcmp(json_string_value(member(json_array_get(list, j), "name")), name) == 0)
                                return bad(err, at, "repeats the name \"%.100s\"", name);
        }
        return 0;
}

static int check_label(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        if (!is_ac_identifier(name))
                return bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        return strcmp(name, "name") == 0 ? bad(err, at, "must not be called \"name\"") : 0;
}

static int check_annotation(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        int y, mo, d, h, mi, s, n = 0;

        if (!is_ac_identifier(name))
                return bad(err, at, "has the name \"%.100s\", which is no AC Identifier", name);
        if (strcmp(name, "created") == 0 &&
            (sscanf(value, "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &s, &n) != 6 || n != 19 || mo < 1 ||
             mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60 || !value[19]))
                return bad(err, at, "has \"%.100s\" for \"created\", which is no RFC 3339 time", value);
        if ((strcmp(name, "homepage") == 0 || strcmp(name, "documentation") == 0) &&
            strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
                return bad(err, at, "has \"%.100s\" for \"%s\", which is no http(s) URL", value, name);
        return 0;
}

static int check_env_item(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        if (!isalpha((unsigned char) name[0]) && name[0] != '_')
                return bad(err, at, "has the name \"%.100s\", which is no environment variable's", name);
        for (const char *p = name; *p; p++)
                if (!isascii(*p) || (!isalnum((unsigned char) *p) && !strchr("_.-", *p)))
                        return bad(err, at, "has the name \"%.100s\", which is no environment variable's", name);
        return 0;
}

static const char *pair_value(json_t *list, const char *name)
{
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) if (strcmp(json_string_value(member(item, "name")), name) ==
                                              0) return json_string_value(member(item, "value"));
        return NULL;
}

static int add_unsupported(struct mf_run_config *config, const char *what)
{
        size_t n = 0;

        while (config->unsupported[n])
                n++;
        char **grown = realloc(config->unsupported, (n + 2) * sizeof(char *));
        if (!grown)
                return -ENOMEM;
        config->unsupported = grown;
        grown[n + 1] = NULL;
        grown[n] = strdup(what);
        return grown[n] ? 0 : -ENOMEM;
}

static int check_dependencies(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        json_t *list, *item;
        size_t i;

        int r = get_list(root, "dependencies", "dependencies", &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item)
        {
                const char *name, *id;
                char at[64];
                snprintf(at, sizeof(at), "dependencies[%zu]", i);
                if (!json_is_object(item))
                        return bad(err, at, "must be an object");
                r = get_string(item, at, "imageName", 1, &name, err);
                if (r == 0 && !is_ac_identifier(name))
                        r = bad(err, at, "has the imageName \"%.100s\", which is no AC Identifier", name);
                if (r == 0)
                        r = get_string(item, at, "imageID", 0, &id, err);
                if (r == 0 && id && (strncmp(id, "sha512-", 7) != 0 || !id[7]))
                        r = bad(err, at, "has the imageID \"%.100s\", which does not start with sha512-", id);
                if (r < 0)
                        return r;
                config->has_dependencies = 1;
        }
        r = get_list(root, "pathWhitelist", "pathWhitelist", &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item) if (!json_is_string(item) || json_string_value(item)[0] != '/') return bad(
                err, "pathWhitelist", "has an item that is no absolute path");
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
        json_t *list, *item;
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
        json_t *list, *item;
        size_t i;

        int r = get_list(app, "supplementaryGIDs", "app.supplementaryGIDs", &list, err);
        if (r < 0)
                return r;
        config->extra_groups = calloc(json_array_size(list) + 1, sizeof(uint32_t));
        if (!config->extra_groups)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item)
        {
                if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) >= UINT32_MAX)
                        return bad(err, "app.supplementaryGIDs", "has an item that is no group number");
                config->extra_groups[config->n_extra_groups++] = (uint32_t) json_integer_value(item);
        }
        return 0;
}

static int check_port(json_t *item, const char *at, struct mayfly_error *err)
{
        json_t *port = member(item, "port"), *count = member(item, "count"), *socket = member(item, "socketActivated");
        const char *protocol;
        json_int_t n = 1;

        int r = get_string(item, at, "protocol", 1, &protocol, err);
        if (r < 0)
                return r;
        if (!json_is_integer(port) || json_integer_value(port) < 1 || json_integer_value(port) > 65535)
                return bad(err, at, "has no port from 1 to 65535");
        if (count && (!json_is_integer(count) || (n = json_integer_value(count)) < 1))
                return bad(err, at, "has a count that is not 1 or more");
        if (json_integer_value(port) + n > 65536)
                return bad(err, at, "has ports past 65535");
        return socket && !json_is_boolean(socket) ? bad(err, at, "has a socketActivated that is not true or false") : 0;
}

static int check_mount_point(json_t *item, const char *at, struct mayfly_error *err)
{
        const char *path;
        json_t *read_only = member(item, "readOnly");

        int r = get_string(item, at, "path", 1, &path, err);
        if (r == 0 && path[0] != '/')
                r = bad(err, at, "has the path \"%.100s\", which is not absolute", path);
        if (r == 0 && read_only && !json_is_boolean(read_only))
                r = bad(err, at, "has a readOnly that is not true or false");
        return r;
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
        return json_is_array(exec) && json_array_size(exec) > 0 ? 0 : bad(err, at, "has no exec");
}

/* A list of objects that have a `name` of their own. */
static int check_named(json_t *app, const char *key, int identifier,
                       int (*check)(json_t *, const char *, struct mayfly_error *), struct mf_run_config *config,
                       struct mayfly_error *err)
{
        json_t *list, *item;
        char at[128];
        size_t i;

        snprintf(at, sizeof(at), "app.%s", key);
        int r = get_list(app, key, at, &list, err);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item)
        {
                const char *name;
                snprintf(at, sizeof(at), "app.%s[%zu]", key, i);
                if (!json_is_object(item))
                        return bad(err, at, "must be an object");
                r = get_string(item, at, "name", 1, &name, err);
                if (r == 0 && !(identifier ? is_ac_identifier(name) : is_ac_name(name)))
                        r = bad(err, at, "has the name \"%.100s\", which is no AC %s", name,
                                identifier ? "Identifier" : "Name");
                if (r == 0)
                        r = check(item, at, err);
                if (r < 0)
                        return r;
                for (size_t j = 0; !identifier && j < i; j++)
                        if (strcmp(json_string_value(member(json_array_get(list, j), "name")), name) == 0)
                                return bad(err, at, "repeats the name \"%.100s\"", name);
        }
        if (list && json_array_size(list) > 0 && strcmp(key, "ports") != 0 && add_unsupported(config, key) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        return 0;
}

static int get_app(json_t *app, struct mf_run_config *config, struct mayfly_error *err)
{
        const char *user = NULL, *group = NULL, *cwd = NULL;
        json_t *list;

        if (!json_is_object(app))
                return bad(err, "app", "must be an object");
        int r = get_list(app, "exec", "app.exec", &list, err);
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
        return r;
}

static int parse(json_t *root, struct mf_run_config *config, struct mayfly_error *err)
{
        const char *name;
        json_t *list, *app;

        if (!json_is_object(root))
                return bad(err, "the whole", "must be an object");
        config->env = calloc(1, sizeof(char *));
        config->unsupported = calloc(1, sizeof(char *));
        if (!config->env || !config->unsupported)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        int r = check_kind_and_version(root, err);
        if (r == 0)
                r = get_string(root, "", "name", 1, &name, err);
        if (r == 0 && !is_ac_identifier(name))
                r = bad(err, "name", "is \"%.100s\", which is no AC Identifier (a-z, 0-9, and single -._~/ between)",
                        name);
        if (r == 0 && !(config->name = strdup(name)))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r == 0)
                r = get_list(root, "labels", "labels", &list, err);
        if (r == 0)
                r = check_pairs(list, "labels", check_label, err);
        if (r == 0)
                r = check_platform(pair_value(list, "os"), pair_value(list, "arch"), err);
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

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

struct mf_run_config *mf_run_config_free(struct mf_run_config *config)
{
        if (config) {
                free_strings(config->exec);
                free_strings(config->env);
                free_strings(config->unsupported);
                free(config->name);
                free(config->user);
                free(config->group);
                free(config->cwd);
                free(config->extra_groups);
                free(config);
        }
        return NULL;
}
