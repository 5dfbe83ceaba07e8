/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_COMPLETE_H
#define MF_CLI_COMPLETE_H

/* Prints what the last of these words of a command line can become, the first of them being the subcommand: a line for each candidate, with
 * a tab and a description where there is one; ":files" and ":directories" stand for those that the shell finds. Returns the exit status. */
int tool_complete(char *const *words);

#endif
