/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/compose-values.h"
#include "util/macro.h"
#include "util/strv.h"

/* The keys of a service that mean nothing where containers are there for a test, or that mayfly does anyway. */
static const char *const ignored[] = {
        "attach",        "build",           "container_name", "cpu_count",     "cpu_percent",
        "cpu_period",    "cpu_quota",       "cpu_shares",     "cpus",          "cpuset",
        "develop",       "env_file",        "expose",         "init",          "links",
        "logging",       "mem_reservation", "mem_swappiness", "memswap_limit", "oom_kill_disable",
        "oom_score_adj", "platform",        "profiles",       "pull_policy",   "restart",
        "scale",         "stdin_open",      "storage_opt",    "tty",           NULL,
};

/* Those that need no warning: compose prints them by itself, or nobody misses them. */
static const char *const silent[] = { "build", "env_file", "expose", "init", "profiles", "pull_policy", NULL };

/* --- services --------------------------------------------------------------------------------------------------- */

/* Appends a name to a list in a message. */
static void add_name(char *text, size_t size, const char *name)
{
        size_t used = strlen(text);

        snprintf(text + used, size - used, "%s%.60s", used ? ", " : "", name);
}

static const struct compose_key *find(const char *name)
{
        const struct compose_key *key = compose_keys;

        while (key->name && strcmp(key->name, name) != 0)
                key++;
        return key->name ? key : NULL;
}

/* Whether a value says nothing: compose prints some keys that nobody wrote. */
static int is_empty(const json_t *value)
{
        return json_is_null(value) || json_is_false(value) || (json_is_array(value) && json_array_size(value) == 0) ||
               (json_is_object(value) && json_object_size(value) == 0);
}

/* Translates a key, or adds it to one of the lists of those that are not. */
static int take_key(struct compose_service *service, const char *name, json_t *value, char *without_effect,
                    char *impossible, size_t size)
{
        const struct place place = { .above = service->place, .name = name };
        const struct compose_key *key = find(name);

        if (json_is_null(value) || (!key && is_empty(value)))
                return 0;
        if (key && key->take)
                return key->take(service, &place, value);
        if (key)
                return json_object_set(service->to, key->to, value) < 0 ? -ENOMEM : 0;
        if (!mf_strv_has(ignored, name))
                add_name(impossible, size, name);
        else if (!mf_strv_has(silent, name))
                add_name(without_effect, size, name);
        return 0;
}

static int take_service(const struct compose *compose, const struct place *services, const char *name, json_t *value)
{
        const struct place place = { .above = services, .name = name };
        struct compose_service service = { .compose = compose, .place = &place, .to = json_object() };
        char without_effect[400] = "", impossible[400] = "", warning[600];
        const char *key;
        json_t *member;
        int r = 0;

        if (json_object_set_new(compose->containers, name, service.to) < 0)
                return -ENOMEM;
        if (!json_is_object(value))
                return reader_not_a(compose->reader, &place, value, "an object");
        service.is_read_only = json_is_true(json_object_get(value, "read_only"));
        json_object_foreach(value, key, member) {
                r = take_key(&service, key, member, without_effect, impossible, sizeof(impossible));
                if (r < 0)
                        return r;
        }
        if (*impossible)
                return reader_bad(compose->reader, &place, "mayfly cannot do what is said in: %s; take that out",
                                  impossible);
        snprintf(warning, sizeof(warning), "services.%.60s: these keys have no effect here: %s", name, without_effect);
        if (*without_effect)
                tool_warn(warning, NULL);
        if (!json_object_get(value, "image"))
                return reader_bad(compose->reader, &place,
                                  "\"image\" is missing; an image that compose builds must be built and pinned before");
        return 0;
}

/* --- what services say of each other ---------------------------------------------------------------------------- */

/* Adds a condition to what the start of a container waits for, unless it waits for something already. */
static void await(json_t *container, json_t *condition)
{
        if (!json_object_get(container, "wait"))
                (void) json_object_set_new(container, "wait", json_array());
        (void) json_array_append_new(json_object_get(container, "wait"), condition);
}

