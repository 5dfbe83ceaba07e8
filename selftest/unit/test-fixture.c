/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/*
 * The fixture's runner, with a container library that is made of the functions below: linked with the fixture and
 * cmocka alone. Each test runs a whole cmocka program in a child and looks at its output and exit status.
 */
#define MAYFLY_CMOCKA_NO_WRAP
#include <mayfly/cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the container library ------------------------------------------------------------------------------------ */

struct mayfly_container {
        char name[128];
        int stopped;
};

static int host_code, host_stage = MAYFLY_STAGE_HOST; /* what mayfly_host_check() finds */
static int start_code, stop_code;
static int progress_ms; /* how long a start says the fetch took */
static struct mayfly_result command_result;
static int command_code;
static int alive; /* containers */

static int fault(int code, enum mayfly_stage stage, const char *message, struct mayfly_error *err)
{
        if (code && err) {
                err->code = code;
                err->stage = stage;
                snprintf(err->message, sizeof(err->message), "%s", message);
        }
        return code;
}

const char *mayfly_stage_name(enum mayfly_stage stage)
{
        return stage == MAYFLY_STAGE_HOST ? "host" : stage == MAYFLY_STAGE_STOP ? "stop" : "other";
}

int mayfly_host_check(enum mayfly_engine engine, struct mayfly_error *err)
{
        (void) engine;
        return fault(host_code, (enum mayfly_stage) host_stage, "no nspawn here", err);
}

int mayfly_container_start(struct mayfly_container **ret, const struct mayfly_spec *spec, struct mayfly_error *err)
{
        struct mayfly_progress progress = { .size = sizeof(progress), .phase = MAYFLY_PROGRESS_FETCH };
        int r = mayfly_host_check(MAYFLY_ENGINE_DEFAULT, err);

        if (r == 0)
                r = fault(start_code, MAYFLY_STAGE_START, "it would not start", err);
        if (r < 0)
                return r;
        progress.reference = spec->image;
        progress.elapsed_ms = (uint64_t) progress_ms;
        progress.bytes_done = 1 << 20;
        if (progress_ms && spec->size == sizeof(*spec) && spec->image_options && spec->image_options->progress)
                spec->image_options->progress(&progress, spec->image_options->progress_userdata);
        *ret = calloc(1, sizeof(**ret));
        assert_non_null(*ret);
        snprintf((*ret)->name, sizeof((*ret)->name), "%s", spec->name ? spec->name : "unnamed");
        alive++;
        printf("started %s\n", (*ret)->name);
        return 0;
}

int mayfly_container_stop(struct mayfly_container *container, struct mayfly_error *err)
{
        container->stopped = 1;
        printf("stopped %s\n", container->name);
        return fault(stop_code, MAYFLY_STAGE_STOP, "it would not go", err);
}

struct mayfly_container *mayfly_container_free(struct mayfly_container *container)
{
        if (container)
                alive--;
        free(container);
        return NULL;
}

const char *mayfly_container_name(const struct mayfly_container *container)
{
        return container->name;
}

int mayfly_container_logs(struct mayfly_container *container, char **ret, size_t *ret_size, struct mayfly_error *err)
{
        (void) err;
        int n = asprintf(ret, "the log of %s%s", container->name, container->stopped ? ", to its end" : "");
        *ret_size = (size_t) n;
        return 0;
}

int mayfly_container_run(struct mayfly_container *container, const struct mayfly_command *command,
                         struct mayfly_result **ret, struct mayfly_error *err)
{
        assert_non_null(container);
        assert_string_equal(command->argv[0], "/bin/sh");
        assert_string_equal(command->argv[1], "-c");
        if (command_code)
                return fault(command_code, MAYFLY_STAGE_EXEC, "there is no shell", err);
        *ret = &command_result;
        return 0;
}

struct mayfly_result *mayfly_result_free(struct mayfly_result *result)
{
        assert_ptr_equal(result, &command_result);
        return NULL;
}

/* --- running a program ---------------------------------------------------------------------------------------- */

struct outcome {
        int status; /* exit status, or -1 */
        char output[16384];
};

static struct outcome outcome;

