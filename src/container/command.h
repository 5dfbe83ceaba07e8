/* SPDX-License-Identifier: MIT */
#ifndef MF_COMMAND_H
#define MF_COMMAND_H

/* A command that runs while its caller does something else: behind mayfly_container_run(), the handles of mayfly/exec.h and the
 * commands that a start waits for. */

#include <mayfly/container.h>
#include <mayfly/exec.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "container/anchor.h"
#include "util/buffer.h"

/* One of the two streams of output. */
struct mf_capture {
        int fd; /* our end of the pipe, or the master of the terminal; -1: there is no such stream */
        int is_terminal;
        int at_end;
        struct mf_buffer kept; /* unless a callback gets it */
        uint64_t dropped, max;
        mayfly_output_fn callback;
        void *userdata;
        int refused; /* what the callback returned, if not 0: it is not called again */
};

struct mayfly_exec {
        struct mf_anchor *anchor; /* its lock is for `heard` */
        char machine[65];
        unsigned life; /* of the container that it was started in */
        char *program; /* argv[0], for messages */
        int is_background;
        int is_terminal;
        unsigned timeout_ms; /* 0: none */
        uint64_t begin_us;
        struct mf_capture captures[2];   /* output, error output */
        int reply;                       /* our end of the reply socket */
        int input;                       /* our end of a pipe, or the master of the terminal; -1: closed */
        int is_in_line;                  /* the last byte for the terminal was no newline */
        int has_writer;                  /* a thread writes to the input, or waits for room */
        int is_closing;                  /* and is to close the input when it has written */
        pthread_mutex_t input_lock;      /* for these four; no thread has it for long */
        pthread_cond_t input_free;       /* the writer has gone; by the clock of mf_now_us() */
        struct mf_buffer terminal_input; /* of a command that is waited for, */
        size_t n_typed;                  /* and how much of that is written */
        struct {
                int is_started;
                pid_t pid; /* in the container */
                int has_ended;
                int error; /* why it could not be executed: an errno, with text; 0: it was */
                char text[232];
                siginfo_t end;
                int timed_out;
                uint64_t end_us;
        } heard; /* from its supervisor */
};

/* command-start.c: asks mayfly-init for a command. In the background, its input is a pipe unless the options have one, and it has no
 * time-out of its own. */
int mf_command_begin(struct mayfly_container *container, const struct mayfly_command *given, int is_background,
                     struct mayfly_exec **ret, struct mayfly_error *err);
/* command.c: has its supervisor kill it, and does not wait. */
void mf_command_kill(const struct mayfly_exec *exec);
/* Frees it, and kills it if it still runs. NULL is fine; returns NULL. */
struct mayfly_exec *mf_command_end(struct mayfly_exec *exec);

/* command.c: what to wait for before the next step. Returns how many descriptors. */
size_t mf_command_poll_fds(const struct mayfly_exec *exec, struct pollfd ret[3]);
/* Reads what it wrote. Returns 1 and sets *ret when it has ended, 0 while it runs, or negative errno. It is killed
 * when its time is up, which its result says. */
int mf_command_step(struct mayfly_exec *exec, struct mayfly_result **ret, struct mayfly_error *err);
/* Waits until the command has been executed. */
int mf_command_await_start(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_error *err);
/* Waits until the command has ended; with `reads` it takes in its output meanwhile. Returns 0, -ETIMEDOUT or another -errno. */
int mf_command_await_end(struct mayfly_exec *exec, uint64_t deadline_us, int reads, struct mayfly_error *err);
/* Makes the result of a command that has ended. Returns what a callback returned, if not 0, or 0 or -errno. */
int mf_command_result(struct mayfly_exec *exec, struct mayfly_result **ret, struct mayfly_error *err);
/* Sets an error and returns its code, unless this process has made the handle. */
int mf_command_check_owner(const struct mayfly_exec *exec, struct mayfly_error *err);

/* command-output.c: reads all that can be read without waiting, up to a bound. Returns 0 or -errno. */
int mf_capture_drain(struct mf_capture *capture);
void mf_capture_clear(struct mf_capture *capture);

/* exec-stream.c: makes the locks of the input. */
void mf_command_init_input(struct mayfly_exec *exec);

/* exec.c: the end of a time-out from now on; UINT64_MAX for that of UINT32_MAX, which has none. */
uint64_t mf_command_deadline(unsigned timeout_ms);

#define MF_COMMAND_TIMEOUT_MS 60000U /* of a command, unless it or its container's spec has another */

#endif
