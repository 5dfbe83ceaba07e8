/* SPDX-License-Identifier: MIT */

/* Payloads that do not want to go, and containers that go too early: nothing waits longer than it must. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"

static const char *busybox;

static void an_app_may_ignore_its_stop_signal(void **state)
{
        (void) state;
        /* The app of the image knows nothing of SIGWINCH. */
        stops(start_container(MAYFLY_SPEC(.image = busybox, .stop_signal = SIGWINCH, .stop_timeout_ms = 300)), 1);
}

static void daemons_go_too(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .stop_timeout_ms = FOREVER_MS));

        (void) state;
        assert_int_equal(
                sh(c, "for i in 1 2 3 4 5 6 7 8; do"
                      "  setsid sh -c \"trap '' TERM HUP INT; (setsid sleep 1000 &); while :; do sleep 9; done\" &"
                      "done; sleep 0.3; [ $(ps | grep -c '[s]leep 1000') -ge 8 ]"),
                0);
        stops(c, 0);
}

static void a_killed_supervisor_takes_its_command_along(void **state)
{
        const char *const argv[] = { "sh", "-c", "kill -9 $PPID; while :; do sleep 3333; done", NULL };
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .stop_timeout_ms = FOREVER_MS));
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;

        (void) state;
        command.argv = argv;
        command.timeout_ms = FOREVER_MS;
        assert_int_equal(mayfly_container_run(c, &command, &r, &err), -ESRCH);
        assert_non_null(strstr(err.message, "was killed from inside the container"));
        assert_int_equal(sh(c, "! ps | grep '[w]hile :'"), 0);
        stops(c, 0);
}

static void *kill_later(void *leader)
{
        usleep(200000);
        kill(*(pid_t *) leader, SIGKILL);
        return NULL;
}

static void death_ends_every_wait(void **state)
{
        const char *const argv[] = { "sleep", "100", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        pthread_t thread;

        (void) state;
        command.argv = argv;
        command.timeout_ms = FOREVER_MS;
        for (int waits = 0; waits < 2; waits++) {
                struct mayfly_container *c =
                        start_container(MAYFLY_SPEC(.image = busybox, .stop_timeout_ms = FOREVER_MS));
                pid_t leader = mayfly_container_leader(c);
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_result *r = NULL;
                struct mayfly_exit end = MAYFLY_EXIT_INIT;
                await_output(c);
                assert_int_equal(pthread_create(&thread, NULL, kill_later, &leader), 0);
                assert_int_equal(waits ? mayfly_container_wait(c, UINT32_MAX, &end, &err)
                                       : mayfly_container_run(c, &command, &r, &err),
                                 -ESRCH);
                assert_non_null(strstr(err.message, "died"));
                assert_non_null(strstr(err.message, "\n  | app of busybox"));
                pthread_join(thread, NULL);
                stops(c, 0);
        }
}

static atomic_int enough;

static void *fork_and_fork(void *unused)
{
        (void) unused;
        while (!enough) {
                pid_t pid = fork();
                if (pid == 0) {
                        sleep(3); /* with all our descriptors */
                        _exit(0);
                }
                usleep(3000);
        }
        return NULL;
}

static void children_forked_meanwhile_hold_nothing_up(void **state)
{
        const char *const argv[] = { "sleep", "100", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        pthread_t forker, killer;

        (void) state;
        command.argv = argv;
        command.timeout_ms = FOREVER_MS;
        assert_int_equal(pthread_create(&forker, NULL, fork_and_fork, NULL), 0);
        for (unsigned i = 0; i < 5; i++) {
                struct mayfly_container *c =
                        start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .stop_timeout_ms = FOREVER_MS));
                pid_t leader = mayfly_container_leader(c);
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_result *r = NULL;
                assert_int_equal(pthread_create(&killer, NULL, kill_later, &leader), 0);
                assert_int_equal(mayfly_container_run(c, &command, &r, &err), -ESRCH);
                pthread_join(killer, NULL);
                stops(c, 0);
        }
        enough = 1;
        pthread_join(forker, NULL);
        while (wait(NULL) > 0)
                ;
}

