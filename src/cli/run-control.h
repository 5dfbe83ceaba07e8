/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_RUN_CONTROL_H
#define MF_CLI_RUN_CONTROL_H

/* The command of a `mayfly run` in the foreground is no app of its container: it has the input, output and terminal of this process. So this
 * process writes the log, and others ask it for what they would ask of an app: a signal, its end, its status. */

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/exec.h>

#include "container/container.h"

#define RUN_CLIENTS_MAX 16U
#define RUN_CONTROL_FDS (1 + RUN_CLIENTS_MAX)
#define RUN_STOP_MS 5000 /* how long a command may take to end that is asked to, as for apps */

struct run_client {
        int fd;
        enum { RUN_WANTS_NOTHING = 0, RUN_WANTS_STATUS, RUN_WANTS_END } wants;
};

struct run_control {
        const struct mayfly_container *container;
        int listener; /* -1: nobody can ask */
        struct run_client clients[RUN_CLIENTS_MAX];
        uint64_t kill_us; /* then the command has had its time; 0: nobody has asked it to end */
};

/* --- in the mayfly run --- */

/* Before the container has a name, by which others find it. */
void run_control_open(struct run_control *control, const struct mayfly_container *container);
/* Writes down what the command has written. */
void run_control_log(const struct run_control *control, const char *data, size_t size, int is_error);
/* What is to be polled, and for how long; -1 is for ever. */
void run_control_fill(const struct run_control *control, struct pollfd fds[RUN_CONTROL_FDS]);
int run_control_left_ms(const struct run_control *control);
/* Does what has come in that way. */
void run_control_heed(struct run_control *control, const struct pollfd fds[RUN_CONTROL_FDS], struct mayfly_exec *exec);
/* Tells those who wait for it the exit status of the command, which has ended. */
void run_control_answer(struct run_control *control, int status);
/* Tells those who wait for the end that the container is gone. */
void run_control_close(struct run_control *control);

/* --- in others --- */

/* Returns a connection to the process, or negative errno if it is no mayfly run of this user. */
int run_connect(pid_t owner);
/* Whether the container runs an app, or, in its place, the command of a mayfly run: then *ret_run is such a connection, else -1. Returns
 * TOOL_OK, or complains and returns TOOL_FAILED. */
int run_check_app(const char *name, const struct mayfly_container *container, int *ret_run);
/* Does what tool_attach() does, and then that. */
int run_attach_app(const char *state, const char *name, struct mayfly_container **ret, int *ret_run);
/* Asks for "kill" with a signal's number, "stop" with a time in ms or 0, or "wait", and waits for the answer. ret_status may be NULL. Returns 0
 * or negative errno with an error. */
int run_ask(int fd, const char *request, unsigned number, int *ret_status, struct mayfly_error *err);

#endif
