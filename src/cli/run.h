/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_RUN_H
#define MF_CLI_RUN_H

/* The parts of `mayfly run` and `mayfly exec`: words of their command lines, and the streams of a command. */

#include <mayfly/container.h>
#include <mayfly/exec.h>

#include "cli/run-control.h"
#include "util/arena.h"

/* Exit statuses, as of docker and podman. A signal that ended the command is added to the last. */
enum {
        RUN_FAILED = 125, /* mayfly could not do it */
        RUN_NOT_EXECUTED = 126,
        RUN_NOT_FOUND = 127,
        RUN_SIGNALLED = 128,
};

/* Words of options, each from that of the first value of its enum on that can be chosen, NULL-terminated. */
extern const char *const run_network_modes[]; /* MAYFLY_NETWORK_PRIVATE */
extern const char *const run_namespaces[];    /* MAYFLY_USERNS_PRIVATE */
extern const char *const run_engines[];       /* MAYFLY_ENGINE_SYSTEMD */

/* run-words.c: each takes a list of words, NULL-terminated or NULL, and makes the spec's list of it in `memory`. Returns
 * 0 or -EINVAL, with an error that begins with the word. */
int run_take_ports(struct mf_arena *memory, const char *const *words, const struct mayfly_publish **ret,
                   struct mayfly_error *err);
int run_take_host_ports(struct mf_arena *memory, const char *const *words, const struct mayfly_host_port **ret,
                        struct mayfly_error *err);
/* `tmpfs` are paths of empty directories. A source that is not absolute is in `directory`, with NULL in the working directory. */
int run_take_volumes(struct mf_arena *memory, const char *directory, const char *const *words, const char *const *tmpfs,
                     const struct mayfly_volume **ret, struct mayfly_error *err);
/* "NAME=VALUE", or "NAME" for that of our environment, if there is one. */
int run_take_env(struct mf_arena *memory, const char *const *words, const char *const **ret, struct mayfly_error *err);

/* Returns the path as it is, if it is absolute or `directory` is NULL, else in that directory. */
char *run_path(struct mf_arena *memory, const char *directory, const char *path);

/* Capabilities, with or without "CAP_", and "USER[:GROUP]", which is any text and may be NULL. */
void run_take_capabilities(struct mf_arena *memory, const char *const *words, const char *const **ret);
void run_take_user(struct mf_arena *memory, const char *word, struct mayfly_command *ret);

/* run-owner.c: when the process of this PID ends, or after a time, this process gets SIGTERM, half a second later again, and then until it
 * has ended. 0 is for none. Both return TOOL_OK, or complain and return TOOL_FAILED. */
int run_end_with(pid_t pid);
int run_end_after(uint64_t limit_us);
/* Whether the time was over. */
int run_is_late(void);

/* Whether our input can be that of a terminal inside. Returns TOOL_OK, or complains and returns TOOL_USAGE. */
int run_check_terminal(const char *command, int interactive, int tty);

/* run-streams.c: a command that runs as an app does, with these of its options; `tty` gives it a terminal of our terminal's size. */
struct mayfly_command run_make_command(struct mf_arena *memory, const char *user, const char *cwd, int tty);
/* Waits for the command's end, and passes on meanwhile: its output to ours; with `interactive` our input to it; signals and,
 * with `tty`, the size of our terminal. `control` is NULL where nobody else asks for anything. Returns the exit status for mayfly. */
int run_pass_on(struct mayfly_exec *exec, int interactive, int tty, struct run_control *control);
/* Starts the command and does the same. */
int run_command(struct mayfly_container *container, const struct mayfly_command *command, int interactive,
                struct run_control *control);
/* Complains of what a start of a container or command returned. Returns the exit status for it. */
int run_failed(int code, const struct mayfly_error *err);

#endif
