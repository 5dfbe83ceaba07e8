/* SPDX-License-Identifier: MIT */

/* The fixture prepares a container once, and each test begins from there. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/host.h"

static unsigned times_prepared;

/* A database of lines. */
static int migrate(struct mayfly_container *c)
{
        times_prepared++;
        free(mayfly_cmocka_sh(c, "seq 1000 > /db/rows && echo 1 > /db/version"));
        return 0;
}

static int set_up(void **state)
{
        return mayfly_cmocka_snapshot_setup(
                state,
                MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/db" })),
                migrate);
}

/* The same three times: whatever one changes the next does not see. */
static void begins_as_prepared(void **state)
{
        char *said = mayfly_cmocka_sh(
                *state, "cat /db/version; wc -l < /db/rows; ls /db; rm -r /db/rows; echo 2 > /db/version; "
                        "echo more > /db/more; touch /tmp/trace; ls /tmp");

        assert_string_equal(said, "1\n1000\nrows\nversion\ntrace\n");
        free(said);
        assert_int_equal(times_prepared, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                mayfly_cmocka_reset_test(begins_as_prepared),
                mayfly_cmocka_reset_test(begins_as_prepared),
                mayfly_cmocka_reset_test(begins_as_prepared),
        };

        return cmocka_run_group_tests_name("prepared", tests, set_up, mayfly_cmocka_teardown);
}
