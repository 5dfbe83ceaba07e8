/* SPDX-License-Identifier: MIT */
#ifndef COMMANDS_H
#define COMMANDS_H

/* What the tests of commands do with them. Whatever fails here fails the running test. */

#include <mayfly/exec.h>

/* The options of a command line for the container's sh. They are valid until the next call. */
struct mayfly_command *command_line(const char *text);

struct mayfly_exec *start_command(struct mayfly_container *c, const struct mayfly_command *command);

/* Writes all of the text to the command. */
void write_to(struct mayfly_exec *exec, const char *text);

/* The next bytes of its output must be these. */
void read_from(struct mayfly_exec *exec, const char *expected);

/* The command must end, by itself with this status or by this signal. */
void ends_with(struct mayfly_exec *exec, int status, int signal_number);

#endif
