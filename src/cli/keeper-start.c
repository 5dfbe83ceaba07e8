/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mayfly/life.h>
#include <mayfly/share.h>

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

/* --- places ----------------------------------------------------------------------------------------------------- */

static struct kept *make_place(const char *name, const struct declared *declared)
{
        struct kept *kept = calloc(1, sizeof(*kept));

        if (!kept)
                tool_oom();
        *kept = (struct kept){ .name = name, .declared = declared, .leader = -1, .owner = -1 };
        return kept;
}

static void name_by_machine(struct kept *kept)
{
        snprintf(kept->machine, sizeof(kept->machine), "%s", mayfly_container_name(kept->container));
        kept->name = kept->machine;
}

void keeper_make_places(struct keeper *keeper)
{
        keeper->allocated = keeper->declaration->n;
        keeper->kept = calloc(keeper->allocated, sizeof(struct kept *));
        if (!keeper->kept)
                tool_oom();
        for (; keeper->n < keeper->declaration->n; keeper->n++) {
                const struct declared *declared = &keeper->declaration->containers[keeper->n];
                keeper->kept[keeper->n] = make_place(declared->name, declared);
        }
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

/* Runs the command after which a snapshot is to be taken. */
static int run_before_snapshot(const struct kept *kept, struct mayfly_error *err)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = kept->declared->snapshot_after;
        int r = mayfly_container_run(kept->container, &command, &result, err);
        if (r == 0 && (!result->exit->exited || result->exit->status != 0))
                r = mf_error(err, -EPROTO, MAYFLY_STAGE_EXEC,
                             "container %s: its snapshot_after, %s, has ended with %s %d: %s", kept->name,
                             command.argv[0], result->exit->exited ? "status" : "signal",
                             result->exit->exited ? result->exit->status : result->exit->signal, result->err);
        mayfly_result_free(result);
        return r;
}

/* Brings a container to what it is to be, and takes a snapshot of that. */
static int prepare(struct kept *kept, struct mayfly_error *err)
{
        const char *const *command = kept->declared->snapshot_after;

        if (!command)
                return 0;
        int r = *command ? run_before_snapshot(kept, err) : 0;
        if (r == 0)
                r = mayfly_container_halt(kept->container, err);
        if (r == 0)
                r = mayfly_container_snapshot(kept->container, &kept->snapshot, err);
        return r == 0 ? mayfly_container_start_again(kept->container, err) : r;
}

int keeper_share(const struct keeper *keeper, const struct kept *kept, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = tool_share(kept->container, keeper->state, kept->name, &why);
        if (r == 0 || r == -ESRCH) /* one that has ended needs no name */
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
        for (size_t i = 0; i < specs.n; i++) {
                struct kept *kept = keeper->kept[i];
                kept->container = specs.handles[i];
                if (!kept->name)
                        name_by_machine(kept);
        }
        for (size_t i = 0; i < specs.n && r == 0; i++)
                r = prepare(keeper->kept[i], err);
        for (size_t i = 0; i < specs.n && r == 0; i++)
                r = keeper_share(keeper, keeper->kept[i], err);
        return r;
}

/* --- branches --------------------------------------------------------------------------------------------------- */

/* The published ports with numbers that the kernel chooses: those that are declared are taken. */
static struct mayfly_publish *free_ports(const struct mayfly_publish *publish)
{
        size_t n = 1;

        while (publish && publish[n].size)
                n++;
        struct mayfly_publish *list = publish ? calloc(n + 1, sizeof(*list)) : NULL;
        if (publish && !list)
                tool_oom();
        for (size_t i = 0; list && i < n; i++) {
                list[i] = publish[i];
                list[i].host_port = 0;
        }
        return list;
}

/* Starts and shares what is in its place already. */
static int start_branch(struct keeper *keeper, struct kept *branch, const struct kept *of, const char *file,
                        struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct mayfly_publish *ports = free_ports(of->declared->spec.publish);
        mf_cleanup(mf_freep) struct mayfly_network **networks = NULL;
        struct mayfly_spec spec = of->declared->spec;

        int r = take_networks(keeper, of->declared, &networks, err);
        spec.networks = networks;
        spec.publish = ports;
        spec.snapshot = of->snapshot;
        spec.after = NULL;
        if (r == 0)
                r = mayfly_container_start(&branch->container, &spec, err);
        if (r == 0)
                r = mayfly_container_share(branch->container, file, -1, err);
        if (r == 0)
                name_by_machine(branch);
        else
                branch->container = mayfly_container_free(branch->container);
        return r;
}

int keeper_start_branch(struct keeper *keeper, const struct kept *of, const char *file, pid_t owner,
                        struct mayfly_error *err)
{
        if (!of->snapshot)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "container \"%s\" has no snapshot; declare snapshot_after, or take one by mayfly "
                                "snapshot",
                                of->name);
        mf_cleanup(mf_closep) int pidfd = (int) syscall(SYS_pidfd_open, owner, 0);
        if (pidfd < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "the process %d, which a container is for",
                                      (int) owner);
        struct kept *branch = make_place(NULL, of->declared);
        branch->is_branch = 1;
        int r = start_branch(keeper, branch, of, file, err);
        if (r < 0) {
                free(branch);
                return r;
        }
        branch->owner = mf_take_fd(&pidfd);
        keeper->branch = branch;
        return 0;
}