/* Runs a cmocka program, `alive` being added to what it prints, and fills `outcome`. */
static void run(int (*program)(void))
{
        int fd = memfd_create("output", MFD_CLOEXEC), status;

        assert_true(fd >= 0);
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                dup2(fd, 1);
                dup2(fd, 2);
                setvbuf(stdout, NULL, _IONBF, 0);
                int r = program();
                printf("%d left alive\n", alive);
                _exit(r);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        ssize_t n = pread(fd, outcome.output, sizeof(outcome.output) - 1, 0);
        assert_true(n >= 0);
        outcome.output[n] = '\0';
        close(fd);
}

static unsigned count(const char *text)
{
        unsigned n = 0;

        for (const char *p = outcome.output; (p = strstr(p, text)); p++)
                n++;
        return n;
}

#define assert_said(text, times)                                                                     \
        do {                                                                                         \
                if (count(text) != (times))                                                          \
                        fail_msg("\"%s\" is there %u times, not %u, in:\n%.700s", text, count(text), \
                                 (unsigned) (times), outcome.output);                                \
        } while (0)

static int setup_faults(void **state)
{
        (void) state;
        host_code = start_code = stop_code = command_code = progress_ms = 0;
        host_stage = MAYFLY_STAGE_HOST;
        command_result = (struct mayfly_result){ .size = sizeof(command_result), .exit = { .exited = 1 } };
        return unsetenv("MAYFLY_REQUIRE");
}

/* --- the programs' parts -------------------------------------------------------------------------------------- */

#define RUN(tests, setup, teardown) \
        mayfly_cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

static const struct mayfly_spec spec = { .size = sizeof(spec), .image = "aci:file:///tree/small.aci@sha512-00" };

static int up(void **state)
{
        return mayfly_cmocka_start(state, &spec);
}

static int down(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void passes(void **state)
{
        assert_non_null(*state);
}

static void fails(void **state)
{
        (void) state;
        fail();
}

static void needs_nothing(void **state)
{
        (void) state;
}

/* --- tests: passing and failing ------------------------------------------------------------------------------- */

static int program_pass(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, down) };

        return RUN(tests, NULL, NULL);
}

static void test_pass_prints_no_logs(void **state)
{
        (void) state;
        run(program_pass);
        assert_int_equal(outcome.status, 0);
        assert_said("started test-fixture-passes\n", 1);
        assert_said("stopped test-fixture-passes\n", 1);
        assert_said("the log of", 0);
        assert_said("0 left alive", 1);
}

static int program_fail(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, down),
                                            cmocka_unit_test_setup_teardown(fails, up, down),
                                            cmocka_unit_test_setup_teardown(passes, up, down) };

        return RUN(tests, NULL, NULL);
}

static void test_fail_prints_its_logs_alone(void **state)
{
        (void) state;
        run(program_fail);
        assert_int_equal(outcome.status, 1);
        assert_said("---- fails did not pass; logs of its container test-fixture-fails: ----\n"
                    "the log of test-fixture-fails, to its end\n"
                    "---- end of the logs of test-fixture-fails ----\n",
                    1);
        assert_said("the log of test-fixture-passes", 0);
        assert_said("0 left alive", 1);
}

static void test_stop_error_fails_the_test(void **state)
{
        (void) state;
        stop_code = -ETIMEDOUT;
        run(program_pass);
        assert_int_equal(outcome.status, 1);
        assert_said("mayfly: passes: stop: it would not go\n", 1);
        assert_said("0 left alive", 1);
}

static void test_start_error_fails_the_test(void **state)
{
        (void) state;
        start_code = -EIO;
        run(program_pass);
        assert_int_equal(outcome.status, 1);
        assert_said("mayfly: passes: other: it would not start\n", 1);
        assert_said("0 left alive", 1);
}

static int program_77_failures(void)
{
        struct CMUnitTest tests[77];

        for (size_t i = 0; i < 77; i++)
                tests[i] = (struct CMUnitTest) cmocka_unit_test(fails);
        return RUN(tests, NULL, NULL);
}

static void test_77_failures_are_no_skip(void **state)
{
        (void) state;
        run(program_77_failures);
        assert_int_equal(outcome.status, 78);
}

/* --- tests: setups that fail ---------------------------------------------------------------------------------- */

static int up_then_minus_1(void **state)
{
        return up(state) == 0 ? -1 : 0;
}

static int up_then_assert(void **state)
{
        (void) up(state);
        fail();
        return 0;
}

