/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/manifest-write.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/ac-types.h"
#include "model/image-name.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define NAME_SIZE ((size_t) 200)

static int no_pair(const char *pair, const char *what, struct mayfly_error *err)
{
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the %s \"%.200s\" is not of the form NAME=VALUE", what, pair);
}

/* Appends an object {name, value} to `list` for each "NAME=VALUE". Returns 0 or negative errno. */
static int add_pairs(json_t *list, const char *const *pairs, const char *what, struct mayfly_error *err)
{
        for (; pairs && *pairs; pairs++) {
                const char *value = strchr(*pairs, '=');
                if (!value || value == *pairs)
                        return no_pair(*pairs, what, err);
                json_t *pair = json_pack("{s:s%,s:s}", "name", *pairs, (size_t) (value - *pairs), "value", value + 1);
                if (!pair)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the %s \"%.200s\" is not UTF-8", what,
                                        *pairs);
                if (json_array_append_new(list, pair) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

static int has_pair(const char *const *pairs, const char *name)
{
        size_t length = strlen(name);

        for (; pairs && *pairs; pairs++)
                if (strncmp(*pairs, name, length) == 0 && (*pairs)[length] == '=')
                        return 1;
        return 0;
}

/* Adds the labels. Without os and arch among them, the image gets those of this host. Returns 0 or negative errno. */
static int add_labels(json_t *list, const struct mayfly_build_options *options, struct mayfly_error *err)
{
        struct mf_image_name *name = NULL;
        int r = add_pairs(list, options->labels, "label", err);

        if (r < 0 || has_pair(options->labels, "os") || has_pair(options->labels, "arch"))
                return r;
        if (mf_image_name_parse(&name, "host", err) < 0)
                return err ? err->code : -EINVAL;
        char os[80], arch[80];
        const char *host[] = { os, arch, NULL };
        snprintf(os, sizeof(os), "os=%s", mf_image_name_label(name, "os"));
        snprintf(arch, sizeof(arch), "arch=%s", mf_image_name_label(name, "arch"));
        r = add_pairs(list, host, "label", err);
        mf_image_name_free(name);
        return r;
}

static int add_app(json_t *root, const struct mayfly_build_options *options, struct mayfly_error *err)
{
        json_t *exec = json_array(), *environment = json_array();
        int r = exec && environment ? add_pairs(environment, options->env, "environment variable", err)
                                    : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);

        for (const char *const *word = options->exec; r == 0 && *word; word++)
                if (json_array_append_new(exec, json_string(*word)) < 0)
                        r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the argument \"%.200s\" is not UTF-8", *word);
        if (r < 0) {
                json_decref(exec);
                json_decref(environment);
                return r;
        }
        json_t *app = json_pack("{s:o,s:s,s:s,s:o,s:s}", "exec", exec, "user", options->user ? options->user : "0",
                                "group", options->group ? options->group : "0", "environment", environment,
                                "workingDirectory", options->cwd ? options->cwd : "/");
        if (!app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the app's user, group or working directory is not UTF-8");
        return json_object_set_new(root, "app", app) < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

/* Makes a manifest of the options. *ret is for json_decref(). Returns 0 or negative errno. */
static int make_manifest(const struct mayfly_build_options *options, json_t **ret, struct mayfly_error *err)
{
        json_t *labels = json_array();
        int r = labels ? add_labels(labels, options, err) : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);

        if (r < 0) {
                json_decref(labels);
                return r;
        }
        json_t *root = json_pack("{s:s,s:s,s:s,s:o}", "acKind", "ImageManifest", "acVersion", "0.8.11", "name",
                                 options->name, "labels", labels);
        if (!root)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the name is not UTF-8");
        if (options->exec && options->exec[0])
                r = add_app(root, options, err);
        if (r == 0)
                *ret = root;
        else
                json_decref(root);
        return r;
}

/* Writes a manifest, and frees it. Returns 0 or -ENOMEM. */
static int finish(json_t *root, char **ret, struct mayfly_error *err)
{
        char *text = json_dumps(root, JSON_INDENT(2));

        json_decref(root);
        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        *ret = text;
        return 0;
}

int mf_manifest_write(const struct mayfly_build_options *options, char **ret, struct mayfly_error *err)
{
        json_t *root = NULL;

        int r = make_manifest(options, &root, err);
        return r == 0 ? finish(root, ret, err) : r;
}

/* --- of a configuration ------------------------------------------------------------------------------------------- */

/* Writes an AC Name: lower-case letters and digits of the text, "-" for what is between them, and at the end a number for the `n`th of
 * its kind, so that no two are equal. */
static void make_name(const char *text, size_t n, char ret[NAME_SIZE])
{
        size_t used = 0;

        for (; *text && used + 30 < NAME_SIZE; text++) {
                const char c = (char) (*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
                if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
                        ret[used++] = c;
                else if (used > 0 && ret[used - 1] != '-')
                        ret[used++] = '-';
        }
        used -= used > 0 && ret[used - 1] == '-';
        snprintf(ret + used, NAME_SIZE - used, "%s%zu", used ? "-" : "", n);
}

/* Adds the mount points and ports to the app. Returns 0, or -1 when memory is short. */
static int add_places(json_t *app, const struct mf_image_config *config)
{
        json_t *mount_points = json_array(), *ports = json_array();
        char name[NAME_SIZE];
        int r = 0;

        for (size_t i = 0; i < config->n_mount_points && r == 0; i++) {
                const struct mf_mount_point *point = &config->mount_points[i];
                make_name(point->path, i + 1, name);
                r = json_array_append_new(mount_points, json_pack("{s:s,s:s,s:b}", "name", name, "path", point->path,
                                                                  "readOnly", point->read_only));
        }
        for (size_t i = 0; i < config->n_ports && r == 0; i++) {
                const struct mf_port *port = &config->ports[i];
                make_name(port->name, i + 1, name);
                r = json_array_append_new(ports,
                                          json_pack("{s:s,s:s,s:i,s:i,s:b}", "name", name, "protocol", port->protocol,
                                                    "port", (int) port->port, "count", (int) port->count,
                                                    "socketActivated", port->socket_activated));
        }
        if (r == 0 && config->n_mount_points > 0)
                r = json_object_set(app, "mountPoints", mount_points);
        if (r == 0 && config->n_ports > 0)
                r = json_object_set(app, "ports", ports);
        json_decref(mount_points);
        json_decref(ports);
        return r;
}

/* Lists the labels that appc allows, and the version; *ret is NULL-terminated, and for mf_strings_clear(). Returns 0 or -ENOMEM. */
static int choose_labels(const struct mf_image_config *config, const char *version, struct mf_strings *ret,
                         const char **ret_left_out)
{
        char *text = NULL;
        int r = 0;

        for (char **label = config->labels; *label && r == 0; label++) {
                mf_cleanup(mf_freep) char *name = strndup(*label, strcspn(*label, "="));
                if (!name)
                        return -ENOMEM;
                if (mf_is_ac_identifier(name) && strcmp(name, "version") != 0)
                        r = mf_strings_add(ret, strdup(*label));
                else if (!*ret_left_out && strcmp(name, "version") != 0)
                        *ret_left_out = *label;
                else if (!version)
                        r = mf_strings_add(ret, strdup(*label));
        }
        if (r == 0 && version)
                r = mf_strings_add(ret, asprintf(&text, "version=%s", version) < 0 ? NULL : text);
        return r;
}

/* Adds what the options cannot say. Returns 0 or -1. */
static int add_rest(json_t *root, const struct mf_image_config *config, const char *created)
{
        json_t *app = json_object_get(root, "app");
        int r = app ? add_places(app, config) : 0;

        if (r == 0 && created)
                r = json_object_set_new(root, "annotations",
                                        json_pack("[{s:s,s:s}]", "name", "created", "value", created));
        return r;
}

int mf_manifest_write_config(const struct mf_image_config *config, const struct mf_manifest_extra *extra, char **ret,
                             const char **ret_left_out, struct mayfly_error *err)
{
        struct mayfly_build_options options = MAYFLY_BUILD_OPTIONS_INIT;
        struct mf_strings labels = { 0 }, exec = { 0 };
        char **const words[] = { config->entrypoint, config->argv };
        json_t *root = NULL;

        *ret_left_out = NULL;
        int r = choose_labels(config, extra->version, &labels, ret_left_out);
        for (size_t i = 0; i < MF_ELEMENTSOF(words); i++)
                for (char **word = words[i]; word && *word && r == 0; word++)
                        r = mf_strings_add(&exec, strdup(*word));
        if (r == 0) {
                options.name = extra->name;
                options.labels = (const char *const *) labels.list;
                options.exec = (const char *const *) exec.list;
                options.user = config->user;
                options.group = config->group;
                options.env = (const char *const *) config->env;
                options.cwd = config->cwd;
                r = make_manifest(&options, &root, err);
        } else {
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        if (r == 0 && add_rest(root, config, extra->created) < 0) {
                json_decref(root);
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        mf_strings_clear(&labels);
        mf_strings_clear(&exec);
        return r == 0 ? finish(root, ret, err) : r;
}
