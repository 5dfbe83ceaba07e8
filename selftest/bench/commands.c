/* SPDX-License-Identifier: MIT */

/* Prints how many commands a second a container runs, one after the other and 32 at once: `bench-commands COUNT`, of the image
 * $MAYFLY_TEST_BUSYBOX. */

#include <mayfly/mayfly.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 32

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

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void measure(const char *what, int count, int n_threads)
{
        pthread_t threads[THREADS];
        double begin = now();

        left = count;
        for (int i = 0; i < n_threads; i++)
                if (pthread_create(&threads[i], NULL, run, NULL) != 0)
                        exit(1);
        for (int i = 0; i < n_threads; i++)
                pthread_join(threads[i], NULL);
        printf("%-52s %10.0f\n", what, count / (now() - begin));
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
        measure("commands a second, one after the other", count, 1);
        measure("commands a second, 32 at once", count, THREADS);
        mayfly_container_free(container);
        return 0;
}
