/* SPDX-License-Identifier: MIT */

/* A test program that ends badly: starts a container on a network, prints "MACHINE LEADER" and does what it was told. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "support/host.h"

static struct mayfly_container *container;

static int run(const char *line, unsigned timeout_ms)
{
        const char *const argv[] = { "/bin/sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        command.timeout_ms = timeout_ms;
        if (mayfly_container_run(container, &command, &result, &err) < 0) {
                fprintf(stderr, "%s\n", err.message);
                return -1;
        }
        int status = result->exit->exited ? result->exit->status : 128 + result->exit->signal;
        mayfly_result_free(result);
        return status;
}

/* One that lives on with all our descriptors, and one that executes something else. */
static void fork_heirs(void)
{
        if (fork() == 0) {
                pause();
                _exit(0);
        }
        if (fork() == 0) {
                execlp("sleep", "sleep", "4242", (char *) NULL);
                _exit(127);
        }
}

/* Goes on putting a large file. */
static void put_files(void)
{
        static char data[64 << 20];
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_file file = MAYFLY_FILE_INIT;

        file.path = "/large";
        file.data = data;
        file.data_size = sizeof(data);
        while (mayfly_container_put(container, &file, &err) == 0)
                ;
        fprintf(stderr, "%s\n", err.message);
}

static void *use_it_later(void *unused)
{
        (void) unused;
        usleep(300000);
        printf("%d\n", run("exit 7", 0));
        fflush(stdout);
        pause();
        return NULL;
}

/* Does what its standard input says, and answers each line with one. */
static void obey(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char line[256];

        while (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = '\0';
                if (strcmp(line, "stop") == 0) {
                        struct mayfly_timings timings = MAYFLY_TIMINGS_INIT;
                        int r = mayfly_container_stop(container, &err);
                        mayfly_container_timings(container, &timings, NULL);
                        printf("%d after %d ms: %s\n", r, (int) (timings.stop_us / 1000), err.message);
                } else {
                        printf("%d\n", run(line, 0));
                }
                fflush(stdout);
        }
        mayfly_container_free(container);
        exit(0);
}

/* Of each kind that has something under way, and none of which ever holds. */
#define WAITS                                                                                             \
        MAYFLY_WAIT(MAYFLY_WAIT_PORT("1"), MAYFLY_WAIT_PORT("1/udp"), MAYFLY_WAIT_HTTP("/", .port = "1"), \
                    MAYFLY_WAIT_UNIX("/none"), MAYFLY_WAIT_FILE("/none"), MAYFLY_WAIT_LOG("none"),        \
                    MAYFLY_WAIT_NOTIFY(), MAYFLY_WAIT_COMMAND("sh", "-c", "sleep 100 & sleep 100; exit 1"))

static void start(const char *action)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_network *networks[] = { NULL, NULL };
        int stubborn = strcmp(action, "stop") == 0, waits = strcmp(action, "start-wait") == 0;
        int has_spares = strcmp(action, "spares") == 0; /* which can be on no network */

        if (mayfly_network_create(&networks[0], &err) < 0 ||
            mayfly_container_start(
                    &container,
                    MAYFLY_SPEC(.image = test_image("busybox"), .name = "lifeline", .stop_signal = stubborn ? 28 : 0,
                                .networks = has_spares ? NULL : networks, .spare = has_spares ? 3 : 0,
                                .publish = MAYFLY_PORTS({ .port = 7 }), .wait = waits ? WAITS : MAYFLY_WAIT_NONE,
                                .keep_files = strcmp(action, "files") == 0),
                    &err) < 0) {
                fprintf(stderr, "%s\n", err.message);
                exit(1);
        }
        mayfly_network_free(networks[0]); /* the container is still on it */
        printf("%s %d\n", mayfly_container_name(container), (int) mayfly_container_leader(container));
        fflush(stdout);
}

/* Lives on from a snapshot, which is in the program's hands. */
static int go_back(struct mayfly_container *c, struct mayfly_error *err)
{
        static struct mayfly_snapshot *snapshot;

        int r = mayfly_container_pause(c, err);
        if (r == 0)
                r = mayfly_container_snapshot(c, &snapshot, err);
        return r == 0 ? mayfly_container_reset(c, err) : r;
}

/* By a file that is to go with the container. */
static int share_it(struct mayfly_container *c, struct mayfly_error *err)
{
        char path[64];

        snprintf(path, sizeof(path), "/tmp/lifeline-%d.json", (int) getpid());
        return mayfly_container_share(c, path, -1, err);
}

/* Does what has one call only, and tells when that is done. */
static void call(int (*function)(struct mayfly_container *c, struct mayfly_error *err))
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        printf("%d %s\n", function(container, &err), err.message);
        fflush(stdout);
}

int main(int argc, char **argv)
{
        const char *action = argc > 1 ? argv[1] : "";
        pthread_t thread;

        setenv("MAYFLY_REQUIRE", "1", 1);
        start(action);
        if (strcmp(action, "segv") == 0)
                *(volatile int *) (uintptr_t) (argc - 2) = 1;
        else if (strcmp(action, "abort") == 0)
                abort();
        else if (strcmp(action, "exit") == 0)
                exit(0);
        else if (strcmp(action, "_exit") == 0)
                _exit(0);
        else if (strcmp(action, "exec") == 0)
                execlp("sleep", "sleep", "4242", (char *) NULL);
        else if (strcmp(action, "heirs") == 0)
                fork_heirs();
        else if (strcmp(action, "command") == 0)
                run("setsid sh -c 'sleep 100 & sleep 100' & sleep 100", 60000);
        else if (strcmp(action, "files") == 0)
                put_files();
        else if (strcmp(action, "stop") == 0) /* with SIGWINCH, which its app ignores */
                mayfly_container_stop(container, NULL);
        else if (strcmp(action, "wait-for") == 0)
                mayfly_container_wait_for(container, WAITS, NULL);
        else if (strcmp(action, "thread") == 0 && pthread_create(&thread, NULL, use_it_later, NULL) == 0)
                pthread_exit(NULL);
        else if (strcmp(action, "obey") == 0)
                obey();
        else if (strcmp(action, "pause") == 0)
                call(mayfly_container_pause);
        else if (strcmp(action, "halt") == 0)
                call(mayfly_container_halt);
        else if (strcmp(action, "snapshot") == 0)
                call(go_back);
        else if (strcmp(action, "share") == 0)
                call(share_it);
        while (strcmp(action, "restart") == 0)
                call(mayfly_container_restart);
        if (strcmp(action, "free") == 0)
                return mayfly_container_free(container) != NULL;
        for (;;)
                pause();
}
