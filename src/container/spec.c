/* SPDX-License-Identifier: MIT */
#include "container/spec.h"

#include <errno.h>
#include <mayfly/wait.h>
#include <signal.h>
#include <string.h>

#include "container/container.h"
#include "model/image-options.h"
#include "util/arena.h"
#include "util/error.h"
#include "util/id-range.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/timeout.h"

/* --- checks ----------------------------------------------------------------------------------------------------- */

static int check_ids(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        if (spec->userns_ids && spec->userns == MAYFLY_USERNS_HOST)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec has both userns_ids and MAYFLY_USERNS_HOST, with which all IDs of the host are "
                        "the container's; remove one of them");
        if (spec->userns_ids % MF_ID_RANGE_SIZE != 0 || spec->userns_ids > MF_ID_RANGE_SIZE_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "userns_ids is %u; give a multiple of %u, up to %u",
                                (unsigned) spec->userns_ids, (unsigned) MF_ID_RANGE_SIZE,
                                (unsigned) MF_ID_RANGE_SIZE_MAX);
        return 0;
}

/* Checks what does not go with an init system. */
static int check_boot(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        const struct {
                const char *name, *why;
                int is_set;
        } others[] = {
                { "idle", "boot runs an init system", spec->idle },
                { "user", "an init system is root", spec->user != NULL },
                { "cwd", "an init system has no working directory", spec->cwd != NULL },
                { "separate_streams", "the journal is one stream", spec->separate_streams },
                { "MAYFLY_USERNS_HOST", "the init system would be root on the host",
                  spec->userns == MAYFLY_USERNS_HOST },
                { "MAYFLY_NETWORK_HOST", "the init system would set up the host's network",
                  spec->network == MAYFLY_NETWORK_HOST },
        };

        for (size_t i = 0; spec->boot && i < MF_ELEMENTSOF(others); i++)
                if (others[i].is_set)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "the spec has both boot and %s, but %s; remove one of them", others[i].name,
                                        others[i].why);
        return 0;
}

const char *mf_user_group(const char *user)
{
        const char *colon = *user == '/' ? NULL : strchr(user, ':');

        return colon ? colon + 1 : NULL;
}

char *mf_user_name(const char *user)
{
        const char *group = mf_user_group(user);

        return group ? strndup(user, (size_t) (group - user) - 1) : strdup(user);
}

/* Checks what the spec says of the app, as far as this can be done without the image. */
static int check_app(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        if (spec->idle && (spec->entrypoint || spec->argv))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec has both idle and %s; an idle container runs no app, so remove one of them",
                                spec->entrypoint ? "entrypoint" : "argv");
        if (spec->user && !*spec->user)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec's user is empty; leave it NULL for the image's");
        const char *group = spec->user ? mf_user_group(spec->user) : NULL;
        if (group && (!*group || *spec->user == ':'))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec's user is \"%.200s\"; write USER or USER:GROUP, neither of them empty",
                                spec->user);
        if (spec->cwd && spec->cwd[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the spec's cwd is \"%.200s\"; give an absolute path",
                                spec->cwd);
        return check_boot(spec, err);
}

int mf_spec_take(struct mayfly_spec *spec, const struct mayfly_spec *given, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the spec", "MAYFLY_SPEC_INIT or MAYFLY_SPEC()", struct mayfly_spec, life_userdata);

        *spec = (struct mayfly_spec) MAYFLY_SPEC_INIT;
        if (!given)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the spec is NULL; give a struct mayfly_spec");
        int r = mf_options_take(spec, given, &kind, err);
        if (r == 0)
                r = mf_timeout_check(err);
        if (r < 0)
                return r;
        if (!spec->image)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec has no image; set .image = \"aci:URL@sha512-<128 hex>\"");
        if (spec->network != MAYFLY_NETWORK_PRIVATE && spec->network != MAYFLY_NETWORK_HOST)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "network %d is none of enum mayfly_network_mode",
                                (int) spec->network);
        if ((unsigned) spec->userns > MAYFLY_USERNS_KEEP_ID)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "userns %d is none of enum mayfly_userns",
                                (int) spec->userns);
        r = check_ids(spec, err);
        if (r < 0)
                return r;
        if (spec->stop_signal < 0 || spec->stop_signal > SIGRTMAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "stop_signal %d is no signal; leave it 0 for SIGTERM",
                                spec->stop_signal);
        if (spec->log_size > (UINT64_C(1) << 30))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "log_size %llu is over 1 GiB; the log is kept in memory",
                                (unsigned long long) spec->log_size);
        r = check_app(spec, err);
        return r < 0 ? r : mf_env_check(spec->env, "the spec's env", MAYFLY_STAGE_SPEC, err);
}

void mf_spec_set_defaults(struct mayfly_spec *spec)
{
        if (!spec->stop_timeout_ms)
                spec->stop_timeout_ms = 5000;
        if (!spec->start_timeout_ms)
                spec->start_timeout_ms = 30000;
        if (!spec->max_runtime_s)
                spec->max_runtime_s = 3600;
        spec->stop_timeout_ms = mf_timeout_ms(spec->stop_timeout_ms);
        spec->start_timeout_ms = mf_timeout_ms(spec->start_timeout_ms);
        spec->max_runtime_s = mf_timeout_ms(spec->max_runtime_s); /* it scales seconds as well */
        if (!spec->userns_ids)
                spec->userns_ids = MF_ID_RANGE_SIZE;
        if (!spec->log_size)
                spec->log_size = UINT64_C(1) << 20;
}

/* --- copies ----------------------------------------------------------------------------------------------------- */

