/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "util/fd.h"

/* The last byte that a keeper sends to its starter. */
#define READY '\0'

/* --- in the starter --------------------------------------------------------------------------------------------- */

/* Copies what the keeper prints. Returns whether it has said at the end that it is ready. */
static int copy_output(int from)
{
        char data[4096];
        ssize_t n;

        while ((n = read(from, data, sizeof(data))) != 0) {
                if (n < 0 && errno != EINTR)
                        return 0;
                if (n > 0 && data[n - 1] == READY) {
                        (void) fwrite(data, 1, (size_t) n - 1, stdout);
                        return 1;
                }
                if (n > 0)
                        (void) fwrite(data, 1, (size_t) n, stdout);
        }
        return 0;
}

/* Waits until the keeper is ready, or has failed, which it has said itself. Returns the exit status for mayfly. */
static int await(pid_t keeper, int from)
{
        int status = 0;

        if (copy_output(from)) {
                if (fflush(stdout) == 0)
                        return TOOL_OK;
                (void) tool_fail("standard output cannot be written: %s; the containers end", strerror(errno));
                (void) kill(keeper, SIGTERM); /* who sees a failure does not end them */
        }
        while (waitpid(keeper, &status, 0) < 0)
                if (errno != EINTR)
                        return tool_fail("waiting for the keeper, process %d: %s", (int) keeper, strerror(errno));
        if (WIFSIGNALED(status))
                return tool_fail("the keeper, process %d, was ended by signal %d before all containers were ready",
                                 (int) keeper, WTERMSIG(status));
        return WEXITSTATUS(status) ? WEXITSTATUS(status) : TOOL_FAILED;
}

/* --- in the keeper ---------------------------------------------------------------------------------------------- */

/* Keeps only the standard streams and the descriptors of the keeper. */
static void close_others(struct keeper *keeper)
{
        enum { PIPE = STDERR_FILENO + 1, PIDFD, OTHERS };

        /* Both are high, so that neither is in the place of the other. */
        int starter = fcntl(keeper->starter, F_DUPFD_CLOEXEC, 100);
        int owner = keeper->owner < 0 ? -1 : fcntl(keeper->owner, F_DUPFD_CLOEXEC, 100);
        keeper->starter = dup3(starter, PIPE, O_CLOEXEC);
        keeper->owner = owner < 0 ? -1 : dup3(owner, PIDFD, O_CLOEXEC);
        (void) close_range(owner < 0 ? PIDFD : OTHERS, ~0U, 0);
}

static void be_keeper(struct keeper *keeper)
{
        (void) setsid();
        close_others(keeper);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void) dup2(null, STDIN_FILENO);
        mf_close(null);
        (void) dup2(keeper->starter, STDOUT_FILENO);
        keeper->is_detached = 1;
}

int keeper_detach(struct keeper *keeper)
{
        int ends[2];

        (void) fflush(NULL);
        if (pipe2(ends, O_CLOEXEC) < 0)
                return tool_fail("a pipe to the keeper: %s", strerror(errno));
        pid_t pid = fork();
        if (pid < 0) {
                mf_close(ends[0]);
                mf_close(ends[1]);
                return tool_fail("a process for the keeper cannot be made: %s", strerror(errno));
        }
        if (pid == 0) {
                mf_close(ends[0]);
                keeper->starter = ends[1];
                be_keeper(keeper);
                return -1;
        }
        mf_close(ends[1]);
        int status = await(pid, ends[0]);
        mf_close(ends[0]);
        return status;
}

void keeper_settle(struct keeper *keeper)
{
        if (keeper->starter < 0)
                return;
        (void) mf_write_full(keeper->starter, &(char){ READY }, 1);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void) dup2(null, STDOUT_FILENO);
        (void) dup2(null, STDERR_FILENO);
        mf_close(null);
        keeper->starter = mf_close(keeper->starter);
}
