/* SPDX-License-Identifier: MIT */

/* Which lines of a snapshot mayfly leak-check takes for those of containers that are kept. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/kept.h"
#include "util/macro.h"

#define PROCESS(pid, parent, words) "process\t" #pid " 77\t" #pid " (parent " #parent ", state S) " words " in cgroup /"
#define KEEP "/usr/libexec/mayfly/mayfly-keep --machine t-0123456789ab"
#define LAUNCH "/usr/libexec/mayfly/mayfly-launch --machine t-0123456789ab"

static struct tool_kept kept;

static void find(char **lines, size_t n)
{
        const struct mf_snapshot snapshot = { .lines = lines, .n = n };

        assert_int_equal(tool_kept_find(&kept, &snapshot), 0);
}

static void a_container_is_kept_with_all_that_descends_from_it(void **state)
{
        char *lines[] = {
                "netns\t4026\tprocess 14 (sleep)",
                PROCESS(12, 10, KEEP),
                PROCESS(14, 13, "/bin/sleep 1000"), /* before its parent, as PIDs that begin anew can have it */
                PROCESS(13, 11, LAUNCH),
                PROCESS(15, 9, "/bin/sleep 1000"),
        };

        (void) state;
        find(lines, MF_ELEMENTSOF(lines));
        assert_int_equal(kept.n, 1);
        assert_string_equal(kept.keepers[0].machine, "t-0123456789ab");
        assert_int_equal(kept.keepers[0].pid, 12);
        for (size_t i = 0; i < 4; i++)
                assert_true(tool_kept_has(&kept, lines[i]));
        assert_false(tool_kept_has(&kept, lines[4]));
        tool_kept_clear(&kept);
}

static void what_waits_for_it_is_kept_too(void **state)
{
        char *lines[] = {
                PROCESS(10, 1, "/tmp/test"), PROCESS(11, 1, "/tmp/test"), PROCESS(12, 10, KEEP),
                PROCESS(13, 11, LAUNCH),     PROCESS(14, 1, "/tmp/test"),
        };

        (void) state;
        find(lines, MF_ELEMENTSOF(lines));
        for (size_t i = 0; i < 4; i++)
                assert_true(tool_kept_has(&kept, lines[i]));
        assert_false(tool_kept_has(&kept, lines[4]));
        tool_kept_clear(&kept);
}

/* A command that entered a PID namespace from outside has its PID 1 in the snapshot. */
static void other_children_of_what_waits_for_it_are_not(void **state)
{
        char *lines[] = {
                PROCESS(1, 0, "/sbin/init"),
                PROCESS(12, 1, KEEP),
                PROCESS(13, 1, LAUNCH),
                PROCESS(14, 1, "/usr/libexec/mayfly/mayfly-launch --machine t-ba9876543210"),
                PROCESS(15, 14, "/bin/sleep 1000"),
        };

        (void) state;
        find(lines, MF_ELEMENTSOF(lines));
        assert_true(tool_kept_has(&kept, lines[1]));
        assert_true(tool_kept_has(&kept, lines[2]));
        assert_false(tool_kept_has(&kept, lines[3]));
        assert_false(tool_kept_has(&kept, lines[4]));
        tool_kept_clear(&kept);
}

static void nothing_is_kept_without_a_keeper(void **state)
{
        char *lines[] = { PROCESS(13, 1, LAUNCH), PROCESS(14, 1, "/bin/sh -c " KEEP) };

        (void) state;
        find(lines, MF_ELEMENTSOF(lines));
        assert_int_equal(kept.n, 0);
        assert_false(tool_kept_has(&kept, lines[0]));
        tool_kept_clear(&kept);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_container_is_kept_with_all_that_descends_from_it),
                cmocka_unit_test(what_waits_for_it_is_kept_too),
                cmocka_unit_test(other_children_of_what_waits_for_it_are_not),
                cmocka_unit_test(nothing_is_kept_without_a_keeper),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
