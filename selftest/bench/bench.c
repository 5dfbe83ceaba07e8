/* SPDX-License-Identifier: MIT */

/* One measurement for selftest/bench/run: prints microseconds, one a line.
 *
 *   bench start|exec|stop COUNT     of the image $MAYFLY_TEST_BUSYBOX, which is in the store
 *   bench start-on-host COUNT       the same start, without a user namespace
 *   bench fetch REFERENCE           into $MAYFLY_STORE; then peak memory in KiB on a second line */

#include <mayfly/mayfly.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static _Noreturn void die(const struct mayfly_error *err)
{
        fprintf(stderr, "bench: %s\n", err->message);
        exit(1);
}

static void fetch(const char *reference)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_image *image;
        struct timespec a, b;
        struct rusage usage;

        clock_gettime(CLOCK_MONOTONIC, &a);
        if (mayfly_image_open(&image, reference, NULL, &err) < 0)
                die(&err);
        clock_gettime(CLOCK_MONOTONIC, &b);
        mayfly_image_close(image);
        getrusage(RUSAGE_SELF, &usage);
        printf("%lld\n%ld\n", (long long) (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000,
               usage.ru_maxrss);
}

static void cycle(const char *what)
{
        const char *const argv[] = { "/bin/true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_timings timings = MAYFLY_TIMINGS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container;
        struct mayfly_result *result = NULL;

        struct mayfly_spec spec = MAYFLY_SPEC_INIT;

        command.argv = argv;
        spec.image = getenv("MAYFLY_TEST_BUSYBOX");
        spec.idle = 1;
        if (strcmp(what, "start-on-host") == 0)
                spec.userns = MAYFLY_USERNS_HOST;
        if (mayfly_container_start(&container, &spec, &err) < 0 ||
            mayfly_container_run(container, &command, &result, &err) < 0 || mayfly_container_stop(container, &err) < 0)
                die(&err);
        mayfly_container_timings(container, &timings, NULL);
        printf("%llu\n", (unsigned long long) (strncmp(what, "start", 5) == 0 ? timings.image_us + timings.boot_us
                                               : strcmp(what, "exec") == 0    ? result->elapsed_us
                                                                              : timings.stop_us));
        mayfly_result_free(result);
        mayfly_container_free(container);
}

int main(int argc, char **argv)
{
        if (argc != 3) {
                fprintf(stderr, "usage: bench start|start-on-host|exec|stop COUNT, or bench fetch REFERENCE\n");
                return 2;
        }
        if (strcmp(argv[1], "fetch") == 0)
                fetch(argv[2]);
        else
                for (int i = atoi(argv[2]); i > 0; i--) /* NOLINT */
                        cycle(argv[1]);
        return 0;
}
