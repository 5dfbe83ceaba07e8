/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mayfly/life.h>
#include <mayfly/share.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/life.h"
#include "container/state-file.h"
#include "privilege/raw-start.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/meminfo.h"
#include "util/program-path.h"
#include "util/time.h"
#include "util/timeout.h"

/* Containers that are kept after their test: mayfly-keep, a process that does nothing else, owns each of them. */

#define SECONDS_DEFAULT 3600U
#define SECONDS_MAX (30U * 24 * 3600)
#define ANSWER_MS 20000U

/* What a keeper is until it has its container: it ends when `control` is closed. */
struct keeper {
        int control, process, reaper;
};

static void clear(struct keeper *keeper)
{
        mf_close(keeper->control);
        mf_close(keeper->process);
        mf_close(keeper->reaper); /* it ends after mayfly-keep, and this program need not wait */
}

static int start(struct keeper *keeper, const struct mayfly_container *container, unsigned seconds,
                 struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *program = NULL;
        mf_cleanup(mf_closep) int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        char machine[sizeof(container->machine)], time[16];
        int pair[2];

        int r = mf_program_path("mayfly-keep", &program, err);
        if (r < 0)
                return r;
        if (nowhere < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "/dev/null, or a socket for %s", program);
        keeper->control = pair[0];
        mf_cleanup(mf_closep) int theirs = pair[1];
        snprintf(machine, sizeof(machine), "%s", container->machine);
        snprintf(time, sizeof(time), "%u", seconds);
        char *const argv[] = { program, (char *) "--machine", machine, (char *) "--seconds", time, NULL };
        const struct mf_raw_start request = { .argv = argv, .control = theirs, .boot_log = nowhere };
        r = mf_raw_start_program(&request, &keeper->process, &keeper->reaper);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be started", program) : 0;
}

/* Nobody ends what is kept, so that the tests after this one must have room for as much again. */
static int check_room(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;
        uint64_t available = 0;

        int r = mayfly_container_stats(container, &stats, err);
        if (r < 0 || stats.memory == MAYFLY_UNKNOWN || mf_memory_available("/proc/meminfo", &available) < 0)
                return r;
        if (available / 2 >= stats.memory)
                return 0;
        return mf_error(err, -ENOMEM, MAYFLY_STAGE_SPEC,
                        "container %s is not kept, because it uses %" PRIu64 " MiB of memory, and of this host's only "
                        "%" PRIu64 " MiB are available, less than twice as much; stop other containers (mayfly ps "
                        "lists them)",
                        container->machine, stats.memory >> 20, available >> 20);
}

static int check(struct mayfly_container *container, unsigned seconds, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_keep() needs a container");
        if (seconds > SECONDS_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a container cannot be kept for %u s; give at most %u, which are 30 days", seconds,
                                SECONDS_MAX);
        int r = mf_container_check_owner(container, err);
        return r < 0 ? r : mf_container_check_runs(container, "keeping it", err);
}

/* Says that the container is the keeper's now, and waits until the keeper has heard it. Returns 0 or negative errno. */
static int hand_over(const struct keeper *keeper, const struct mayfly_container *container)
{
        struct mf_message message = { .type = MF_MESSAGE_KEEP };
        struct pollfd fds[] = { { .fd = keeper->control, .events = POLLIN },
                                { .fd = keeper->process, .events = POLLIN } };
        const uint64_t deadline = mf_timeout_end(ANSWER_MS);
        int n;

        int r = mf_message_send(keeper->control, &message, &container->leader_fd, 1);
        if (r < 0)
                return r;
        while ((n = poll(fds, 2, mf_left_ms(deadline))) < 0 && errno == EINTR)
                ;
        if (n <= 0)
                return n == 0 ? -ETIMEDOUT : -errno;
        r = mf_message_recv(keeper->control, &message, NULL, NULL, NULL, MSG_DONTWAIT);
        return r > 0 ? 0 : r == 0 || r == -EAGAIN ? -ESRCH : r;
}

/* Gives the container to a keeper. */
static int give(struct mayfly_container *container, unsigned seconds, pid_t *ret_pid, struct mayfly_error *err)
{
        mf_cleanup(clear) struct keeper keeper = { -1, -1, -1 };
        char file[MF_STATE_FILE_PATH_MAX];

        int r = mf_state_file_choose(container, file, err);
        if (r == 0)
                r = start(&keeper, container, seconds, err);
        if (r < 0)
                return r;
        *ret_pid = mf_pidfd_pid(keeper.process);
        r = mayfly_container_share(container, file, keeper.process, err);
        if (r < 0)
                return r;
        r = hand_over(&keeper, container);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC,
                                      "container %s ends, because its new owner, process %d (mayfly-keep), has ended "
                                      "or does not "
                                      "answer",
                                      container->machine, (int) *ret_pid)
                     : 0;
}

MF_EXPORT int mayfly_container_keep(struct mayfly_container *container, unsigned seconds, pid_t *ret_pid,
                                    struct mayfly_error *err)
{
        pid_t pid = 0;

        int r = check(container, seconds, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = check_room(container, err);
        if (r == 0 && container->is_paused) /* only this process could let it go on */
                r = mayfly_container_resume(container, err);
        if (r == 0)
                r = give(container, seconds ? seconds : SECONDS_DEFAULT, &pid, err);
        if (r == 0 && ret_pid)
                *ret_pid = pid;
        return r;
}
