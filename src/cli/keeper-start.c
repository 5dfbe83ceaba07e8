/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mayfly/life.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

/* --- networks --------------------------------------------------------------------------------------------------- */

static size_t index_of(const char *const *names, const char *name)
{
        size_t i = 0;

        while (strcmp(names[i], name) != 0)
                i++;
        return i;
}

/* Makes the networks that a container is on and that are not there yet, and a list of them. */
static int take_networks(struct keeper *keeper, const struct declared *declared, struct mayfly_network ***ret,
                         struct mayfly_error *err)
{
        const size_t n = mf_strv_length(declared->networks);

        if (n == 0)
                return 0;
        struct mayfly_network **list = calloc(n + 1, sizeof(struct mayfly_network *));
        if (!list)
                tool_oom();
        *ret = list;
        for (size_t i = 0; i < n; i++) {
                struct mayfly_network **network =
                        &keeper->networks[index_of(keeper->declaration->networks, declared->networks[i])];
                int r = *network ? 0 : mayfly_network_create(network, err);
                if (r < 0)
                        return r;
                list[i] = *network;
        }
        return 0;
}

/* --- start ------------------------------------------------------------------------------------------------------ */

/* The specs of all containers, with their networks. */
struct specs {
        struct mayfly_spec *specs;
        const struct mayfly_spec **pointers;
        struct mayfly_network ***networks;
        struct mayfly_container **handles;
        size_t n;
};

static void clear(struct specs *specs)
{
        for (size_t i = 0; i < specs->n; i++)
                free((void *) specs->networks[i]);
        free((void *) specs->networks);
        free(specs->specs);
        free((void *) specs->pointers);
        free((void *) specs->handles);
}

static int make_specs(struct keeper *keeper, struct specs *ret, struct mayfly_error *err)
{
        ret->n = keeper->declaration->n;
        ret->specs = calloc(ret->n, sizeof(*ret->specs));
        ret->pointers = calloc(ret->n, sizeof(*ret->pointers));
        ret->networks = calloc(ret->n, sizeof(*ret->networks));
        ret->handles = calloc(ret->n, sizeof(*ret->handles));
        keeper->networks = calloc(mf_strv_length(keeper->declaration->networks) + 1, sizeof(struct mayfly_network *));
        if (!ret->specs || !ret->pointers || !ret->networks || !ret->handles || !keeper->networks)
                tool_oom();
        for (size_t i = 0; i < ret->n; i++) {
                const struct declared *declared = &keeper->declaration->containers[i];
                int r = take_networks(keeper, declared, &ret->networks[i], err);
                if (r < 0)
                        return r;
                ret->specs[i] = declared->spec;
                ret->specs[i].networks = ret->networks[i];
                ret->pointers[i] = &ret->specs[i];
        }
        return 0;
}

/* Runs the command after which a container is as it is to be, and takes a snapshot of what it is then. */
static int prepare(struct kept *kept, struct mayfly_error *err)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        if (!kept->declared->snapshot_after)
                return 0;
        command.argv = kept->declared->snapshot_after;
        int r = mayfly_container_run(kept->container, &command, &result, err);
        if (r == 0 && (!result->exit->exited || result->exit->status != 0))
                r = mf_error(err, -EPROTO, MAYFLY_STAGE_EXEC,
                             "container %s: its snapshot_after, %s, has ended with %s %d: %s", kept->declared->name,
                             command.argv[0], result->exit->exited ? "status" : "signal",
                             result->exit->exited ? result->exit->status : result->exit->signal, result->err);
        mayfly_result_free(result);
        if (r == 0)
                r = mayfly_container_halt(kept->container, err);
        if (r == 0)
                r = mayfly_container_snapshot(kept->container, &kept->snapshot, err);
        return r == 0 ? mayfly_container_start_again(kept->container, err) : r;
}

/* Lets others use a container by its name. One that has ended meanwhile needs no name. */
static int share(const struct keeper *keeper, const struct kept *kept, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = tool_share(kept->container, keeper->state, kept->declared->name, &why);
        if (r == 0 || r == -ESRCH)
                return 0;
        mf_error_copy(err, r, why.stage, why.message);
        return r;
}

