/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/write.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oci/platform.h"
#include "util/macro.h"

/* Writes a value that was made, and frees it. NULL: it could not be made. Returns 0, -EINVAL or -ENOMEM. */
static int finish(struct mf_buffer *ret, json_t *value)
{
        struct mf_buffer buffer = { 0 };
        mf_cleanup(mf_freep) char *text = value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

        json_decref(value);
        if (!text)
                return -EINVAL;
        if (mf_buffer_add(&buffer, text, strlen(text)) < 0)
                return -ENOMEM;
        *ret = buffer;
        return 0;
}

/* Adds a member, which is freed in any case. Returns 0, or -1 when it could not be made. */
static int add(json_t *object, const char *name, json_t *value)
{
        return json_object_set_new(object, name, value);
}

static json_t *describe(const struct mf_oci_written *blob)
{
        return json_pack("{s:s, s:s, s:I}", "mediaType", blob->media_type, "digest", blob->digest, "size",
                         (json_int_t) blob->size);
}

/* Makes a list of the words of two lists, each of which may be NULL. Returns NULL on failure. */
static json_t *make_list(char *const *first, char *const *second)
{
        char *const *const parts[] = { first, second };
        json_t *list = json_array();

        for (size_t i = 0; list && i < MF_ELEMENTSOF(parts); i++)
                for (char *const *word = parts[i]; word && *word; word++)
                        if (json_array_append_new(list, json_string(*word)) < 0) {
                                json_decref(list);
                                return NULL;
                        }
        return list;
}

/* Makes the set of ports, as docker has it: "6379/tcp". Returns NULL on failure. */
static json_t *make_ports(const struct mf_image_config *config)
{
        json_t *ports = json_object();
        int r = ports ? 0 : -1;

        for (size_t i = 0; i < config->n_ports && r == 0; i++) {
                const struct mf_port *port = &config->ports[i];
                mf_cleanup(mf_freep) char *name = NULL;
                if (asprintf(&name, port->count > 1 ? "%u-%u/%s" : "%u%.0u/%s", port->port,
                             port->count > 1 ? port->port + port->count - 1 : 0U, port->protocol) < 0)
                        name = NULL;
                r = name ? add(ports, name, json_object()) : -1;
        }
        if (r == 0)
                return ports;
        json_decref(ports);
        return NULL;
}

/* Makes the labels, or the volumes. Return NULL on failure. */
static json_t *make_labels(const struct mf_image_config *config)
{
        json_t *labels = json_object();

        for (char **label = config->labels; labels && *label; label++) {
                mf_cleanup(mf_freep) char *name = strndup(*label, strcspn(*label, "="));
                const char *value = strchr(*label, '=');
                if (name && (strcmp(name, "os") == 0 || strcmp(name, "arch") == 0))
                        continue;
                if (!name || !value || add(labels, name, json_string(value + 1)) < 0) {
                        json_decref(labels);
                        return NULL;
                }
        }
        return labels;
}

static json_t *make_volumes(const struct mf_image_config *config)
{
        json_t *volumes = json_object();

        for (size_t i = 0; volumes && i < config->n_mount_points; i++)
                if (add(volumes, config->mount_points[i].path, json_object()) < 0) {
                        json_decref(volumes);
                        return NULL;
                }
        return volumes;
}

/* Makes "USER" or "USER:GROUP". Returns NULL on failure. */
static json_t *make_user(const struct mf_image_config *config)
{
        return json_sprintf("%s%s%s", config->user ? config->user : "", config->group ? ":" : "",
                            config->group ? config->group : "");
}

/* Makes the part of a configuration that says how the app runs. Returns NULL on failure. */
static json_t *make_app(const struct mf_image_config *config)
{
        json_t *app = json_object();
        int r = app ? 0 : -1;

        if (r == 0 && mf_image_config_has_app(config)) {
                r = add(app, "User", make_user(config));
                if (r == 0)
                        r = add(app, "Entrypoint", make_list(config->entrypoint, config->argv));
                if (r == 0 && config->cwd)
                        r = add(app, "WorkingDir", json_string(config->cwd));
        }
        if (r == 0 && config->env && config->env[0])
                r = add(app, "Env", make_list(config->env, NULL));
        if (r == 0 && config->n_ports > 0)
                r = add(app, "ExposedPorts", make_ports(config));
        if (r == 0 && config->n_mount_points > 0)
                r = add(app, "Volumes", make_volumes(config));
        if (r == 0)
                r = add(app, "Labels", make_labels(config));
        if (r == 0)
                return app;
        json_decref(app);
        return NULL;
}

/* Returns the value of the label, or NULL. */
static const char *label_of(const struct mf_image_config *config, const char *name)
{
        const size_t length = strlen(name);

        for (char **label = config->labels; *label; label++)
                if (strncmp(*label, name, length) == 0 && (*label)[length] == '=')
                        return *label + length + 1;
        return NULL;
}

int mf_oci_write_config(struct mf_buffer *ret, const struct mf_image_config *config, const char *diff_id,
                        int64_t created)
{
        const char *variant = NULL, *label = label_of(config, "arch"), *os = label_of(config, "os"),
                   *architecture = label ? mf_oci_arch_of_label(label, &variant) : mf_oci_host_arch(&variant);
        json_t *root = json_object();
        char text[40];
        const time_t seconds = (time_t) created;
        struct tm parts;
        int r = root ? 0 : -1;

        if (r == 0 && created != INT64_MAX && gmtime_r(&seconds, &parts) &&
            strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
                r = add(root, "created", json_string(text));
        if (r == 0)
                r = add(root, "architecture", json_string(architecture));
        if (r == 0 && variant)
                r = add(root, "variant", json_string(variant));
        if (r == 0)
                r = add(root, "os", json_string(os ? os : "linux"));
        if (r == 0)
                r = add(root, "config", make_app(config));
        if (r == 0)
                r = add(root, "rootfs", json_pack("{s:s, s:[s]}", "type", "layers", "diff_ids", diff_id));
        if (r == 0)
                r = add(root, "history", json_pack("[{s:s}]", "created_by", "mayfly build --oci"));
        if (r < 0) {
                json_decref(root);
                root = NULL;
        }
        return finish(ret, root);
}

int mf_oci_write_manifest(struct mf_buffer *ret, const struct mf_oci_written *config,
                          const struct mf_oci_written *layer)
{
        return finish(ret, json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", MF_OCI_TYPE_MANIFEST,
                                     "config", describe(config), "layers", describe(layer)));
}

int mf_oci_write_index(struct mf_buffer *ret, const struct mf_oci_written *manifest, const char *name)
{
        json_t *entry = describe(manifest);

        if (entry && name &&
            add(entry, "annotations", json_pack("{s:s}", "org.opencontainers.image.ref.name", name)) < 0) {
                json_decref(entry);
                entry = NULL;
        }
        return finish(ret, json_pack("{s:i, s:[o]}", "schemaVersion", 2, "manifests", entry));
}
