/* SPDX-License-Identifier: MIT */

/* Children that a test forks, and grandchildren, use its container and do not own it. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/reach.h"

static const char *busybox, *serving;

static pid_t begin_child(void (*function)(struct mayfly_container *c), struct mayfly_container *c)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                function(c);
                mayfly_container_free(c);
                _exit(0);
        }
        return pid;
}

static void use_all(struct mayfly_container *c)
{
        struct mayfly_file file = MAYFLY_FILE_INIT;
        struct mayfly_stats stats = MAYFLY_STATS_INIT;
        char path[32], line[128], *data = NULL;
        size_t size = 0;
        int fd = -1;

        snprintf(path, sizeof(path), "/tmp/of-%d", (int) getpid());
        file.path = path;
        file.text = path;
        CHECK(mayfly_container_put(c, &file, fresh()) == 0);
        snprintf(line, sizeof(line), "[ $(cat %s) = %s ] && exit 7", path, path);
        for (int i = 0; i < 5; i++) {
                CHECK(run_line(c, line) == 7);
                CHECK(mayfly_container_connect(c, "6379/tcp", &fd, fresh()) == 0);
                CHECK(is_echoed(fd));
                close(fd);
                CHECK(mayfly_container_connect(c, "unix:/tmp/x.sock", &fd, fresh()) == 0);
                CHECK(is_echoed(fd));
                close(fd);
        }
        CHECK(mayfly_container_read_file(c, path, 0, &data, &size, fresh()) == 0 && strcmp(data, path) == 0);
        free(data);
        CHECK(mayfly_container_logs(c, &data, &size, fresh()) == 0 && strstr(data, "began"));
        free(data);
        CHECK(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379"), MAYFLY_WAIT_FILE(path)), fresh()) ==
              0);
        CHECK(mayfly_container_stats(c, &stats, fresh()) == 0 && stats.state == MAYFLY_STATE_RUNNING);
        CHECK(mayfly_link_set(c, "6379", MAYFLY_LINK(.latency_ms = 1), fresh()) == 0);
}

static void fork_and_use_all(struct mayfly_container *c)
{
        int status = 1;
        pid_t pid;

        use_all(c);
        pid = fork();
        if (pid == 0) {
                use_all(c);
                mayfly_container_free(c);
                _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        use_all(c);
}

static struct mayfly_container *start_server(void)
{
        return start_container(
                MAYFLY_SPEC(.image = serving,
                            .argv = ((const char *const[]){
                                    "/bin/sh", "-c", "echo began; exec serve tcp:127.0.0.1:6379 unix:/tmp/x.sock",
                                    NULL }),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379"), MAYFLY_WAIT_UNIX("/tmp/x.sock")),
                            .publish = MAYFLY_PORTS({ .port = 6379 })));
}

static void children_use_it_at_once(void **state)
{
        struct mayfly_container *c = start_server();
        pid_t children[4];

        (void) state;
        await_words(c, "began");
        for (unsigned i = 0; i < 4; i++)
                children[i] = begin_child(i % 2 ? use_all : fork_and_use_all, c);
        for (unsigned i = 0; i < 5; i++)
                prints_as(c, NULL, "echo mine", "mine\n");
        for (unsigned i = 0; i < 4; i++)
                ends_well(children[i]);
        prints_as(c, NULL, "ls /tmp | grep -c of-", "6\n");
        int fd = -1;
        works(mayfly_container_connect(c, "6379/tcp", &fd, fresh()));
        assert_true(is_echoed(fd));
        close(fd);
        stops(c, 0);
}

/* Nothing of the parent's has reached mayfly-forward or mayfly-files before. */
static void a_child_is_the_first(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = serving, .argv = ((const char *const[]){ "serve", "tcp:127.0.0.1:6379", NULL })));
        pid_t pid = fork();
        int fd = -1;

        (void) state;
        if (pid == 0) {
                CHECK(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379")), fresh()) == 0);
                CHECK(mayfly_container_connect(c, "6379/tcp", &fd, fresh()) == 0);
                CHECK(is_echoed(fd));
                _exit(0); /* without freeing anything */
        }
        ends_well(pid);
        works(mayfly_container_connect(c, "6379/tcp", &fd, fresh()));
        assert_true(is_echoed(fd));
        close(fd);
        mayfly_container_free(c);
}

