/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "container/command.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* The streams of a command in the background. Their descriptors stay open until the handle is freed, so that threads can wait for
 * them; only that of the input can be closed before. */

#define CLOSE_MS 1000U /* for a terminal to have room for its end-of-file character */

/* Waits for an event of a descriptor. Returns 0, -ETIMEDOUT or another -errno. */
static int await(int fd, short events, uint64_t deadline_us)
{
        struct pollfd wanted = { .fd = fd, .events = events };

        for (;;) {
                int n = poll(&wanted, 1, deadline_us == UINT64_MAX ? -1 : mf_left_ms(deadline_us));
                if (n > 0)
                        return 0;
                if (n == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Writes as much as there is time for. Returns how much it was, if any, or -errno. */
static ssize_t write_some(const struct mayfly_exec *exec, const char *data, size_t size, uint64_t deadline_us)
{
        struct mf_sigpipe sigpipe;
        size_t done = 0;
        int r = 0;

        mf_sigpipe_block(&sigpipe);
        while (r == 0 && done < size) {
                ssize_t n = write(exec->input, data + done, size - done);
                if (n >= 0)
                        done += (size_t) n;
                else if (errno == EAGAIN)
                        r = await(exec->input, POLLOUT, deadline_us);
                else if (errno != EINTR)
                        r = errno == EIO && exec->is_terminal ? -EPIPE : -errno; /* which no process has any more */
        }
        mf_sigpipe_restore(&sigpipe);
        return done > 0 ? (ssize_t) done : r;
}

/* Does what mayfly_exec_write() does, with the lock of the input. */
static ssize_t write_input(struct mayfly_exec *exec, const char *data, size_t size, unsigned timeout_ms,
                           struct mayfly_error *err)
{
        if (exec->input < 0)
                return mf_error(err, -EPIPE, MAYFLY_STAGE_EXEC,
                                "the input of \"%.200s\" in %s is closed, or was given with the command", exec->program,
                                exec->machine);
        ssize_t n = write_some(exec, data, size, mf_command_deadline(timeout_ms));
        if (n == -ETIMEDOUT)
                return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s read none of its input within %u ms", exec->program, exec->machine,
                                timeout_ms);
        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_EXEC, "writing %zu bytes to \"%.200s\" in %s", size,
                                      exec->program, exec->machine);
        if (n > 0)
                exec->is_in_line = data[n - 1] != '\n';
        return n;
}

MF_EXPORT ssize_t mayfly_exec_write(struct mayfly_exec *exec, const void *data, size_t size, unsigned timeout_ms,
                                    struct mayfly_error *err)
{
        if (!exec || (!data && size))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_write() needs a command and data");
        ssize_t n = mf_command_check_owner(exec, err);
        if (n < 0)
                return n;
        pthread_mutex_lock(&exec->input_lock);
        n = write_input(exec, data ? data : "", size, timeout_ms, err);
        pthread_mutex_unlock(&exec->input_lock);
        return n;
}

/* Types the end-of-file character: once at the beginning of a line, and twice in one, where the first only ends the reading of that line.
 * Success also when no process has the terminal any more. Returns 0 or -errno. */
static int type_end_of_file(struct mayfly_exec *exec)
{
        struct termios settings;
        char characters[2];

        if (tcgetattr(exec->input, &settings) < 0)
                return -errno;
        memset(characters, settings.c_cc[VEOF], sizeof(characters));
        ssize_t n = write_some(exec, characters, exec->is_in_line ? 2 : 1, mf_now_us() + (uint64_t) CLOSE_MS * 1000);
        exec->is_in_line = 0;
        return n >= 0 || n == -EPIPE ? 0 : (int) n;
}

MF_EXPORT int mayfly_exec_close_input(struct mayfly_exec *exec, struct mayfly_error *err)
{
        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_close_input() needs a command");
        int r = mf_command_check_owner(exec, err);
        if (r < 0)
                return r;
        pthread_mutex_lock(&exec->input_lock);
        if (!exec->is_terminal)
                exec->input = mf_close(exec->input);
        else
                r = type_end_of_file(exec);
        pthread_mutex_unlock(&exec->input_lock);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "the end of file for the terminal of \"%.200s\" in %s",
                                      exec->program, exec->machine)
                     : 0;
}

