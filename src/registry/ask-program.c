/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/ask-program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define ANSWER_MAX 65536U
#define PATIENCE_MS 30000U /* a program may ask the user to unlock a key ring */
#define POLL_MS 100
#define NOT_FOUND "credentials not found" /* what the programs write when they have none */

extern char **environ;

struct run {
        pid_t pid;
        int out;
        uint64_t deadline_us;
        int (*cancelled)(void *userdata);
        void *userdata;
        char answer[ANSWER_MAX];
        size_t size;
        int status_is_lost; /* the test program has reaped the process */
};

/* Returns a file that has the text and is read from its beginning, or negative errno. */
static int file_of(const char *text)
{
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-server", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = mf_write_full(fd, text, strlen(text));
        if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? r : mf_take_fd(&fd);
}

/* Starts the program in a process group of its own, with the default reactions to signals. Returns 0 or negative errno. */
static int spawn(const char *program, int in, int out, pid_t *ret)
{
        char *argv[] = { (char *) program, (char *) "get", NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;

        sigemptyset(&none);
        sigfillset(&all);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        int r = -posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        if (r == 0)
                r = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = -posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (r == 0)
                r = -posix_spawnp(ret, program, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return r;
}

/* Whether the program may go on. Returns 0 or negative errno. */
static int may_go_on(const struct run *run)
{
        if (run->cancelled && run->cancelled(run->userdata))
                return -ECANCELED;
        return mf_now_us() < run->deadline_us ? 0 : -ETIMEDOUT;
}

/* Reads what the program writes, to the end. Returns 0 or negative errno: -EFBIG when it is too much. */
static int read_answer(struct run *run)
{
        for (;;) {
                struct pollfd poll_out = { .fd = run->out, .events = POLLIN };
                int r = may_go_on(run);
                if (r < 0)
                        return r;
                if (poll(&poll_out, 1, POLL_MS) <= 0)
                        continue;
                ssize_t n = read(run->out, run->answer + run->size, sizeof(run->answer) - 1 - run->size);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return run->size < sizeof(run->answer) - 1 ? 0 : -EFBIG;
                run->size += n > 0 ? (size_t) n : 0;
        }
}

/* Waits for the end of the program. Returns 0 or negative errno. *ret_status is that of waitpid(2), or 0 when the test program has
 * reaped the process, as it does when it ignores SIGCHLD. */
static int await_end(struct run *run, int *ret_status)
{
        for (;;) {
                pid_t pid = waitpid(run->pid, ret_status, WNOHANG);
                if (pid == run->pid)
                        return 0;
                if (pid < 0 && errno == ECHILD) {
                        *ret_status = 0;
                        run->status_is_lost = 1;
                        return 0;
                }
                int r = may_go_on(run);
                if (r < 0)
                        return r;
                nanosleep(&(struct timespec){ .tv_nsec = 2000000L }, NULL);
        }
}

/* Reads the answer and the status. On failure the program is killed. Returns 0 or negative errno. */
static int hear(struct run *run, int *ret_status)
{
        int r = read_answer(run);

        if (r == 0)
                r = await_end(run, ret_status);
        if (r == 0)
                return 0;
        kill(-run->pid, SIGKILL);
        while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

/* Whether the program says that it has no credentials. */
static int has_none(const struct run *run)
{
        return memmem(run->answer, run->size, NOT_FOUND, strlen(NOT_FOUND)) != NULL;
}

/* Decides what an answer means. Returns as mf_ask_program(). */
static int judge(struct mf_credentials *ret, const struct run *run, int status, char *why, size_t size)
{
        if (WIFSIGNALED(status)) {
                snprintf(why, size, "was ended by signal %d", WTERMSIG(status));
                return -EIO;
        }
        if (WEXITSTATUS(status) != 0) {
                if (has_none(run))
                        return 0;
                snprintf(why, size, "exits with status %d", WEXITSTATUS(status));
                return -EIO;
        }
        int r = mf_helper_answer_parse(ret, run->answer, run->size);
        if (r == -EBADMSG && run->status_is_lost && has_none(run))
                return 0;
        if (r == -EBADMSG)
                snprintf(why, size, "does not write a JSON object with \"Username\" and \"Secret\"");
        return r;
}

static int ask(struct mf_credentials *ret, struct run *run, char *why, size_t size)
{
        int status = 0, r = hear(run, &status);

        switch (r) {
        case 0:
                r = judge(ret, run, status, why, size);
                break;
        case -ETIMEDOUT:
                snprintf(why, size, "has not answered within %u s", PATIENCE_MS / 1000);
                break;
        case -ECANCELED:
                snprintf(why, size, "was cancelled");
                break;
        case -EFBIG:
                snprintf(why, size, "writes more than %u bytes", ANSWER_MAX - 2);
                break;
        default:
                errno = -r;
                snprintf(why, size, "cannot be heard: %m");
        }
        explicit_bzero(run->answer, run->size);
        return r;
}

int mf_ask_program(struct mf_credentials *ret, const char *name, const char *server, int (*cancelled)(void *userdata),
                   void *userdata, char *ret_why, size_t size)
{
        mf_cleanup(mf_freep) struct run *run = calloc(1, sizeof(*run));
        mf_cleanup(mf_freep) char *program = NULL;
        int pipe_fds[2];

        snprintf(ret_why, size, "cannot be run: out of memory");
        if (!run || asprintf(&program, "docker-credential-%s", name) < 0) {
                program = NULL;
                return -ENOMEM;
        }
        mf_cleanup(mf_closep) int in = file_of(server);
        int r = in < 0 ? in : pipe2(pipe_fds, O_CLOEXEC) < 0 ? -errno : 0;
        if (r == 0) {
                r = spawn(program, in, pipe_fds[1], &run->pid);
                mf_close(pipe_fds[1]);
                if (r < 0)
                        mf_close(pipe_fds[0]);
        }
        if (r < 0) {
                errno = -r;
                snprintf(ret_why, size, "cannot be run: %m");
                return r;
        }
        run->out = pipe_fds[0];
        run->deadline_us = mf_timeout_end(PATIENCE_MS);
        run->cancelled = cancelled;
        run->userdata = userdata;
        r = ask(ret, run, ret_why, size);
        mf_close(pipe_fds[0]);
        return r;
}
