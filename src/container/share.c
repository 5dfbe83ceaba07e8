/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/share.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/life.h"
#include "container/look.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* A forked child has copies of its parent's descriptors, but must not read from its sockets: the answers are the parent's. So it asks
 * mayfly-launch for sockets of its own, over the share socket, on which nothing is ever answered. */

#define LOOK_MS 100 /* for a container that is paused, or has ended */

static int make_pair(int ret[2])
{
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0 ? -errno : 0;
}

void mf_share_ends_clear(struct mf_share_ends *ends)
{
        mf_close(ends->launch);
        mf_close(ends->link_launch);
        mf_close(ends->link_init);
        *ends = MF_SHARE_ENDS_NONE;
}

int mf_share_open(struct mayfly_container *container, struct mf_share_ends *ret)
{
        int share[2], link[2];

        int r = make_pair(share);
        if (r < 0)
                return r;
        container->share = share[0];
        ret->launch = share[1];
        r = make_pair(link);
        if (r < 0)
                return r;
        ret->link_launch = link[0];
        ret->link_init = link[1];
        return 0;
}

/* --- in a process that is not the owner ------------------------------------------------------------------------- */

/* Gives up all that a channel consists of. */
static void hang_up(struct mayfly_container *container)
{
        container->control = mf_close(container->control);
        mf_forward_close(&container->forward);
        if (container->engine)
                container->engine = container->engine->type->release(container->engine);
}

/* Gives up the copies of what only the parent can use. Returns 0 or -ENOMEM. */
static int leave_parent(struct mayfly_container *container)
{
        struct mf_anchor *anchor = mf_anchor_new(container);

        if (!anchor)
                return -ENOMEM;
        mf_anchor_unref(container->anchor); /* another thread of the parent may have its lock */
        container->anchor = anchor;
        hang_up(container);
        mf_files_close(container);
        container->user = getpid();
        return 0;
}