#define DEPTH_MAX 20U /* of groups in groups; who reads them refuses fewer */

static const struct mayfly_wait *keep_waits(struct mf_arena *arena, const struct mayfly_wait *list, unsigned depth,
                                            int *ret_code, struct mayfly_error *err);

static void keep_wait(struct mf_arena *arena, struct mayfly_wait *wait, unsigned depth, int *ret_code,
                      struct mayfly_error *err)
{
        const char **const strings[] = { &wait->log,           &wait->log_text,  &wait->port,
                                         &wait->unix_socket,   &wait->http,      &wait->https,
                                         &wait->http_status,   &wait->http_body, &wait->http_user,
                                         &wait->http_password, &wait->http_host, &wait->http_ca_file,
                                         &wait->file };

        for (size_t i = 0; i < MF_ELEMENTSOF(strings); i++)
                *strings[i] = mf_arena_string(arena, *strings[i]);
        wait->http_headers = mf_arena_strings(arena, wait->http_headers);
        wait->command = mf_arena_strings(arena, wait->command);
        wait->all = keep_waits(arena, wait->all, depth + 1, ret_code, err);
        wait->any = keep_waits(arena, wait->any, depth + 1, ret_code, err);
}

/* Copies a list of conditions, in the form that <mayfly/struct.h> describes. *ret_code becomes negative when the list is wrong. */
static const struct mayfly_wait *keep_waits(struct mf_arena *arena, const struct mayfly_wait *list, unsigned depth,
                                            int *ret_code, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the wait", "MAYFLY_WAIT()", struct mayfly_wait, healthy);
        mf_cleanup(mf_freep) struct mayfly_wait *entries = NULL;
        size_t n = 0;

        if (!list || depth > DEPTH_MAX || *ret_code < 0)
                return list;
        *ret_code = mf_options_take_array(&entries, list, &kind, err);
        if (*ret_code < 0)
                return list;
        while (entries[n].size)
                n++;
        struct mayfly_wait *copy = mf_arena_get(arena, (n + 2) * sizeof(*copy));
        if (!copy)
                return NULL;
        copy[0].size = sizeof(*copy);
        memcpy(copy + 1, entries, n * sizeof(*copy));
        for (size_t i = 1; i <= n; i++)
                keep_wait(arena, &copy[i], depth, ret_code, err);
        return copy;
}

static void keep_file(struct mf_arena *arena, struct mayfly_file *file)
{
        void *data = file->data ? mf_arena_get(arena, file->data_size) : NULL;

        if (data)
                memcpy(data, file->data, file->data_size);
        file->data = data;
        file->path = mf_arena_string(arena, file->path);
        file->text = mf_arena_string(arena, file->text);
        file->source = mf_arena_string(arena, file->source);
}

static int keep_image_options(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_image_options *options = &container->image_options;
        const char **const strings[] = { &options->store, &options->ca_file, &options->mirrors,
                                         &options->trusted_keys };

        int r = mf_image_options_copy(container->spec.image_options, options, err);
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(strings); i++)
                *strings[i] = mf_arena_string(&container->spec_memory, *strings[i]);
        container->spec.image_options = options;
        return r;
}

static void keep_arrays(struct mayfly_container *container)
{
        struct mf_arena *arena = &container->spec_memory;

        for (struct mayfly_volume *volume = container->volumes; volume->size; volume++) {
                volume->name = mf_arena_string(arena, volume->name);
                volume->path = mf_arena_string(arena, volume->path);
                volume->source = mf_arena_string(arena, volume->source);
        }
        for (struct mayfly_publish *publish = container->publish; publish->size; publish++) {
                publish->name = mf_arena_string(arena, publish->name);
                publish->protocol = mf_arena_string(arena, publish->protocol);
                publish->path = mf_arena_string(arena, publish->path);
        }
        for (struct mayfly_host_port *port = container->host_ports; port->size; port++)
                port->protocol = mf_arena_string(arena, port->protocol);
        for (struct mayfly_file *file = container->files; file->size; file++)
                keep_file(arena, file);
}

static struct mayfly_network *const *keep_networks(struct mf_arena *arena, struct mayfly_network *const *networks)
{
        size_t n = 0;

        while (networks && networks[n])
                n++;
        struct mayfly_network **copy = networks ? mf_arena_get(arena, (n + 1) * sizeof(*copy)) : NULL;
        if (copy)
                memcpy((void *) copy, (const void *) networks, n * sizeof(*copy));
        return copy;
}

int mf_spec_keep(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_spec *spec = &container->spec;
        struct mf_arena *arena = &container->spec_memory;
        const char **const strings[] = { &spec->image,        &spec->name,  &spec->user,    &spec->cwd,
                                         &spec->metadata_url, &spec->after, &spec->hostname };
        const char *const **const lists[] = { &spec->entrypoint, &spec->argv,    &spec->env,     &spec->capabilities,
                                              &spec->aliases,    &spec->ulimits, &spec->sysctls, &spec->extra_hosts,
                                              &spec->devices,    &spec->labels };

        for (size_t i = 0; i < MF_ELEMENTSOF(strings); i++)
                *strings[i] = mf_arena_string(arena, *strings[i]);
        for (size_t i = 0; i < MF_ELEMENTSOF(lists); i++)
                *lists[i] = mf_arena_strings(arena, *lists[i]);
        keep_arrays(container);
        spec->networks = keep_networks(arena, spec->networks);
        int r = keep_image_options(container, err);
        spec->wait = keep_waits(arena, spec->wait, 0, &r, err);
        return r == 0 && arena->failed ? mf_error_oom(err, MAYFLY_STAGE_SPEC) : r;
}
