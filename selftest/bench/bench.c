/* SPDX-License-Identifier: MIT */

/* One measurement for selftest/bench/run: prints microseconds, one a line.
 *
 *   bench start|exec|stop COUNT     of the image $MAYFLY_TEST_BUSYBOX, which is in the store
 *   bench start-on-host COUNT       the same start, without a user namespace
 *   bench start-published COUNT     the same start, with a published port
 *   bench ready COUNT               a start that waits for the port of a server
 *   bench ready-by-hand COUNT       the same, with a loop that tries to connect every millisecond
 *   bench together COUNT            three of these starts at the same time
 *   bench connect COUNT             a socket that is connected to a server inside
 *   bench connect-loopback COUNT    a socket that is connected to one of the host's loopback
 *   bench reset COUNT               a container that takes two seconds to be made ready goes back to its snapshot, whose
 *                               own time is on standard error
 *   bench spare-MS COUNT            a setup that gets a spare, where each test takes so long
 *   bench fresh-MS COUNT            the same without spares
 *   bench migrate COUNT             the same, started and made ready anew
 *   bench fetch REFERENCE           into $MAYFLY_STORE; then peak memory in KiB on a second line */

#include <mayfly/mayfly.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

static long long now_us(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (long long) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Starts a server, or three, and waits until it can be used. */
static void serve(const char *what)
{
        const char *const app[] = { "sh", "-c", "sleep 0.1; exec httpd -f -p 7", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *containers[3] = { NULL };
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;
        const struct mayfly_spec *const specs[] = { &spec, &spec, &spec };
        int is_by_hand = strcmp(what, "ready-by-hand") == 0, fd = -1, r;

        spec.image = getenv("MAYFLY_TEST_BUSYBOX");
        spec.entrypoint = app;
        spec.publish = MAYFLY_PORTS({ .port = 7 });
        spec.wait = is_by_hand ? MAYFLY_WAIT_NONE : NULL;
        long long begin = now_us();
        if (strcmp(what, "together") == 0)
                r = mayfly_containers_start(specs, 3, containers, &err);
        else
                r = mayfly_container_start(&containers[0], &spec, &err);
        if (r < 0)
                die(&err);
        while (is_by_hand && mayfly_container_connect(containers[0], "7", &fd, NULL) == -ECONNREFUSED)
                usleep(1000);
        printf("%lld\n", now_us() - begin);
        if (fd >= 0)
                close(fd);
        for (int i = 0; i < 3; i++)
                mayfly_container_free(containers[i]);
}

static void connect_inside(unsigned count)
{
        const char *const app[] = { "httpd", "-f", "-p", "7", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container;
        int fd = -1;

        if (mayfly_container_start(&container,
                                   MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .entrypoint = app,
                                               .publish = MAYFLY_PORTS({ .port = 7 })),
                                   &err) < 0)
                die(&err);
        for (unsigned i = 0; i < count; i++) {
                long long begin = now_us();
                if (mayfly_container_connect(container, "7", &fd, &err) < 0)
                        die(&err);
                printf("%lld\n", now_us() - begin);
                close(fd);
        }
        mayfly_container_free(container);
}

static void connect_outside(unsigned count)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (bind(listener, (struct sockaddr *) &address, size) < 0 || listen(listener, SOMAXCONN) < 0 ||
            getsockname(listener, (struct sockaddr *) &address, &size) < 0)
                exit(1);
        for (unsigned i = 0; i < count; i++) {
                long long begin = now_us();
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(fd, (struct sockaddr *) &address, size) < 0)
                        exit(1);
                printf("%lld\n", now_us() - begin);
                close(fd);
        }
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
        const struct mayfly_publish *ports = MAYFLY_PORTS({ .port = 7 });
        if (strcmp(what, "start-published") == 0)
                spec.publish = ports;
        if (mayfly_container_start(&container, &spec, &err) < 0 ||
            mayfly_container_run(container, &command, &result, &err) < 0 || mayfly_container_stop(container, &err) < 0)
                die(&err);
        mayfly_container_timings(container, &timings, NULL);
        printf("%llu\n", (unsigned long long) (strncmp(what, "start", 5) == 0
                                                       ? timings.image_us + timings.boot_us + timings.app_us
                                               : strcmp(what, "exec") == 0 ? result->elapsed_us
                                                                           : timings.stop_us));
        mayfly_result_free(result);
        mayfly_container_free(container);
}

