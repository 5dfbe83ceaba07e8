/* SPDX-License-Identifier: MIT */

/* The life of a container between its start and its end: signals, pauses, what it uses and may use. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"

static const char *busybox, *vforking;
#define APP(line) ((const char *const[]){ "/bin/sh", "-c", line, NULL })

/* --- signals ---------------------------------------------------------------------------------------------------- */

static void signals_reach_the_app(void **state)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            .argv = APP("trap 'echo hup' HUP; trap 'echo usr1; exit 3' USR1; echo ready; "
                                        "while :; do sleep 0.01; done")));

        (void) state;
        await_words(c, "ready");
        works(mayfly_container_kill(c, SIGHUP, fresh()));
        await_words(c, "hup");
        works(mayfly_container_kill(c, SIGUSR1, fresh()));
        works(mayfly_container_wait(c, FOREVER_MS, &end, fresh()));
        assert_int_equal(end.status, 3);
        assert_int_equal(stats_of(c).reason, MAYFLY_END_EXIT);
        assert_int_equal(stats_of(c).status, 3);
        is_error(mayfly_container_kill(c, SIGHUP, fresh()), -ESRCH, "sending a signal: the app of container ");
        mayfly_container_free(c);
}

static void a_kill_is_seen(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("exec sleep 1000")));
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        (void) state;
        works(mayfly_container_kill(c, SIGKILL, fresh()));
        works(mayfly_container_wait(c, FOREVER_MS, &end, fresh()));
        assert_int_equal(end.signal, SIGKILL);
        assert_int_equal(stats_of(c).reason, MAYFLY_END_SIGNAL);
        assert_int_equal(stats_of(c).signal_number, SIGKILL);
        mayfly_container_stop(c, NULL);
        assert_int_equal(stats_of(c).state, MAYFLY_STATE_ENDED);
        assert_int_equal(stats_of(c).processes, 0);
        mayfly_container_free(c);
}

static void wrong_signals_are_refused(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("exec sleep 1000")));
        struct mayfly_container *idle = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        is_error(mayfly_container_kill(c, 0, fresh()), -EINVAL, "0 is no signal");
        is_error(mayfly_container_kill(c, 999, fresh()), -EINVAL, "999 is no signal");
        is_error(mayfly_container_kill(c, -9, fresh()), -EINVAL, "-9 is no signal");
        is_error(mayfly_container_kill(idle, SIGHUP, fresh()), -EINVAL, "runs no app");
        mayfly_container_stop(c, NULL);
        is_error(mayfly_container_kill(c, SIGHUP, fresh()), -ESRCH, "sending a signal: ");
        is_error(mayfly_container_pause(c, fresh()), -ESRCH, "pausing: ");
        mayfly_container_free(c);
        mayfly_container_free(idle);
}

/* --- pauses ----------------------------------------------------------------------------------------------------- */

#define COUNTS "i=0; while :; do i=$((i + 1)); echo $i > /tmp/count; done"

static void a_pause_stops_all(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("echo x; " COUNTS)));
        const char *const argv[] = { "true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        (void) state;
        command.argv = argv;
        await_output(c);
        for (unsigned i = 0; i < 3; i++) {
                works(mayfly_container_pause(c, fresh()));
                assert_int_equal(stats_of(c).state, MAYFLY_STATE_PAUSED);
                uint64_t cpu = stats_of(c).cpu_us;
                usleep(50000);
                assert_int_equal(stats_of(c).cpu_us, cpu);
                is_error(mayfly_container_pause(c, fresh()), -EBUSY, "is paused already");
                is_error(mayfly_container_run(c, &command, &result, fresh()), -EBUSY,
                         "is paused; resume it first, by mayfly_container_resume()");
                is_error(mayfly_container_wait(c, FOREVER_MS, NULL, fresh()), -EBUSY, "is paused");
                is_error(mayfly_container_kill(c, SIGTERM, fresh()), -EBUSY, "is paused");
                is_error(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/never")), fresh()), -EBUSY,
                         "is paused");
                works(mayfly_container_resume(c, fresh()));
                assert_int_equal(sh(c, "a=$(cat /tmp/count); while [ \"$(cat /tmp/count)\" = \"$a\" ]; do :; done"), 0);
                is_error(mayfly_container_resume(c, fresh()), -EINVAL, "is not paused");
        }
        stops(c, 0);
}

/* The size of a file inside, seen from outside. */
static off_t size_inside(const struct mayfly_container *c, const char *path)
{
        char name[100];
        struct stat st;

        snprintf(name, sizeof(name), "/proc/%d/root%s", (int) mayfly_container_leader(c), path);
        assert_int_equal(stat(name, &st), 0);
        return st.st_size;
}

/* Where root has a cgroup inside, PID 1 may be in one below that, and the app is not. */
static void a_pause_stops_all_cgroups(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .argv = APP("echo x; while :; do echo x >> /tmp/n; done")));

        (void) state;
        await_output(c);
        uint64_t cpu = stats_of(c).cpu_us;
        int status = sh(c, "cd /sys/fs/cgroup; [ ! -w cgroup.procs ] || { mkdir s && echo 1 > s/cgroup.procs; }");
        assert_true(status == 0 || geteuid() != 0);
        assert_true(stats_of(c).cpu_us >= cpu);
        works(mayfly_container_pause(c, fresh()));
        off_t size = size_inside(c, "/tmp/n");
        usleep(50000);
        assert_int_equal(size_inside(c, "/tmp/n"), size);
        works(mayfly_container_resume(c, fresh()));
        while (size_inside(c, "/tmp/n") == size)
                usleep(1000);
        mayfly_container_free(c);
}

