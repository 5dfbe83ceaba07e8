/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/listeners.h"
#include "container/look.h"
#include "ready/condition.h"
#include "util/error.h"
#include "util/fd.h"

/* A Unix socket that listens. The kernel knows the name that the app bound, which may be relative, or go through a symbolic
 * link. So the last part of it must be the same, and the path must lead to a socket. */

struct unix_wait {
        int netlink;
        int listens; /* at the last look: a socket with this name; */
        mode_t mode; /* and what is at the path */
};

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        const char *path = condition->options.unix_socket;
        struct unix_wait *wait = calloc(1, sizeof(*wait));

        if (!wait)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        wait->netlink = -1;
        condition->data = wait;
        snprintf(what, size, "Unix socket %.200s", path);
        if (path[0] == '@' && path[1])
                return 0;
        int r = mf_look_check(path, err);
        if (r == 0 && path[strlen(path) - 1] == '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the path \"%s\" ends with a slash; no socket does",
                                path);
        return r;
}

static const char *last_part(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int is_same(const char *name, void *userdata)
{
        const char *wanted = userdata;

        if (wanted[0] == '@' || name[0] == '@')
                return strcmp(name, wanted) == 0;
        return strcmp(last_part(name), last_part(wanted)) == 0;
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        const char *path = condition->options.unix_socket;
        struct unix_wait *wait = condition->data;

        if (wait->netlink < 0) {
                wait->netlink = mf_open_diag(container, 0, err);
                if (wait->netlink < 0)
                        return wait->netlink == -ESRCH ? 0 : wait->netlink; /* its death is seen elsewhere */
        }
        int r = mf_diag_unix(wait->netlink, is_same, (void *) (uintptr_t) path);
        if (r == -EAGAIN)
                return 0;
        if (r < 0)
                return mf_diag_failed(container, r, err);
        wait->listens = r;
        if (r == 0 || path[0] == '@')
                return r;
        wait->mode = 0;
        r = mf_container_look(container, path, &wait->mode, err);
        return r == -ENOENT ? 0 : r < 0 ? r : S_ISSOCK(wait->mode);
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        const char *path = condition->options.unix_socket;
        struct unix_wait *wait = condition->data;

        if (path[0] != '@')
                (void) mf_container_look(container, path, &wait->mode, NULL);
        if (wait->listens)
                snprintf(seen, size, "a socket \"%s\" listens elsewhere", last_part(path));
        else if (S_ISSOCK(wait->mode))
                snprintf(seen, size, "the socket exists, but nothing listens");
        else
                snprintf(seen, size, wait->mode ? "it is no socket" : "it does not exist");
}

static void clear(struct mf_condition *condition)
{
        struct unix_wait *wait = condition->data;

        if (wait)
                mf_close(wait->netlink);
        free(wait);
}

const struct mf_condition_type mf_condition_unix = {
        .check = check, .look = look, .describe = describe, .clear = clear
};
