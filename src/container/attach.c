/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <mayfly/share.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "container/container.h"
#include "container/description.h"
#include "container/share.h"
#include "container/state-file.h"
#include "image/open.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/timeout.h"

/* A container that another program has shared. The state file says where; mayfly-launch, which listens there, sends what has to be
 * known; and what goes on is as in a forked child (share.c). */

static int explain_gone(const struct mf_state *state, const char *file, struct mayfly_error *err)
{
        return mf_error(err, -ESRCH, MAYFLY_STAGE_SPEC,
                        "container %s, of which \"%.300s\" tells, has ended (it belonged to process %d); remove the "
                        "file, and start the container again",
                        state->machine, file, state->owner);
}

/* Connects to mayfly-launch, which must be this user's. */
static int open_connection(const struct mf_state *state, const char *file, int *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct ucred peer = { 0 };
        socklen_t size = sizeof(peer);

        int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s", state->socket);
        if (state->socket[0] != '/' || length >= (int) sizeof(address.sun_path))
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_SPEC,
                                "\"%.300s\" names the socket \"%.200s\", which is no path that mayfly makes; share the "
                                "container again",
                                file, state->socket);
        int r = fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
                                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0
                        ? -errno
                        : 0;
        if (r == -ENOENT || r == -ECONNREFUSED)
                return explain_gone(state, file, err);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "the socket \"%s\" of container %s", state->socket,
                                      state->machine);
        if (peer.uid != geteuid())
                return mf_error(err, -EPERM, MAYFLY_STAGE_SPEC,
                                "the socket \"%s\", which \"%.300s\" names, belongs to user %u, and this is user %u",
                                state->socket, file, (unsigned) peer.uid, (unsigned) geteuid());
        *ret = mf_take_fd(&fd);
        return 0;
}

/* Makes what others than a start may ask for. Returns 0 or -ENOMEM. */
static int prepare(struct mayfly_container *container)
{
        static const struct mayfly_host_port none = { 0 };

        container->owner = 0; /* not this process */
        container->has_lived = container->is_attached = 1;
        container->spec.size = sizeof(container->spec);
        container->spec.host_ports = &none;
        container->image = calloc(1, sizeof(*container->image));
        if (!container->image)
                return -ENOMEM;
        container->image->dir_fd = -1;
        container->image->layers = calloc(1, sizeof(char *));
        container->image->config = calloc(1, sizeof(*container->image->config));
        return container->image->layers && container->image->config ? 0 : -ENOMEM;
}

/* Takes what mayfly-launch has sent. Returns 0 or negative errno. */
static int take_gift(struct mayfly_container *container, struct mf_share_gift *gift)
{
        if (gift->description < 0)
                return -EPROTO;
        container->leader_fd = mf_take_fd(&gift->leader);
        container->userns = mf_take_fd(&gift->userns);
        container->leader = mf_pidfd_pid(container->leader_fd);
        int r = mf_description_read(container, gift->description, &gift->log);
        if (container->owner == getpid()) /* by another handle */
                container->owner = 0;
        return r < 0 ? r : container->leader > 0 ? 0 : -ESRCH;
}

static int follow(struct mayfly_container *container, int may_be_paused, struct mayfly_error *err)
{
        mf_cleanup(mf_share_gift_clear) struct mf_share_gift gift = MF_SHARE_GIFT_NONE;
        uint64_t deadline = mf_timeout_end(MF_SHARE_ANSWER_MS);

        int r = mf_share_connect(container, deadline, &gift);
        if (r > 0)
                r = take_gift(container, &gift);
        if (r == 0 && gift.description >= 0)
                r = mf_share_await_reports(container, deadline);
        if (r > 0 || (r == -EBUSY && may_be_paused))
                return 0;
        /* mayfly-launch has closed the connection. */
        if (r == 0 || r == -EPIPE || r == -ECONNRESET)
                r = -ESRCH;
        return r == -ESRCH ? r : mf_share_explain(container, r, err);
}

int mf_container_attach_to(struct mayfly_container **ret, const struct mf_state *state, const char *file,
                           int may_be_paused, struct mayfly_error *err)
{
        struct mayfly_container *container = mf_container_alloc();

        if (!container)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        snprintf(container->machine, sizeof(container->machine), "%s", state->machine);
        int r = prepare(container) < 0 ? mf_error_oom(err, MAYFLY_STAGE_SPEC)
                                       : open_connection(state, file, &container->share, err);
        if (r == 0)
                r = follow(container, may_be_paused, err);
        if (r == -ESRCH)
                r = explain_gone(state, file, err);
        if (r < 0)
                mayfly_container_free(container);
        else
                *ret = container;
        return r;
}

int mf_container_attach_file(struct mayfly_container **ret, const char *file, int may_be_paused,
                             struct mayfly_error *err)
{
        mf_cleanup(mf_state_clear) struct mf_state state = { 0 };

        int r = mf_state_read(file, &state, err);
        return r < 0 ? r : mf_container_attach_to(ret, &state, file, may_be_paused, err);
}

MF_EXPORT int mayfly_container_attach(struct mayfly_container **ret, const char *file, struct mayfly_error *err)
{
        if (!ret || !file || !*file)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_attach() needs a place for its result and the path of a state file");
        return mf_container_attach_file(ret, file, 0, err);
}
