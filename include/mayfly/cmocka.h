/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_CMOCKA_H
#define MAYFLY_CMOCKA_H

/**
 * @file
 * Containers as cmocka fixtures. Include this header instead of <cmocka.h>, or after it, and link mayfly::cmocka.
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
 * This header makes cmocka_run_group_tests() run the tests by mayfly, which knows the name of each test and whether it
 * failed. So the container is named after the test, and its logs are printed if the test fails. To keep cmocka's own
 * macro, define MAYFLY_CMOCKA_NO_WRAP before the header is included.
 *
 * On a host that cannot run containers the tests are skipped, and the reason is printed. A group whose tests were all
 * skipped returns MAYFLY_CMOCKA_SKIP, the value for ctest's SKIP_RETURN_CODE. With MAYFLY_REQUIRE=1 in the environment
 * the tests fail instead. They always fail if a helper program of mayfly is missing.
 */

/* cmocka.h needs these headers and does not include them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What main() should return if every test was skipped. */
#define MAYFLY_CMOCKA_SKIP 77

/**
 * For the setup hook of a test or a group: starts a container and puts the `struct mayfly_container *` in *state.
 * Prints the error if it fails. Shows the progress of a fetch unless the spec has a progress function.
 * @return 0 or -1, which the hook should return
 */
int mayfly_cmocka_start(void **state, const struct mayfly_spec *spec);

/**
 * For the matching teardown hook: stops the container in *state, prints its logs if a test failed, frees it, and sets
 * *state to NULL. Does nothing if *state is NULL.
 * @return 0 or -1, which the hook should return
 */
int mayfly_cmocka_stop(void **state);

/**
 * For a setup hook: starts several containers as mayfly_containers_start() does, at the same time or in the order that
 * `.after` in their specs says, and puts them into `containers`, a place for each. Prints the error if one fails.
 *
 *     static struct mayfly_container *c[2];
 *     const struct mayfly_spec *specs[] = { MAYFLY_SPEC(.name = "db", ...), MAYFLY_SPEC(.name = "app", .after = "db", ...) };
 *     return mayfly_cmocka_start_all(c, specs, 2);
 *
 * @return 0 or -1, which the hook should return
 */
int mayfly_cmocka_start_all(struct mayfly_container **containers, const struct mayfly_spec *const *specs, size_t n);

/** For the matching teardown hook: stops the containers as mayfly_cmocka_stop() does, the last one first, and sets their
 * places to NULL. A place that is NULL is skipped. @return 0 or -1, which the hook should return */
int mayfly_cmocka_stop_all(struct mayfly_container **containers, size_t n);

/** Setup and teardown hooks of a test whose initial state is a `const struct mayfly_spec *`. */
int mayfly_cmocka_setup(void **state);
int mayfly_cmocka_teardown(void **state);

/** A test with its own container: `mayfly_cmocka_unit_test(test_query, &spec)`. */
#define mayfly_cmocka_unit_test(test, spec) \
        cmocka_unit_test_prestate_setup_teardown(test, mayfly_cmocka_setup, mayfly_cmocka_teardown, (void *) (spec))

/**
 * For the setup hook of a group: starts a container, lets `prepare` fill it (migrate a database, for one), halts it and takes a
 * snapshot. Each test begins from there, with mayfly_cmocka_reset() as its setup hook and the container in *state:
 *
 *     static int set_up(void **state) { return mayfly_cmocka_snapshot_setup(state, MAYFLY_SPEC(...), migrate); }
 *     const struct CMUnitTest tests[] = { mayfly_cmocka_reset_test(adds_a_row), mayfly_cmocka_reset_test(finds_none) };
 *     return cmocka_run_group_tests(tests, set_up, mayfly_cmocka_teardown);
 *
 * @param prepare  returns 0, or -1 when it failed; assertions in it fail the setup
 * @return 0 or -1, which the hook should return
 */
int mayfly_cmocka_snapshot_setup(void **state, const struct mayfly_spec *spec,
                                 int (*prepare)(struct mayfly_container *container));

/** Setup hook of such a test: mayfly_container_reset(), in about the time of a start. @return 0 or -1 */
int mayfly_cmocka_reset(void **state);

/** A test that begins from the snapshot: `mayfly_cmocka_reset_test(test_query)`. */
#define mayfly_cmocka_reset_test(test) cmocka_unit_test_setup(test, mayfly_cmocka_reset)

/**
 * Runs a command line with the container's /bin/sh and returns its standard output, which the caller must free(3).
 * Fails the running test, and prints what the command wrote, unless it exits with 0 within the spec's command_timeout_ms. An output
 * with a NUL byte, or of more than 16 MiB, fails the test too: call mayfly_container_run() for such a command.
 */