static void *fork_in_a_storm(void *unused)
{
        (void) unused;
        while (!enough) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(0);
                if (pid > 0)
                        waitpid(pid, NULL, 0);
                usleep(300);
        }
        return NULL;
}

/* How many copies of this program belong to PID 1: what was forked and never executed anything. */
static unsigned count_orphans(void)
{
        char own[512] = "", path[64], exe[512];
        FILE *f = popen("ps -A -o pid=,ppid=", "r");
        unsigned n = 0;
        int pid, parent;

        assert_non_null(f);
        assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
        while (fscanf(f, "%d %d", &pid, &parent) == 2) {
                snprintf(path, sizeof(path), "/proc/%d/exe", pid);
                ssize_t size = parent == 1 ? readlink(path, exe, sizeof(exe)) : -1;
                n += size == (ssize_t) strlen(own) && memcmp(exe, own, (size_t) size) == 0;
        }
        pclose(f);
        return n;
}

/* A copy of a program with threads has the C library's locks as they happen to be: it may call nothing that waits for
 * one. */
static void a_storm_of_forks_holds_no_start_up(void **state)
{
        enum { THREADS = 3, STARTS = 40 };
        unsigned orphans = count_orphans();
        pthread_t threads[THREADS];

        (void) state;
        enough = 0;
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, fork_in_a_storm, NULL), 0);
        for (unsigned i = 0; i < STARTS; i++)
                stops(start_container(MAYFLY_SPEC(.image = busybox)), 0);
        enough = 1;
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < 50 && count_orphans() > orphans; i++)
                usleep(20000);
        assert_int_equal(count_orphans(), orphans);
}

/* The limits and the like that a command in a new container has. */
static char *inherited(void)
{
        const char *const argv[] = { "sh", "-c",
                                     "cat /proc/self/limits /proc/self/oom_score_adj; grep Cpus_allowed_list "
                                     "/proc/self/status; cut -d' ' -f18,19,41 /proc/self/stat; umask",
                                     NULL };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox));
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        __attribute__((cleanup(free_result))) struct mayfly_result *r = NULL;

        command.argv = argv;
        if (mayfly_container_run(c, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_container_free(c);
        return strdup(r->out);
}

static void the_owners_limits_stay_with_it(void **state)
{
        char *before = inherited();
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        int status;

        (void) state;
        pid_t pid = fork(); /* nice values and hard limits are not to be had back */
        if (pid == 0) {
                static const struct {
                        int resource;
                        rlim_t soft;
                } less[] = { { RLIMIT_NOFILE, 500 },
                             { RLIMIT_MEMLOCK, 0 },
                             { RLIMIT_FSIZE, 8 << 20 },
                             { RLIMIT_SIGPENDING, 100 },
                             { RLIMIT_MSGQUEUE, 4096 } };
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(0, &one);
                for (size_t i = 0; i < sizeof(less) / sizeof(less[0]); i++) {
                        struct rlimit limit; /* not all hosts let root raise a hard one again */
                        getrlimit((__rlimit_resource_t) less[i].resource, &limit);
                        limit.rlim_cur = less[i].soft;
                        setrlimit((__rlimit_resource_t) less[i].resource, &limit);
                }
                sched_setaffinity(0, sizeof(one), &one);
                if (geteuid() == 0) /* nobody else may take it back */
                        (void) !nice(7);
                FILE *f = fopen("/proc/self/oom_score_adj", "we");
                if (f)
                        fputs("300", f);
                if (f)
                        fclose(f);
                umask(077);
                char *now = inherited();
                if (strcmp(now, before) != 0)
                        fprintf(stderr, "not the same:\n%s%s", before, now);
                int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = busybox, .log_size = 16 << 20), &err);
                fprintf(stderr, "%s\n", err.message);
                _exit(strcmp(now, before) != 0 || r != -EFBIG || !strstr(err.message, "ulimit -f"));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        free(before);
}

