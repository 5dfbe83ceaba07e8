/* SPDX-License-Identifier: MIT */

/* Several containers at once: at the same time, in order, and all or none of them. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"
#include "waits.h"

#define MANY 12

static char *image;

static void all_start(const struct mayfly_spec *const *specs, size_t n, struct mayfly_container **handles)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_containers_start(specs, n, handles, &err) < 0)
                fail_msg("%s", err.message);
}

/* The start of all must fail with this code and each of the words (up to NULL) in its message, and touch no handle. */
static void all_fail(const struct mayfly_spec *const *specs, size_t n, int code, ...)
{
        struct mayfly_container *handles[MANY] = { NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        unsigned descriptors = count_descriptors();
        va_list words;

        int r = mayfly_containers_start(specs, n, handles, &err);
        if (r != code)
                fail_msg("%d, not %d: %s", r, code, err.message);
        for (size_t i = 0; i < MANY; i++)
                assert_null(handles[i]);
        va_start(words, code);
        for (const char *word; (word = va_arg(words, const char *));)
                if (!strstr(err.message, word))
                        fail_msg("no \"%s\" in \"%s\"", word, err.message);
        va_end(words);
        assert_int_equal(count_descriptors(), descriptors);
}

static char *log_of(struct mayfly_container *c)
{
        char *log = NULL;

        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        return log;
}

static void many_at_the_same_time(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, LISTENER_("50", "tcp", "127.0.0.1", "6379"),
                                                     .publish = MAYFLY_PORTS({ .port = 6379 }));
        const struct mayfly_spec *specs[MANY];
        struct mayfly_container *handles[MANY] = { NULL };

        (void) state;
        for (size_t i = 0; i < MANY; i++)
                specs[i] = spec;
        all_start(specs, MANY, handles);
        for (size_t i = 0; i < MANY; i++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                assert_int_equal(mayfly_container_address(handles[i], "6379", &address, NULL), 0);
                assert_int_equal(sh(handles[i], "true"), 0);
        }
        for (size_t i = 0; i < MANY; i++)
                mayfly_container_free(handles[i]);
}

/* Each writes the time at which it was started and that at which it was ready. */
#define STAMPS \
        SH("read up rest </proc/uptime; echo $up; sleep 0.2; read up rest </proc/uptime; echo $up ready; sleep 1000")

static void one_after_another(void **state)
{
        const struct mayfly_wait *wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready"));
        const struct mayfly_spec *specs[] = {
                MAYFLY_SPEC(.image = image, .name = "web", .after = "app, cache", .wait = wait, STAMPS),
                MAYFLY_SPEC(.image = image, .name = "app", .after = "db", .wait = wait, STAMPS),
                MAYFLY_SPEC(.image = image, .name = "db", .wait = wait, STAMPS),
                MAYFLY_SPEC(.image = image, .name = "cache", .wait = wait, STAMPS),
        };
        static const size_t first[] = { 2, 1, 3 }, then[] = { 1, 0, 0 };
        struct mayfly_container *handles[4] = { NULL };

        (void) state;
        all_start(specs, 4, handles);
        for (size_t i = 0; i < 3; i++) {
                char *before = log_of(handles[first[i]]), *after = log_of(handles[then[i]]);
                double was_ready = 0, was_started = 0;
                assert_int_equal(sscanf(before, "%*f %lf ready", &was_ready), 1);
                assert_int_equal(sscanf(after, "%lf", &was_started), 1);
                if (was_ready > was_started)
                        fail_msg("%zu was started at %f, and %zu was ready at %f", then[i], was_started, first[i],
                                 was_ready);
                free(before);
                free(after);
        }
        assert_non_null(strstr(mayfly_container_name(handles[0]), "web-"));
        for (size_t i = 0; i < 4; i++)
                mayfly_container_free(handles[i]);
}

