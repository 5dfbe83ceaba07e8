/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/json.h"
#include "oci/platform.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/signal-name.h"
#include "util/strv.h"

#define WHAT "config"
#define LAYERS_MAX ((size_t) 127)
#define PORTS_MAX ((size_t) 1000)
#define HEALTH_US 30000000U /* docker's defaults */
#define HEALTH_RETRIES 3U

void mf_oci_config_clear(struct mf_oci_config *config)
{
        mf_image_config_free(config->image);
        free(config->os);
        free(config->architecture);
        free(config->variant);
        free(config->created);
        free(config->author);
        *config = (struct mf_oci_config){ 0 };
}

/* Copies a string member, if it is there. Returns 0 or negative errno. */
static int copy_string(json_t *object, const char *path, const char *name, char **ret, struct mayfly_error *err)
{
        const char *value = NULL;

        int r = mf_oci_json_string(object, WHAT, path, name, 0, &value, err);
        if (r < 0 || !value)
                return r;
        *ret = strdup(value);
        return *ret ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

/* --- layers ------------------------------------------------------------------------------------------------------- */

static int read_layer(const char *diff_id, const char *path, struct mf_dependency *ret, struct mayfly_error *err)
{
        char id[MF_ID_LENGTH + 1];

        if (mf_image_id_of_digest(diff_id, id) < 0)
                return mf_oci_json_bad(
                        err, WHAT, path,
                        "\"%.150s\" is not a digest that mayfly can check; it must be sha256: and 64, or "
                        "sha512: and 128 lower-case hex digits",
                        diff_id);
        ret->name = strdup(diff_id);
        ret->id = strdup(id);
        ret->labels = calloc(1, sizeof(char *));
        return ret->name && ret->id && ret->labels ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int read_layers(json_t *root, struct mf_image_config *ret, struct mayfly_error *err)
{
        json_t *rootfs = NULL;
        char **ids = NULL;
        const char *type = NULL;

        int r = mf_oci_json_object(root, WHAT, "rootfs", "rootfs", &rootfs, err);
        if (r == 0 && !rootfs)
                r = mf_oci_json_bad(err, WHAT, "rootfs", "it is missing");
        if (r == 0)
                r = mf_oci_json_string(rootfs, WHAT, "rootfs.type", "type", 1, &type, err);
        if (r == 0 && strcmp(type, "layers") != 0)
                r = mf_oci_json_bad(err, WHAT, "rootfs.type", "\"%.100s\" is not \"layers\"", type);
        if (r == 0)
                r = mf_oci_json_strings(rootfs, WHAT, "rootfs.diff_ids", "diff_ids", &ids, err);
        size_t n = mf_strv_length((const char *const *) ids);
        if (r == 0 && n > LAYERS_MAX)
                r = mf_oci_json_bad(err, WHAT, "rootfs.diff_ids", "the image has %zu layers; up to %zu are possible", n,
                                    LAYERS_MAX);
        if (r == 0 && !(ret->dependencies = calloc(n + 1, sizeof(*ret->dependencies))))
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        for (size_t i = 0; i < n && r == 0; i++) {
                char at[60];
                snprintf(at, sizeof(at), "rootfs.diff_ids[%zu]", i);
                ret->n_dependencies = i + 1;
                r = read_layer(ids[i], at, &ret->dependencies[i], err);
        }
        mf_strv_free(ids);
        return r;
}

/* --- the app ------------------------------------------------------------------------------------------------------ */

/* Reads "USER", "UID", and either with ":GROUP" or ":GID". Without a group it is the user's, with
 * all groups that the user is in; with one it is that group alone, as the image specification says. Returns 0 or negative errno. */
static int read_user(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        const char *user = NULL;

        int r = mf_oci_json_string(config, WHAT, "config.User", "User", 0, &user, err);
        if (r < 0)
                return r;
        user = user ? user : "";
        size_t length = strcspn(user, ":");
        if (strchr(user, '/') || (user[length] && (!user[length + 1] || strchr(user + length + 1, ':'))))
                return mf_oci_json_bad(err, WHAT, "config.User",
                                       "\"%.100s\" is neither a user nor USER:GROUP, by name or number", user);
        ret->user = length ? strndup(user, length) : strdup("0");
        ret->only_groups = user[length] != '\0';
        if (user[length])
                ret->group = strdup(user + length + 1);
        return ret->user && (ret->group || !user[length]) ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

/* Reads the working directory, "/" by default. Returns 0 or negative errno. */
static int read_cwd(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        const char *cwd = NULL;

        int r = mf_oci_json_string(config, WHAT, "config.WorkingDir", "WorkingDir", 0, &cwd, err);
        if (r < 0)
                return r;
        cwd = cwd && *cwd ? cwd : "/";
        if (asprintf(&ret->cwd, "%s%s", cwd[0] == '/' ? "" : "/", cwd) < 0) {
                ret->cwd = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

/* Reads the environment. A word without "=" sets nothing, in docker as here. Returns 0 or negative errno. */
static int read_env(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        char **words = NULL;
        size_t n = 0;

        int r = mf_oci_json_strings(config, WHAT, "config.Env", "Env", &words, err);
        if (r < 0 || !words)
                return r;
        for (size_t i = 0; words[i]; i++) {
                char *word = words[i];
                words[i] = NULL;
                if (strchr(word, '=') && word[0] != '=')
                        words[n++] = word;
                else
                        free(word);
        }
        free(ret->env);
        ret->env = words;
        return 0;
}

/* Parses "PORT", "FIRST-LAST", each with "/tcp", "/udp" or "/sctp". Returns 0 or -EINVAL. */
static int parse_port(const char *text, struct mf_port *ret, const char **ret_protocol)
{
        char *end;

        if (*text < '0' || *text > '9')
                return -EINVAL;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
                last = strtoul(end + 1, &end, 10);
        if (first < 1 || last < first || last > 65535 || (*end && *end != '/'))
                return -EINVAL;
        ret->port = (uint16_t) first;
        ret->count = (unsigned) (last - first + 1);
        *ret_protocol = *end ? end + 1 : "tcp";
        return **ret_protocol ? 0 : -EINVAL;
}

static int read_port(const char *text, struct mf_port *ret, struct mayfly_error *err)
{
        const char *protocol = NULL;

        if (parse_port(text, ret, &protocol) < 0)
                return mf_oci_json_bad(err, WHAT, "config.ExposedPorts",
                                       "\"%.100s\" is not a port, such as \"6379/tcp\" or \"8000-8010/udp\"", text);
        ret->protocol = strdup(protocol);
        if (asprintf(&ret->name, "%s%s", text, strchr(text, '/') ? "" : "/tcp") < 0)
                ret->name = NULL;
        return ret->name && ret->protocol ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int read_ports(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        json_t *ports = NULL, *ignored;
        const char *key;

        int r = mf_oci_json_object(config, WHAT, "config.ExposedPorts", "ExposedPorts", &ports, err);
        if (r < 0 || !ports)
                return r;
        if (json_object_size(ports) > PORTS_MAX)
                return mf_oci_json_bad(err, WHAT, "config.ExposedPorts", "it has %zu ports; up to %zu are possible",
                                       json_object_size(ports), PORTS_MAX);
        ret->ports = calloc(json_object_size(ports) + 1, sizeof(*ret->ports));
        if (!ret->ports)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_object_foreach(ports, key, ignored) {
                r = read_port(key, &ret->ports[ret->n_ports++], err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_volumes(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        json_t *volumes = NULL, *ignored;
        const char *key;

        int r = mf_oci_json_object(config, WHAT, "config.Volumes", "Volumes", &volumes, err);
        if (r < 0 || !volumes)
                return r;
        ret->mount_points = calloc(json_object_size(volumes) + 1, sizeof(*ret->mount_points));
        if (!ret->mount_points)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        json_object_foreach(volumes, key, ignored) {
                struct mf_mount_point *point = &ret->mount_points[ret->n_mount_points++];
                point->begins_with_image = 1;
                point->name = strdup(key);
                if (asprintf(&point->path, "%s%s", key[0] == '/' ? "" : "/", key) < 0)
                        point->path = NULL;
                if (!point->name || !point->path)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

/* Notes the directories that are made where the layers do not have them: the working directory and the volumes. Returns 0 or
 * -ENOMEM. */
static int note_directories(struct mf_image_config *ret, struct mayfly_error *err)
{
        int r = !ret->cwd || strcmp(ret->cwd, "/") == 0 ? 0 : mf_strv_add(&ret->directories, strdup(ret->cwd));

        for (size_t i = 0; i < ret->n_mount_points && r == 0; i++)
                if (ret->mount_points[i].path)
                        r = mf_strv_add(&ret->directories, strdup(ret->mount_points[i].path));
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

/* Reads the signal that asks the app to end: "SIGQUIT", "QUIT", "3", "SIGRTMIN+3". Returns 0 or negative errno. */
static int read_stop_signal(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        const char *text = NULL;

        int r = mf_oci_json_string(config, WHAT, "config.StopSignal", "StopSignal", 0, &text, err);
        if (r < 0 || !text || !*text)
                return r;
        const int number = mf_signal_number(text);
        if (number == 0)
                return mf_oci_json_bad(err, WHAT, "config.StopSignal", "\"%.60s\" is not a signal, such as \"SIGTERM\"",
                                       text);
        ret->stop_signal = number;
        return 0;
}

/* Reads a duration in nanoseconds, for which 0 means the default. Returns 0 or negative errno. */
static int read_duration(json_t *health, const char *path, const char *name, uint64_t default_us, uint64_t *ret,
                         struct mayfly_error *err)
{
        int64_t ns = 0;

        int r = mf_oci_json_number(health, WHAT, path, name, 0, &ns, err);
        if (r == 0)
                *ret = ns > 0 ? (uint64_t) ns / 1000 + (ns % 1000 != 0) : default_us;
        return r;
}

/* Makes the command of a health check of its words: "CMD" and a command, "CMD-SHELL" and a line for the shell, or "NONE". Returns 0 or
 * negative errno. */
static int read_test(json_t *config, char **test, char ***ret, struct mayfly_error *err)
{
        char **command = NULL;
        int r = 0;

        if (!test || !test[0] || !*test[0] || strcmp(test[0], "NONE") == 0)
                return 0;
        const int by_shell = strcmp(test[0], "CMD-SHELL") == 0;
        if ((!by_shell && strcmp(test[0], "CMD") != 0) || !test[1] || (by_shell && test[2]))
                return mf_oci_json_bad(
                        err, WHAT, "config.Healthcheck.Test",
                        "it is neither \"CMD\" and a command, nor \"CMD-SHELL\" and one line, nor \"NONE\"");
        if (by_shell)
                r = mf_oci_json_strings(config, WHAT, "config.Shell", "Shell", &command, err);
        if (r == 0 && by_shell && (!command || !command[0])) {
                mf_strv_free(command);
                command = NULL;
                r = mf_strv_add(&command, strdup("/bin/sh")) < 0 || mf_strv_add(&command, strdup("-c")) < 0 ? -ENOMEM
                                                                                                            : 0;
        }
        for (size_t i = 1; test[i] && r == 0; i++)
                r = mf_strv_add(&command, strdup(test[i]));
        if (r == 0)
                *ret = command;
        else
                mf_strv_free(command);
        return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : r;
}

/* Reads docker's health check as it must be. Returns 0 or negative errno. */
static int read_good_health(json_t *config, struct mf_health *ret, struct mayfly_error *err)
{
        json_t *health = NULL;
        char **test = NULL;
        int64_t retries = 0;

        int r = mf_oci_json_object(config, WHAT, "config.Healthcheck", "Healthcheck", &health, err);
        if (r < 0 || !health)
                return r;
        r = mf_oci_json_strings(health, WHAT, "config.Healthcheck.Test", "Test", &test, err);
        if (r == 0)
                r = read_duration(health, "config.Healthcheck.Interval", "Interval", HEALTH_US, &ret->interval_us, err);
        if (r == 0)
                r = read_duration(health, "config.Healthcheck.Timeout", "Timeout", HEALTH_US, &ret->timeout_us, err);
        if (r == 0)
                r = read_duration(health, "config.Healthcheck.StartPeriod", "StartPeriod", 0, &ret->start_period_us,
                                  err);
        if (r == 0)
                r = mf_oci_json_number(health, WHAT, "config.Healthcheck.Retries", "Retries", 0, &retries, err);
        ret->retries = retries <= 0 ? HEALTH_RETRIES : retries < UINT_MAX ? (unsigned) retries : UINT_MAX;
        if (r == 0)
                r = read_test(config, test, &ret->command, err);
        mf_strv_free(test);
        return r;
}

/* Reads docker's health check. What is wrong with it is kept, because the image can be used without it. Returns 0 or -ENOMEM. */
static int read_health(json_t *config, struct mf_health *ret, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = read_good_health(config, ret, &why);
        if (r == -EBADMSG)
                ret->fault = strdup(why.message);
        return r == 0 || ret->fault ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

static int read_app(json_t *config, struct mf_image_config *ret, struct mayfly_error *err)
{
        int r = mf_oci_json_strings(config, WHAT, "config.Entrypoint", "Entrypoint", &ret->entrypoint, err);
        if (r == 0)
                r = mf_oci_json_strings(config, WHAT, "config.Cmd", "Cmd", &ret->argv, err);
        if (r == 0)
                r = read_user(config, ret, err);
        if (r == 0)
                r = read_cwd(config, ret, err);
        if (r == 0)
                r = read_env(config, ret, err);
        if (r == 0)
                r = read_ports(config, ret, err);
        if (r == 0)
                r = read_volumes(config, ret, err);
        if (r == 0)
                r = read_stop_signal(config, ret, err);
        if (r == 0)
                r = read_health(config, &ret->health, err);
        return r == 0 ? note_directories(ret, err) : r;
}

/* --- labels ------------------------------------------------------------------------------------------------------- */

/* Adds "NAME=value" unless the list has NAME. Returns 0 or -ENOMEM. */
static int add_label(struct mf_strings *labels, const char *name, const char *value)
{
        const size_t length = strlen(name);
        char *text = NULL;

        for (size_t i = 0; i < labels->n; i++)
                if (strncmp(labels->list[i], name, length) == 0 && labels->list[i][length] == '=')
                        return 0;
        if (asprintf(&text, "%s=%s", name, value) < 0)
                text = NULL;
        return mf_strings_add(labels, text);
}

/* Reads the labels, after those that every image has: "os" and "arch", as they are called in all of mayfly. Returns 0 or negative
 * errno. */
static int read_labels(json_t *config, const struct mf_oci_config *of, struct mf_strings *ret, struct mayfly_error *err)
{
        json_t *labels = NULL, *value;
        const char *key;

        int r = config ? mf_oci_json_object(config, WHAT, "config.Labels", "Labels", &labels, err) : 0;
        if (r < 0)
                return r;
        r = add_label(ret, "os", of->os);
        if (r == 0)
                r = add_label(ret, "arch", mf_oci_arch_label(of->architecture, of->variant));
        json_object_foreach(labels, key, value) {
                char shown[MF_OCI_JSON_SHOWN_MAX];
                if (r == 0 && !json_is_string(value))
                        return mf_oci_json_bad(err, WHAT, "config.Labels", "%s is not a string",
                                               mf_oci_json_show(value, shown));
                if (r == 0)
                        r = add_label(ret, key, json_string_value(value));
        }
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* Reads the members that are not about the app. Returns 0 or negative errno. */
static int read_facts(json_t *root, struct mf_oci_config *ret, struct mayfly_error *err)
{
        const char *ignored;

        int r = mf_oci_json_string(root, WHAT, "os", "os", 1, &ignored, err);
        if (r == 0)
                r = mf_oci_json_string(root, WHAT, "architecture", "architecture", 1, &ignored, err);
        if (r == 0)
                r = copy_string(root, "os", "os", &ret->os, err);
        if (r == 0)
                r = copy_string(root, "architecture", "architecture", &ret->architecture, err);
        if (r == 0)
                r = copy_string(root, "variant", "variant", &ret->variant, err);
        if (r == 0)
                r = copy_string(root, "created", "created", &ret->created, err);
        if (r == 0)
                r = copy_string(root, "author", "author", &ret->author, err);
        if (r == 0 && ret->os && strcmp(ret->os, "linux") != 0)
                r = mf_oci_json_bad(err, WHAT, "os", "the image is for \"%.100s\"; mayfly runs images for linux",
                                    ret->os);
        return r;
}

static int read_config(json_t *root, struct mf_oci_config *ret, struct mayfly_error *err)
{
        struct mf_strings labels = { 0 };
        json_t *config = NULL;

        ret->image->is_layers_only = 1;
        int r = read_facts(root, ret, err);
        if (r == 0)
                r = mf_oci_json_object(root, WHAT, "config", "config", &config, err);
        if (r == 0)
                r = read_layers(root, ret->image, err);
        if (r == 0)
                r = read_labels(config, ret, &labels, err);
        if (r < 0) {
                mf_strings_clear(&labels);
                return r;
        }
        mf_strv_free(ret->image->labels);
        ret->image->labels = labels.list;
        return config ? read_app(config, ret->image, err) : 0;
}

char *mf_oci_config_pretty(const char *text, size_t size)
{
        return mf_oci_json_pretty(text, size);
}

struct mf_image_config *mf_oci_layer_config(const char *name)
{
        struct mf_image_config *config = calloc(1, sizeof(*config));

        if (!config)
                return NULL;
        config->name = strdup(name);
        config->labels = calloc(1, sizeof(char *));
        config->env = calloc(1, sizeof(char *));
        return config->name && config->labels && config->env ? config : mf_image_config_free(config);
}

int mf_oci_config_parse(struct mf_oci_config *ret, const char *text, size_t size, const char *name,
                        struct mayfly_error *err)
{
        mf_cleanup(mf_oci_json_decrefp) json_t *root = NULL;
        struct mf_oci_config config = { 0 };

        int r = mf_oci_json_load(&root, text, size, WHAT, 0, err);
        if (r < 0)
                return r;
        config.image = mf_oci_layer_config(name);
        r = config.image ? read_config(root, &config, err) : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (r < 0)
                mf_oci_config_clear(&config);
        else
                *ret = config;
        return r;
}
