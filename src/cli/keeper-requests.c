/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/keeper.h"
#include "util/error.h"

/* What a keeper says of itself. */
static json_t *describe(const struct keeper *keeper)
{
        char directory[TOOL_STATE_PATH_MAX];
        json_t *containers = json_array();

        tool_state_directory(keeper->state, directory);
        for (size_t i = 0; i < keeper->declaration->n; i++)
                if (!keeper->is_ready || keeper->kept[i].container)
                        (void) json_array_append_new(containers, json_string(keeper->kept[i].declared->name));
        return json_pack("{s:s, s:b, s:o}", "state", directory, "ready", keeper->is_ready, "containers", containers);
}

int keeper_answer(struct keeper *keeper, struct keeper_client *client)
{
        const char *what = json_string_value(json_object_get(client->request, "request"));

        if (what && strcmp(what, "describe") == 0) {
                control_send(client->fd, describe(keeper));
                return 1;
        }
        if (what && strcmp(what, "down") == 0 && !json_object_get(client->request, "containers")) {
                control_answer(client->fd, NULL);
                keeper->is_ending = 1;
                return 1; /* who asks waits for the end of the connection */
        }
        return 0;
}

int keeper_do(struct keeper *keeper, const json_t *request, struct mayfly_error *err)
{
        const char *what = json_string_value(json_object_get(request, "request"));

        if (what && strcmp(what, "down") == 0)
                return keeper_end_some(keeper, json_object_get(request, "containers"), err);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the keeper, process %d, does not know the request \"%.60s\"",
                        (int) getpid(), what ? what : "");
}
