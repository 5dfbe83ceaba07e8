/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest-app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aci/manifest-json.h"
#include "model/ac-types.h"
#include "util/error.h"
#include "util/macro.h"

static int check_env_item(const char *at, const char *name, const char *value, struct mayfly_error *err)
{
        (void) value;
        return mf_is_env_name(name)
                       ? 0
                       : mf_json_bad_member(
                                 err, at, "name",
                                 "\"%.100s\" cannot name an environment variable (letters, digits and _.-, and "
                                 "no digit first)",
                                 name);
}

static int get_environment(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        size_t i;

        int r = mf_json_list(app, "environment", "app.environment", &list, err);
        if (r == 0)
                r = mf_json_check_pairs(list, "app.environment", check_env_item, err);
        if (r < 0)
                return r;
        free(config->env);
        config->env = calloc(json_array_size(list) + 1, sizeof(char *));
        if (!config->env)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                const char *name = json_string_value(mf_json_member(item, "name"));
                const char *value = json_string_value(mf_json_member(item, "value"));
                if (asprintf(&config->env[i], "%s=%s", name, value) < 0) {
                        config->env[i] = NULL;
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                }
        }
        return 0;
}

static int get_groups(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        json_t *list = NULL, *item;
        char shown[MF_JSON_SHOWN_MAX];
        size_t i;

        int r = mf_json_list(app, "supplementaryGIDs", "app.supplementaryGIDs", &list, err);
        if (r < 0)
                return r;
        config->extra_groups = calloc(json_array_size(list) + 1, sizeof(uint32_t));
        if (!config->extra_groups)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                char at[64];
                snprintf(at, sizeof(at), "app.supplementaryGIDs[%zu]", i);
                if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) >= UINT32_MAX)
                        return mf_json_bad(err, at, "%s is not a group number from 0 to %u", mf_json_show(item, shown),
                                           UINT32_MAX - 1);
                config->extra_groups[config->n_extra_groups++] = (uint32_t) json_integer_value(item);
        }
        return 0;
}

static int get_port(json_t *item, const char *at, const char *name, struct mf_image_config *config,
                    struct mayfly_error *err)
{
        struct mf_port *ret = &config->ports[config->n_ports++];
        const char *protocol = NULL;
        json_int_t port = 0, count = 1;

        int r = mf_json_string(item, at, "protocol", 1, &protocol, err);
        if (r == 0)
                r = mf_json_integer(item, at, "port", 1, 65535, 0, &port, err);
        if (r == 0)
                r = mf_json_integer(item, at, "count", 1, 65535, 1, &count, err);
        if (r == 0 && port + count > 65536)
                r = mf_json_bad_member(err, at, "count", "%d is too many: the last port would be %d", (int) count,
                                       (int) (port + count - 1));
        if (r == 0)
                r = mf_json_flag(item, at, "socketActivated", &ret->socket_activated, err);
        if (r < 0)
                return r;
        ret->port = (uint16_t) port;
        ret->count = (unsigned) count;
        ret->name = strdup(name);
        ret->protocol = strdup(protocol);
        return ret->name && ret->protocol ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int get_mount_point(json_t *item, const char *at, const char *name, struct mf_image_config *config,
                           struct mayfly_error *err)
{
        struct mf_mount_point *ret = &config->mount_points[config->n_mount_points++];
        const char *path = NULL;

        int r = mf_json_string(item, at, "path", 1, &path, err);
        if (r == 0 && path[0] != '/')
                r = mf_json_bad_member(err, at, "path", "\"%.100s\" is not an absolute path", path);
        if (r == 0)
                r = mf_json_flag(item, at, "readOnly", &ret->read_only, err);
        if (r < 0)
                return r;
        ret->name = strdup(name);
        ret->path = strdup(path);
        return ret->name && ret->path ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int get_isolator(json_t *item, const char *at, const char *name, struct mf_image_config *config,
                        struct mayfly_error *err)
{
        json_t *value = mf_json_member(item, "value");
        char path[128];

        if (!value)
                return mf_json_bad(err, at, "has no value");
        snprintf(path, sizeof(path), "%s.value", at);
        return mf_manifest_isolator(value, path, name, &config->isolation, err);
}

static int get_handler(json_t *item, const char *at, const char *name, struct mf_image_config *config,
                       struct mayfly_error *err)
{
        char ***ret = strcmp(name, "pre-start") == 0   ? &config->pre_start
                      : strcmp(name, "post-stop") == 0 ? &config->post_stop
                                                       : NULL;
        json_t *exec = NULL;
        char path[128];

        if (!ret)
                return mf_json_bad_member(err, at, "name", "\"%.60s\" is not an event; write pre-start or post-stop",
                                          name);
        snprintf(path, sizeof(path), "%s.exec", at);
        int r = mf_json_list(item, "exec", path, &exec, err);
        if (r == 0 && json_array_size(exec) == 0)
                r = mf_json_bad(err, path, exec ? "[] is empty" : "is missing");
        return r == 0 ? mf_json_strings(exec, path, ret, err) : r;
}

/* One of the lists in `app` whose items are objects with a "name". */
struct named_list {
        const char *key;
        int (*is_name)(const char *name);
        const char *form;   /* the form that is_name() checks, in words */
        int names_are_once; /* no two items may have the same name */
        int (*get)(json_t *item, const char *at, const char *name, struct mf_image_config *config,
                   struct mayfly_error *err);
};

#define AC_NAME "AC Name (a-z, 0-9, and single - between)"
#define AC_IDENTIFIER "AC Identifier (a-z, 0-9, and single -._~/ or /~ between)"

/* Checks the item's name and sets *ret to it. `seen` has the names of the items before, and gets this name. Returns 0 or
 * negative errno. */
static int get_name(json_t *item, const char *at, const struct named_list *kind, json_t *seen, const char **ret,
                    struct mayfly_error *err)
{
        const char *name = NULL;

