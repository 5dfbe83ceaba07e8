/* SPDX-License-Identifier: MIT */

/* Containers that are halted and start again: what stays, what is awaited, and what goes wrong. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/exec.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/reach.h"

static const char *busybox, *serving;

#define APP(line) ((const char *const[]){ "/bin/sh", "-c", line, NULL })
#define SERVES(...) ((const char *const[]){ "/bin/serve", __VA_ARGS__, NULL })

#define LIVES "echo life >> /tmp/lives; wc -l < /tmp/lives; trap exit TERM; while :; do sleep 0.01; done"

static void writes_outlast_a_halt(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .argv = APP(LIVES), .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^[0-9]+$")),
                            .volumes = MAYFLY_VOLUMES({ .path = "/own", .mode = 0700, .uid = 7 })));
        char name[65];

        (void) state;
        snprintf(name, sizeof(name), "%s", mayfly_container_name(c));
        prints_as(c, NULL,
                  "exec 2>&1; cd /own && ln -s x link && echo 1 > file && chown 5:6 file && chmod 4750 file && "
                  "rm /bin/uname && mkdir /bin/made && chmod 711 / && ln /own/file /own/hard",
                  "");
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_halt(c, fresh()));
        assert_int_equal(stats_of(c).state, MAYFLY_STATE_ENDED);
        is_error(mayfly_container_kill(c, SIGHUP, fresh()), -ESRCH, "");
        works(mayfly_container_start_again(c, fresh()));
        is_error(mayfly_container_start_again(c, fresh()), -EBUSY, "runs; call mayfly_container_halt() first");
        assert_string_equal(mayfly_container_name(c), name);
        prints_as(c, NULL,
                  "cd /own; stat -c '%u %g %a %h' . file; readlink link; ls -d /bin/uname /bin/made 2>/dev/null; "
                  "wc -l < /tmp/lives; stat -c %a /",
                  "7 0 700 2\n5 6 4750 2\nx\n/bin/made\n2\n711\n");
        for (unsigned i = 0; i < 3; i++)
                works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "wc -l < /tmp/lives", "5\n");
        await_words(c, "1\n2\n3\n4\n5\n"); /* one log */
        stops(c, 0);
}

/* It is found by its old number, and refuses connections meanwhile; nobody else gets the number. */
static void ports_stay(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(
                        .image = serving,
                        .argv = APP(
                                "rm -f /run/x.sock; exec serve tcp:127.0.0.1:6379 udp:127.0.0.1:53 unix:/run/x.sock"),
                        .publish = MAYFLY_PORTS({ .port = 6379 }, { .port = 53, .protocol = "udp" },
                                                { .path = "/run/x.sock" })));
        static const char *const ports[] = { "6379/tcp", "53/udp", "unix:/run/x.sock" };
        struct mayfly_address before[3], after = MAYFLY_ADDRESS_INIT;

        (void) state;
        for (unsigned i = 0; i < 3; i++) {
                before[i] = (struct mayfly_address) MAYFLY_ADDRESS_INIT;
                address_of(c, ports[i], &before[i]);
        }
        for (unsigned life = 0; life < 3; life++) {
                int fd = reach_port(c, "6379/tcp", SOCK_STREAM);
                echoes(fd, "before");
                works(mayfly_container_halt(c, fresh()));
                assert_int_equal(reach_address(before[0].sockaddr, before[0].sockaddr_size, SOCK_STREAM),
                                 -ECONNREFUSED);
                start_fails(MAYFLY_SPEC(.image = serving, .argv = SERVES("tcp:127.0.0.1:80"),
                                        .publish = MAYFLY_PORTS({ .port = 80, .host_port = before[0].port })),
                            -EADDRINUSE, "which is in use by");
                start_fails(MAYFLY_SPEC(.image = serving, .argv = SERVES("udp:127.0.0.1:53"),
                                        .publish = MAYFLY_PORTS(
                                                { .port = 53, .protocol = "udp", .host_port = before[1].port })),
                            -EADDRINUSE, "which is in use by");
                works(mayfly_container_start_again(c, fresh()));
                close(fd);
                for (unsigned i = 0; i < 3; i++) {
                        address_of(c, ports[i], &after);
                        assert_int_equal(after.port, before[i].port);
                        fd = reach_address(before[i].sockaddr, before[i].sockaddr_size,
                                           i == 1 ? SOCK_DGRAM : SOCK_STREAM);
                        assert_true(fd >= 0);
                        echoes(fd, "after");
                        close(fd);
                }
        }
        works(mayfly_container_stop(c, fresh()));
        /* Now it is free. */
        struct mayfly_container *other =
                start_container(MAYFLY_SPEC(.image = serving, .argv = SERVES("tcp:127.0.0.1:80"),
                                            .publish = MAYFLY_PORTS({ .port = 80, .host_port = before[0].port })));
        mayfly_container_free(other);
        mayfly_container_free(c);
}