/* Returns what is read from, or NULL if the command has no such stream. */
static const struct mf_capture *capture_of(const struct mayfly_exec *exec, enum mayfly_stream stream)
{
        if (stream == MAYFLY_STREAM_OUTPUT)
                return &exec->captures[0];
        return stream == MAYFLY_STREAM_ERROR && !exec->is_terminal ? &exec->captures[1] : NULL;
}

/* Reads what there is, as soon as there is something. Returns how much it was, 0 at the end, or -errno. */
static ssize_t read_some(const struct mf_capture *capture, void *buffer, size_t size, uint64_t deadline_us)
{
        for (;;) {
                ssize_t n = read(capture->fd, buffer, size);
                if (n >= 0)
                        return n;
                if (errno == EIO && capture->is_terminal)
                        return 0; /* no process has it any more */
                int r = errno == EINTR ? 0 : errno == EAGAIN ? await(capture->fd, POLLIN, deadline_us) : -errno;
                if (r < 0)
                        return r;
        }
}

MF_EXPORT ssize_t mayfly_exec_read(struct mayfly_exec *exec, enum mayfly_stream stream, void *buffer, size_t size,
                                   unsigned timeout_ms, struct mayfly_error *err)
{
        if (!exec || !buffer || size == 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_read() needs a command and a buffer");
        ssize_t n = mf_command_check_owner(exec, err);
        if (n < 0)
                return n;
        const struct mf_capture *capture = capture_of(exec, stream);
        if (!capture)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "\"%.200s\" in %s has no stream %d to read; give MAYFLY_STREAM_OUTPUT or, without a "
                                "terminal, MAYFLY_STREAM_ERROR",
                                exec->program, exec->machine, (int) stream);
        n = read_some(capture, buffer, size, mf_command_deadline(timeout_ms));
        if (n == -ETIMEDOUT)
                return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC, "\"%.200s\" in %s wrote nothing within %u ms",
                                exec->program, exec->machine, timeout_ms);
        return n < 0 ? mf_error_errno(err, (int) n, MAYFLY_STAGE_EXEC, "reading the output of \"%.200s\" in %s",
                                      exec->program, exec->machine)
                     : n;
}

MF_EXPORT int mayfly_exec_fd(struct mayfly_exec *exec, enum mayfly_exec_event event)
{
        switch (exec ? event : 0) {
        case MAYFLY_EXEC_OUTPUT:
        case MAYFLY_EXEC_ERROR:
                return exec->captures[event - MAYFLY_EXEC_OUTPUT].fd;
        case MAYFLY_EXEC_INPUT:
                return exec->input;
        case MAYFLY_EXEC_END:
                return exec->reply;
        }
        return -1;
}

MF_EXPORT int mayfly_exec_resize(struct mayfly_exec *exec, unsigned rows, unsigned columns, struct mayfly_error *err)
{
        const struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };

        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_resize() needs a command");
        int r = mf_command_check_owner(exec, err);
        if (r < 0)
                return r;
        if (!exec->is_terminal)
                return mf_error(err, -ENOTTY, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s has no terminal to resize; set tty in its command", exec->program,
                                exec->machine);
        if (rows == 0 || columns == 0 || rows > UINT16_MAX || columns > UINT16_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a terminal cannot have %u rows and %u columns; give 1 to %u of each", rows, columns,
                                (unsigned) UINT16_MAX);
        return ioctl(exec->input, TIOCSWINSZ, &size) < 0
                       ? mf_error_errno(err, -errno, MAYFLY_STAGE_EXEC, "resizing the terminal of \"%.200s\" in %s",
                                        exec->program, exec->machine)
                       : 0;
}