        int r = mf_json_check_object(item, at, err);
        if (r == 0)
                r = mf_json_string(item, at, "name", 1, &name, err);
        if (r < 0)
                return r;
        if (!kind->is_name(name))
                return mf_json_bad_member(err, at, "name", "\"%.100s\" is not an %s", name, kind->form);
        int is_new = mf_json_add_name(seen, name);
        if (is_new < 0)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (kind->names_are_once && !is_new)
                return mf_json_bad_member(err, at, "name", "\"%.100s\" is in the list twice", name);
        *ret = name;
        return 0;
}

static int get_items(json_t *list, const struct named_list *kind, struct mf_image_config *config,
                     struct mayfly_error *err)
{
        mf_cleanup(mf_json_decrefp) json_t *seen = json_object();
        json_t *item;
        size_t i;

        if (!seen)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_array_foreach(list, i, item) {
                const char *name = NULL;
                char at[128];
                snprintf(at, sizeof(at), "app.%s[%zu]", kind->key, i);
                int r = get_name(item, at, kind, seen, &name, err);
                if (r == 0)
                        r = kind->get(item, at, name, config, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int get_named_lists(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        static const struct named_list kinds[] = {
                { "eventHandlers", mf_is_ac_name, AC_NAME, 1, get_handler },
                { "mountPoints", mf_is_ac_name, AC_NAME, 1, get_mount_point },
                { "ports", mf_is_ac_name, AC_NAME, 1, get_port },
                { "isolators", mf_is_ac_identifier, AC_IDENTIFIER, 0, get_isolator },
        };
        json_t *lists[MF_ELEMENTSOF(kinds)] = { NULL };
        int r = 0;

        /* First check that all of them are lists: that error comes before errors in their items. */
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(kinds); i++) {
                char at[64];
                snprintf(at, sizeof(at), "app.%s", kinds[i].key);
                r = mf_json_list(app, kinds[i].key, at, &lists[i], err);
        }
        if (r < 0)
                return r;
        config->mount_points =
                calloc(json_array_size(mf_json_member(app, "mountPoints")) + 1, sizeof(*config->mount_points));
        config->ports = calloc(json_array_size(mf_json_member(app, "ports")) + 1, sizeof(*config->ports));
        if (!config->mount_points || !config->ports)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(kinds); i++)
                r = get_items(lists[i], &kinds[i], config, err);
        return r;
}

/* Checks userAnnotations or userLabels: any keys, with strings. mayfly does not use them. */
static int check_map(json_t *app, const char *key, struct mayfly_error *err)
{
        json_t *map = mf_json_member(app, key);
        char shown[MF_JSON_SHOWN_MAX], at[160];

        if (map && !json_is_object(map))
                return mf_json_bad_member(err, "app", key, "%s is not an object", mf_json_show(map, shown));
        for (void *i = json_object_iter(map); i; i = json_object_iter_next(map, i)) {
                snprintf(at, sizeof(at), "app.%s[\"%.100s\"]", key, json_object_iter_key(i));
                mf_json_one_line(at);
                if (!json_is_string(json_object_iter_value(i)))
                        return mf_json_bad(err, at, "%s is not a string",
                                           mf_json_show(json_object_iter_value(i), shown));
        }
        return 0;
}

/* Copies a string member to *ret. With `must` it has to be there, and not empty. Returns 0 or negative errno. */
static int get_text(json_t *app, const char *key, int must, char **ret, struct mayfly_error *err)
{
        const char *text = NULL;

        int r = mf_json_string(app, "app", key, must, &text, err);
        if (r == 0 && must && !*text)
                r = mf_json_bad_member(err, "app", key, "\"\" is empty");
        if (r < 0 || !text || !*text)
                return r;
        *ret = strdup(text);
        return *ret ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int get_exec(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        json_t *list = NULL;

        int r = mf_json_list(app, "exec", "app.exec", &list, err);
        if (r < 0 || json_array_size(list) == 0)
                return r;
        json_t *first = json_array_get(list, 0);
        if (json_is_string(first) && json_string_length(first) == 0)
                return mf_json_bad(err, "app.exec[0]", "\"\" is not a program");
        return mf_json_strings(list, "app.exec", &config->argv, err);
}

static int get_cwd(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        int r = get_text(app, "workingDirectory", 0, &config->cwd, err);

        if (r < 0)
                return r;
        if (!config->cwd)
                config->cwd = strdup("/");
        if (!config->cwd)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        return config->cwd[0] == '/'
                       ? 0
                       : mf_json_bad(err, "app.workingDirectory", "\"%.100s\" is not an absolute path", config->cwd);
}

int mf_manifest_app(json_t *app, struct mf_image_config *config, struct mayfly_error *err)
{
        int r = mf_json_check_object(app, "app", err);

        if (r == 0)
                r = get_exec(app, config, err);
        if (r == 0)
                r = get_text(app, "user", 1, &config->user, err);
        if (r == 0)
                r = get_text(app, "group", 1, &config->group, err);
        if (r == 0)
                r = get_cwd(app, config, err);
        if (r == 0)
                r = get_environment(app, config, err);
        if (r == 0)
                r = get_groups(app, config, err);
        if (r == 0)
                r = get_named_lists(app, config, err);
        if (r == 0)
                r = check_map(app, "userAnnotations", err);
        if (r == 0)
                r = check_map(app, "userLabels", err);
        return r;
}