static int is_open(const struct mayfly_address *address)
{
        int fd = reach_address(address->sockaddr, address->sockaddr_size, SOCK_STREAM);

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

static void a_container_that_died_starts_again(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = serving, .argv = SERVES("tcp:127.0.0.1:6379"),
                                                                 .publish = MAYFLY_PORTS({ .port = 6379 })));
        struct mayfly_address before = MAYFLY_ADDRESS_INIT;

        (void) state;
        address_of(c, "6379/tcp", &before);
        assert_int_equal(sh(c, "echo kept > /kept"), 0);
        works(mayfly_container_kill(c, SIGKILL, fresh()));
        works(mayfly_container_wait(c, FOREVER_MS, NULL, fresh()));
        while (is_open(&before)) /* mayfly-forward ends with the container */
                usleep(1000);
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "cat /kept", "kept\n");
        int fd = reach_address(before.sockaddr, before.sockaddr_size, SOCK_STREAM);
        assert_true(fd >= 0);
        echoes(fd, "again");
        close(fd);
        assert_int_equal(kill(mayfly_container_leader(c), SIGKILL), 0);
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "cat /kept", "kept\n");
        mayfly_container_free(c);
}

static void a_wait_is_for_the_new_life(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            .argv = APP("if [ -e /tmp/second ]; then sleep 0.2; echo ready twice; else touch "
                                        "/tmp/second; echo ready; fi; "
                                        "exec sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^ready"), MAYFLY_WAIT_FILE("/tmp/second"))));
        char *log = NULL;

        (void) state;
        works(mayfly_container_restart(c, fresh()));
        works(mayfly_container_logs(c, &log, NULL, fresh()));
        assert_string_equal(log, "ready\nready twice\n");
        free(log);
        works(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("twice")), fresh()));
        is_error(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("^ready$", .timeout_ms = 50)), fresh()),
                 -ETIMEDOUT, "not ready after");
        mayfly_container_free(c);
}

