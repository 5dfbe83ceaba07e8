/* SPDX-License-Identifier: MIT */

/* Prints how many commands a second a container runs, one after the other and 32 at once, beside the same commands on the host, in turns:
 * `bench-commands COUNT`, of the image $MAYFLY_TEST_BUSYBOX. */

#include <mayfly/mayfly.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define THREADS 32
#define TURNS 5

static struct mayfly_container *container;
static atomic_int left; /* commands */

static _Noreturn void die(const struct mayfly_error *err)
{
        fprintf(stderr, "bench-commands: %s\n", err->message);
        exit(1);
}

static void *run(void *unused)
{
        const char *const argv[] = { "/bin/true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result;

        command.argv = argv;
        while (atomic_fetch_sub(&left, 1) > 0) {
                if (mayfly_container_run(container, &command, &result, &err) < 0)
                        die(&err);
                mayfly_result_free(result);
        }
        return unused;
}

/* The same on the host, with pipes for the output as a program has that reads it. */
static void *run_on_host(void *unused)
{
        while (atomic_fetch_sub(&left, 1) > 0) {
                FILE *output = popen("exec /bin/true", "re");
                while (output && fgetc(output) != EOF)
                        ;
                if (!output || pclose(output) != 0)
                        exit(1);
        }
        return unused;
}

/* Returns how many a second. */
static double measure(void *(*work)(void *), int count, int n_threads)
{
        pthread_t threads[THREADS];
        double begin = bench_now_ms();

        left = count;
        for (int i = 0; i < n_threads; i++)
                if (pthread_create(&threads[i], NULL, work, NULL) != 0)
                        exit(1);
        for (int i = 0; i < n_threads; i++)
                pthread_join(threads[i], NULL);
        return count * 1e3 / (bench_now_ms() - begin);
}

static void row(const char *what, int count, int n_threads)
{
        double us[TURNS], them[TURNS];

        for (int i = 0; i < TURNS; i++) {
                us[i] = measure(run, count, n_threads);
                them[i] = measure(run_on_host, count, n_threads);
        }
        bench_print_row(what, bench_median(us, TURNS), bench_median(them, TURNS));
}

int main(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int count = argc == 2 ? atoi(argv[1]) : 0;

        if (count < 1) {
                fprintf(stderr, "usage: bench-commands COUNT\n");
                return 2;
        }
        if (mayfly_container_start(&container, MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .idle = 1), &err) <
            0)
                die(&err);
        bench_print_head("commands a second, medians", "container", "host");
        row("one after the other | popen()", count, 1);
        row("32 at once | popen()", count, THREADS);
        mayfly_container_free(container);
        return 0;
}