static void a_broken_init_fails_the_start_at_once(void **state)
{
        char directory[] = "/tmp/mayfly-resist-XXXXXX", command[512];
        const char *libexec = getenv("MAYFLY_LIBEXEC");
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        (void) state;
        char *old = strdup(libexec);
        assert_non_null(mkdtemp(directory));
        snprintf(command, sizeof(command), "cp %1$s/mayfly-* %2$s/; echo 'no program' > %2$s/mayfly-init", libexec,
                 directory);
        assert_int_equal(system(command), 0);
        setenv("MAYFLY_LIBEXEC", directory, 1);
        int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = busybox, .idle = 1), &err);
        setenv("MAYFLY_LIBEXEC", old, 1);
        free(old);
        assert_true(r < 0);
        assert_non_null(strstr(err.message, "died before it could answer"));
        assert_non_null(strstr(err.message, ":\n  | ")); /* each of its last messages is a line */
        snprintf(command, sizeof(command), "rm -r %s", directory);
        assert_int_equal(system(command), 0);
}

/* Mounts, in the mount namespace of `leader`, what is at `path` here. */
static void mount_into(pid_t leader, const char *path)
{
        int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), status;
        char file[64];

        snprintf(file, sizeof(file), "/proc/%d/ns/mnt", (int) leader);
        int namespace = open(file, O_RDONLY | O_CLOEXEC);
        assert_true(tree >= 0 && namespace >= 0);
        pid_t pid = fork();
        if (pid == 0)
                _exit(setns(namespace, CLONE_NEWNS) < 0 ||
                      move_mount(tree, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) < 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(tree);
        close(namespace);
}

/* A process that writes to a frozen file system sleeps in the kernel, and not even SIGKILL wakes it. */
static void what_cannot_die_is_named_in_time(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char directory[] = "/tmp/mayfly-resist-XXXXXX", command[512];

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(command, sizeof(command),
                 "truncate -s 16M %s/image && mkfs.ext4 -q %s/image && mkdir %s/mnt && mount -o loop %s/image %s/mnt",
                 directory, directory, directory, directory, directory);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof(command), "%s/mnt", directory);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .stop_timeout_ms = 100));
        mount_into(mayfly_container_leader(c), command);
        int mnt = open(command, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(ioctl(mnt, FIFREEZE, 0), 0);
        assert_int_equal(sh(c, "echo x > /tmp/file & sleep 0.2"), 0);

        int r = mayfly_container_stop(c, &err);
        ioctl(mnt, FITHAW, 0);
        close(mnt);
        assert_int_equal(r, -ETIMEDOUT);
        assert_non_null(strstr(err.message, "is still there after it was killed"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        if (mayfly_container_stop(c, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_container_free(c);
        snprintf(command, sizeof(command), "umount %s/mnt && rmdir %s/mnt && rm %s/image && rmdir %s", directory,
                 directory, directory, directory);
        assert_int_equal(system(command), 0);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_app_may_ignore_its_stop_signal),
                cmocka_unit_test(daemons_go_too),
                cmocka_unit_test(a_killed_supervisor_takes_its_command_along),
                cmocka_unit_test(death_ends_every_wait),
                cmocka_unit_test(children_forked_meanwhile_hold_nothing_up),
                cmocka_unit_test(a_storm_of_forks_holds_no_start_up),
                cmocka_unit_test(the_owners_limits_stay_with_it),
                cmocka_unit_test(a_broken_init_fails_the_start_at_once),
        };
        /* Wants loop devices, which a nested machine lacks. */
        const struct CMUnitTest stuck[] = { cmocka_unit_test(what_cannot_die_is_named_in_time) };

        const struct CMUnitTest storm[] = { cmocka_unit_test(a_storm_of_forks_holds_no_start_up) };

        busybox = test_image("busybox");
        if (argc > 1 && strcmp(argv[1], "storm") == 0)
                return cmocka_run_group_tests(storm, NULL, NULL);
        if (argc > 1 && strcmp(argv[1], "stuck") == 0)
                return cmocka_run_group_tests(stuck, NULL, NULL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
