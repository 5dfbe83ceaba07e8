/* SPDX-License-Identifier: MIT */
/* One PostgreSQL for all tests of the group, and a new database for each test. */
#include <stdio.h>

#include <libpq-fe.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

/* Debian's command begins as root, makes a directory, and becomes the user postgres. The server listens before it is ready. */
static int start_server(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = SERVICES_IMAGE, .publish = MAYFLY_PORTS({ .port = 5432 }),
                                   .entrypoint = MAYFLY_STRINGS("pg_ctlcluster", "15", "main", "start", "--foreground"),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("ready to accept connections"))));
}

static PGconn *connect_to(struct mayfly_container *server, const char *database)
{
        char words[96];

        snprintf(words, sizeof(words), "host=127.0.0.1 port=%u user=postgres dbname=%s",
                 mayfly_cmocka_port(server, "5432"), database);
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

static void a_table_can_be_made(void **state)
{
        PGconn *admin = connect_to(*state, "postgres");
        answers(admin, "DROP DATABASE IF EXISTS test WITH (FORCE)", NULL);
        answers(admin, "CREATE DATABASE test", NULL);
        PQfinish(admin);

        PGconn *test = connect_to(*state, "test");
        answers(test, "CREATE TABLE colors AS SELECT 'green' AS name", NULL);
        answers(test, "SELECT name FROM colors", "green");
        PQfinish(test);
}

int main(void)
{
        const struct CMUnitTest tests[] = { { "first", a_table_can_be_made, NULL, NULL, NULL },
                                            { "second", a_table_can_be_made, NULL, NULL, NULL } };

        return cmocka_run_group_tests(tests, start_server, mayfly_cmocka_stop);
}
