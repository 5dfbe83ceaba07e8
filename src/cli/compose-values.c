/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/compose-values.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/macro.h"
#include "util/strv.h"

#define MOST_MS 4000000000.0 /* what a wait_timeout can be */

/* --- helpers ---------------------------------------------------------------------------------------------------- */

static int set(struct compose_service *service, const char *key, json_t *value)
{
        return json_object_set_new(service->to, key, value) < 0 ? -ENOMEM : 0;
}

/* Adds a text to a list of the container. */
__attribute__((format(printf, 3, 4))) static int add(struct compose_service *service, const char *key,
                                                     const char *format, ...)
{
        json_t *list = json_object_get(service->to, key);
        va_list args;

        if (!list && set(service, key, list = json_array()) < 0)
                return -ENOMEM;
        va_start(args, format);
        int r = json_array_append_new(list, json_vsprintf(format, args));
        va_end(args);
        return r < 0 ? -ENOMEM : 0;
}

/* Says what a value is not, and who writes values as they must be: in a file for people they can have other forms. */
static int not_a(struct compose_service *service, const struct place *place, json_t *value, const char *wanted)
{
        char text[200];

        snprintf(text, sizeof(text), "%s; docker compose config --format json prints it so", wanted);
        return reader_not_a(service->compose->reader, place, value, text);
}

/* A string, or an integer as a string in `buffer`; else NULL. */
static const char *word_of(const json_t *value, char buffer[24])
{
        snprintf(buffer, 24, "%lld", (long long) json_integer_value(value));
        return json_is_integer(value) ? buffer : json_string_value(value);
}

static const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

/* --- texts and numbers ------------------------------------------------------------------------------------------ */

static int take_image(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *text = json_string_value(value);

        if (!text)
                return not_a(service, place, value, "a string");
        if (strncmp(text, "oci:", 4) == 0 || strncmp(text, "aci:", 4) == 0)
                return json_object_set(service->to, "image", value) < 0 ? -ENOMEM : 0;
        if (!strstr(text, "@sha256:"))
                return reader_bad(service->compose->reader, place,
                                  "\"%s\" has no digest, so that others could change what runs; docker compose config "
                                  "--resolve-image-digests adds it, or write what mayfly pin oci:%s prints",
                                  text, text);
        return set(service, "image", json_sprintf("oci:%s", text));
}

/* Memory sizes are digits in a string. */
static int take_size(struct compose_service *service, const char *key, json_t *value)
{
        const char *text = json_string_value(value);

        if (!text || !*text || strspn(text, "0123456789") < strlen(text))
                return json_object_set(service->to, key, value) < 0 ? -ENOMEM : 0;
        return set(service, key, json_integer(strtoll(text, NULL, 10)));
}

static int take_mem_limit(struct compose_service *service, const struct place *place, json_t *value)
{
        (void) place;
        return take_size(service, "memory", value);
}

static int take_shm_size(struct compose_service *service, const struct place *place, json_t *value)
{
        (void) place;
        return take_size(service, "shm_size", value);
}

static int take_pids_limit(struct compose_service *service, const struct place *place, json_t *value)
{
        if (!json_is_integer(value))
                return not_a(service, place, value, "a number");
        return json_integer_value(value) > 0 ? set(service, "pids_limit", json_incref(value)) : 0;
}

static int take_user(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *text = json_string_value(value);

        if (!text)
                return not_a(service, place, value, "a string");
        return set(service, "user", json_incref(value));
}

