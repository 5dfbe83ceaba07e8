/* SPDX-License-Identifier: MIT */

/* Many commands in one container, and many threads. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "machine/commands.h"
#include "support/containers.h"
#include "support/host.h"

#ifdef SYS_poll
#define POLL_CALL SYS_poll
#else
#define POLL_CALL SYS_ppoll /* of newer architectures */
#endif

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

struct waiter {
        struct mayfly_container *c;
        struct mayfly_exec *exec;
        int code;
        struct mayfly_error err;
};

static void *wait_for_it(void *data)
{
        struct waiter *waiter = data;

        waiter->code = mayfly_exec_wait(waiter->exec, UINT32_MAX, NULL, &waiter->err);
        return NULL;
}

static void *run_it(void *data)
{
        struct waiter *waiter = data;
        static const char *const argv[] = { "sleep", "1000", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        waiter->code = mayfly_container_run(waiter->c, &command, &result, &waiter->err);
        return NULL;
}

static void another_thread_may_stop_the_container(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
        struct mayfly_exec *exec = start_command(c, command_line("echo up; sleep 1000"));
        struct waiter waiters[4];
        pthread_t threads[4];

        (void) state;
        read_from(exec, "up\n");
        for (size_t i = 0; i < 4; i++) {
                waiters[i] = (struct waiter){ .c = c, .exec = exec, .err = MAYFLY_ERROR_INIT };
                assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? wait_for_it : run_it, &waiters[i]), 0);
        }
        prints_as(c, NULL, "while [ $(ps | grep -c '[s]leep 1000') -lt 3 ]; do sleep 0.01; done; echo all", "all\n");
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(waiters[i].code, -ESRCH);
                assert_non_null(strstr(waiters[i].err.message, "is stopped"));
        }
        mayfly_exec_free(exec);
        mayfly_container_free(c);
}

/* --- the container is freed ------------------------------------------------------------------------------------ */

struct user {
        struct waiter waiter;
        pthread_t thread;
        int number; /* of the thread; 0 before it calls */
        void *(*call)(void *data);
};

static void *wait_for_app(void *data)
{
        struct waiter *waiter = data;

        waiter->code = mayfly_container_wait(waiter->c, UINT32_MAX, NULL, &waiter->err);
        return NULL;
}

static int take_line(const struct mayfly_log_line *line, void *userdata)
{
        (void) line;
        (void) userdata;
        return 0;
}

static void *follow_log(void *data)
{
        struct waiter *waiter = data;

        waiter->code = mayfly_container_log_follow(waiter->c, NULL, UINT32_MAX, take_line, NULL, &waiter->err);
        return NULL;
}

static void *wait_for_words(void *data)
{
        struct waiter *waiter = data;

        waiter->code = mayfly_container_wait_for(
                waiter->c, MAYFLY_WAIT({ .log = "never written", .timeout_ms = FOREVER_MS }), &waiter->err);
        return NULL;
}

static void *make_call(void *data)
{
        struct user *user = data;

        __atomic_store_n(&user->number, (int) gettid(), __ATOMIC_RELEASE);
        return user->call(&user->waiter);
}

/* Whether the thread is in poll(2): that it is in the call is not to be seen otherwise. */
static int is_polling(const struct user *user)
{
        int number = __atomic_load_n(&user->number, __ATOMIC_ACQUIRE);
        char path[64];
        long call = -1;

        snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", number);
        FILE *f = number ? fopen(path, "re") : NULL;
        int n = f ? fscanf(f, "%ld", &call) : 0;
        if (f)
                fclose(f);
        return n == 1 && (call == POLL_CALL || call == SYS_ppoll);
}

static void another_thread_may_free_the_container(void **state)
{
        static const struct {
                void *(*call)(void *data);
                int code;
                const char *words;
        } calls[] = {
                { wait_for_it, -ESRCH, "stopped" },
                { run_it, -ESRCH, "stopped" },
                { wait_for_app, 0, "" },
                { follow_log, 0, "" },
                { wait_for_words, -ECANCELED, "is being freed by another thread" },
        };
        enum { N = sizeof(calls) / sizeof(calls[0]) };
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = test_image("busybox"),
                                            .argv = MAYFLY_STRINGS("sh", "-c", "trap exit TERM; sleep 1000 & wait")));
        struct mayfly_exec *exec = start_command(c, command_line("echo up; sleep 1000"));
        struct user users[N];

        (void) state;
        read_from(exec, "up\n");
        for (size_t i = 0; i < N; i++) {
                users[i] = (struct user){ .waiter = { .c = c, .exec = exec, .err = MAYFLY_ERROR_INIT },
                                          .call = calls[i].call };
                assert_int_equal(pthread_create(&users[i].thread, NULL, make_call, &users[i]), 0);
        }
        for (size_t i = 0; i < N; i++)
                while (!is_polling(&users[i]))
                        usleep(1000);
        mayfly_container_free(c);
        for (size_t i = 0; i < N; i++) {
                assert_int_equal(pthread_join(users[i].thread, NULL), 0);
                if (users[i].waiter.code != calls[i].code || !strstr(users[i].waiter.err.message, calls[i].words))
                        fail_msg("call %zu returned %d: %s", i, users[i].waiter.code, users[i].waiter.err.message);
        }
        mayfly_exec_free(exec);
}

