/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mayfly/exec.h>
#include <mayfly/share.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "container/container.h"
#include "container/state-file.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* A shell in the container for somebody who looks at the test program with a debugger. It handles no signals, as these are the program's:
 * it looks now and then whether the terminal has another size. */

#define SIZE_EVERY_MS 200
#define CHUNK 4096

struct terminal {
        int fd; /* -1: there is none */
        int is_raw;
        struct termios before;
        struct winsize size;
};

/* Gives the terminal back as it was. */
static void leave(struct terminal *terminal)
{
        if (terminal->is_raw)
                (void) tcsetattr(terminal->fd, TCSANOW, &terminal->before);
        mf_close(terminal->fd);
}

/* Opens the controlling terminal, if this program is in its foreground: in the background it would be stopped. Returns whether it is. */
static int open_terminal(struct terminal *terminal)
{
        terminal->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (terminal->fd >= 0 && tcgetpgrp(terminal->fd) == getpgrp() &&
            ioctl(terminal->fd, TIOCGWINSZ, &terminal->size) == 0)
                return 1;
        terminal->fd = mf_close(terminal->fd);
        return 0;
}

/* Each key is for the shell. */
static void make_raw(struct terminal *terminal)
{
        struct termios raw;

        if (tcgetattr(terminal->fd, &terminal->before) < 0)
                return;
        raw = terminal->before;
        cfmakeraw(&raw);
        terminal->is_raw = tcsetattr(terminal->fd, TCSANOW, &raw) == 0;
}

static void pass_size(struct terminal *terminal, struct mayfly_exec *exec)
{
        struct winsize now;

        if (ioctl(terminal->fd, TIOCGWINSZ, &now) < 0 || memcmp(&now, &terminal->size, sizeof(now)) == 0)
                return;
        terminal->size = now;
        if (now.ws_row && now.ws_col)
                (void) mayfly_exec_resize(exec, now.ws_row, now.ws_col, NULL);
}

/* Passes keys on to the shell. Returns whether there may be more. */
static int pass_input(const struct terminal *terminal, struct mayfly_exec *exec)
{
        char keys[CHUNK];
        ssize_t n = read(terminal->fd, keys, sizeof(keys));

        if (n <= 0)
                return n < 0 && (errno == EINTR || errno == EAGAIN);
        for (ssize_t done = 0; done < n;) {
                ssize_t written = mayfly_exec_write(exec, keys + done, (size_t) (n - done), UINT32_MAX, NULL);
                if (written <= 0)
                        return 0;
                done += written;
        }
        return 1;
}

/* Passes on what the shell prints. Returns whether there may be more. */
static int pass_output(const struct terminal *terminal, struct mayfly_exec *exec)
{
        char text[CHUNK];
        ssize_t n = mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text, sizeof(text), 0, NULL);

        return n > 0 ? mf_write_full(terminal->fd, text, (size_t) n) == 0 : n == -ETIMEDOUT;
}

static void pass_all(struct terminal *terminal, struct mayfly_exec *exec)
{
        struct pollfd fds[] = { { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_END), .events = POLLIN },
                                { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_OUTPUT), .events = POLLIN },
                                { .fd = terminal->fd, .events = POLLIN } };
        int goes_on = 1;

        while (goes_on) {
                if (poll(fds, MF_ELEMENTSOF(fds), SIZE_EVERY_MS) < 0 && errno != EINTR)
                        return;
                pass_size(terminal, exec);
                if (fds[1].revents)
                        goes_on = pass_output(terminal, exec);
                else if (fds[0].revents) /* and all that it wrote is there */
                        goes_on = 0;
                if (goes_on && fds[2].revents && !pass_input(terminal, exec))
                        fds[2].fd = -1;
        }
}

static int use_terminal(struct mayfly_container *container, struct terminal *terminal, struct mayfly_error *err)
{
        static const char *const argv[] = { "/bin/sh", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_exec *exec = NULL;

        command.argv = argv;
        command.tty = 1;
        command.rows = terminal->size.ws_row;
        command.columns = terminal->size.ws_col;
        int r = mayfly_exec_start(&exec, container, &command, err);
        if (r < 0)
                return r;
        dprintf(terminal->fd, "mayfly: a shell in container %s; \"exit\" ends it\n", container->machine);
        make_raw(terminal);
        pass_all(terminal, exec);
        mayfly_exec_free(exec);
        return 0;
}

/* Prints how a shell is opened from another terminal. */
static int tell_command(struct mayfly_container *container, struct mayfly_error *err)
{
        char file[MF_STATE_FILE_PATH_MAX];

        int r = mf_state_file_choose(container, file, err);
        if (r == 0 && !container->is_shared)
                r = mayfly_container_share(container, file, -1, err);
        if (r < 0)
                return r;
        fprintf(stderr,
                "mayfly: this program is in the foreground of no terminal; run in another one: mayfly shell %s\n",
                access(file, F_OK) == 0 ? container->machine
                                        : "FILE, with the state file of its mayfly_container_share()");
        return 0;
}

MF_EXPORT int mayfly_container_shell(struct mayfly_container *container)
{
        mf_cleanup(leave) struct terminal terminal = { .fd = -1 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (!container) {
                fputs("mayfly: mayfly_container_shell() needs a container\n", stderr);
                return -EINVAL;
        }
        int r = open_terminal(&terminal) ? use_terminal(container, &terminal, &err) : tell_command(container, &err);
        if (r < 0)
                fprintf(stderr, "mayfly: %s\n", err.message);
        return r;
}