/* An app that does not come up is one error; what it wrote is there, and another try may go better. */
static void a_restart_can_fail(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(
                        .image = busybox,
                        .argv = APP(
                                "if [ -e /tmp/broken ]; then rm /tmp/broken; echo cannot read; exit 5; fi; echo up; "
                                "exec sleep 1000"),
                        .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^up$"))));

        (void) state;
        assert_int_equal(sh(c, "touch /tmp/broken; chown www /tmp/broken"), 0);
        is_error(mayfly_container_restart(c, fresh()), -ESRCH, "exited with status 5");
        assert_int_equal(stats_of(c).state, MAYFLY_STATE_ENDED);
        works(mayfly_container_start_again(c, fresh()));
        assert_int_equal(sh(c, "test ! -e /tmp/broken"), 0);
        works(mayfly_container_pause(c, fresh()));
        works(mayfly_container_restart(c, fresh())); /* a paused one is resumed to end */
        works(mayfly_container_stop(c, fresh()));
        is_error(mayfly_container_start_again(c, fresh()), -ESRCH, "was stopped, and what it wrote is gone");
        is_error(mayfly_container_restart(c, fresh()), -ESRCH, "was stopped, and what it wrote is gone");
        mayfly_container_free(c);
}

/* However early a start fails, what the container wrote is there for the next. */
static void failed_starts_keep_what_was_written(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        assert_int_equal(sh(c, "rm -rf /var; ln -s /nowhere /var"), 0);
        works(mayfly_container_halt(c, fresh()));
        for (unsigned i = 0; i < 25; i++)
                is_error(mayfly_container_start_again(c, fresh()), -ESRCH, "/var is neither a directory nor");
        mayfly_container_free(c);
}

/* A container that is on a network has its address and its names in the next life, and the others its line meanwhile not. */
static void networks_hold(void **state)
{
        struct mayfly_network *network = NULL;

        (void) state;
        works(mayfly_network_create(&network, fresh()));
        struct mayfly_network *list[] = { network, NULL };
        struct mayfly_container *server =
                start_container(MAYFLY_SPEC(.image = serving, .name = "server", .argv = SERVES("tcp:0.0.0.0:7000"),
                                            .networks = list, .aliases = ((const char *const[]){ "db", NULL }),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("7000"))));
        struct mayfly_container *client = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .networks = list));
#define ASKS "echo hello | nc -w 5 db 7000"
        prints_as(client, NULL, ASKS, "hello\n");
        prints_as(client, NULL, "grep -w db /etc/hosts > /tmp/before; wc -l < /tmp/before", "2\n");
        works(mayfly_container_halt(server, fresh()));
        assert_int_equal(sh(client, "grep -qw db /etc/hosts"), 1);
        works(mayfly_container_start_again(server, fresh()));
        prints_as(client, NULL, ASKS, "hello\n");
        assert_int_equal(sh(client, "grep -w db /etc/hosts | cmp - /tmp/before"), 0);
        works(mayfly_container_restart(client, fresh()));
        prints_as(client, NULL, ASKS, "hello\n");
        assert_int_equal(sh(client, "grep -w db /etc/hosts | cmp - /tmp/before"), 0);
        prints_as(client, NULL, "sort /etc/hosts | uniq -d", "");
        mayfly_container_free(client);
        mayfly_container_free(server);
        mayfly_network_free(network);
}

/* On a network /etc/hosts is mayfly's: each start makes it, whatever the container has put there. */
static void hosts_are_made_anew(void **state)
{
        static const char *const changes[] = {
                "echo 1.2.3.4 gone >> /etc/hosts; sed -i s/localhost/here/ /etc/hosts",
                "rm /etc/hosts; ln -s /nowhere /etc/hosts",
                "rm /etc/hosts; mkdir -p /etc/hosts/full/of",
                "rm /etc/hosts; mkfifo /etc/hosts",
                "rm /etc/hosts",
        };
        struct mayfly_network *network = NULL;

        (void) state;
        works(mayfly_network_create(&network, fresh()));
        struct mayfly_network *list[] = { network, NULL };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .networks = list,
                                                                 .aliases = ((const char *const[]){ "db", NULL })));
        char *before = mayfly_cmocka_sh(c, "stat -c '%F %a %u %h' /etc/hosts; cat /etc/hosts");
        for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                assert_int_equal(sh(c, changes[i]), 0);
                works(mayfly_container_restart(c, fresh()));
                prints_as(c, NULL, "stat -c '%F %a %u %h' /etc/hosts; cat /etc/hosts", before);
        }
        free(before);
        mayfly_container_free(c);
        mayfly_network_free(network);
}

/* What a container shares lasts as long as it may start again. */
static void a_shared_volume_is_there_again(void **state)
{
        struct mayfly_tmpfs *tmpfs = NULL;

        (void) state;
        works(mayfly_tmpfs_create(&tmpfs, 0, fresh()));
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1,
                                            .volumes = MAYFLY_VOLUMES({ .path = "/shared", .tmpfs = tmpfs })));
        mayfly_tmpfs_free(tmpfs);
        assert_int_equal(sh(c, "echo x > /shared/x"), 0);
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "cat /shared/x", "x\n");
        stops(c, 0);
}

