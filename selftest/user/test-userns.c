/* SPDX-License-Identifier: MIT */
/* The user namespace of an ordinary user's program, which has threads and notices nothing of mayfly-helper. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "privilege/userns.h"
#include "util/macro.h"

#define THREADS 8

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
        (void) number;
        signals++;
}

static void *get(void *userdata)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = -1;

        (void) userdata;
        if (mf_userns_get(&fd, &err) < 0)
                fprintf(stderr, "%s\n", err.message);
        return (void *) (intptr_t) fd;
}

/* Gets it in several threads at once: all get the same. */
static void test_threads(void **state)
{
        uid_t ids[6];
        pthread_t threads[THREADS];
        void *fds[THREADS];

        (void) state;
        signal(SIGCHLD, count_signal);
        assert_int_equal(getresuid(&ids[0], &ids[1], &ids[2]), 0);
        assert_int_not_equal(ids[1], 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, get, NULL), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], &fds[i]), 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_true((intptr_t) fds[i] >= 0);
                assert_ptr_equal(fds[i], fds[0]);
        }
        assert_int_equal(fcntl((int) (intptr_t) fds[0], F_GETFD), FD_CLOEXEC);
        assert_int_equal(getresuid(&ids[3], &ids[4], &ids[5]), 0);
        assert_memory_equal(ids, ids + 3, 3 * sizeof(*ids));
        assert_int_equal(signals, 0);
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(errno, ECHILD);
        signal(SIGCHLD, SIG_DFL);
}

/* Joins as root of the namespace, and gives a file of the user to `owner`. Returns an exit status. */
static int join_and_give(const char *path, uid_t owner)
{
        int fd = (int) (intptr_t) get(NULL);

        if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return 2;
        return chown(path, owner, owner) < 0;
}

/* Lets a child join. Returns its exit status. */
static int join_in_child(const char *path, uid_t owner)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(join_and_give(path, owner));
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void test_join(void **state)
{
        char path[] = "/tmp/mayfly-userns-XXXXXX";
        int fd = mkstemp(path);
        struct stat st;

        (void) state;
        assert_true(fd >= 0);
        assert_int_equal(join_in_child(path, 999), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_not_equal(st.st_uid, geteuid());
        assert_int_not_equal(st.st_uid, 999);
        assert_int_equal(join_in_child(path, 0), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(st.st_gid, getegid());
        assert_int_equal(unlink(path), 0);
        close(fd);
}

/* A program that closes all descriptors, as daemons do, gets another namespace. What took the number stays open. */
static void test_closed(void **state)
{
        int fd = (int) (intptr_t) get(NULL);

        (void) state;
        assert_true(fd >= 0);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(dup3(null, fd, O_CLOEXEC), fd);
        close(null);
        int other = (int) (intptr_t) get(NULL);
        assert_true(other >= 0);
        assert_int_not_equal(other, fd);
        assert_int_equal(close(fd), 0);
        assert_int_equal((intptr_t) get(NULL), other);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_threads), cmocka_unit_test(test_join),
                                            cmocka_unit_test(test_closed) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
