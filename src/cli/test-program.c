/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "cli/test.h"
#include "util/macro.h"

int tool_test_execute(char **program)
{
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* without its containers it can do nothing */
        execvp(program[0], program);
        int status = errno == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTED;
        (void) tool_fail("%s cannot be executed: %s", program[0], strerror(errno));
        return status;
}

/* Signals that are for the program. From a terminal it gets them itself. */
static const int passed_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

static void hold(sigset_t *ret_held, sigset_t *ret_old)
{
        sigemptyset(ret_held);
        sigaddset(ret_held, SIGCHLD);
        for (size_t i = 0; i < MF_ELEMENTSOF(passed_signals); i++)
                sigaddset(ret_held, passed_signals[i]);
        sigprocmask(SIG_BLOCK, ret_held, ret_old);
}

static int await(pid_t child, const sigset_t *held)
{
        siginfo_t info;
        int status;

        for (;;) {
                const int got = sigwaitinfo(held, &info);
                if (got == SIGCHLD && waitpid(child, &status, WNOHANG) == child)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : RUN_SIGNALLED + WTERMSIG(status);
                if (got > 0 && got != SIGCHLD && info.si_code <= 0) /* by a process */
                        (void) kill(child, got);
        }
}

int tool_test_spawn(char **program)
{
        sigset_t held, old;

        hold(&held, &old);
        const pid_t self = getpid(), child = fork();
        if (child == 0) {
                sigprocmask(SIG_SETMASK, &old, NULL);
                _exit(getppid() == self ? tool_test_execute(program) : RUN_FAILED);
        }
        return child < 0 ? tool_fail("the program cannot be started: %s", strerror(errno)) : await(child, &held);
}