static size_t log_size(struct mayfly_container *c)
{
        char *log = NULL;
        size_t size = 0;

        works(mayfly_container_logs(c, &log, &size, fresh()));
        free(log);
        return size;
}

/* A process that has called vfork() cannot stop before its child, which is stopped, has ended. */
static void a_pause_need_not_wait_for_the_kernel(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = vforking));

        (void) state;
        await_output(c);
        for (unsigned i = 0; i < 3; i++) {
                works(mayfly_container_pause(c, fresh()));
                size_t size = log_size(c);
                works(mayfly_container_resume(c, fresh()));
                while (log_size(c) <= size + 2)
                        usleep(1000);
        }
        mayfly_container_free(c);
}

static void a_paused_container_can_be_stopped(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            .argv = APP("trap 'echo bye; exit' TERM; echo x; while :; do sleep 0.01; done")));

        (void) state;
        await_output(c);
        works(mayfly_container_pause(c, fresh()));
        works(mayfly_container_stop(c, fresh()));
        await_words(c, "bye");
        mayfly_container_free(c);

        c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("exec sleep 1000")));
        works(mayfly_container_pause(c, fresh()));
        mayfly_container_free(c);
}

/* What dies while it is paused is dead, not paused. */
static void a_paused_container_can_die(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("exec sleep 1000")));

        (void) state;
        works(mayfly_container_pause(c, fresh()));
        assert_int_equal(kill(mayfly_container_leader(c), SIGKILL), 0);
        while (stats_of(c).state != MAYFLY_STATE_ENDED)
                usleep(1000);
        is_error(mayfly_container_wait(c, FOREVER_MS, NULL, fresh()), -ESRCH, "waiting: container ");
        for (unsigned i = 0; i < 2; i++) /* a resume that failed did not resume */
                is_error(mayfly_container_resume(c, fresh()), -ESRCH, "resuming: container ");
        mayfly_container_free(c);
}

/* --- what it uses ----------------------------------------------------------------------------------------------- */

static void use_is_told(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .argv = APP("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo x; "
                                                          "sleep 1000 & exec sleep 1000")));

        (void) state;
        await_output(c);
        struct mayfly_stats stats = stats_of(c);
        assert_int_equal(stats.state, MAYFLY_STATE_RUNNING);
        assert_int_equal(stats.reason, MAYFLY_END_NONE);
        assert_true(stats.memory > 0 && stats.memory != MAYFLY_UNKNOWN);
        assert_true(stats.cpu_us > 0 && stats.cpu_us != MAYFLY_UNKNOWN);
        while (stats.processes != 2) /* the shell that ends with its child */
                stats = stats_of(c);
        works(mayfly_container_kill(c, SIGTERM, fresh()));
        works(mayfly_container_wait(c, FOREVER_MS, NULL, fresh()));
        mayfly_container_stop(c, NULL);
        struct mayfly_stats after = stats_of(c);
        assert_int_equal(after.state, MAYFLY_STATE_ENDED);
        assert_int_equal(after.memory, 0);
        assert_true(after.cpu_us >= stats.cpu_us / 2 && after.cpu_us != MAYFLY_UNKNOWN);
        mayfly_container_free(c);
}

static void limits_change(void **state)
{
        const struct mayfly_limits limits = { .size = sizeof(limits), .memory_max = 64 << 20, .tasks_max = 20 };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .argv = APP("exec sleep 1000")));

        (void) state;
        int has_memory = stats_of(c).oom_kills != MAYFLY_UNKNOWN;
        int r = mayfly_container_set_limits(c, &limits, fresh());
        if (!has_memory) {
                is_error(r, -ENOTSUP, "memory.max = 67108864: there is no \"memory\" controller");
        } else {
                works(r);
                assert_int_not_equal(sh(c, "i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i + 1)); done"), 0);
                works(mayfly_container_set_limits(
                        c, &(const struct mayfly_limits){ .size = sizeof(limits), .tasks_max = 1000 }, fresh()));
                assert_int_equal(sh(c, "exec tail -n 1 /dev/zero"), -SIGKILL);
                assert_true(stats_of(c).oom_kills > 0);
        }
        works(mayfly_container_set_limits(c, &(const struct mayfly_limits) MAYFLY_LIMITS_INIT, fresh()));
        mayfly_container_stop(c, NULL);
        is_error(mayfly_container_set_limits(c, &limits, fresh()), -ESRCH, "changing limits: ");
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(signals_reach_the_app),
                cmocka_unit_test(a_kill_is_seen),
                cmocka_unit_test(wrong_signals_are_refused),
                cmocka_unit_test(a_pause_stops_all),
                cmocka_unit_test(a_pause_stops_all_cgroups),
                cmocka_unit_test(a_pause_need_not_wait_for_the_kernel),
                cmocka_unit_test(a_paused_container_can_be_stopped),
                cmocka_unit_test(a_paused_container_can_die),
                cmocka_unit_test(use_is_told),
                cmocka_unit_test(limits_change),
        };

        busybox = test_image("busybox");
        vforking = small_image("vforking", "{\"exec\":[\"/bin/vforks\"],\"user\":\"0\",\"group\":\"0\"}",
                               "cp '" VFORKS "' bin/vforks");
        return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
