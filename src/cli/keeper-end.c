/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/keeper.h"
#include "container/life.h"
#include "ready/order.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/strv.h"

/* --- what runs -------------------------------------------------------------------------------------------------- */

/* Opens the PID 1 of a container that runs. */
static void look(struct keeper *keeper, struct kept *kept)
{
        kept->leader = mf_close(kept->leader);
        if (mf_container_check_runs(kept->container, "", NULL) == 0)
                kept->leader = (int) syscall(SYS_pidfd_open, mayfly_container_leader(kept->container), 0);
        kept->has_ended &= kept->leader < 0;
        if (kept->leader >= 0 || kept->is_halted || kept->has_ended)
                return;
        kept->has_ended = 1;
        keeper_print_log(keeper, kept);
        if (!kept->is_branch)
                keeper_say_end(keeper, kept);
}

size_t keeper_look(struct keeper *keeper)
{
        size_t n = 0;

        for (size_t i = 0; i < keeper->n; i++) {
                struct kept *kept = keeper->kept[i];
                if (kept->container)
                        look(keeper, kept);
                n += !kept->is_branch && (kept->leader >= 0 || kept->is_halted);
        }
        return n;
}

struct kept *keeper_find(const struct keeper *keeper, const char *name, struct mayfly_error *err)
{
        for (size_t i = 0; i < keeper->n && name; i++)
                if (keeper->kept[i]->container && !keeper->kept[i]->is_branch &&
                    strcmp(keeper->kept[i]->name, name) == 0)
                        return keeper->kept[i];
        mf_error_set(err, -ENOENT, MAYFLY_STAGE_SPEC, "process %d keeps no container \"%.60s\"", (int) getpid(),
                     name ? name : "");
        return NULL;
}

/* --- ends ------------------------------------------------------------------------------------------------------- */

static void end(const struct keeper *keeper, struct kept *kept)
{
        if (keeper_shows_logs(keeper)) {
                (void) mayfly_container_stop(kept->container, NULL);
                keeper_print_log(keeper, kept);
        }
        kept->container = mayfly_container_free(kept->container);
        kept->snapshot = mayfly_snapshot_free(kept->snapshot);
        kept->leader = mf_close(kept->leader);
        kept->owner = mf_close(kept->owner);
        kept->is_halted = 0;
}

/* Whether a container that still runs was started after this one. */
static int is_needed(const struct keeper *keeper, const struct kept *which)
{
        const char *name = which->declared->name;

        for (size_t i = 0; i < keeper->n; i++)
                if (keeper->kept[i]->container && mf_after_has(keeper->kept[i]->declared->spec.after, name))
                        return 1;
        return 0;
}

int keeper_end_some(struct keeper *keeper, const json_t *names, struct mayfly_error *err)
{
        const size_t n = json_array_size(names);

        for (size_t i = 0; i < n; i++)
                if (!keeper_find(keeper, json_string_value(json_array_get(names, i)), err))
                        return -ENOENT;
        /* In each round those end that none of the others needs. */
        for (size_t left = n; left > 0; left--)
                for (size_t i = 0; i < n; i++) {
                        struct kept *kept = keeper_find(keeper, json_string_value(json_array_get(names, i)), NULL);
                        if (kept && (left == 1 || !is_needed(keeper, kept)))
                                end(keeper, kept);
                }
        return 0;
}

static int is_orphan(const struct kept *kept)
{
        return kept->is_branch && kept->container && (kept->has_ended || mf_pidfd_has_ended(kept->owner));
}

int keeper_has_orphans(const struct keeper *keeper)
{
        for (size_t i = 0; i < keeper->n; i++)
                if (is_orphan(keeper->kept[i]))
                        return 1;
        return 0;
}

void keeper_end_orphans(struct keeper *keeper)
{
        for (size_t i = 0; i < keeper->n; i++)
                if (is_orphan(keeper->kept[i]))
                        end(keeper, keeper->kept[i]);
}

void keeper_forget_branches(struct keeper *keeper)
{
        size_t n = 0;

        for (size_t i = 0; i < keeper->n; i++)
                if (keeper->kept[i]->is_branch && !keeper->kept[i]->container)
                        free(keeper->kept[i]);
                else
                        keeper->kept[n++] = keeper->kept[i];
        keeper->n = n;
}

void keeper_end_all(struct keeper *keeper)
{
        const size_t n_networks = mf_strv_length(keeper->declaration->networks);

        for (size_t left = keeper->n; left > 0; left--)
                for (size_t i = 0; i < keeper->n; i++)
                        if (keeper->kept[i]->container && !is_needed(keeper, keeper->kept[i]))
                                end(keeper, keeper->kept[i]);
        for (size_t i = 0; i < keeper->n; i++)
                free(keeper->kept[i]);
        free((void *) keeper->kept);
        for (size_t i = 0; keeper->networks && i < n_networks; i++)
                mayfly_network_free(keeper->networks[i]);
        free((void *) keeper->networks);
}
