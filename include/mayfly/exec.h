/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_EXEC_H
#define MAYFLY_EXEC_H

#include <stddef.h>
#include <sys/types.h>

#include <mayfly/container.h>
#include <mayfly/error.h>
#include <mayfly/log.h>

/**
 * @file
 * Commands that run in the background of a container, while the test writes to them, reads from them and sends them signals.
 *
 *     mayfly_exec_start(&exec, container, &command, &err);
 *     mayfly_exec_write(exec, "PING\r\n", 6, 1000, &err);
 *     ssize_t n = mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, buffer, sizeof(buffer), 1000, &err);
 *     mayfly_exec_free(exec);
 *
 * A handle may be used by several threads at once, say by one that writes, one that reads and one that waits, until it is freed.
 * In a forked child every call on it fails with -ECHILD; commands of its own it may have. A command ends with its container; its handle stays until it is freed,
 * also when the container's is freed before.
 *
 * Time-outs are in ms: 0 only asks, UINT32_MAX waits for ever.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** A command in the background. Opaque; release with mayfly_exec_free(). */
struct mayfly_exec;

/**
 * Starts a command and does not wait for its end. If `input` is NULL, the standard input is a pipe for mayfly_exec_write(). A command
 * without timeout_ms has no time-out. With one, it is killed in time even if nobody waits for it. Each command in the background has
 * four descriptors, or two with a terminal.
 * @param ret  set on success, when the command has been executed; the caller owns it
 * @return 0, or negative errno as from mayfly_container_run(): -EMFILE or -EAGAIN at a limit, which the message names
 */
int mayfly_exec_start(struct mayfly_exec **ret, struct mayfly_container *container,
                      const struct mayfly_command *command, struct mayfly_error *err);

/** The command's PID in the container. 0 for NULL. */
pid_t mayfly_exec_pid(const struct mayfly_exec *exec);

/**
 * Writes to the command's standard input, or its terminal.
 * @return the number of bytes that were written, fewer than `size` if the time was up or another thread closed the input; -ETIMEDOUT
 *         if there were none; -EPIPE: the command does not read any more, or its input has been closed; or another negative errno
 */
ssize_t mayfly_exec_write(struct mayfly_exec *exec, const void *data, size_t size, unsigned timeout_ms,
                          struct mayfly_error *err);

/**
 * Closes the command's standard input, also while another thread writes; success if it is closed already. A terminal stays open: it gets its end-of-file character
 * (Ctrl-D), which ends the input of programs that read lines.
 */
int mayfly_exec_close_input(struct mayfly_exec *exec, struct mayfly_error *err);

/**
 * Reads what the command wrote to MAYFLY_STREAM_OUTPUT or MAYFLY_STREAM_ERROR, as soon as there is something. What is not read
 * stays in a pipe of 64 KiB; when that is full the command waits.
 * @return the number of bytes; 0 at the end, when every process that had the stream has closed it; -ETIMEDOUT; or another
 *         negative errno
 */
ssize_t mayfly_exec_read(struct mayfly_exec *exec, enum mayfly_stream stream, void *buffer, size_t size,
                         unsigned timeout_ms, struct mayfly_error *err);

/** What mayfly_exec_fd() gives. */
enum mayfly_exec_event {
        MAYFLY_EXEC_OUTPUT = 1, /**< POLLIN: there is output to read */
        MAYFLY_EXEC_ERROR,      /**< POLLIN: there is error output to read */
        MAYFLY_EXEC_INPUT,      /**< POLLOUT: there is room to write */
        MAYFLY_EXEC_END         /**< POLLIN: the command has ended */
};

/** A descriptor for poll(2), not to be read, written or closed; borrowed until the handle is freed or the input closed. POLLHUP and
 * POLLERR, too, are a reason to read, write or wait. -1 for NULL, and where there is none. */
int mayfly_exec_fd(struct mayfly_exec *exec, enum mayfly_exec_event event);

/**
 * Waits for the command to end. It reads no output: a command that writes much ends only if somebody reads it.
 * @param ret  set on success; may be NULL
 * @return 0; -ETIMEDOUT while it still runs; -EBUSY then, if its container is paused; -ESRCH if the container has died or was started again, with
 *         a message that says how; or another negative errno
 */
int mayfly_exec_wait(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_exit *ret, struct mayfly_error *err);

/**
 * Closes the command's input and waits for its end, as mayfly_container_run() does. The result has what nobody has read before, or
 * the callbacks get it. One thread at a time may do this, and no other may read meanwhile.
 * @param ret  set on success; the caller owns it
 * @return 0; -ETIMEDOUT while it still runs, and then what it wrote until now is kept for the next call; or as
 *         mayfly_container_run()
 */
int mayfly_exec_finish(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_result **ret,
                       struct mayfly_error *err);

/**
 * Sends a signal to the command, but not to its children. Returns 0; -ESRCH when it has ended; -EBUSY when its container is paused;
 * -EAGAIN when something inside keeps it from being taken; -EINVAL for what is no signal.
 */
int mayfly_exec_signal(struct mayfly_exec *exec, int signal_number, struct mayfly_error *err);

/**
 * Kills the command and all its descendants, and does not wait. Returns 0, also when it has ended, or -EBUSY when its container is
 * paused.
 */
int mayfly_exec_kill(struct mayfly_exec *exec, struct mayfly_error *err);

/** Changes the size of the command's terminal; the programs in its foreground get SIGWINCH. Returns 0; -ENOTTY without a terminal. */
int mayfly_exec_resize(struct mayfly_exec *exec, unsigned rows, unsigned columns, struct mayfly_error *err);

/** Kills the command and all its descendants if it still runs, and frees the handle (NULL is fine). Always returns NULL. */
struct mayfly_exec *mayfly_exec_free(struct mayfly_exec *exec);

/**
 * Opens a shell in the container for somebody who debugs the test: `call mayfly_container_shell(c)` in gdb. In the foreground of its
 * controlling terminal the program runs the container's /bin/sh there, until that ends. Otherwise it shares the container, unless it is
 * shared already, and prints the command `mayfly shell NAME`, which opens one from another terminal while the program is stopped. Errors
 * are printed on standard error.
 * @return 0 or negative errno
 */
int mayfly_container_shell(struct mayfly_container *container);

#ifdef __cplusplus
}
#endif

#endif
