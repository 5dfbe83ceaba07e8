/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/keepers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/nearest.h"

#define ANSWER_S 2U /* a keeper answers questions at once, unless it was stopped by a signal */

void keepers_clear(struct keepers *keepers)
{
        for (size_t i = 0; i < keepers->n; i++) {
                mf_close(keepers->list[i].fd);
                mf_close(keepers->list[i].process);
                json_decref(keepers->list[i].containers);
        }
        free(keepers->list);
        *keepers = (struct keepers){ 0 };
}

void keepers_id(const char *state, char ret[CONTROL_ID_MAX])
{
        struct stat st;

        if (!state)
                snprintf(ret, CONTROL_ID_MAX, "default");
        else if (stat(state, &st) < 0)
                snprintf(ret, CONTROL_ID_MAX, "none");
        else
                snprintf(ret, CONTROL_ID_MAX, "%llu-%llu", (unsigned long long) st.st_dev,
                         (unsigned long long) st.st_ino);
}

/* Adds a keeper, unless it has just ended. Returns 0 or -ENOMEM. */
static int add(struct keepers *keepers, pid_t pid, const char *id)
{
        mf_cleanup(mf_closep) int fd = control_connect(pid, id);
        json_t *answer = NULL;

        int r = fd < 0 ? fd : control_ask(fd, json_pack("{s:s}", "request", "describe"), ANSWER_S, &answer);
        if (fd >= 0 && r == -EAGAIN)
                (void) tool_fail(
                        "process %d, which keeps containers, does not answer, and is left out; let it go on by "
                        "kill -CONT %d if it was stopped, or end it",
                        (int) pid, (int) pid);
        if (r < 0)
                return 0;
        json_t *containers = json_object_get(answer, "containers");
        int is_one = json_is_array(containers);
        struct keeper_found *grown =
                is_one ? mf_grow(keepers->list, keepers->n, &keepers->allocated, sizeof(*grown)) : NULL;
        if (grown) {
                keepers->list = grown;
                grown[keepers->n++] = (struct keeper_found){ .pid = pid,
                                                             .fd = mf_take_fd(&fd),
                                                             .process = (int) syscall(SYS_pidfd_open, pid, 0),
                                                             .containers = json_incref(containers) };
        }
        json_decref(answer);
        return is_one && !grown ? -ENOMEM : 0;
}

int keepers_find(const char *state, struct keepers *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) pid_t *pids = NULL;
        char id[CONTROL_ID_MAX];
        size_t n = 0;

        keepers_id(state, id);
        int r = control_keepers(id, &pids, &n);
        for (size_t i = 0; i < n && r == 0; i++)
                r = add(ret, pids[i], id);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "listing the keepers of containers") : 0;
}

json_t *keepers_question(const struct keeper_found *keeper, json_t *question)
{
        json_t *answer = NULL;

        if (control_ask(keeper->fd, question, ANSWER_S, &answer) == 0 && !control_error(answer))
                return answer;
        json_decref(answer);
        return NULL;
}

/* Returns the name of a container that begins with the first `length` bytes of `name`, or NULL. Adds to *n how many do. */
static const char *find(const json_t *containers, const char *name, size_t length, size_t *n)
{
        const char *found = NULL;

        for (size_t i = 0; i < json_array_size(containers); i++) {
                const char *candidate = json_string_value(json_array_get(containers, i));
                if (!candidate || strncmp(candidate, name, length) != 0)
                        continue;
                found = candidate;
                (*n)++;
        }
        return found;
}

const struct keeper_found *keepers_have(const struct keepers *keepers, const char *name)
{
        size_t n = 0;

        for (size_t i = 0; i < keepers->n; i++)
                if (find(keepers->list[i].containers, name, strlen(name) + 1, &n))
                        return &keepers->list[i];
        return NULL;
}

const struct keeper_found *keepers_complete(const struct keepers *keepers, const char **name)
{
        const struct keeper_found *found = keepers_have(keepers, *name);
        const char *whole = NULL;
        size_t n = 0;

        if (found || !**name)
                return found;
        for (size_t i = 0; i < keepers->n; i++) {
                const char *candidate = find(keepers->list[i].containers, *name, strlen(*name), &n);
                if (!candidate)
                        continue;
                found = &keepers->list[i];
                whole = candidate;
        }
        if (n != 1)
                return NULL;
        *name = whole;
        return found;
}

int keepers_complain(const struct keepers *keepers, const char *name)
{
        char meant[MF_MEANT_MAX];
        json_t *container;
        size_t n = 0, j;

        for (size_t i = 0; i < keepers->n; i++)
                n += json_array_size(keepers->list[i].containers);
        mf_cleanup(mf_freep) const char **names = calloc(n + 1, sizeof(*names));
        if (!names)
                tool_oom();
        n = 0;
        for (size_t i = 0; i < keepers->n; i++)
                json_array_foreach(keepers->list[i].containers, j, container)
                        names[n++] = json_is_string(container) ? json_string_value(container) : "";
        return tool_fail("there is no container \"%s\"%s", name,
                         mf_meant(name, names, MF_MOST_EDITS,
                                  " that mayfly up or mayfly run --detach has started; mayfly ps lists those that run",
                                  meant));
}
