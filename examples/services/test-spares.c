/* SPDX-License-Identifier: MIT */
/* A database of its own for each of 20 tests, at no time: while one test runs, the container of the next is made ready. */
#include <stdio.h>

#include <libpq-fe.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

#define POSTGRES                                                                              \
        .image = SERVICES_IMAGE, .publish = MAYFLY_PORTS({ .port = 5432 }),                   \
        .entrypoint = MAYFLY_STRINGS("pg_ctlcluster", "15", "main", "start", "--foreground"), \
        .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("ready to accept connections"))

static struct mayfly_snapshot *migrated;

static void answers(struct mayfly_container *server, const char *query, const char *expected)
{
        char words[96];

        snprintf(words, sizeof(words), "host=127.0.0.1 port=%u user=postgres", mayfly_cmocka_port(server, "5432"));
        PGconn *connection = PQconnectdb(words);
        PGresult *result = PQexec(connection, query);
        assert_string_equal(PQresultErrorMessage(result), "");
        if (expected)
                assert_string_equal(PQgetvalue(result, 0, 0), expected);
        PQclear(result);
        PQfinish(connection);
}

static int migrate_once(void **state)
{
        void *server = NULL;

        (void) state;
        if (mayfly_cmocka_start(&server, MAYFLY_SPEC(POSTGRES)) < 0)
                return -1;
        if (!server) /* the tests are skipped */
                return 0;
        answers(server, "CREATE TABLE t AS SELECT n FROM generate_series(1, 10000) AS n", NULL);
        mayfly_container_halt(server, NULL);
        int r = mayfly_container_snapshot(server, &migrated, NULL);
        return mayfly_cmocka_stop(&server) < 0 ? -1 : r;
}

static int forget(void **state)
{
        (void) state;
        migrated = mayfly_snapshot_free(migrated);
        return 0;
}

static int set_up(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(POSTGRES, .snapshot = migrated, .spare = 1));
}

static void begins_with_all_rows(void **state)
{
        answers(*state, "SELECT count(*) FROM t", "10000");
        answers(*state, "DELETE FROM t", NULL);
}

int main(void)
{
        struct CMUnitTest tests[20];

        for (int i = 0; i < 20; i++)
                tests[i] = (struct CMUnitTest) cmocka_unit_test_setup_teardown(begins_with_all_rows, set_up,
                                                                               mayfly_cmocka_teardown);
        return cmocka_run_group_tests(tests, migrate_once, forget);
}