/* Makes a container ready by two seconds of work that writes 8 MB, as a migration does. */
static struct mayfly_container *migrate(void)
{
        const char *const argv[] = { "sh", "-c", "mkdir /db; dd if=/dev/urandom of=/db/rows bs=1M count=8; sleep 2",
                                     NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        if (mayfly_container_start(&container,
                                   MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .idle = 1,
                                               .volumes = MAYFLY_VOLUMES({ .path = "/volume" })),
                                   &err) < 0 ||
            mayfly_container_run(container, &command, &result, &err) < 0)
                die(&err);
        mayfly_result_free(result);
        return container;
}

static void start_migrated(unsigned count)
{
        for (unsigned i = 0; i < count; i++) {
                long long begin = now_us();
                struct mayfly_container *container = migrate();
                printf("%lld\n", now_us() - begin);
                mayfly_container_free(container);
        }
}

/* Prints how long each reset takes and, on standard error, the snapshot. */
static void reset(unsigned count)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = migrate();
        struct mayfly_snapshot *snapshot = NULL;

        if (mayfly_container_halt(container, &err) < 0)
                die(&err);
        long long begin = now_us();
        if (mayfly_container_snapshot(container, &snapshot, &err) < 0)
                die(&err);
        fprintf(stderr, "%lld\n", now_us() - begin);
        for (unsigned i = 0; i < count; i++) {
                begin = now_us();
                if (mayfly_container_reset(container, &err) < 0)
                        die(&err);
                printf("%lld\n", now_us() - begin);
        }
        mayfly_snapshot_free(snapshot);
        mayfly_container_free(container);
}

/* Prints how long the setups of tests take which last so many milliseconds each; the first has no spare. */
static void set_up(const char *what, unsigned count)
{
        const useconds_t lasts_us = (useconds_t) strtoul(strchr(what, '-') + 1, NULL, 10) * 1000;
        const int has_spares = strncmp(what, "spare-", 6) == 0;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        for (unsigned i = 0; i <= count; i++) {
                struct mayfly_container *container;
                long long begin = now_us();
                if (mayfly_container_start(&container,
                                           MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .idle = 1,
                                                       .spare = (unsigned) has_spares),
                                           &err) < 0)
                        die(&err);
                if (i > 0)
                        printf("%lld\n", now_us() - begin);
                usleep(lasts_us);
                mayfly_container_free(container);
        }
        mayfly_spares_stop();
}

int main(int argc, char **argv)
{
        if (argc != 3) {
                fprintf(stderr, "usage: bench start|start-on-host|start-published|exec|stop|connect|connect-loopback|"
                                "ready|ready-by-hand|together|reset|migrate|spare-MS|fresh-MS COUNT, or bench fetch "
                                "REFERENCE\n");
                return 2;
        }
        unsigned count = (unsigned) strtoul(argv[2], NULL, 10);
        if (strcmp(argv[1], "fetch") == 0)
                fetch(argv[2]);
        else if (strcmp(argv[1], "connect") == 0)
                connect_inside(count);
        else if (strcmp(argv[1], "connect-loopback") == 0)
                connect_outside(count);
        else if (strcmp(argv[1], "reset") == 0)
                reset(count);
        else if (strncmp(argv[1], "spare-", 6) == 0 || strncmp(argv[1], "fresh-", 6) == 0)
                set_up(argv[1], count);
        else if (strcmp(argv[1], "migrate") == 0)
                start_migrated(count);
        else
                for (; count > 0; count--)
                        (strcmp(argv[1], "together") == 0 || strncmp(argv[1], "ready", 5) == 0 ? serve
                                                                                               : cycle)(argv[1]);
        return 0;
}