static int take_network_mode(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *text = json_string_value(value);

        if (text && (strcmp(text, "host") == 0 || strcmp(text, "none") == 0))
                return set(service, "network", json_incref(value));
        return not_a(service, place, value, "\"host\" or \"none\", and mayfly knows no others");
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static int take_port(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *address = text_of(value, "host_ip"), *protocol = text_of(value, "protocol");
        char number[24];
        const char *published = word_of(json_object_get(value, "published"), number);
        json_int_t target = json_integer_value(json_object_get(value, "target"));

        if (target <= 0)
                return not_a(service, place, value, "a port with its \"target\"");
        if (address && *address && strcmp(address, "0.0.0.0") != 0 && strcmp(address, "127.0.0.1") != 0)
                return reader_bad(service->compose->reader, place,
                                  "the host_ip %s: ports are published on 127.0.0.1 alone; leave it out", address);
        return add(service, "publish", "%s%s%lld/%s", published ? published : "", published && *published ? ":" : "",
                   (long long) target, protocol ? protocol : "tcp");
}

/* A volume with a name is a part of the container's own root, unless nothing can be written there. */
static int take_named_volume(struct compose_service *service, const struct place *place, const char *name,
                             const char *target)
{
        json_t *volumes = service->compose->volumes;
        const char *owner = name ? text_of(volumes, name) : NULL;

        if (owner && strcmp(owner, service->place->name) != 0)
                return reader_bad(service->compose->reader, place,
                                  "the volume \"%s\" is that of service \"%s\", too, and mayfly has no volumes with "
                                  "names; mount a directory of the host in both",
                                  name, owner);
        if (name && json_object_set_new(volumes, name, json_string(service->place->name)) < 0)
                return -ENOMEM;
        return service->is_read_only ? add(service, "tmpfs", "%s", target) : 0;
}

static int take_volume(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *type = text_of(value, "type"), *source = text_of(value, "source"),
                   *target = text_of(value, "target");

        if (!type || !target || (strcmp(type, "bind") == 0 && !source))
                return not_a(service, place, value, "a volume with \"type\" and \"target\"");
        if (strcmp(type, "bind") == 0)
                return add(service, "volumes", "%s:%s%s", source, target,
                           json_is_true(json_object_get(value, "read_only")) ? ":ro" : "");
        if (strcmp(type, "tmpfs") == 0)
                return add(service, "tmpfs", "%s", target);
        if (strcmp(type, "volume") == 0)
                return take_named_volume(service, place, source, target);
        return reader_bad(service->compose->reader, place, "the type \"%s\" is not known to mayfly", type);
}

static int take_tmpfs(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *text = json_string_value(value);

        if (!text)
                return not_a(service, place, value, "a path");
        return add(service, "tmpfs", "%.*s", (int) strcspn(text, ":"), text); /* its options are those of a mount */
}

static int take_device(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *source = text_of(value, "source"), *target = text_of(value, "target");
        const char *text = json_string_value(value);

        if (text) {
                const char *colon = strchr(text, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
                return add(service, "devices", "%.*s", (int) (second ? second - text : (ssize_t) strlen(text)), text);
        }
        return source ? add(service, "devices", "%s:%s", source, target ? target : source)
                      : not_a(service, place, value, "a device");
}

/* "NAME=ADDRESS" or "NAME:ADDRESS". */
static int take_host(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *text = json_string_value(value);
        size_t length = text ? strcspn(text, "=:") : 0;

        if (!text || !text[length])
                return not_a(service, place, value, "\"NAME=ADDRESS\"");
        return add(service, "extra_hosts", "%.*s:%s", (int) length, text, text + length + 1);
}

typedef int (*take_fn)(struct compose_service *service, const struct place *place, json_t *value);

/* Takes each element of a list, or a value that stands alone. */
static int take_each(struct compose_service *service, const struct place *place, json_t *value, take_fn take)
{
        json_t *item;
        size_t i;

        if (!json_is_array(value))
                return take(service, place, value);
        json_array_foreach(value, i, item) {
                const struct place inner = { .above = place, .index = i };
                int r = take(service, &inner, item);
                if (r < 0)
                        return r;
        }
        return 0;
}

#define EACH(name, take)                                                                           \
        static int name(struct compose_service *service, const struct place *place, json_t *value) \
        {                                                                                          \
                return take_each(service, place, value, take);                                     \
        }

EACH(take_ports, take_port)
EACH(take_volumes, take_volume)
EACH(take_all_tmpfs, take_tmpfs)
EACH(take_devices, take_device)

/* --- objects ---------------------------------------------------------------------------------------------------- */

static int take_extra_hosts(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *name;
        json_t *address, *item;
        size_t i;

        if (!json_is_object(value))
                return take_each(service, place, value, take_host);
        json_object_foreach(value, name, address) {
                const struct place inner = { .above = place, .name = name };
                mf_cleanup(json_decrefp) json_t *all =
                        json_is_array(address) ? json_incref(address) : json_pack("[O]", address);
                json_array_foreach(all, i, item) {
                        int r = json_is_string(item)
                                        ? add(service, "extra_hosts", "%s:%s", name, json_string_value(item))
                                        : not_a(service, &inner, item, "an address");
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int take_sysctls(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *name;
        char buffer[24];
        json_t *number;

        if (json_is_array(value))
                return json_object_set(service->to, "sysctls", value) < 0 ? -ENOMEM : 0;
        if (!json_is_object(value))
                return not_a(service, place, value, "an object of names and values");
        json_object_foreach(value, name, number) {
                const struct place inner = { .above = place, .name = name };
                const char *word = word_of(number, buffer);
                int r = word ? add(service, "sysctls", "%s=%s", name, word)
                             : not_a(service, &inner, number, "a string or a number");
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_ulimits(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *name;
        json_t *limit;

        if (!json_is_object(value))
                return not_a(service, place, value, "an object of names and limits");
        json_object_foreach(value, name, limit) {
                const json_t *soft = json_is_object(limit) ? json_object_get(limit, "soft") : limit;
                const json_t *hard = json_is_object(limit) ? json_object_get(limit, "hard") : limit;
                const struct place inner = { .above = place, .name = name };
                int r = json_is_integer(soft) && json_is_integer(hard)
                                ? add(service, "ulimits", "%s=%lld:%lld", name, (long long) json_integer_value(soft),
                                      (long long) json_integer_value(hard))
                                : not_a(service, &inner, limit, "a number, or an object of \"soft\" and \"hard\"");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Names, each of which may have aliases. */
static int take_networks(struct compose_service *service, const struct place *place, json_t *value)
{
        const char *name;
        json_t *network, *alias;
        size_t i;

        if (!json_is_object(value))
                return not_a(service, place, value, "an object of names");
        json_object_foreach(value, name, network) {
                int r = add(service, "networks", "%s", name);
                json_array_foreach(json_object_get(network, "aliases"), i, alias)
                        r = r == 0 && json_is_string(alias) ? add(service, "aliases", "%s", json_string_value(alias))
                                                            : r;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads a time of a health check. Returns 0 or negative errno with an error. */
static int take_time(struct compose_service *service, const struct place *place, const json_t *value, const char *name,
                     double *ret)
{
        const struct place inner = { .above = place, .name = name };
        json_t *time = json_object_get(value, name);

        if (!time || (json_is_string(time) && reader_parse_duration(json_string_value(time), ret)))
                return 0;
        return not_a(service, &inner, time, "a time such as \"30s\"");
}

/* Compose gives a container up after so many failures in a row: until then its start may take. Docker's defaults are what is not there. */
static int take_patience(struct compose_service *service, const struct place *place, json_t *value)
{
        static const char *const known[] = { "test",    "disable",      "interval",       "timeout",
                                             "retries", "start_period", "start_interval", NULL };
        double interval = 30000, timeout = 30000, start_period = 0, unused;
        const json_t *retries = json_object_get(value, "retries");
        json_int_t n = json_integer_value(retries);
        const char *name;
        json_t *member;

        json_object_foreach(value, name, member) {
                if (!mf_strv_has(known, name))
                        return reader_bad(service->compose->reader, place,
                                          "mayfly cannot do what is said in: %s; take that out", name);
        }
        if (take_time(service, place, value, "interval", &interval) < 0 ||
            take_time(service, place, value, "timeout", &timeout) < 0 ||
            take_time(service, place, value, "start_period", &start_period) < 0 ||
            take_time(service, place, value, "start_interval", &unused) < 0)
                return -EINVAL;
        if (retries && (!json_is_integer(retries) || n < 0))
                return reader_bad(service->compose->reader, place, "retries is not a whole number from 0 on");
        double ms = start_period + (double) (n > 0 ? n : 3) * (interval + timeout);
        return set(service, "wait_timeout", json_sprintf("%.0fms", ms < 1 ? 1 : ms > MOST_MS ? MOST_MS : ms));
}

/* A health check is a command that must succeed before the container counts as ready. */
static int take_healthcheck(struct compose_service *service, const struct place *place, json_t *value)
{
        json_t *test = json_object_get(value, "test");
        const char *kind = json_string_value(json_array_get(test, 0));

        if (!json_is_object(value))
                return not_a(service, place, value, "an object");
        if (json_is_true(json_object_get(value, "disable")) || (kind && strcmp(kind, "NONE") == 0))
                return 0;
        int r = take_patience(service, place, value);
        if (r < 0)
                return r;
        if (!test) /* only the times are others than the image's */
                return set(service, "wait", json_pack("[{s:b}]", "healthy", 1));
        int is_shell = kind && strcmp(kind, "CMD-SHELL") == 0;
        if (!kind || (!is_shell && strcmp(kind, "CMD") != 0))
                return not_a(service, place, value, "a health check with a \"test\" of CMD or CMD-SHELL");
        json_t *command = json_array();
        if (is_shell) {
                (void) json_array_append_new(command, json_string("/bin/sh"));
                (void) json_array_append_new(command, json_string("-c"));
        }
        for (size_t i = 1; i < json_array_size(test); i++)
                (void) json_array_append(command, json_array_get(test, i));
        return set(service, "wait", json_pack("[{s:o}]", "command", command));
}

/* Whether an object, if it is one, has other members than these. */
static int has_other(json_t *object, const char *const *known)
{
        const char *name;
        json_t *member;

        json_object_foreach(object, name, member) {
                if (!mf_strv_has(known, name))
                        return 1;
        }
        return 0;
}

/* Of what is there for a swarm, limits of memory and of processes count here; what else means nothing for a test is named. */
static int take_deploy(struct compose_service *service, const struct place *place, json_t *value)
{
        json_t *limits = json_object_get(json_object_get(value, "resources"), "limits"), *limit;
        const json_t *replicas = json_object_get(value, "replicas");
        const char *name;
        char warning[200];
        int r = 0;

        if (!json_is_object(value))
                return not_a(service, place, value, "an object");
        if (json_is_integer(replicas) && json_integer_value(replicas) != 1)
                return reader_bad(service->compose->reader, place,
                                  "replicas: mayfly starts one container of each service; "
                                  "take that out");
        json_object_foreach(limits, name, limit) {
                if (strcmp(name, "memory") == 0)
                        r = take_size(service, "memory", limit);
                else if (strcmp(name, "pids") == 0)
                        r = take_pids_limit(service, place, limit);
                if (r < 0)
                        return r;
        }
        snprintf(warning, sizeof(warning),
                 "services.%.60s.deploy: only resources.limits.memory and pids have an effect here",
                 service->place->name);
        if (has_other(value, (const char *const[]){ "resources", "replicas", NULL }) ||
            has_other(json_object_get(value, "resources"), (const char *const[]){ "limits", NULL }) ||
            has_other(limits, (const char *const[]){ "memory", "pids", NULL }))
                tool_warn(warning, NULL);
        return 0;
}

static int take_nothing(struct compose_service *service, const struct place *place, json_t *value)
{
        return json_is_object(value) ? 0 : not_a(service, place, value, "an object of names and conditions");
}

const struct compose_key compose_keys[] = {
        { .name = "image", .take = take_image },
        { .name = "command", .to = "argv" },
        { .name = "entrypoint", .to = "entrypoint" },
        { .name = "environment", .to = "env" },
        { .name = "user", .take = take_user },
        { .name = "working_dir", .to = "cwd" },
        { .name = "read_only", .to = "read_only" },
        { .name = "hostname", .to = "hostname" },
        { .name = "labels", .to = "labels" },
        { .name = "cap_add", .to = "capabilities" },
        { .name = "stop_signal", .to = "stop_signal" },
        { .name = "stop_grace_period", .to = "stop_timeout" },
        { .name = "mem_limit", .take = take_mem_limit },
        { .name = "shm_size", .take = take_shm_size },
        { .name = "pids_limit", .take = take_pids_limit },
        { .name = "ports", .take = take_ports },
        { .name = "volumes", .take = take_volumes },
        { .name = "tmpfs", .take = take_all_tmpfs },
        { .name = "devices", .take = take_devices },
        { .name = "extra_hosts", .take = take_extra_hosts },
        { .name = "sysctls", .take = take_sysctls },
        { .name = "ulimits", .take = take_ulimits },
        { .name = "networks", .take = take_networks },
        { .name = "network_mode", .take = take_network_mode },
        { .name = "healthcheck", .take = take_healthcheck },
        { .name = "deploy", .take = take_deploy },
        { .name = "depends_on", .take = take_nothing }, /* when all services are there */
        { .name = NULL },
};
