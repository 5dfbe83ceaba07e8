/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/env-names.h"
#include "util/macro.h"
#include "util/nearest.h"

const struct tool_command *const tool_commands[] = {
        &tool_build,   &tool_cat_manifest, &tool_convert,  &tool_cp,      &tool_doctor, &tool_down,
        &tool_exec,    &tool_gc,           &tool_images,   &tool_inspect, &tool_kill,   &tool_leak_check,
        &tool_logs,    &tool_network,      &tool_pause,    &tool_pin,     &tool_port,   &tool_ps,
        &tool_pull,    &tool_reset,        &tool_restart,  &tool_resume,  &tool_rm,     &tool_run,
        &tool_shell,   &tool_snapshot,     &tool_stats,    &tool_stop,    &tool_test,   &tool_trust,
        &tool_unshare, &tool_up,           &tool_validate, &tool_verify,  &tool_wait,   NULL,
};

/* A file that is opened must not become standard output because that was closed. In its place stands a descriptor that
 * cannot be used for it, so that reading or writing fails as it does with a closed one. */
static int fill_closed_streams(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
                if (got != fd)
                        return tool_fail("opening /dev/null in place of a closed descriptor %d: %s", fd,
                                         strerror(errno));
        }
        return TOOL_OK;
}

static void help(void)
{
        printf("Usage: mayfly COMMAND [OPTION]...\n\nContainers for C tests, from the command line.\n\n");
        for (size_t i = 0; tool_commands[i]; i++)
                printf("  %-14s %s\n", tool_commands[i]->name, tool_commands[i]->summary);
        printf("\n  mayfly COMMAND --help says more, as does mayfly(1).\n  mayfly --version prints the version.\n");
}

static int unknown(const char *word)
{
        const char *names[MF_ELEMENTSOF(tool_commands)] = { NULL };
        static const char *const options[] = { "--help", "--version", NULL };

        for (size_t i = 0; tool_commands[i]; i++)
                names[i] = tool_commands[i]->name;
        int is_option = *word == '-';
        const char *meant = mf_nearest(word, is_option ? options : names, MF_MOST_EDITS);
        return tool_usage(NULL, "unrecognized %s '%s'%s%s%s", is_option ? "option" : "command", word,
                          meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static int run(int argc, char **argv)
{
        if (argc < 2)
                return tool_usage(NULL, "no command is given");
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
                help();
                return TOOL_OK;
        }
        if (strcmp(argv[1], "--version") == 0) {
                printf("mayfly " MAYFLY_VERSION "\n");
                return TOOL_OK;
        }
        if (strcmp(argv[1], tool_completion.name) == 0)
                return tool_completion.run(argc - 1, argv + 1);
        for (size_t i = 0; tool_commands[i]; i++)
                if (strcmp(argv[1], tool_commands[i]->name) == 0) {
                        mf_env_warn(environ, stderr);
                        return tool_commands[i]->run(argc - 1, argv + 1);
                }
        return unknown(argv[1]);
}

/* What was printed counts as done only when it has been written. */
static int flush(int status)
{
        int failed = ferror(stdout);

        errno = 0;
        if (fclose(stdout) == 0 && !failed)
                return status;
        tool_fail("standard output cannot be written: %s", errno ? strerror(errno) : "an earlier write failed");
        return status ? status : TOOL_FAILED;
}

int main(int argc, char **argv)
{
        int status = fill_closed_streams();

        return status == TOOL_OK ? flush(run(argc, argv)) : status;
}