static int program_setup_fails(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(needs_nothing, up_then_minus_1, down),
                                            cmocka_unit_test_setup_teardown(needs_nothing, up_then_assert, down) };

        return RUN(tests, NULL, NULL);
}

static void test_failed_setup_stops_its_container(void **state)
{
        (void) state;
        run(program_setup_fails);
        assert_int_equal(outcome.status, 2);
        assert_said("started test-fixture-needs-nothing", 0); /* names are the library's to clean */
        assert_said("started test-fixture-needs_nothing", 2);
        assert_said("stopped test-fixture-needs_nothing", 2);
        assert_said("the log of test-fixture-needs_nothing, to its end", 2);
        assert_said("0 left alive", 1);
}

static int program_group_setup_fails(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(passes) };

        return RUN(tests, up_then_minus_1, NULL) + RUN(tests, up_then_assert, down);
}

static void test_failed_group_setup_stops_its_container(void **state)
{
        (void) state;
        run(program_group_setup_fails);
        assert_int_equal(outcome.status, 2);
        assert_said("started test-fixture-tests", 2);
        assert_said("stopped test-fixture-tests", 2);
        assert_said("the log of test-fixture-tests, to its end", 2);
        assert_said("0 left alive", 1);
}

/* --- tests: teardowns that fail ------------------------------------------------------------------------------- */

static int assert_then_down(void **state)
{
        assert_null(*state);
        return down(state);
}

static int program_teardown_asserts(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, assert_then_down),
                                            cmocka_unit_test(needs_nothing) };
        const struct CMUnitTest in_group[] = { cmocka_unit_test_teardown(passes, assert_then_down) };

        return RUN(tests, NULL, NULL) * 10 + RUN(in_group, up, down) * 100 + RUN(in_group, up, assert_then_down);
}

static void test_a_teardown_that_leaves_stops_its_container(void **state)
{
        (void) state;
        run(program_teardown_asserts);
        assert_true(outcome.status >= 111); /* cmocka's versions differ on whether the group's own is a failure */
        assert_said("started test-fixture-passes", 1);
        assert_said("stopped test-fixture-passes", 1);
        assert_said("the log of test-fixture-passes, to its end", 1);
        assert_said("stopped test-fixture-in_group", 2);
        assert_said("the log of test-fixture-in_group, to its end", 2); /* a test of the group has failed */
        assert_said("0 left alive", 1);
}

/* --- tests: groups -------------------------------------------------------------------------------------------- */

static void runs_a_group(void **state)
{
        const struct CMUnitTest inner[] = { cmocka_unit_test_setup_teardown(passes, up, down),
                                            cmocka_unit_test_setup_teardown(fails, up, down) };

        assert_non_null(*state);
        assert_int_equal(RUN(inner, up, down), 1);
        assert_non_null(*state);
}

static int program_nested(void)
{
        const struct CMUnitTest outer[] = { cmocka_unit_test_setup_teardown(runs_a_group, up, down) };

        return RUN(outer, NULL, NULL);
}

static void test_groups_nest(void **state)
{
        (void) state;
        run(program_nested);
        assert_said("started test-fixture-runs_a_group", 1);
        assert_said("started test-fixture-inner", 1);
        assert_said("the log of test-fixture-inner, to its end", 1);
        assert_said("the log of test-fixture-fails, to its end", 1);
        assert_said("the log of test-fixture-passes", 0);
        assert_said("0 left alive", 1);
}

static int program_group(void)
{
        const struct CMUnitTest good[] = { cmocka_unit_test(passes), cmocka_unit_test(passes) };
        const struct CMUnitTest bad[] = { cmocka_unit_test(passes), cmocka_unit_test(fails), cmocka_unit_test(passes) };
        const struct CMUnitTest last[] = { cmocka_unit_test(fails) };

        return RUN(good, up, down) + RUN(bad, up, down) * 10 + RUN(last, up, down) * 100;
}

static void test_group_container(void **state)
{
        (void) state;
        run(program_group);
        assert_int_equal(outcome.status, 110);
        assert_said("the log of test-fixture-good", 0);
        assert_said("the log of test-fixture-bad, to its end", 1);
        assert_said("the log of test-fixture-last, to its end", 1);
        assert_said("stopped test-fixture-good", 1);
        assert_said("stopped test-fixture-bad", 1);
        assert_said("0 left alive", 1);
}

