/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/life.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/keeper.h"
#include "container/container.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/timeout.h"

/* What a keeper is asked for: {"request": WORD, "container": NAME, ...}. */

/* --- at once ---------------------------------------------------------------------------------------------------- */

/* What a keeper says of itself. */
static json_t *describe(const struct keeper *keeper)
{
        json_t *containers = json_array();

        for (size_t i = 0; i < keeper->n; i++) {
                const struct kept *kept = keeper->kept[i];
                if (kept->name && !kept->is_branch && (!keeper->is_ready || kept->container))
                        (void) json_array_append_new(containers, json_string(kept->name));
        }
        return json_pack("{s:b, s:o}", "ready", keeper->is_ready, "containers", containers);
}

int keeper_answer(struct keeper *keeper, struct keeper_client *client)
{
        const char *what = json_string_value(json_object_get(client->request, "request"));

        if (what && strcmp(what, "describe") == 0) {
                control_send(client->fd, describe(keeper));
                return 1;
        }
        json_t *told = keeper_tell_networks(keeper, client->request);
        if (told) {
                control_send(client->fd, told);
                return 1;
        }
        if (what && strcmp(what, "down") == 0 && !json_object_get(client->request, "containers")) {
                control_answer(client->fd, NULL);
                keeper->is_ending = 1;
                return 1; /* who asks waits for the end of the connection */
        }
        if (!keeper->is_ready) {
                control_answer(client->fd, "the containers are not ready yet; wait for mayfly up");
                return 1;
        }
        return 0;
}

/* --- in a thread ------------------------------------------------------------------------------------------------ */

typedef int (*action)(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err);

static int stop(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        const json_t *timeout = json_object_get(request, "timeout_ms");
        unsigned *stop_timeout = &kept->container->spec.stop_timeout_ms;
        const unsigned usual = *stop_timeout;

        (void) keeper;
        if (json_is_integer(timeout) && json_integer_value(timeout) > 0)
                *stop_timeout = mf_timeout_ms((unsigned) json_integer_value(timeout));
        int r = mayfly_container_halt(kept->container, err);
        *stop_timeout = usual;
        kept->is_halted = r == 0;
        return r;
}

static int pause_it(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        (void) keeper;
        (void) request;
        return mayfly_container_pause(kept->container, err);
}

static int resume(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        (void) keeper;
        (void) request;
        return mayfly_container_resume(kept->container, err);
}

/* What a container does after another start, or is after one that failed. */
static int live_again(struct keeper *keeper, struct kept *kept, int r, struct mayfly_error *err)
{
        kept->is_halted = r < 0;
        return r < 0 ? r : keeper_share(keeper, kept, err);
}

static int restart(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        int r = stop(keeper, kept, request, err);

        return r < 0 ? r : live_again(keeper, kept, mayfly_container_start_again(kept->container, err), err);
}

static int reset(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        (void) request;
        if (kept->snapshot)
                return live_again(keeper, kept, mayfly_container_reset(kept->container, err), err);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "container \"%s\" has no snapshot; take one by mayfly snapshot %s", kept->name, kept->name);
}

/* Takes a snapshot; one that runs is paused for that. */
static int snapshot(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;
        struct mayfly_snapshot *fresh = NULL;

        (void) keeper;
        (void) request;
        int r = mayfly_container_stats(kept->container, &stats, err);
        int runs = r == 0 && stats.state == MAYFLY_STATE_RUNNING;
        if (runs)
                r = mayfly_container_pause(kept->container, err);
        if (r < 0)
                return r;
        r = mayfly_container_snapshot(kept->container, &fresh, err);
        int resumed = runs ? mayfly_container_resume(kept->container, r < 0 ? NULL : err) : 0;
        if (r < 0)
                return r;
        mayfly_snapshot_free(kept->snapshot);
        kept->snapshot = fresh;
        return resumed;
}

static int branch(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        const char *file = json_string_value(json_object_get(request, "file"));
        const json_t *owner = json_object_get(request, "owner");

        if (!file || *file != '/' || !json_is_integer(owner))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a branch needs \"file\", an absolute path, and \"owner\", a PID");
        return keeper_start_branch(keeper, kept, file, (pid_t) json_integer_value(owner), err);
}

static const struct {
        const char *name;
        action run;
} actions[] = {
        { "stop", stop },       { "pause", pause_it }, { "resume", resume },
        { "restart", restart }, { "reset", reset },    { "snapshot", snapshot },
        { "branch", branch },   { "cut", keeper_cut }, { "mend", keeper_mend },
};

int keeper_do(struct keeper *keeper, const json_t *request, struct mayfly_error *err)
{
        const char *what = json_string_value(json_object_get(request, "request"));
        const char *name = json_string_value(json_object_get(request, "container"));

        if (what && strcmp(what, "down") == 0)
                return keeper_end_some(keeper, json_object_get(request, "containers"), err);
        for (size_t i = 0; what && i < MF_ELEMENTSOF(actions); i++) {
                if (strcmp(what, actions[i].name) != 0)
                        continue;
                struct kept *kept = keeper_find(keeper, name, err);
                return kept ? actions[i].run(keeper, kept, request, err) : -ENOENT;
        }
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the keeper, process %d, does not know the request \"%.60s\"",
                        (int) getpid(), what ? what : "");
}
