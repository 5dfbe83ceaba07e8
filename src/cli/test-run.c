/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/test.h"
#include "container/inside.h"
#include "util/dir-names.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/process.h"
#include "util/strv.h"

/* Runs of tests, and their directories. */

/* Whether the process executes ctest. What another user's process executes cannot be seen, but its name can. */
static int is_ctest(pid_t pid)
{
        char path[64], program[PATH_MAX], name[32];

        snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
        const ssize_t n = readlink(path, program, sizeof(program) - 1);
        if (n < 0)
                return mf_process_status(pid, "Name:\t", name, sizeof(name)) && strcmp(name, "ctest") == 0;
        program[n] = '\0';
        const char *base = strrchr(program, '/');
        base = base ? base + 1 : program;
        /* Some distributions have it as ctest3; and an upgrade may have deleted it. */
        return strncmp(base, "ctest", 5) == 0 && strcspn(base, " ") - strspn(base, "ctes3") == 0;
}

int tool_run_find(struct tool_run *ret)
{
        struct mf_process process;

        for (pid_t pid = getppid(); pid > 1 && mf_inside_read(pid, &process) == 0; pid = process.parent)
                if (is_ctest(pid)) {
                        *ret = (struct tool_run){ .pid = pid, .started = process.started };
                        return 1;
                }
        return 0;
}

struct tool_run tool_run_self(void)
{
        struct mf_process process = { 0 };

        (void) mf_inside_read(getpid(), &process);
        return (struct tool_run){ .pid = getpid(), .started = process.started };
}

char *tool_run_directory(const char *root, const struct tool_run *run)
{
        char *path = NULL;

        if (asprintf(&path, "%s/%d-%llu", root, (int) run->pid, (unsigned long long) run->started) < 0)
                tool_oom();
        return path;
}

/* Whether it is the name of a run's directory, and the run has ended. */
static int has_ended(const char *name)
{
        unsigned long long started;
        struct mf_process process;
        int pid, end = 0;

        if (sscanf(name, "%d-%llu%n", &pid, &started, &end) != 2 || name[end] != '\0')
                return 0;
        return mf_inside_read(pid, &process) < 0 || process.started != started;
}

void tool_run_sweep(const char *root)
{
        mf_cleanup(mf_closep) int directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char **names = NULL;

        if (directory >= 0 && mf_dir_names(directory, &names) == 0)
                for (char **name = names; name && *name; name++)
                        if (has_ended(*name))
                                (void) mf_remove_tree(directory, *name);
        mf_strv_free(names);
}

void tool_run_remove(const char *directory)
{
        (void) mf_remove_tree(AT_FDCWD, directory);
}