/* The files of the spec are put once: afterwards they are the container's. */
static void files_are_put_once(void **state)
{
        char text[] = "first\n";
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1,
                                            .files = MAYFLY_FILES({ .path = "/given", .text = text },
                                                                  { .path = "/kept", .text = text })));
        struct mayfly_snapshot *snapshot = NULL;

        (void) state;
        memset(text, 'x', sizeof(text) - 2); /* the caller's memory */
        assert_int_equal(sh(c, "echo changed > /given"), 0);
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "cat /given /kept", "changed\nfirst\n");
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        for (unsigned i = 0; i < 2; i++) {
                works(mayfly_container_reset(c, fresh()));
                prints_as(c, NULL, "cat /given /kept; rm /given", "changed\nfirst\n");
        }
        mayfly_container_free(c);
        /* Of another container's snapshot the spec's files are part of each beginning. */
        c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot,
                                        .files = MAYFLY_FILES({ .path = "/given", .data = "a\0b", .data_size = 3 })));
        for (unsigned i = 0; i < 2; i++) {
                prints_as(c, NULL, "wc -c < /given; cat /kept; rm /given", "3\nfirst\n");
                works(mayfly_container_reset(c, fresh()));
        }
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

/* A command is of one life. */
static void an_old_command_has_ended(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        const char *const argv[] = { "sleep", "1000", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_exec *exec = NULL;

        (void) state;
        command.argv = argv;
        works(mayfly_exec_start(&exec, c, &command, fresh()));
        works(mayfly_container_restart(c, fresh()));
        is_error(mayfly_exec_signal(exec, SIGTERM, fresh()), -ESRCH, "has ended");
        is_error(mayfly_exec_wait(exec, FOREVER_MS, NULL, fresh()), -ESRCH, "was started again since");
        works(mayfly_container_pause(c, fresh()));
        is_error(mayfly_exec_signal(exec, SIGTERM, fresh()), -ESRCH, "has ended");
        works(mayfly_exec_kill(exec, fresh()));
        mayfly_exec_free(exec);
        mayfly_container_free(c);
}

/* Nothing of a halted container is left but descriptors of this program. */
static void a_halt_leaves_nothing(void **state)
{
        unsigned before = count_descriptors();
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = serving, .argv = SERVES("tcp:127.0.0.1:6379"),
                                                                 .publish = MAYFLY_PORTS({ .port = 6379 })));
        char command[200];

        (void) state;
        pid_t leader = mayfly_container_leader(c);
        works(mayfly_container_halt(c, fresh()));
        assert_int_equal(kill(leader, 0), -1);
        snprintf(command, sizeof(command), "! find /sys/fs/cgroup -name '*%s*' 2>/dev/null | grep -q .",
                 mayfly_container_name(c));
        assert_int_equal(system(command), 0);
        for (unsigned i = 0; i < 5; i++)
                works(mayfly_container_restart(c, fresh()));
        works(mayfly_container_halt(c, fresh()));
        mayfly_container_free(c);
        assert_int_equal(count_descriptors(), before);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_outlast_a_halt),
                cmocka_unit_test(ports_stay),
                cmocka_unit_test(a_container_that_died_starts_again),
                cmocka_unit_test(a_wait_is_for_the_new_life),
                cmocka_unit_test(a_restart_can_fail),
                cmocka_unit_test(failed_starts_keep_what_was_written),
                cmocka_unit_test(networks_hold),
                cmocka_unit_test(hosts_are_made_anew),
                cmocka_unit_test(a_shared_volume_is_there_again),
                cmocka_unit_test(files_are_put_once),
                cmocka_unit_test(an_old_command_has_ended),
                cmocka_unit_test(a_halt_leaves_nothing),
        };

        busybox = test_image("busybox");
        serving = serving_image("restarted");
        return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