/* Makes a dependency wait for that which a service wants of it. */
static int heed(const struct compose *compose, const struct place *place, const char *on, const json_t *dependency)
{
        json_t *container = json_object_get(compose->containers, on);
        const char *condition = json_string_value(json_object_get(dependency, "condition"));
        const char *healthy = "service_healthy", *completed = "service_completed_successfully";

        if (!container)
                return reader_bad(compose->reader, place, "there is no service \"%s\" in this document", on);
        if (!condition || strcmp(condition, "service_started") == 0)
                return 0;
        if (strcmp(condition, healthy) == 0 && !json_object_get(container, "wait"))
                await(container, json_pack("{s:b}", "healthy", 1));
        else if (strcmp(condition, completed) == 0)
                await(container, json_pack("{s:i}", "exit", 0));
        else if (strcmp(condition, healthy) != 0)
                return reader_bad(compose->reader, place, "the condition \"%s\" is not known", condition);
        return 0;
}

/* The services that a service depends on come before it. */
static int take_dependencies(const struct compose *compose, const struct place *services, const char *name,
                             json_t *value)
{
        const struct place service = { .above = services, .name = name };
        const struct place place = { .above = &service, .name = "depends_on" };
        json_t *after = json_array(), *dependency;
        const char *on;
        int r = json_object_set_new(json_object_get(compose->containers, name), "after", after) < 0 ? -ENOMEM : 0;

        json_object_foreach(json_object_get(value, "depends_on"), on, dependency) {
                const struct place inner = { .above = &place, .name = on };
                if (r == 0)
                        r = heed(compose, &inner, on, dependency);
                (void) json_array_append_new(after, json_string(on));
        }
        return r;
}

/* --- the document ----------------------------------------------------------------------------------------------- */

/* compose writes "$$" for "$", so that it could read its output again. */
static void unescape(json_t *value) /* NOLINT(misc-no-recursion): jansson limits the depth */
{
        json_t *member;
        const char *name;
        size_t i;

        json_array_foreach(value, i, member) {
                unescape(member);
        }
        json_object_foreach(value, name, member) {
                unescape(member);
        }
        mf_cleanup(mf_freep) char *text = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
        if (!text)
                return;
        char *to = text;
        for (const char *from = text; *from; from++) {
                *to++ = *from;
                if (from[0] == '$' && from[1] == '$')
                        from++;
        }
        *to = '\0';
        (void) json_string_set(value, text);
}

/* The networks that containers are on, by their names. */
static int take_networks(const struct compose *compose, const struct place *whole, json_t *networks, json_t *ret)
{
        const struct place place = { .above = whole, .name = "networks" };
        const char *name;
        json_t *network;

        json_object_foreach(networks, name, network) {
                const struct place inner = { .above = &place, .name = name };
                if (json_is_true(json_object_get(network, "external")))
                        return reader_bad(compose->reader, &inner,
                                          "mayfly cannot use networks that others made; take \"external\" out");
                (void) json_array_append_new(ret, json_string(name));
        }
        return 0;
}

int compose_is(const json_t *document)
{
        return json_object_get(document, "services") != NULL;
}

int compose_translate(const struct reader *reader, json_t *document, json_t **ret)
{
        const struct place whole = { 0 }, services = { .above = &whole, .name = "services" };
        struct compose compose = { .reader = reader, .containers = json_object(), .volumes = json_object() };
        json_t *all = json_object_get(document, "services"), *networks = json_array(), *service;
        json_t *declaration = json_pack("{s:o, s:o}", "networks", networks, "containers", compose.containers);
        const char *name;

        unescape(document);
        int r = !declaration || !compose.volumes ? -ENOMEM
                : json_is_object(all) ? take_networks(&compose, &whole, json_object_get(document, "networks"), networks)
                                      : reader_not_a(reader, &services, all, "an object of names and services");
        json_object_foreach(all, name, service) {
                if (r == 0)
                        r = take_service(&compose, &services, name, service);
        }
        json_object_foreach(all, name, service) {
                if (r == 0)
                        r = take_dependencies(&compose, &services, name, service);
        }
        json_decref(compose.volumes);
        if (r < 0)
                json_decref(declaration);
        else
                *ret = declaration;
        return r;
}
