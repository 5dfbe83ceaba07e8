/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"

/* mayfly-forward, which the library talks to over a socket of its own. It is started when the first request has come. */

int launch_forward_open(struct launch_forward *forward, const char *program)
{
        if (forward->socket < 0)
                return 0;
        forward->program = open(program, O_PATH | O_CLOEXEC);
        return forward->program < 0 ? launch_error(-errno, "%s; mayfly's installation is broken", program) : 0;
}

static _Noreturn void execute(int program, int socket)
{
        char *const argv[] = { (char[]){ "mayfly-forward" }, NULL };
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(socket, STDIN_FILENO) < 0) {
                launch_error(-errno, "the socket of mayfly-forward");
                _exit(127);
        }
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        execveat(program, "", argv, environ, AT_EMPTY_PATH);
        launch_error(-errno, "executing mayfly-forward; mayfly's installation is broken");
        _exit(127);
}

void launch_forward_start(struct launch_forward *forward)
{
        pid_t parent = getpid();

        forward->pid = fork();
        if (forward->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                execute(forward->program, forward->socket);
        }
        if (forward->pid < 0)
                launch_error(-errno, "fork");
        forward->socket = mf_close(forward->socket); /* whose end tells the library that there is nobody to answer */
}

int launch_forward_has_failed(struct launch_forward *forward, pid_t pid, int status)
{
        if (pid != forward->pid)
                return 0;
        forward->pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        launch_error(-ECHILD, "mayfly-forward, which connects the container's ports, ended with %s %d",
                     WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return 1;
}