static void one_failure_ends_all(void **state)
{
        const struct mayfly_spec *specs[] = {
                MAYFLY_SPEC(.image = image, .name = "good", SH("sleep 1000")),
                MAYFLY_SPEC(.image = image, .name = "slow", SH("sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/never"))),
                MAYFLY_SPEC(.image = image, .name = "bad", SH("echo out of cheese; exit 3"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/never"))),
                MAYFLY_SPEC(.image = image, .name = "later", .after = "slow", SH("sleep 1000")),
        };

        (void) state;
        all_fail(specs, 4, -ESRCH, "container 3 of 4 (\"bad\"): waiting for file /never: the app of container bad-",
                 "exited with status 3", "\n  | out of cheese", NULL);
        specs[2] = MAYFLY_SPEC(.image = "aci:file:///nowhere.aci@sha512-00");
        all_fail(specs, 3, -EINVAL, "container 3 of 3: ", NULL);
        specs[2] = MAYFLY_SPEC(.image = image, .name = "bad", .user = "nobody-here", SH("true"));
        all_fail(specs, 4, -ENOENT, "container 3 of 4 (\"bad\"): ", "nobody-here", NULL);
}

static void wrong_orders_are_named(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        const struct mayfly_spec *specs[] = {
                MAYFLY_SPEC(.image = image, .name = "a", .after = "b"),
                MAYFLY_SPEC(.image = image, .name = "b", .after = "c"),
                MAYFLY_SPEC(.image = image, .name = "c", .after = "b"),
        };

        (void) state;
        all_fail(specs, 3, -EINVAL, "would wait for each other: \"b\" after \"c\" after \"b\"", NULL);
        specs[2] = MAYFLY_SPEC(.image = image, .name = "c", .after = "c");
        all_fail(specs, 3, -EINVAL, "would wait for each other: \"c\" after \"c\"", NULL);
        specs[2] = MAYFLY_SPEC(.image = image, .name = "c", .after = "d");
        all_fail(specs, 3, -EINVAL,
                 "spec 3 is after \"d\", but no specs have this name; the names are: \"a\", \"b\", \"c\"", NULL);
        specs[2] = MAYFLY_SPEC(.image = image, .name = "b");
        all_fail(specs, 3, -EINVAL, "spec 1 is after \"b\", but several specs", NULL);
        specs[2] = NULL;
        all_fail(specs, 3, -EINVAL, "container 3 of 3: the spec is NULL", NULL);
        specs[2] = MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("(")));
        all_fail(specs, 3, -EINVAL, "container 3 of 3: condition 1 of the wait: the regular expression", NULL);
        assert_int_equal(mayfly_container_start(&c, specs[0], &err), -EINVAL);
        assert_non_null(strstr(err.message, "after = \"b\", which only mayfly_containers_start() can heed"));
}

static struct mayfly_container *pair[2];

static int start_pair(void **state)
{
        const struct mayfly_spec *specs[] = {
                MAYFLY_SPEC(.image = image, .name = "db", SH("sleep 0.1; echo ready; sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready"))),
                MAYFLY_SPEC(.image = image, .after = "db", SH("sleep 1000")),
        };

        (void) state;
        return mayfly_cmocka_start_all(pair, specs, 2);
}

static int stop_pair(void **state)
{
        (void) state;
        return mayfly_cmocka_stop_all(pair, 2);
}

static void the_fixture_starts_both(void **state)
{
        (void) state;
        char *said = mayfly_cmocka_sh(pair[1], "echo here");
        assert_string_equal(said, "here\n");
        free(said);
        assert_non_null(strstr(mayfly_container_name(pair[0]), "db-"));
        assert_non_null(strstr(mayfly_container_name(pair[1]), "the-fixture-starts-both-"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(many_at_the_same_time),
                cmocka_unit_test(one_after_another),
                cmocka_unit_test(one_failure_ends_all),
                cmocka_unit_test(wrong_orders_are_named),
                cmocka_unit_test_setup_teardown(the_fixture_starts_both, start_pair, stop_pair),
        };

        image = strdup(small_image("together", NULL, "cp '" LISTENER "' bin/listener"));
        (void) mayfly_host_check(MAYFLY_ENGINE_DEFAULT, NULL); /* a user's namespace is kept from here on */
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        free(image);
        return r;
}
