/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_CMOCKA_H
#define MAYFLY_CMOCKA_H

/**
 * @file
 * Containers as cmocka fixtures. Include this in place of (or after) <cmocka.h>; link mayfly::cmocka.
 *
 *     static int setup(void **state)
 *     {
 *             return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = "aci:https://...@sha512-..."));
 *     }
 *
 *     static int teardown(void **state) { return mayfly_cmocka_stop(state); }
 *
 *     const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_query, setup, teardown) };
 *     return cmocka_run_group_tests(tests, NULL, NULL);
 *
 * This header routes cmocka_run_group_tests() through mayfly, which knows each test by name and whether it failed: the
 * machine is named after it, and a failed test's container logs are printed. Define MAYFLY_CMOCKA_NO_WRAP first to keep
 * cmocka's own.
 *
 * On a host that cannot run containers the tests are skipped, with the reason; a group of which nothing ran returns
 * MAYFLY_CMOCKA_SKIP (for ctest's SKIP_RETURN_CODE). With MAYFLY_REQUIRE=1 in the environment they fail instead. An
 * install of mayfly that lacks its helper programs is always a failure.
 */

/* cmocka.h wants these first, and says so nowhere but in its own documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What main should return when every test was skipped. */
#define MAYFLY_CMOCKA_SKIP 77

/**
 * For a per-test or group setup hook: starts a container and puts it, a `struct mayfly_container *`, in *state.
 * Prints what went wrong. Shows the fetch's progress when the spec asks for no progress of its own.
 * @return 0 or -1, what the hook should return
 */
int mayfly_cmocka_start(void **state, const struct mayfly_spec *spec);

/**
 * For the matching teardown hook: prints the logs when a test failed, stops and frees the container in *state and sets
 * *state to NULL. NULL in *state is fine.
 * @return 0 or -1, what the hook should return
 */
int mayfly_cmocka_stop(void **state);

/** Hooks for a spec given as the test's initial state. */
int mayfly_cmocka_setup(void **state);
int mayfly_cmocka_teardown(void **state);

/** A test with a container of its own: `mayfly_cmocka_unit_test(test_query, &spec)`. */
#define mayfly_cmocka_unit_test(test, spec) \
        cmocka_unit_test_prestate_setup_teardown(test, mayfly_cmocka_setup, mayfly_cmocka_teardown, (void *) (spec))

/**
 * Runs a command line with the container's /bin/sh and returns its standard output, which must be freed with
 * free(3). Fails the running test, and prints what the command wrote, unless it exits with 0 within 60,000 ms. An output
 * with a NUL byte, or of more than 16 MiB, fails the test too: call mayfly_container_run() for such a command.
 */
#define mayfly_cmocka_sh(container, command_line) mayfly_cmocka_sh_at(container, command_line, __FILE__, __LINE__)
/** The same, the failure being at this place. */
char *mayfly_cmocka_sh_at(struct mayfly_container *container, const char *command_line, const char *file, int line);

/** cmocka_run_group_tests_name() with mayfly's knowledge of the tests. Returns as cmocka does, or MAYFLY_CMOCKA_SKIP.
 */
int mayfly_cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n_tests,
                                  CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

/**
 * What skip() is here: cmocka's own, with the runner told, so that a skipped test is not taken for a failed one. In a
 * setup hook, where cmocka's own is an error, it skips the test, or the group, and stops what the hook has started.
 */
void mayfly_cmocka_skip_at(const char *file, int line);

#ifndef MAYFLY_CMOCKA_NO_WRAP
#undef skip
#define skip() mayfly_cmocka_skip_at(__FILE__, __LINE__)
#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests(tests, setup, teardown) \
        mayfly_cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
        mayfly_cmocka_run_group_tests(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#endif

#ifdef __cplusplus
}
#endif

#endif
