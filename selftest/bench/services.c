/* SPDX-License-Identifier: MIT */

/* Measurements of waits for selftest/bench/run: prints microseconds, one a line.
 *
 *   bench-services wait SERVICE...   from the start until all of them, started at the same time, listen
 *   bench-services hand SERVICE      the same of one, with a loop that tries to connect every millisecond
 *   bench-services notice COUNT      from the time at which a port begins to listen until a wait for it returns
 *
 * A SERVICE is redis, nginx or postgresql, of the image $MAYFLY_BENCH_SERVICES (examples/services/make-rootfs). The last one
 * is measured with the image $MAYFLY_TEST_BUSYBOX on the network of the host. */

#define _GNU_SOURCE
#include <mayfly/mayfly.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVICES_MAX 3

static const char *const redis[] = { "redis-server", "--save", "", NULL };
static const char *const nginx[] = { "nginx", "-g", "daemon off;", NULL };
static const char *const postgresql[] = { "pg_ctlcluster", "15", "main", "start", "--foreground", NULL };

static const struct service {
        const char *name, *const *entrypoint, *user;
        unsigned port;
} services[] = {
        { "redis", redis, "redis", 6379 },
        { "nginx", nginx, NULL, 80 },
        { "postgresql", postgresql, NULL, 5432 },
};

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "bench-services: %s\n", what);
        exit(1);
}

static long long now_us(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (long long) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static const struct service *find(const char *name)
{
        for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
                if (strcmp(services[i].name, name) == 0)
                        return &services[i];
        die("the services are redis, nginx and postgresql");
}

/* Sets the spec of a service; `ports` has room for its list. */
static void describe(const struct service *service, const struct mayfly_wait *wait, struct mayfly_publish ports[3],
                     struct mayfly_spec *ret)
{
        ports[0] = ports[1] = (struct mayfly_publish) MAYFLY_PUBLISH_INIT;
        ports[1].port = service->port;
        ports[2] = (struct mayfly_publish){ .size = 0 };
        *ret = (struct mayfly_spec) MAYFLY_SPEC_INIT;
        ret->image = getenv("MAYFLY_BENCH_SERVICES");
        ret->name = service->name;
        ret->entrypoint = service->entrypoint;
        ret->user = service->user;
        ret->publish = ports;
        ret->wait = wait;
}

/* As one does who knows no better: tries again until somebody listens. */
static void connect_by_hand(struct mayfly_container *container, unsigned port)
{
        char text[16];
        int fd = -1;

        snprintf(text, sizeof(text), "%u", port);
        while (mayfly_container_connect(container, text, &fd, NULL) == -ECONNREFUSED)
                usleep(1000);
        if (fd < 0)
                die("the service cannot be connected with");
        close(fd);
}

static void serve(int is_by_hand, char **names, size_t n)
{
        const struct mayfly_wait *none = MAYFLY_WAIT_NONE;
        struct mayfly_publish ports[SERVICES_MAX][3];
        struct mayfly_spec specs[SERVICES_MAX];
        const struct mayfly_spec *list[SERVICES_MAX];
        struct mayfly_container *containers[SERVICES_MAX] = { NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        for (size_t i = 0; i < n; i++) {
                describe(find(names[i]), is_by_hand ? none : NULL, ports[i], &specs[i]);
                list[i] = &specs[i];
        }
        long long begin = now_us();
        if (mayfly_containers_start(list, n, containers, &err) < 0)
                die(err.message);
        if (is_by_hand)
                connect_by_hand(containers[0], find(names[0])->port);
        printf("%lld\n", now_us() - begin);
        for (size_t i = 0; i < n; i++)
                mayfly_container_free(containers[i]);
}

/* --- how soon a wait notices ------------------------------------------------------------------------------------ */

struct waiter {
        struct mayfly_container *container;
        char port[16];
        long long noticed_us;
};

static void *await(void *userdata)
{
        struct waiter *waiter = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_wait_for(waiter->container, MAYFLY_WAIT(MAYFLY_WAIT_PORT(waiter->port)), &err) < 0)
                die(err.message);
        waiter->noticed_us = now_us();
        return NULL;
}

static long long notice(struct mayfly_container *container)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t size = sizeof(address);
        struct waiter waiter = { .container = container };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pthread_t thread;

        if (bind(fd, (struct sockaddr *) &address, size) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                die("a port of the host");
        snprintf(waiter.port, sizeof(waiter.port), "%u", ntohs(address.sin_port));
        if (pthread_create(&thread, NULL, await, &waiter) != 0)
                die("a thread");
        usleep(20000 + (unsigned) (now_us() % 5000)); /* at any time between two looks */
        long long begin = now_us();
        if (listen(fd, 1) < 0)
                die("listening");
        pthread_join(thread, NULL);
        close(fd);
        return waiter.noticed_us - begin;
}

static void notice_each(unsigned count)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;

        if (mayfly_container_start(
                    &container,
                    MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .idle = 1, .network = MAYFLY_NETWORK_HOST),
                    &err) < 0)
                die(err.message);
        for (; count > 0; count--)
                printf("%lld\n", notice(container));
        mayfly_container_free(container);
}

int main(int argc, char **argv)
{
        int is_by_hand = argc == 3 && strcmp(argv[1], "hand") == 0;

        if (argc == 3 && strcmp(argv[1], "notice") == 0)
                notice_each((unsigned) strtoul(argv[2], NULL, 10));
        else if (is_by_hand || (argc > 2 && argc <= 2 + SERVICES_MAX && strcmp(argv[1], "wait") == 0))
                serve(is_by_hand, argv + 2, (size_t) argc - 2);
        else
                die("usage: bench-services wait SERVICE..., hand SERVICE, or notice COUNT");
        return 0;
}
