/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/cgroup.h"
#include "container/container.h"
#include "container/inside.h"
#include "container/life.h"
#include "protocol/usage.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* Pauses: by the freezer of the container's cgroup, which no process notices, or where there is none by SIGSTOP for all of its
 * processes. */

#define WAIT_MS 5000U /* a process may wait in the kernel, where nothing stops it */
#define INTERVAL_US 500U

int mf_container_check_runs(struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (container->control >= 0 && container->leader_fd >= 0)
                return 0;
        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, what, err);
}

/* The owner's process knows. Others look. */
int mf_container_is_paused(const struct mayfly_container *container)
{
        struct mf_process leader;

        if (container->owner == getpid())
                return container->is_paused;
        mf_cleanup(mf_closep) int inside = mf_cgroup_open(container, NULL, MF_CGROUP_INSIDE);
        if (mf_cgroup_number(inside, "cgroup.freeze", NULL) == 1)
                return 1;
        return mf_inside_read(container->leader, &leader) == 0 && leader.state == 'T';
}

int mf_container_check_unpaused(const struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        if (!mf_container_is_paused(container) || container->control < 0 || mf_pidfd_has_ended(container->leader_fd))
                return 0;
        return mf_container_explain_pause(container, what, err);
}

int mf_container_explain_pause(const struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        return mf_error(err, -EBUSY, MAYFLY_STAGE_EXEC,
                        "%s: container %s is paused; resume it first, by mayfly_container_resume()%s", what,
                        container->machine,
                        container->owner == getpid() ? "" : " in the program that owns it, or by mayfly resume");
}

/* Whether the parent of the container's PID 1, which watches over it, is in the cgroup, too. */
static int has_parent(const struct mayfly_container *container, int cgroup)
{
        int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        mf_cleanup(mf_fclosep) FILE *f = fd >= 0 ? fdopen(fd, "re") : NULL;
        struct mf_process leader;
        long pid;

        if (!f)
                mf_close(fd);
        if (!f || mf_inside_read(container->leader, &leader) < 0)
                return 1;
        while (fscanf(f, "%ld", &pid) == 1)
                if ((pid_t) pid == leader.parent)
                        return 1;
        return 0;
}

/* Opens the cgroup that can be frozen: with the container's processes, and without those that watch over it. */
static int open_freezer(const struct mayfly_container *container)
{
        mf_cleanup(mf_closep) int fd = mf_cgroup_open(container, NULL, MF_CGROUP_INSIDE);

        return fd >= 0 && faccessat(fd, "cgroup.freeze", W_OK, 0) == 0 && !has_parent(container, fd) ? mf_take_fd(&fd)
                                                                                                     : -ENOENT;
}

static int freeze(int cgroup, int is_frozen)
{
        uint64_t deadline = mf_timeout_end(WAIT_MS);

        int r = mf_cgroup_write(cgroup, "cgroup.freeze", is_frozen ? "1" : "0");
        while (r == 0 && mf_cgroup_number(cgroup, "cgroup.events", "frozen") != (uint64_t) is_frozen) {
                if (mf_left_ms(deadline) == 0)
                        return -ETIMEDOUT;
                usleep(INTERVAL_US);
        }
        return r;
}

/* One that waits in the kernel, as after vfork(), does nothing more before it acts on its SIGSTOP. */
static int is_stopped(const struct mf_process *process)
{
        return strchr("TtZX", process->state) || (process->state == 'D' && mf_inside_is_pending(process->pid, SIGSTOP));
}

/* Sends a signal to all processes inside that it would stop or, with SIGCONT, to all, for a SIGSTOP may be pending. Returns how many
 * these were, or negative errno. */
static int signal_all(const struct mayfly_container *container, int signal_number)
{
        mf_cleanup(mf_freep) struct mf_process *processes = NULL;
        size_t n = 0;
        int sent = 0;

        int r = mf_inside_list(container->leader, &processes, &n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (signal_number == SIGSTOP && is_stopped(&processes[i]))
                        continue;
                mf_inside_signal(&processes[i], signal_number);
                sent++;
        }
        return r < 0 ? r : sent;
}

/* A process that is seen running may be about to make another one, so that only a look that finds none is the last. */
static int stop_all(const struct mayfly_container *container)
{
        uint64_t deadline = mf_timeout_end(WAIT_MS);
        int n;

        while ((n = signal_all(container, SIGSTOP)) > 0) {
                if (mf_left_ms(deadline) == 0)
                        return -ETIMEDOUT;
                usleep(INTERVAL_US);
        }
        return n;
}

/* Returns 0 or negative errno. */
static int stop_processes(struct mayfly_container *container)
{
        mf_close(container->freezer); /* of a pause that failed */
        container->freezer = open_freezer(container);
        return container->freezer >= 0 ? freeze(container->freezer, 1) : stop_all(container);
}

/* Undoes what stop_processes() has done, by the same means. Returns 0 or negative errno. */
static int continue_processes(struct mayfly_container *container)
{
        int r = container->freezer >= 0 ? freeze(container->freezer, 0) : signal_all(container, SIGCONT);

        if (r < 0)
                return r;
        container->freezer = mf_close(container->freezer);
        return 0;
}

MF_EXPORT int mayfly_container_pause(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_pause() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_runs(container, "pausing", err);
        if (r < 0)
                return r;
        if (container->is_paused)
                return mf_error(err, -EBUSY, MAYFLY_STAGE_EXEC, "pausing: container %s is paused already",
                                container->machine);
        r = stop_processes(container);
        if (r == 0) {
                container->is_paused = 1;
                return 0;
        }
        (void) continue_processes(container);
        return r == -ETIMEDOUT
                       ? mf_error(err, r, MAYFLY_STAGE_EXEC,
                                  "pausing: a process of container %s does not stop within %u ms, and so all go "
                                  "on; look for one in state D with `ps -eo pid,ppid,state,wchan,args`",
                                  container->machine, WAIT_MS)
                       : mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "pausing container %s", container->machine);
}

MF_EXPORT int mayfly_container_resume(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_resume() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        if (!container->is_paused)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_EXEC, "resuming: container %s is not paused",
                                container->machine);
        r = mf_container_check_runs(container, "resuming", err);
        if (r < 0)
                return r;
        r = continue_processes(container);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "resuming container %s", container->machine);
        container->is_paused = 0;
        return 0;
}