/* --- tests: skipping ------------------------------------------------------------------------------------------ */

static void test_skip_is_77(void **state)
{
        (void) state;
        host_code = -ENOENT;
        run(program_fail);
        assert_int_equal(outcome.status, MAYFLY_CMOCKA_SKIP);
        assert_said("SKIPPED: no nspawn here\n", 1);
        assert_said("[  SKIPPED ]", 3 + 1 + 3);
        assert_said("started", 0);
}

static int program_partly(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, down),
                                            cmocka_unit_test(needs_nothing) };

        return RUN(tests, NULL, NULL);
}

static void test_skip_of_some_is_success(void **state)
{
        (void) state;
        host_code = -ENOENT;
        run(program_partly);
        assert_int_equal(outcome.status, 0);
        assert_said("[  SKIPPED ] passes", 2);
        assert_said("[       OK ] needs_nothing", 1);
}

static int program_skip_and_fail(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, down),
                                            cmocka_unit_test(fails) };

        return RUN(tests, NULL, NULL);
}

static void test_skip_hides_no_failure(void **state)
{
        (void) state;
        host_code = -ENOENT;
        run(program_skip_and_fail);
        assert_int_equal(outcome.status, 1);
}

static int program_group_skip(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(passes),
                                            cmocka_unit_test_setup_teardown(passes, up_then_assert, down) };

        return RUN(tests, up, down);
}

static void test_skip_of_a_group(void **state)
{
        (void) state;
        host_code = -EPERM;
        run(program_group_skip);
        assert_int_equal(outcome.status, MAYFLY_CMOCKA_SKIP);
        assert_said("SKIPPED: no nspawn here\n", 1);
}

static int crashes(void **state)
{
        (void) state;
        abort();
}

static void skips(void **state)
{
        assert_non_null(*state);
        mayfly_cmocka_skip_at(__FILE__, __LINE__); /* what skip() is for users of the header */
}

static int up_then_skip(void **state)
{
        (void) up(state);
        mayfly_cmocka_skip_at(__FILE__, __LINE__);
        abort();
}

static int program_own_skip(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(skips, up, down),
                                            cmocka_unit_test_setup_teardown(passes, up_then_skip, crashes) };
        const struct CMUnitTest more[] = { cmocka_unit_test(passes) };

        return RUN(tests, NULL, NULL) * 100 + RUN(more, up_then_skip, crashes);
}

static void test_own_skip_prints_no_logs(void **state)
{
        (void) state;
        run(program_own_skip);
        assert_int_equal(outcome.status, (MAYFLY_CMOCKA_SKIP * 101) % 256);
        assert_said("the log of", 0);
        assert_said("started", 3);
        assert_said("stopped", 3);
        assert_said("0 left alive", 1);
}

static int up_then_stubborn(void **state)
{
        return up(state) == 0 && *state ? 0 : -1;
}

static int up_then_sh(void **state)
{
        (void) up(state);
        free(mayfly_cmocka_sh(*state, "create the tables"));
        return 0;
}

static void starts_itself(void **state)
{
        (void) up(state);
        abort();
}

static int program_stubborn(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up_then_stubborn, down),
                                            cmocka_unit_test_setup_teardown(passes, up_then_sh, crashes),
                                            cmocka_unit_test(starts_itself) };
        const struct CMUnitTest more[] = { cmocka_unit_test(passes) };

        return RUN(tests, NULL, NULL) == MAYFLY_CMOCKA_SKIP && RUN(more, up_then_sh, crashes) == MAYFLY_CMOCKA_SKIP;
}

static void test_skip_whatever_the_hook_makes_of_it(void **state)
{
        (void) state;
        host_code = -ENOENT;
        run(program_stubborn);
        assert_int_equal(outcome.status, 1);
}

static void test_require_turns_skips_into_failures(void **state)
{
        (void) state;
        host_code = -ENOENT;
        assert_int_equal(setenv("MAYFLY_REQUIRE", "1", 1), 0);
        run(program_pass);
        assert_int_equal(unsetenv("MAYFLY_REQUIRE"), 0);
        assert_int_equal(outcome.status, 1);
        assert_said("mayfly: passes: host: no nspawn here\n", 1);
        assert_said("with MAYFLY_REQUIRE=1 in the environment this is a failure", 1);
        assert_said("SKIPPED:", 0);
}

