/* SPDX-License-Identifier: MIT */
/* A PostgreSQL that is migrated once, 50 tables and 10,000 rows; each of 20 tests begins from there, whatever the others did. */
#include <stdio.h>

#include <libpq-fe.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

static PGconn *connect_to(struct mayfly_container *server)
{
        char words[96];

        snprintf(words, sizeof(words), "host=127.0.0.1 port=%u user=postgres", mayfly_cmocka_port(server, "5432"));
        return PQconnectdb(words);
}

static void answers(PGconn *connection, const char *query, const char *expected)
{
        PGresult *result = PQexec(connection, query);

        assert_string_equal(PQresultErrorMessage(result), "");
        if (expected)
                assert_string_equal(PQgetvalue(result, 0, 0), expected);
        PQclear(result);
}

static int migrate(struct mayfly_container *server)
{
        PGconn *connection = connect_to(server);
        char query[128];

        for (int i = 0; i < 50; i++) {
                snprintf(query, sizeof(query), "CREATE TABLE t%d AS SELECT n FROM generate_series(1, 200) AS n", i);
                answers(connection, query, NULL);
        }
        PQfinish(connection);
        return 0;
}

static int migrate_once(void **state)
{
        return mayfly_cmocka_snapshot_setup(
                state,
                MAYFLY_SPEC(.image = SERVICES_IMAGE, .publish = MAYFLY_PORTS({ .port = 5432 }),
                            .entrypoint = MAYFLY_STRINGS("pg_ctlcluster", "15", "main", "start", "--foreground"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("ready to accept connections"))),
                migrate);
}

static void begins_with_all_rows(void **state)
{
        PGconn *connection = connect_to(*state);

        answers(connection, "SELECT count(*) FROM t0, t49 WHERE t0.n = t49.n", "200");
        answers(connection, "DROP TABLE t0", NULL);
        answers(connection, "DELETE FROM t49", NULL);
        PQfinish(connection);
}

int main(void)
{
        struct CMUnitTest tests[20];

        for (int i = 0; i < 20; i++)
                tests[i] = (struct CMUnitTest) mayfly_cmocka_reset_test(begins_with_all_rows);
        return cmocka_run_group_tests(tests, migrate_once, mayfly_cmocka_teardown);
}
