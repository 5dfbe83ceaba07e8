/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/test.h"
#include "util/macro.h"

/* Starts what the test needs, runs it, and ends that again. */
static int run_alone(struct tool_test *test, char **program)
{
        const struct tool_run self = tool_run_self();

        free(test->state);
        test->state = tool_run_directory(test->root, &self);
        int status = tool_test_up(test, &self);
        if (status == TOOL_OK)
                status = tool_test_use(test);
        if (status == TOOL_OK)
                status = tool_test_spawn(program);
        (void) tool_test_down(test);
        tool_run_remove(test->state);
        return status;
}

/* Runs the test with the containers of the ctest above; where no container was started for that, with its own. */
static int run_program(struct tool_test *test, int is_found, char **program)
{
        if (!is_found || access(test->state, F_OK) < 0)
                return run_alone(test, program);
        int status = tool_test_use(test);
        return status == TOOL_OK ? tool_test_execute(program) : status;
}

static int check(const struct tool_test *test, const struct tool_operands *operands)
{
        if (!test->root || !test->declarations)
                return tool_usage("test", "--state-root=DIRECTORY and --declaration=FILE must be given");
        if (!*test->root)
                return tool_usage("test", "--state-root is empty; give a directory");
        const int has_program = operands->program && operands->program[0];
        if (test->up + test->down + has_program != 1)
                return tool_usage("test", "exactly one of --up, --down and \"-- PROGRAM\" must be given");
        return TOOL_OK;
}

/* An absolute path, allocated, of a file that need not be there: a test may change its working directory. */
static char *absolute(const char *path)
{
        mf_cleanup(mf_freep) char *here = *path == '/' ? NULL : getcwd(NULL, 0);
        char *whole = NULL;

        if (asprintf(&whole, "%s%s%s", here ? here : "", here ? "/" : "", path) < 0)
                tool_oom();
        return whole;
}

static int run(int argc, char **argv)
{
        struct tool_test test = { 0 };
        struct tool_operands operands;
        struct tool_run ctest = { 0 };
        int status = tool_parse(&tool_test, argc, argv, &test, &operands);

        if (status >= 0)
                return status;
        status = check(&test, &operands);
        if (status == TOOL_OK)
                status = tool_test_check(&test);
        if (status != TOOL_OK)
                return status;
        mf_cleanup(mf_freep) char *root = absolute(test.root);
        test.root = root;
        tool_run_sweep(test.root);
        const int is_found = tool_run_find(&ctest);
        test.state = tool_run_directory(test.root, &ctest);
        if (operands.program)
                status = run_program(&test, is_found, operands.program);
        else if (!is_found)
                status =
                        tool_fail("no ctest is above this process, to which the containers could belong; run ctest, or "
                                  "use mayfly up");
        else
                status = test.up ? tool_test_up(&test, &ctest) : tool_test_down(&test);
        free(test.state);
        return status;
}

static const struct tool_option options[] = {
        { .name = "state-root",
          .kind = TOOL_TEXT,
          .at = offsetof(struct tool_test, root),
          .value = "DIRECTORY",
          .help = "where each run of ctest has a directory for the state files of its containers" },
        { .name = "declaration",
          .kind = TOOL_LIST,
          .at = offsetof(struct tool_test, declarations),
          .value = "FILE",
          .help = "a declaration of containers, as of mayfly up; may be repeated" },
        { .name = "container",
          .kind = TOOL_LIST,
          .at = offsetof(struct tool_test, containers),
          .value = "NAME",
          .help = "a container that PROGRAM uses; may be repeated" },
        { .name = "snapshot",
          .kind = TOOL_LIST,
          .at = offsetof(struct tool_test, snapshots),
          .value = "NAME",
          .help = "a container that has a snapshot: PROGRAM gets a container of its own from it; may be repeated" },
        { .name = "up",
          .at = offsetof(struct tool_test, up),
          .help = "start the containers of the declarations for the ctest above, and run no program" },
        { .name = "down", .at = offsetof(struct tool_test, down), .help = "end them" },
        { .name = "skip-unsupported",
          .at = offsetof(struct tool_test, skip_unsupported),
          .help = "with --up, exit with 77 where this host cannot run containers, and have the tests do so" },
        TOOL_OPTIONS_END,
};

const struct tool_command tool_test = {
        .name = "test",
        .summary = "run a test with the containers that it needs",
        .synopsis = "[OPTION]... -- PROGRAM [ARGUMENT]...\n[OPTION]... --up\n[OPTION]... --down",
        .description =
                "Stands in front of tests that mayfly_add_test() of mayfly.cmake(7) has added, and sets environment "
                "variables that tell them where their containers are. In a run of ctest the containers are those that "
                "its setup tests have started. Without ctest it starts the containers itself, and ends them after "
                "PROGRAM.",
        .exit_status = "PROGRAM's; 127 when it was not found, 126 when it could not be executed, 77 for a test to be "
                       "skipped, 1 when a container could not be had, and 2 when the command line is wrong.",
        .options = options,
        .has_program = 1,
        .run = run,
};