static void test_mistakes_are_no_skips(void **state)
{
        (void) state;
        host_code = -EINVAL;
        host_stage = MAYFLY_STAGE_SPEC;
        run(program_pass);
        assert_int_equal(outcome.status, 1);
        assert_said("SKIPPED:", 0);
}

static int program_plain_cmocka(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up, down) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

static void test_without_the_runner(void **state)
{
        (void) state;
        run(program_plain_cmocka);
        assert_int_equal(outcome.status, 0);
        assert_said("started unnamed", 1);
        assert_said("0 left alive", 1);
        host_code = -ENOENT;
        run(program_plain_cmocka);
        assert_int_equal(outcome.status, MAYFLY_CMOCKA_SKIP);
        assert_said("SKIPPED: no nspawn here\n", 1);
}

/* --- tests: the state ----------------------------------------------------------------------------------------- */

static int give_group(void **state)
{
        *state = (void *) (uintptr_t) "group";
        return 0;
}

static int change(void **state)
{
        printf("setup sees %s\n", *state ? (char *) *state : "none");
        *state = (void *) (uintptr_t) "changed";
        return 0;
}

static void look(void **state)
{
        printf("test sees %s\n", *state ? (char *) *state : "none");
        *state = (void *) (uintptr_t) "marked";
}

static int look_back(void **state)
{
        printf("teardown sees %s\n", *state ? (char *) *state : "none");
        return 0;
}

static char own[] = "own";

#define STATE_TESTS                                                                            \
        {                                                                                      \
                cmocka_unit_test_prestate(look, own), cmocka_unit_test(look),                  \
                        cmocka_unit_test_teardown(look, look_back),                            \
                        cmocka_unit_test_prestate_setup_teardown(look, change, look_back, own) \
        }

static int program_state_mayfly(void)
{
        const struct CMUnitTest tests[] = STATE_TESTS;

        return RUN(tests, NULL, NULL) + RUN(tests, give_group, look_back) + RUN(tests, NULL, look_back);
}

static int program_state_cmocka(void)
{
        const struct CMUnitTest tests[] = STATE_TESTS;

        return cmocka_run_group_tests(tests, NULL, NULL) + cmocka_run_group_tests(tests, give_group, look_back) +
               cmocka_run_group_tests(tests, NULL, look_back);
}

static void test_state_is_as_in_cmocka(void **state)
{
        static struct outcome expected;

        (void) state;
        run(program_state_cmocka);
        expected = outcome;
        run(program_state_mayfly);
        assert_int_equal(outcome.status, expected.status);
        assert_string_equal(outcome.output, expected.output);
        assert_said("sees", 3 * 7 + 2);
}

static int program_spec_state(void)
{
        const struct CMUnitTest tests[] = { mayfly_cmocka_unit_test(passes, &spec) };

        return RUN(tests, NULL, NULL) + RUN(tests, give_group, NULL);
}

static void test_spec_as_initial_state(void **state)
{
        (void) state;
        run(program_spec_state);
        assert_int_equal(outcome.status, 0);
        assert_said("started test-fixture-passes", 2);
        assert_said("stopped test-fixture-passes", 2);
}

/* A spec of an older and of a newer header: neither read nor written past its size. */
static int up_old_and_new(void **state)
{
        const size_t sizes[] = { offsetof(struct mayfly_spec, env), sizeof(spec), 2 * sizeof(spec) };
        int r = 0;

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && r == 0; i++) {
                void *other = calloc(1, sizes[i]);
                assert_non_null(other);
                memcpy(other, &spec, sizes[i] < sizeof(spec) ? sizes[i] : sizeof(spec));
                memcpy(other, &sizes[i], sizeof(sizes[i])); /* the size comes first */
                r = mayfly_cmocka_start(state, other);
                free(other);
                if (r == 0 && i < 2)
                        r = mayfly_cmocka_stop(state);
        }
        return r;
}

static int program_sizes(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(passes, up_old_and_new, down) };

        return RUN(tests, NULL, NULL);
}

static void test_spec_size(void **state)
{
        (void) state;
        run(program_sizes);
        assert_int_equal(outcome.status, 0);
        assert_said("started test-fixture-passes", 3);
        assert_said("0 left alive", 1);
}

/* --- tests: commands ------------------------------------------------------------------------------------------ */