static void refuse_all(struct mayfly_container *c)
{
        struct mayfly_snapshot *snapshot = NULL;
        struct mayfly_limits limits = MAYFLY_LIMITS_INIT;
        struct mayfly_publish port = MAYFLY_PUBLISH_INIT;

        limits.tasks_max = 9;
        port.port = 9;
        CHECK(run_line(c, "exit 3") == 3);
        CHECK(mayfly_container_stop(c, fresh()) == -ECHILD && strstr(last_message(), "alone can stop"));
        CHECK(mayfly_container_halt(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_restart(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_start_again(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_reset(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_pause(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_resume(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_snapshot(c, &snapshot, fresh()) == -ECHILD);
        CHECK(mayfly_container_set_limits(c, &limits, fresh()) == -ECHILD);
        CHECK(mayfly_container_publish(c, &port, fresh()) == -ECHILD);
        CHECK(run_line(c, "exit 4") == 4);
}

static void a_child_does_not_own_it(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        ends_well(begin_child(refuse_all, c));
        prints_as(c, NULL, "echo alive", "alive\n");
        stops(c, 0);
}

/* Its commands end with the child, and nothing else does. */
static void leave_a_command(struct mayfly_container *c)
{
        const char *const argv[] = { "/bin/sh", "-c", "exec sleep 7777", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_exec *exec = NULL;

        command.argv = argv;
        CHECK(mayfly_exec_start(&exec, c, &command, fresh()) == 0);
        kill(getpid(), SIGKILL);
}

static void a_killed_child_ends_its_commands_only(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        pid_t pid = begin_child(leave_a_command, c);
        int status;

        (void) state;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WTERMSIG(status), SIGKILL);
        prints_as(c, NULL, "while grep -qs 'sleep.777[7]' /proc/[0-9]*/cmdline; do sleep 0.01; done; echo gone",
                  "gone\n");
        mayfly_container_free(c);
}

static void signal_and_wait(struct mayfly_container *c)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        CHECK(mayfly_container_kill(c, SIGUSR1, fresh()) == 0);
        CHECK(mayfly_container_wait(c, FOREVER_MS, &end, fresh()) == 0);
        CHECK(end.exited && end.status == 5);
        CHECK(run_line(c, "true") == -ESRCH && strstr(last_message(), "exited with status 5"));
}

static void children_see_how_the_app_ends(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready")),
                            .argv = ((const char *const[]){
                                    "/bin/sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.01; done",
                                    NULL })));
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        (void) state;
        ends_well(begin_child(signal_and_wait, c));
        works(mayfly_container_wait(c, FOREVER_MS, &end, fresh()));
        assert_int_equal(end.status, 5);
        mayfly_container_free(c);
}

static void find_it_paused(struct mayfly_container *c)
{
        CHECK(run_line(c, "true") == -EBUSY && strstr(last_message(), "is paused"));
        CHECK(mayfly_container_kill(c, SIGHUP, fresh()) == -EBUSY);
}

static void a_paused_container_says_so(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        works(mayfly_container_pause(c, fresh()));
        ends_well(begin_child(find_it_paused, c));
        works(mayfly_container_resume(c, fresh()));
        ends_well(begin_child(refuse_all, c));
        mayfly_container_free(c);
}

static void find_it_stopped(struct mayfly_container *c)
{
        CHECK(run_line(c, "true") == -ESRCH && strstr(last_message(), "which belongs to process "));
        CHECK(mayfly_container_exists(c, "/bin", fresh()) == -ESRCH);
}

/* One that was used before, and one that was not. */
static void a_child_outlives_its_container(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        int used[2], go[2];
        char byte;

        (void) state;
        assert_int_equal(pipe(used), 0);
        assert_int_equal(pipe(go), 0);
        pid_t children[2];
        for (unsigned i = 0; i < 2; i++) {
                children[i] = fork();
                if (children[i] != 0)
                        continue;
                close(go[1]);
                CHECK(i == 0 || run_line(c, "true") == 0);
                CHECK(write(used[1], "", 1) == 1);
                CHECK(read(go[0], &byte, 1) == 0);
                find_it_stopped(c);
                mayfly_container_free(c);
                _exit(0);
        }
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(read(used[0], &byte, 1), 1);
        stops(c, 0);
        close(go[1]);
        ends_well(children[0]);
        ends_well(children[1]);
        close(go[0]);
        close(used[0]);
        close(used[1]);
}

/* The container ends with its owner, however many of its children use it. */
static void a_child_outlives_its_parent(void **state)
{
        int answer[2];
        char byte = 0;

        (void) state;
        assert_int_equal(pipe(answer), 0);
        pid_t owner = fork();
        if (owner == 0) {
                struct mayfly_container *c = NULL;
                CHECK(mayfly_container_start(&c, MAYFLY_SPEC(.image = busybox, .idle = 1), fresh()) == 0);
                pid_t parent = getpid();
                if (fork() == 0) {
                        CHECK(run_line(c, "true") == 0);
                        CHECK(kill(parent, SIGKILL) == 0);
                        CHECK(run_line(c, "sleep 7777") == -ESRCH);
                        find_it_stopped(c);
                        CHECK(write(answer[1], "y", 1) == 1);
                        _exit(0);
                }
                for (;;)
                        pause();
        }
        close(answer[1]);
        assert_int_equal(read(answer[0], &byte, 1), 1);
        assert_int_equal(byte, 'y');
        close(answer[0]);
        assert_int_equal(waitpid(owner, NULL, 0), owner);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(children_use_it_at_once),
                cmocka_unit_test(a_child_is_the_first),
                cmocka_unit_test(a_child_does_not_own_it),
                cmocka_unit_test(a_killed_child_ends_its_commands_only),
                cmocka_unit_test(children_see_how_the_app_ends),
                cmocka_unit_test(a_paused_container_says_so),
                cmocka_unit_test(a_child_outlives_its_container),
                cmocka_unit_test(a_child_outlives_its_parent),
        };

        busybox = test_image("busybox");
        serving = serving_image("fork");
        return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
