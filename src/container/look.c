/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/look.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define ANSWER_MS 5000 /* mayfly-init answers at once, unless the file system under the path hangs */

int mf_look_check(const char *path, struct mayfly_error *err)
{
        size_t max = sizeof(((struct mf_message *) NULL)->text) - 1;

        if (path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the path \"%.200s\" is not absolute; give the path in the container", path);
        if (strlen(path) > max)
                return mf_error(err, -ENAMETOOLONG, MAYFLY_STAGE_SPEC,
                                "the path \"%.60s...\" has %zu bytes; it can have %zu", path, strlen(path), max);
        return 0;
}

int mf_container_ask(struct mayfly_container *container, const struct mf_message *request, uint64_t deadline_us,
                     int *ret)
{
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        int r = mf_container_send(container, request, &pair[1], 1, deadline_us);
        close(pair[1]);
        if (r < 0)
                close(pair[0]);
        else
                *ret = pair[0];
        return r;
}

int mf_await_answer(int reply, int process, uint64_t deadline_us)
{
        struct pollfd fds[] = { { .fd = reply, .events = POLLIN }, { .fd = process, .events = POLLIN } };

        for (;;) {
                int r = poll(fds, MF_ELEMENTSOF(fds), mf_left_ms(deadline_us));
                if (r >= 0)
                        return r > 0 ? 0 : -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

int mf_container_look(struct mayfly_container *container, const char *path, mode_t *ret_mode, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int reply = -1;
        struct mf_message message = { .type = MF_MESSAGE_LOOK };
        uint64_t deadline = mf_timeout_end(ANSWER_MS);

        snprintf(message.text, sizeof(message.text), "%s", path);
        int r = mf_container_ask(container, &message, deadline, &reply);
        if (r == 0)
                r = mf_await_answer(reply, container->leader_fd, deadline);
        if (r == 0)
                r = mf_message_recv(reply, &message, NULL, NULL, NULL, MSG_DONTWAIT);
        if (r == -ETIMEDOUT)
                return mf_error(err, r, MAYFLY_STAGE_EXEC, "looking at %s in container %s took more than %u ms", path,
                                container->machine, mf_timeout_ms(ANSWER_MS));
        if (r <= 0 || (message.value[0] && message.value[0] != ENOENT && message.value[0] != ENOTDIR)) {
                if (r > 0)
                        return mf_error_errno(err, -message.value[0], MAYFLY_STAGE_EXEC,
                                              "looking at %s in container %s", path, container->machine);
                return -ENOENT; /* the container is about to die, which is seen elsewhere */
        }
        if (message.value[0])
                return -ENOENT;
        *ret_mode = (mode_t) message.value[1];
        return 0;
}
