/* SPDX-License-Identifier: MIT */

/* A fresh database for each test, three ways, in turns: a reset to a snapshot, CREATE DATABASE ... TEMPLATE, and a fresh container whose
 * database is migrated. Prints a table; nothing is judged.
 *
 *   bench-databases ROUNDS [ROWS]
 *
 * The server is the PostgreSQL of the image $MAYFLY_BENCH_SERVICES (examples/services/make-rootfs). The migration makes 50 tables of
 * ROWS rows each. */

#include <mayfly/mayfly.h>

#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define ROUNDS_MAX 100U
#define TABLES 50U

static struct mayfly_error err = MAYFLY_ERROR_INIT;
static unsigned rows;

static void check(int r)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench-databases: %s\n", err.message);
        exit(1);
}

/* Runs SQL by psql, in a database. */
static void sql(struct mayfly_container *container, const char *database, const char *text)
{
        const char *const argv[] = { "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        command.user = "postgres";
        check(mayfly_container_run(container, &command, &result, &err));
        if (result->exit->status != 0) {
                fprintf(stderr, "bench-databases: psql failed: %s\n", result->err);
                exit(1);
        }
        mayfly_result_free(result);
}

static struct mayfly_container *start(void)
{
        struct mayfly_container *container = NULL;

        check(mayfly_container_start(
                &container,
                MAYFLY_SPEC(.image = getenv("MAYFLY_BENCH_SERVICES"), .name = "databases",
                            .entrypoint = MAYFLY_STRINGS("pg_ctlcluster", "15", "main", "start", "--foreground"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("ready to accept connections"))),
                &err));
        return container;
}

static void migrate(struct mayfly_container *container)
{
        char text[512];

        sql(container, "postgres", "CREATE DATABASE app");
        snprintf(text, sizeof(text),
                 "DO $$ BEGIN FOR i IN 1..%u LOOP EXECUTE format('CREATE TABLE t%%s AS SELECT n AS id, md5(n::text) AS "
                 "name FROM generate_series(1, %u) AS n; ALTER TABLE t%%s ADD PRIMARY KEY (id)', i, i); "
                 "END LOOP; END $$; CHECKPOINT",
                 TABLES, rows);
        sql(container, "app", text);
}

static double measure_fresh(void)
{
        const double begin = bench_now_ms();
        struct mayfly_container *container = start();

        migrate(container);
        const double took = bench_now_ms() - begin;
        mayfly_container_free(container);
        return took;
}

static double measure_reset(struct mayfly_container *container)
{
        const double begin = bench_now_ms();

        check(mayfly_container_reset(container, &err));
        return bench_now_ms() - begin;
}

static double measure_template(struct mayfly_container *container)
{
        const double begin = bench_now_ms();

        sql(container, "postgres", "CREATE DATABASE test TEMPLATE app");
        const double took = bench_now_ms() - begin;
        sql(container, "postgres", "DROP DATABASE test");
        return took;
}

int main(int argc, char **argv)
{
        const unsigned rounds = argc > 1 ? (unsigned) atoi(argv[1]) : 0;
        double fresh[ROUNDS_MAX], reset[ROUNDS_MAX], copied[ROUNDS_MAX];
        struct mayfly_snapshot *snapshot = NULL;

        rows = argc > 2 ? (unsigned) atoi(argv[2]) : 200;
        if (rounds < 1 || rounds > ROUNDS_MAX || rows < 1 || !getenv("MAYFLY_BENCH_SERVICES")) {
                fprintf(stderr, "usage: MAYFLY_BENCH_SERVICES=REFERENCE bench-databases ROUNDS [ROWS]\n");
                return 2;
        }
        struct mayfly_container *container = start(), *other = start();
        migrate(container);
        migrate(other);
        check(mayfly_container_halt(container, &err));
        check(mayfly_container_snapshot(container, &snapshot, &err));
        mayfly_snapshot_free(snapshot); /* the container keeps it for its resets */
        for (unsigned i = 0; i < rounds; i++) {
                reset[i] = measure_reset(container);
                copied[i] = measure_template(other);
                fresh[i] = measure_fresh();
        }
        const double us = bench_median(reset, rounds);
        printf("a database of %u tables with %u rows each\n", TABLES, rows);
        bench_print_head("a fresh one, medians", "mayfly ms", "other ms");
        bench_print_row("reset by snapshot | start and migrate", us, bench_median(fresh, rounds));
        bench_print_row("reset by snapshot | CREATE DATABASE ... TEMPLATE", us, bench_median(copied, rounds));
        mayfly_container_free(container);
        mayfly_container_free(other);
        return 0;
}