/* --- many ----------------------------------------------------------------------------------------------------- */

static void *run_one(void *data)
{
        struct waiter *waiter = data;
        char number[16], expected[16];
        const char *const argv[] = { "echo", number, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        snprintf(number, sizeof(number), "%d", waiter->code);
        snprintf(expected, sizeof(expected), "%d\n", waiter->code);
        command.argv = argv;
        int r = mayfly_container_run(waiter->c, &command, &result, &waiter->err);
        waiter->code = r == 0 && strcmp(result->out, expected) == 0 ? 0 : 1;
        mayfly_result_free(result);
        return NULL;
}

static void two_hundred_threads_run_commands(void **state)
{
        enum { N = 200 };
        static struct waiter waiters[N];
        static pthread_t threads[N];

        for (int i = 0; i < N; i++) {
                waiters[i] = (struct waiter){ .c = *state, .code = i, .err = MAYFLY_ERROR_INIT };
                assert_int_equal(pthread_create(&threads[i], NULL, run_one, &waiters[i]), 0);
        }
        for (int i = 0; i < N; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (int i = 0; i < N; i++)
                if (waiters[i].code != 0)
                        fail_msg("command %d: %s", i, waiters[i].err.message);
}

/* Starts commands until there is an error. Returns its code; *ret_n commands run then. */
static int start_many(struct mayfly_container *c, struct mayfly_exec **all, size_t most, size_t *ret_n,
                      struct mayfly_error *err)
{
        size_t n = 0;
        int r = 0;

        while (r == 0 && n < most) {
                r = mayfly_exec_start(&all[n], c, command_line("read x; echo $x"), err);
                n += r == 0;
        }
        *ret_n = n;
        return r;
}

static void free_many(struct mayfly_exec **all, size_t n)
{
        for (size_t i = 0; i < n; i++)
                all[i] = mayfly_exec_free(all[i]);
}

/* Returns the limit on descriptors as it was. */
static struct rlimit allow_descriptors(rlim_t n)
{
        struct rlimit old, now;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        now = old;
        now.rlim_cur = n < old.rlim_max ? n : old.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
        return old;
}

static void a_thousand_run_in_the_background(void **state)
{
        enum { MOST = 1000 };
        static struct mayfly_exec *all[MOST];
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct rlimit old = allow_descriptors(5000);
        size_t n = 0;

        if (start_many(*state, all, MOST, &n, &err) < 0)
                fail_msg("after %zu: %s", n, err.message);
        for (size_t i = 0; i < n; i++) {
                char number[16];
                snprintf(number, sizeof(number), "%zu\n", i);
                write_to(all[i], number);
        }
        for (size_t i = 0; i < n; i++) {
                char number[16];
                snprintf(number, sizeof(number), "%zu\n", i);
                read_from(all[i], number);
                ends_with(all[i], 0, 0);
        }
        free_many(all, n);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void limits_are_named(void **state)
{
        enum { MOST = 60 };
        static struct mayfly_exec *all[MOST];
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        unsigned before = count_descriptors();
        struct rlimit old = allow_descriptors(before + 40);
        size_t n = 0;

        assert_int_equal(start_many(*state, all, MOST, &n, &err), -EMFILE);
        assert_true(n >= 5);
        assert_non_null(strstr(err.message, "raise RLIMIT_NOFILE (ulimit -n), or free commands"));
        free_many(all, n);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(count_descriptors(), before);
        prints_as(*state, NULL, "echo still there", "still there\n");
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(another_thread_may_stop_the_container),
                cmocka_unit_test(another_thread_may_free_the_container),
                WITH(two_hundred_threads_run_commands),
                WITH(a_thousand_run_in_the_background),
                WITH(limits_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