int keeper_start_all(struct keeper *keeper, struct mayfly_error *err)
{
        mf_cleanup(clear) struct specs specs = { 0 };

        int r = make_specs(keeper, &specs, err);
        if (r == 0)
                r = mayfly_containers_start(specs.pointers, specs.n, specs.handles, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < specs.n; i++)
                keeper->kept[i].container = specs.handles[i];
        for (size_t i = 0; i < specs.n && r == 0; i++)
                r = prepare(&keeper->kept[i], err);
        for (size_t i = 0; i < specs.n && r == 0; i++)
                r = share(keeper, &keeper->kept[i], err);
        return r;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* Says how a container has ended, unless that was a success. */
static void note_end(struct keeper *keeper, const struct kept *kept)
{
        static const char *const nothing[] = { "true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_exit exit = MAYFLY_EXIT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        if (mayfly_container_wait(kept->container, 0, &exit, NULL) == 0 && exit.exited && exit.status == 0)
                return;
        command.argv = nothing; /* what cannot be done any more says why */
        if (mayfly_container_run(kept->container, &command, &result, &err) == 0)
                mayfly_result_free(result);
        keeper->status = TOOL_FAILED;
        const char *why = strncmp(err.message, "true: ", 6) == 0 ? err.message + 6 : err.message;
        keeper_say(keeper, "container \"%s\" has ended: %s", kept->declared->name, why);
}

static int runs(struct mayfly_container *container)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;

        return mayfly_container_stats(container, &stats, NULL) == 0 && stats.state != MAYFLY_STATE_ENDED;
}

size_t keeper_look(struct keeper *keeper)
{
        size_t n = 0;

        for (size_t i = 0; i < keeper->declaration->n; i++) {
                struct kept *kept = &keeper->kept[i];
                if (!kept->container)
                        continue;
                kept->leader = mf_close(kept->leader);
                if (runs(kept->container))
                        kept->leader = (int) syscall(SYS_pidfd_open, mayfly_container_leader(kept->container), 0);
                kept->has_ended &= kept->leader < 0;
                if (kept->leader < 0 && !kept->is_halted && !kept->has_ended) {
                        kept->has_ended = 1;
                        note_end(keeper, kept);
                }
                n += kept->leader >= 0 || kept->is_halted;
        }
        return n;
}

struct kept *keeper_find(struct keeper *keeper, const char *name, struct mayfly_error *err)
{
        for (size_t i = 0; i < keeper->declaration->n && name; i++)
                if (keeper->kept[i].container && strcmp(keeper->kept[i].declared->name, name) == 0)
                        return &keeper->kept[i];
        mf_error_set(err, -ENOENT, MAYFLY_STAGE_SPEC, "process %d keeps no container \"%.60s\"", (int) getpid(),
                     name ? name : "");
        return NULL;
}

/* --- end -------------------------------------------------------------------------------------------------------- */

/* Whether a container that still runs was started after this one. */
static int is_needed(const struct keeper *keeper, const struct kept *which)
{
        const char *name = which->declared->name;

        for (size_t i = 0; i < keeper->declaration->n; i++) {
                const char *after = keeper->kept[i].container ? keeper->kept[i].declared->spec.after : NULL;
                while (after && *after) {
                        size_t length = strcspn(after, ",");
                        if (length == strlen(name) && memcmp(after, name, length) == 0)
                                return 1;
                        after += length + (after[length] == ',');
                }
        }
        return 0;
}

static void end_one(struct kept *kept)
{
        kept->container = mayfly_container_free(kept->container);
        kept->snapshot = mayfly_snapshot_free(kept->snapshot);
        kept->leader = mf_close(kept->leader);
        kept->is_halted = 0;
}

int keeper_end_some(struct keeper *keeper, const json_t *names, struct mayfly_error *err)
{
        const size_t n = json_array_size(names);

        for (size_t i = 0; i < n; i++) {
                const struct kept *kept = keeper_find(keeper, json_string_value(json_array_get(names, i)), err);
                if (!kept)
                        return -ENOENT;
        }
        /* One of them at least is needed by none of the others. */
        for (size_t left = n; left > 0; left--)
                for (size_t i = 0; i < n; i++) {
                        struct kept *kept = keeper_find(keeper, json_string_value(json_array_get(names, i)), NULL);
                        if (kept && (left == 1 || !is_needed(keeper, kept)))
                                end_one(kept);
                }
        return 0;
}

void keeper_stop_all(struct keeper *keeper)
{
        const size_t n_networks = mf_strv_length(keeper->declaration->networks);

        for (size_t left = keeper->declaration->n; left > 0; left--)
                for (size_t i = 0; i < keeper->declaration->n; i++)
                        if (keeper->kept[i].container && !is_needed(keeper, &keeper->kept[i]))
                                end_one(&keeper->kept[i]);
        for (size_t i = 0; keeper->networks && i < n_networks; i++)
                mayfly_network_free(keeper->networks[i]);
        free((void *) keeper->networks);
        keeper->networks = NULL;
}
