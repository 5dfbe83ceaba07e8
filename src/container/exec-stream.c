/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "container/command.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* The streams of a command in the background. Their descriptors stay open until the handle is freed, so that threads can wait for
 * them; only that of the input can be closed before. */

#define CLOSE_MS 1000U /* for a terminal to have room for its end-of-file character */
#define LOOK_MS 20U    /* until a thread that waits for room sees that another has closed the input */

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

/* --- input ---------------------------------------------------------------------------------------------------- */

/* One thread at a time is the writer. It waits for room without the lock, so that nobody waits for it who does not write; but the
 * descriptor stays open as long as there is a writer, who closes it then. */

void mf_command_init_input(struct mayfly_exec *exec)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&exec->input_free, &attributes);
        pthread_condattr_destroy(&attributes);
        pthread_mutex_init(&exec->input_lock, NULL);
}

/* Becomes the writer. Returns 0, -ETIMEDOUT, or -EPIPE when the input is closed. */
static int begin_writing(struct mayfly_exec *exec, uint64_t deadline_us)
{
        const struct timespec deadline = { .tv_sec = (time_t) (deadline_us / 1000000),
                                           .tv_nsec = (long) (deadline_us % 1000000) * 1000 };
        int r = 0;

        pthread_mutex_lock(&exec->input_lock);
        while (exec->has_writer && !exec->is_closing && r == 0)
                r = deadline_us == UINT64_MAX ? pthread_cond_wait(&exec->input_free, &exec->input_lock)
                                              : pthread_cond_timedwait(&exec->input_free, &exec->input_lock, &deadline);
        int is_closed = exec->input < 0 || exec->is_closing;
        r = is_closed ? -EPIPE : exec->has_writer ? -ETIMEDOUT : 0;
        if (r == 0)
                exec->has_writer = 1;
        pthread_mutex_unlock(&exec->input_lock);
        return r;
}

static void end_writing(struct mayfly_exec *exec)
{
        pthread_mutex_lock(&exec->input_lock);
        exec->has_writer = 0;
        if (exec->is_closing)
                exec->input = mf_close(exec->input);
        exec->is_closing = 0;
        pthread_cond_broadcast(&exec->input_free);
        pthread_mutex_unlock(&exec->input_lock);
}

static int is_closing(struct mayfly_exec *exec)
{
        pthread_mutex_lock(&exec->input_lock);
        int is_closing = exec->is_closing;
        pthread_mutex_unlock(&exec->input_lock);
        return is_closing;
}

/* Waits for room, and looks now and then whether another thread has closed the input. Returns as await(), or -EPIPE. */
static int await_room(struct mayfly_exec *exec, uint64_t deadline_us)
{
        for (;;) {
                uint64_t look_us = mf_now_us() + (uint64_t) LOOK_MS * 1000;
                int r = await(exec->input, POLLOUT, look_us < deadline_us ? look_us : deadline_us);
                if (r != -ETIMEDOUT || look_us >= deadline_us)
                        return r;
                if (is_closing(exec))
                        return -EPIPE;
        }
}

/* Writes as much as there is time for; the caller is the writer. Returns how much it was, if any, or -errno. */
static ssize_t write_some(struct mayfly_exec *exec, const char *data, size_t size, uint64_t deadline_us)
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
                        r = await_room(exec, deadline_us);
                else if (errno != EINTR)
                        r = errno == EIO && exec->is_terminal ? -EPIPE : -errno; /* which no process has any more */
        }
        mf_sigpipe_restore(&sigpipe);
        return done > 0 ? (ssize_t) done : r;
}

/* Does what mayfly_exec_write() does, without an error. */
static ssize_t write_input(struct mayfly_exec *exec, const char *data, size_t size, uint64_t deadline_us)
{
        int r = begin_writing(exec, deadline_us);

        if (r < 0)
                return r == -EPIPE ? -EBADF : r;
        ssize_t n = write_some(exec, data, size, deadline_us);
        if (n > 0)
                exec->is_in_line = data[n - 1] != '\n';
        if (n == -EPIPE && is_closing(exec))
                n = -EBADF;
        end_writing(exec);
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
        n = write_input(exec, data ? data : "", size, mf_command_deadline(timeout_ms));
        if (n == -EBADF)
                return mf_error(err, -EPIPE, MAYFLY_STAGE_EXEC,
                                "the input of \"%.200s\" in %s is closed, or was given with the command", exec->program,
                                exec->machine);
        if (n == -ETIMEDOUT)
                return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s read none of its input within %u ms", exec->program, exec->machine,
                                mf_timeout_ms(timeout_ms));
        return n < 0 ? mf_error_errno(err, (int) n, MAYFLY_STAGE_EXEC, "writing %zu bytes to \"%.200s\" in %s", size,
                                      exec->program, exec->machine)
                     : n;
}

/* Types the end-of-file character: once at the beginning of a line, and twice in one, where the first only ends the reading of that line.
 * Success also when no process has the terminal any more. Returns 0 or -errno. */
static int type_end_of_file(struct mayfly_exec *exec)
{
        uint64_t deadline = mf_timeout_end(CLOSE_MS);
        struct termios settings;
        char characters[2];

        if (tcgetattr(exec->input, &settings) < 0)
                return -errno;
        int r = begin_writing(exec, deadline);
        if (r < 0)
                return r;
        memset(characters, settings.c_cc[VEOF], sizeof(characters));
        ssize_t n = write_some(exec, characters, exec->is_in_line ? 2 : 1, deadline);
        exec->is_in_line = 0;
        end_writing(exec);
        return n >= 0 || n == -EPIPE ? 0 : (int) n;
}

/* Closes the input, or has its writer do so. */
static void close_input(struct mayfly_exec *exec)
{
        pthread_mutex_lock(&exec->input_lock);
        if (exec->has_writer)
                exec->is_closing = 1;
        else
                exec->input = mf_close(exec->input);
        pthread_mutex_unlock(&exec->input_lock);
}

MF_EXPORT int mayfly_exec_close_input(struct mayfly_exec *exec, struct mayfly_error *err)
{
        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_close_input() needs a command");
        int r = mf_command_check_owner(exec, err);
        if (r < 0)
                return r;
        if (!exec->is_terminal) {
                close_input(exec);
                return 0;
        }
        r = type_end_of_file(exec);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "the end of file for the terminal of \"%.200s\" in %s",
                                      exec->program, exec->machine)
                     : 0;
}

/* --- output --------------------------------------------------------------------------------------------------- */

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
                                exec->program, exec->machine, mf_timeout_ms(timeout_ms));
        return n < 0 ? mf_error_errno(err, (int) n, MAYFLY_STAGE_EXEC, "reading the output of \"%.200s\" in %s",
                                      exec->program, exec->machine)
                     : n;
}

static int input_of(struct mayfly_exec *exec)
{
        pthread_mutex_lock(&exec->input_lock);
        int fd = exec->is_closing ? -1 : exec->input;
        pthread_mutex_unlock(&exec->input_lock);
        return fd;
}

MF_EXPORT int mayfly_exec_fd(struct mayfly_exec *exec, enum mayfly_exec_event event)
{
        switch (exec ? event : 0) {
        case MAYFLY_EXEC_OUTPUT:
        case MAYFLY_EXEC_ERROR:
                return exec->captures[event - MAYFLY_EXEC_OUTPUT].fd;
        case MAYFLY_EXEC_INPUT:
                return input_of(exec);
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