#define mayfly_cmocka_sh(container, command_line) mayfly_cmocka_sh_at(container, command_line, __FILE__, __LINE__)
/** Does the same, and reports a failure at this place in the source. */
char *mayfly_cmocka_sh_at(struct mayfly_container *container, const char *command_line, const char *file, int line);

/**
 * Run a command in a container and fail the running test unless it exits with status 0, or with `status`; or with status 0 and this
 * standard output, a string or `size` bytes. Before a failure they print the command as it could be pasted into a shell, how it
 * ended, after which time, and the end of what it wrote.
 *
 *     assert_exec_ok(c, "redis-cli", "ping");
 *     assert_exec_stdout(c, "PONG\n", "redis-cli", "ping");
 *     assert_exec_status_sh(c, 3, "cd /srv && exit 3");
 *
 * Those with _sh run a command line by the container's /bin/sh.
 */
#define assert_exec_ok(container, ...) assert_exec_status(container, 0, __VA_ARGS__)
#define assert_exec_ok_sh(container, command_line) assert_exec_status_sh(container, 0, command_line)
#define assert_exec_status(container, status, ...) \
        mayfly_cmocka_exec_status_at(container, status, MAYFLY_STRINGS(__VA_ARGS__), __FILE__, __LINE__)
#define assert_exec_status_sh(container, status, command_line) \
        assert_exec_status(container, status, "/bin/sh", "-c", command_line)
#define assert_exec_stdout(container, expected, ...) \
        assert_exec_stdout_bytes(container, expected, SIZE_MAX, __VA_ARGS__)
#define assert_exec_stdout_sh(container, expected, command_line) \
        assert_exec_stdout(container, expected, "/bin/sh", "-c", command_line)
#define assert_exec_stdout_bytes(container, expected, size, ...) \
        mayfly_cmocka_exec_stdout_at(container, expected, size, MAYFLY_STRINGS(__VA_ARGS__), __FILE__, __LINE__)
/** They do the same, and report a failure at this place in the source. `size` is SIZE_MAX for a string. */
void mayfly_cmocka_exec_status_at(struct mayfly_container *container, int status, const char *const *argv,
                                  const char *file, int line);
void mayfly_cmocka_exec_stdout_at(struct mayfly_container *container, const void *expected, size_t size,
                                  const char *const *argv, const char *file, int line);

/**
 * Where a published port is reached: "127.0.0.1:43817", borrowed from the container; or only its number. See
 * mayfly_container_address(). They fail the running test if the port is not published.
 */
#define mayfly_cmocka_address(container, port) mayfly_cmocka_address_at(container, port, __FILE__, __LINE__)
#define mayfly_cmocka_port(container, port) mayfly_cmocka_port_at(container, port, __FILE__, __LINE__)
const char *mayfly_cmocka_address_at(struct mayfly_container *container, const char *port, const char *file, int line);
unsigned mayfly_cmocka_port_at(struct mayfly_container *container, const char *port, const char *file, int line);

/** A socket that is connected to a port inside, for the caller to close. See mayfly_container_connect(). Fails the running test if
 * there is no connection. */
#define mayfly_cmocka_connect(container, port) mayfly_cmocka_connect_at(container, port, __FILE__, __LINE__)
int mayfly_cmocka_connect_at(struct mayfly_container *container, const char *port, const char *file, int line);

/**
 * Runs tests as cmocka_run_group_tests_name() does, and knows which of them failed.
 * @return what cmocka returns, or MAYFLY_CMOCKA_SKIP
 */
int mayfly_cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n_tests,
                                  CMFixtureFunction group_setup, CMFixtureFunction group_teardown);

/**
 * skip() calls this. It skips the running test as cmocka's skip() does, and tells the runner, which would take the test
 * for a failed one. In a setup hook, where cmocka's skip() is an error, it skips the test, or each test of the group,
 * and stops the containers that the hook has started.
 */
void mayfly_cmocka_skip_at(const char *file, int line);

/**
 * cmocka_set_message_output() calls this. It sets cmocka's output, and lets the fixture know of CM_OUTPUT_XML: then what it prints about a
 * failed test, with the log of its container, stands in the XML, too. CMOCKA_MESSAGE_OUTPUT=XML in the environment does the same.
 */
void mayfly_cmocka_set_message_output(unsigned output);

#ifndef MAYFLY_CMOCKA_NO_WRAP
#define cmocka_set_message_output(output) mayfly_cmocka_set_message_output((unsigned) (output))
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