/* Asks for a channel. Returns 0 or negative errno: -EAGAIN when the request cannot be taken now. */
static int ask(struct mayfly_container *container)
{
        const struct mf_message attach = { .type = MF_MESSAGE_ATTACH };
        mf_cleanup(mf_closep) int forward = -1;
        int channel[2], one = 1;

        int r = make_pair(channel);
        if (r < 0)
                return r;
        container->control = channel[0];
        mf_cleanup(mf_closep) int theirs = channel[1];
        r = setsockopt(container->control, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ? -errno : 0;
        if (r == 0)
                r = mf_forward_open(&container->forward, &forward);
        if (r == 0)
                r = mf_message_try_send(container->share, &attach, (const int[]){ theirs, forward }, 2);
        return r == -ETOOMANYREFS ? -EAGAIN : r;
}

void mf_share_gift_clear(struct mf_share_gift *gift)
{
        mf_close(gift->description);
        mf_close(gift->log);
        mf_close(gift->leader);
        mf_close(gift->userns);
        *gift = MF_SHARE_GIFT_NONE;
}

/* Takes what mayfly-launch sends. Returns 0 or negative errno. */
static int take_descriptors(struct mayfly_container *container, const struct mf_message *message, int *fds, size_t n,
                            struct mf_share_gift *gift)
{
        size_t n_processes = (size_t) message->value[0], more = (unsigned) message->value[1];
        int has_description = (more & MF_ATTACHED_DESCRIPTION) != 0, has_userns = (more & MF_ATTACHED_USERNS) != 0;

        if (message->type != MF_MESSAGE_ATTACHED || n_processes == 0 || n_processes > MF_ENGINE_PROCESSES_MAX ||
            n != n_processes + 3U * (unsigned) has_description + (unsigned) has_userns)
                return -EPROTO;
        container->engine = mf_engine_attach(fds, n_processes);
        if (!container->engine)
                return -ENOMEM;
        if (gift && has_description) {
                gift->description = mf_take_fd(&fds[n_processes]);
                gift->log = mf_take_fd(&fds[n_processes + 1]);
                gift->leader = mf_take_fd(&fds[n_processes + 2]);
                gift->userns = has_userns ? mf_take_fd(&fds[n_processes + 3]) : -1;
        }
        return 0;
}

/* Takes mayfly-launch's answer. Returns 1, 0 when the channel was closed, or negative errno. */
static int take_answer(struct mayfly_container *container, uint64_t deadline_us, struct mf_share_gift *gift)
{
        struct mf_message message;
        int received[MF_MESSAGE_FDS_MAX];
        size_t n = 0;

        int r = mf_await_answer(container->control, container->leader_fd, deadline_us);
        if (r < 0)
                return r;
        r = mf_message_recv(container->control, &message, received, &n, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN) /* it is not the answer that ended the wait */
                return -ESRCH;
        if (r > 0) {
                r = take_descriptors(container, &message, received, n, gift);
                r = r < 0 ? r : 1;
        }
        for (size_t i = 0; i < n; i++)
                mf_close(received[i]);
        return r;
}

int mf_share_connect(struct mayfly_container *container, uint64_t deadline_us, struct mf_share_gift *gift)
{
        int r = ask(container);

        return r < 0 ? r : take_answer(container, deadline_us, gift);
}

int mf_share_await_reports(struct mayfly_container *container, uint64_t deadline_us)
{
        const struct mf_reports before = container->reports;

        container->reports =
                (struct mf_reports){ .expects_app = before.expects_app, .expects_notify = before.expects_notify };
        container->is_current = 0;
        while (!container->is_current && container->control >= 0 && mf_left_ms(deadline_us) > 0) {
                (void) mf_container_poll(container, NULL, 0, LOOK_MS, NULL);
                if (!container->is_current && mf_container_is_paused(container))
                        break;
        }
        if (container->is_current)
                return 1;
        container->reports = before;
        return container->control < 0 ? 0 : mf_container_is_paused(container) ? -EBUSY : -ETIMEDOUT;
}

/* Gets a channel. Returns 1, 0 when there is none to be had, or negative errno. */
static int attach(struct mayfly_container *container, uint64_t deadline_us)
{
        int r = mf_share_connect(container, deadline_us, NULL);

        if (r > 0)
                r = mf_share_await_reports(container, deadline_us);
        if (r <= 0)
                hang_up(container);
        return r;
}

int mf_share_explain(const struct mayfly_container *container, int r, struct mayfly_error *err)
{
        if (r == -EBUSY)
                return mf_container_explain_pause(container, "the first use by this process", err);
        if (r == -ETIMEDOUT)
                return mf_error(err, r, MAYFLY_STAGE_EXEC,
                                "container %s gave this process no connection within %u s; is the host overloaded?",
                                container->machine, mf_timeout_ms(MF_SHARE_ANSWER_MS) / 1000);
        return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "a connection of this process to container %s",
                              container->machine);
}

/* Gets a channel unless the container has ended: what is called next says that. */
static int use(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(MF_SHARE_ANSWER_MS);

        for (;;) {
                int r = attach(container, deadline);
                int is_over = mf_pidfd_has_ended(container->leader_fd) || container->leader_fd < 0 || r == -EPIPE;
                if (r > 0 || is_over) {
                        container->is_attached = 1;
                        return 0;
                }
                if (r < 0 && r != -EAGAIN)
                        return mf_share_explain(container, r, err);
                if (mf_left_ms(deadline) == 0)
                        return mf_share_explain(container, -ETIMEDOUT, err);
                usleep(1000); /* too many descriptors of this user are under way */
        }
}

int mf_container_check_use(struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->owner == getpid() || (container->user == getpid() && container->is_attached))
                return 0;
        if (!container->has_lived) /* forked during the start */
                return mf_container_check_owner(container, err);
        int r = container->user == getpid() ? 0 : leave_parent(container);
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_EXEC) : use(container, err);
}
