/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_TEST_H
#define MF_CLI_TEST_H

/* The parts of `mayfly test`, which runs a test with the containers that it needs. They belong to a run of ctest, or to the test
 * alone where there is no ctest. */

#include <stdint.h>
#include <sys/types.h>

#define TEST_SKIPPED 77 /* exit status: this host cannot run containers, and the project says that this is no failure */

/* The process that the containers belong to. */
struct tool_run {
        pid_t pid;
        uint64_t started; /* as in proc_pid_stat(5) */
};

struct tool_test {
        const char *root;               /* below it each run has a directory for its state */
        const char **declarations;      /* NULL-terminated, or NULL, as the following; one may stand there twice */
        const char **containers;        /* names of those that the test uses */
        const char **snapshots;         /* and of those of which it has one of its own, which begins from a snapshot */
        int up, down, skip_unsupported; /* what else can be done than to run a program */
        char *state;                    /* the directory of the run; allocated */
};

/* test-run.c: finds the nearest ancestor of this process that executes ctest. Returns 1, or 0 when there is none. */
int tool_run_find(struct tool_run *ret);
/* This process itself. */
struct tool_run tool_run_self(void);
/* The directory of a run below `root`; allocated. */
char *tool_run_directory(const char *root, const struct tool_run *run);
/* Removes directories of runs that have ended: containers that end remove their state files themselves, unless everything was killed. */
void tool_run_sweep(const char *root);
/* Removes the directory of a run. */
void tool_run_remove(const char *directory);

/* test-containers.c: starts the containers of all declarations for the run, unless they run already; ends them. Returns an exit status. */
int tool_test_up(const struct tool_test *test, const struct tool_run *run);
int tool_test_down(const struct tool_test *test);
/* Checks that the declarations have the containers of the test. Returns an exit status. */
int tool_test_check(const struct tool_test *test);
/* Checks that the containers of the test run, and sets the environment variables that say where. Returns an exit status: without
 * complaint TEST_SKIPPED when they could not be started on this host. */
int tool_test_use(const struct tool_test *test);

/* test-env.c: sets the variables of the container `name`, whose state file is `file`. Returns an exit status. */
int tool_test_set(const char *name, const char *file);

/* test-program.c: executes the program in place of this process; it ends with its parent. Returns an exit status only when that fails. */
int tool_test_execute(char **program);
/* Runs the program in a child, and passes signals on. Returns its exit status, or 128 and the number of the signal that ended it. */
int tool_test_spawn(char **program);

#endif
