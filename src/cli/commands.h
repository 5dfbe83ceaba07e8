/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_COMMANDS_H
#define MF_CLI_COMMANDS_H

/* The subcommands, each in the file of its name. A new one has a line here and one in main.c. */

#include "cli/options.h"

extern const struct tool_command tool_build;
extern const struct tool_command tool_cat_manifest;
extern const struct tool_command tool_completion;
extern const struct tool_command tool_convert;
extern const struct tool_command tool_cp;
extern const struct tool_command tool_doctor;
extern const struct tool_command tool_down;
extern const struct tool_command tool_exec;
extern const struct tool_command tool_gc;
extern const struct tool_command tool_images;
extern const struct tool_command tool_inspect;
extern const struct tool_command tool_kill;
extern const struct tool_command tool_leak_check;
extern const struct tool_command tool_logs;
extern const struct tool_command tool_network;
extern const struct tool_command tool_pause;
extern const struct tool_command tool_pin;
extern const struct tool_command tool_port;
extern const struct tool_command tool_ps;
extern const struct tool_command tool_pull;
extern const struct tool_command tool_reset;
extern const struct tool_command tool_restart;
extern const struct tool_command tool_resume;
extern const struct tool_command tool_rm;
extern const struct tool_command tool_run;
extern const struct tool_command tool_shell;
extern const struct tool_command tool_snapshot;
extern const struct tool_command tool_stats;
extern const struct tool_command tool_stop;
extern const struct tool_command tool_test;
extern const struct tool_command tool_trust;
extern const struct tool_command tool_unshare;
extern const struct tool_command tool_up;
extern const struct tool_command tool_validate;
extern const struct tool_command tool_verify;
extern const struct tool_command tool_wait;

/* All of them, in the order of their names, but completion, which nobody types often; ends with NULL. */
extern const struct tool_command *const tool_commands[];

#endif
