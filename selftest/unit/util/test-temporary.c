/* SPDX-License-Identifier: MIT */

/* Temporary files and directories: where they are, and that nothing is left of a process that was killed. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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

#include "util/fs.h"
#include "util/temporary.h"

static char place[] = "/tmp/test-temporary-XXXXXX";

/* How many entries the place has. */
static unsigned count(void)
{
        DIR *dir = opendir(place);
        unsigned n = 0;

        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        closedir(dir);
        return n;
}

/* What is temporary is made in the TMPDIR of this value: this directory, or none. */
static void expect(const char *value, const char *directory, int error)
{
        struct mf_temporary made = MF_TEMPORARY_NONE;
        const char *where = NULL;
        struct stat st;

        assert_int_equal(setenv("TMPDIR", value, 1), 0);
        int fd = mf_temporary_file(&where);
        assert_string_equal(where, value);
        int r = mf_temporary_make(&made, &where);
        assert_string_equal(where, value);
        assert_int_equal(r, -error);
        if (error) {
                assert_int_equal(fd, -error);
                mf_temporary_remove(&made);
                return;
        }
        assert_return_code(fd, errno);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 0);
        close(fd);
        assert_memory_equal(made.path, directory, strlen(directory));
        assert_ptr_equal(strrchr(made.path, '/'), made.path + strlen(directory));
        assert_int_equal(stat(made.path, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
        assert_int_equal(mkdirat(made.fd, "inside", 0700), 0);
        mf_temporary_remove(&made);
        assert_int_equal(access(made.path, F_OK), -1);
}

static void tmpdir_is_the_place(void **state)
{
        char with_blank[64], longest[PATH_MAX + 2] = "/";

        (void) state;
        expect(place, place, 0);
        snprintf(with_blank, sizeof(with_blank), "%s/a b;c", place);
        assert_int_equal(mkdir(with_blank, 0700), 0);
        expect(with_blank, with_blank, 0);
        int here = open(".", O_PATH | O_CLOEXEC);
        assert_int_equal(chdir(with_blank), 0);
        expect("../a b;c", with_blank, 0);
        assert_int_equal(fchdir(here), 0);
        close(here);
        assert_int_equal(rmdir(with_blank), 0);
        expect("/nowhere/at/all", NULL, ENOENT);
        memset(longest + 1, 'x', sizeof(longest) - 2);
        expect(longest, NULL, ENAMETOOLONG);
}

/* Another process makes one with a file in it, and is killed if it shall be. Returns its PID. */
static pid_t another(int is_killed)
{
        int pair[2];
        char byte;

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        const pid_t pid = fork();
        if (pid == 0) {
                struct mf_temporary made;
                const char *where;
                if (mf_temporary_make(&made, &where) < 0 || mkdirat(made.fd, "file", 0700) < 0)
                        _exit(1);
                (void) !write(pair[1], "", 1);
                for (;;)
                        pause();
        }
        close(pair[1]);
        assert_int_equal(read(pair[0], &byte, 1), 1);
        close(pair[0]);
        if (is_killed) {
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
        return pid;
}

static void what_a_killed_process_left_is_removed(void **state)
{
        char foreign[64], lookalike[64], link[64];
        struct mf_temporary made;
        const char *where;

        (void) state;
        assert_int_equal(setenv("TMPDIR", place, 1), 0);
        const pid_t lives = another(0);
        another(1);
        assert_int_equal(count(), 2);
        snprintf(lookalike, sizeof(lookalike), "%s/mayfly-work-1234567", place);
        snprintf(foreign, sizeof(foreign), "%s/another", place);
        snprintf(link, sizeof(link), "%s/mayfly-work-123456", place);
        assert_int_equal(mkdir(lookalike, 0700), 0);
        assert_int_equal(mkdir(foreign, 0700), 0);
        assert_int_equal(symlink(foreign, link), 0);
        assert_int_equal(mf_temporary_make(&made, &where), 0);
        assert_int_equal(count(), 5); /* that of the process which lives, the three here, and the new one */
        mf_temporary_remove(&made);
        kill(lives, SIGKILL);
        assert_int_equal(waitpid(lives, NULL, 0), lives);
        mf_temporary_sweep();
        assert_int_equal(count(), 3);
        assert_int_equal(rmdir(lookalike) | rmdir(foreign) | unlink(link), 0);
}

static void *make_some(void *failed)
{
        for (int i = 0; i < 200; i++) {
                struct mf_temporary made = MF_TEMPORARY_NONE;
                const char *where;
                if (mf_temporary_make(&made, &where) < 0 || mkdirat(made.fd, "inside", 0700) < 0 ||
                    access(made.path, F_OK) < 0)
                        *(int *) failed = 1;
                mf_temporary_remove(&made);
        }
        return NULL;
}

/* Each sweeps while others make theirs. */
static void many_at_once_leave_each_other_alone(void **state)
{
        pthread_t threads[8];
        int failed[8] = { 0 };

        (void) state;
        assert_int_equal(setenv("TMPDIR", place, 1), 0);
        for (int i = 0; i < 8; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, make_some, &failed[i]), 0);
        for (int i = 0; i < 8; i++) {
                pthread_join(threads[i], NULL);
                assert_int_equal(failed[i], 0);
        }
        assert_int_equal(count(), 0);
}

static int make_place(void **state)
{
        (void) state;
        return mkdtemp(place) ? 0 : -1;
}

static int remove_place(void **state)
{
        (void) state;
        return mf_remove_tree(AT_FDCWD, place);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tmpdir_is_the_place),
                cmocka_unit_test(what_a_killed_process_left_is_removed),
                cmocka_unit_test(many_at_once_leave_each_other_alone),
        };

        return cmocka_run_group_tests(tests, make_place, remove_place);
}