static void asks(void **state)
{
        char *output = mayfly_cmocka_sh(*state, "cat /motd");

        printf("it said %s\n", output);
        free(output);
}

static int program_sh(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(asks, up, down) };

        return RUN(tests, NULL, NULL);
}

static void test_sh_returns_the_output(void **state)
{
        static char hello[] = "hello";

        (void) state;
        command_result.out = hello;
        command_result.out_size = 5;
        run(program_sh);
        assert_int_equal(outcome.status, 0);
        assert_said("it said hello\n", 1);
        command_result.out = NULL;
        command_result.out_size = 0;
        run(program_sh);
        assert_said("it said \n", 1);
}

static void test_sh_fails_the_test(void **state)
{
        static char text[4000];

        (void) state;
        memset(text, 'x', sizeof(text));
        memcpy(text + sizeof(text) - 16, "no such table!\n\n", 16);
        command_result.err = text;
        command_result.err_size = sizeof(text);
        command_result.exit.status = 3;
        run(program_sh);
        assert_int_equal(outcome.status, 1);
        assert_said("`cat /motd` exited with 3; its error output: ...xx", 1);
        assert_said("xno such table!\n", 1);
        assert_said("the log of test-fixture-asks", 1);

        command_result.exit = (struct mayfly_exit){ .signal = 11 };
        command_result.err_size = 0;
        run(program_sh);
        assert_said("`cat /motd` was killed by signal 11 (Segmentation fault)\n", 1);

        command_result.timed_out = 1;
        run(program_sh);
        assert_said("`cat /motd` took too long and was killed\n", 1);

        command_code = -ENOENT;
        run(program_sh);
        assert_said("`cat /motd` could not be run: there is no shell\n", 1);
        assert_int_equal(outcome.status, 1);
}

/* --- tests: progress ------------------------------------------------------------------------------------------ */

static void test_progress_of_a_start(void **state)
{
        (void) state;
        progress_ms = 1500;
        run(program_pass);
        assert_said("mayfly: fetching small.aci: 1.0 MiB", 1);
        progress_ms = 500;
        run(program_pass);
        assert_said("mayfly: fetching", 0);
}

int main(void)
{
        static char name[] = "test-fixture";
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_pass_prints_no_logs, setup_faults),
                cmocka_unit_test_setup(test_fail_prints_its_logs_alone, setup_faults),
                cmocka_unit_test_setup(test_stop_error_fails_the_test, setup_faults),
                cmocka_unit_test_setup(test_start_error_fails_the_test, setup_faults),
                cmocka_unit_test_setup(test_77_failures_are_no_skip, setup_faults),
                cmocka_unit_test_setup(test_failed_setup_stops_its_container, setup_faults),
                cmocka_unit_test_setup(test_failed_group_setup_stops_its_container, setup_faults),
                cmocka_unit_test_setup(test_a_teardown_that_leaves_stops_its_container, setup_faults),
                cmocka_unit_test_setup(test_groups_nest, setup_faults),
                cmocka_unit_test_setup(test_group_container, setup_faults),
                cmocka_unit_test_setup(test_skip_is_77, setup_faults),
                cmocka_unit_test_setup(test_skip_of_some_is_success, setup_faults),
                cmocka_unit_test_setup(test_skip_hides_no_failure, setup_faults),
                cmocka_unit_test_setup(test_skip_of_a_group, setup_faults),
                cmocka_unit_test_setup(test_own_skip_prints_no_logs, setup_faults),
                cmocka_unit_test_setup(test_skip_whatever_the_hook_makes_of_it, setup_faults),
                cmocka_unit_test_setup(test_require_turns_skips_into_failures, setup_faults),
                cmocka_unit_test_setup(test_mistakes_are_no_skips, setup_faults),
                cmocka_unit_test_setup(test_without_the_runner, setup_faults),
                cmocka_unit_test_setup(test_state_is_as_in_cmocka, setup_faults),
                cmocka_unit_test_setup(test_spec_as_initial_state, setup_faults),
                cmocka_unit_test_setup(test_spec_size, setup_faults),
                cmocka_unit_test_setup(test_sh_returns_the_output, setup_faults),
                cmocka_unit_test_setup(test_sh_fails_the_test, setup_faults),
                cmocka_unit_test_setup(test_progress_of_a_start, setup_faults),
        };

        program_invocation_short_name = name; /* which machine names start with */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
