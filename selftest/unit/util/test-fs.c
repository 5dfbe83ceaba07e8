/* SPDX-License-Identifier: MIT */

/* Opening below a directory: by openat2(2), and as it is done where valgrind does not know that call. Temporary files and directories. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fs.h"
#include "util/valgrind.h"

static char place[] = "/tmp/test-fs-XXXXXX";
static int top = -1;

/* What is opened has this inode, or the error is this. */
static void expect(const char *path, int flags, int error, const char *same)
{
        struct stat opened, named;
        int fd = mf_open_beneath(top, path, flags);

        if (fd < 0 && fd != -error)
                fail_msg("%s: %s", path, strerror(-fd));
        if (error) {
                assert_int_equal(fd, -error);
                return;
        }
        assert_int_equal(fstat(fd, &opened), 0);
        assert_int_equal(fstatat(top, same, &named, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(opened.st_ino == named.st_ino);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
}

static void check_all(void)
{
        char longer[NAME_MAX + 8];

        expect(".", O_PATH, 0, ".");
        expect("a", O_RDONLY | O_DIRECTORY, 0, "a");
        expect("a/", O_RDONLY, 0, "a");
        expect("a//b/./file", O_RDONLY, 0, "a/b/file");
        expect("a/b/file", O_PATH, 0, "a/b/file");
        expect("a/b/file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL);
        expect("a/b/file/", O_RDONLY, ENOTDIR, NULL);
        expect("a/none/file", O_RDONLY, ENOENT, NULL);
        expect("a/link", O_RDONLY, ELOOP, NULL);
        expect("a/link", O_PATH, ELOOP, NULL);
        expect("a/link", O_PATH | O_NOFOLLOW, 0, "a/link");
        expect("a/out/passwd", O_RDONLY, ELOOP, NULL);
        expect("/etc", O_PATH, EXDEV, NULL);
        expect("..", O_PATH, EXDEV, NULL);
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        expect(longer, O_PATH, ENAMETOOLONG, NULL);
}

static void it_opens_below_alone(void **state)
{
        (void) state;
        check_all();
}

static void so_it_does_under_valgrind(void **state)
{
        const char *before = getenv("LD_PRELOAD");
        char *copy = before ? strdup(before) : NULL;

        (void) state;
        assert_int_equal(setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core-amd64-linux.so", 1), 0);
        assert_true(mf_under_valgrind());
        check_all();
        if (copy)
                setenv("LD_PRELOAD", copy, 1);
        else
                unsetenv("LD_PRELOAD");
        free(copy);
}

/* What is temporary is made in the TMPDIR of this value: this directory, or none. */
static void expect_temporary(const char *value, const char *directory, int error)
{
        char path[PATH_MAX], expected[PATH_MAX];
        struct stat st;
        const char *where = NULL;

        assert_int_equal(setenv("TMPDIR", value, 1), 0);
        int fd = mf_temporary_file(&where);
        assert_string_equal(where, value);
        int r = mf_temporary_directory("name", path, &where);
        assert_string_equal(where, value);
        assert_int_equal(r, -error);
        if (error) {
                assert_int_equal(fd, -error);
                return;
        }
        assert_return_code(fd, errno);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 0);
        close(fd);
        snprintf(expected, sizeof(expected), "%s/name-", directory);
        assert_memory_equal(path, expected, strlen(expected));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
        assert_int_equal(rmdir(path), 0);
}

static void what_is_temporary_has_its_place(void **state)
{
        char with_blank[64], longest[PATH_MAX + 2] = "/";
        const char *before = getenv("TMPDIR");
        char *copy = before ? strdup(before) : NULL;

        (void) state;
        expect_temporary(place, place, 0);
        snprintf(with_blank, sizeof(with_blank), "%s/a b;c", place);
        assert_int_equal(mkdir(with_blank, 0700), 0);
        expect_temporary(with_blank, with_blank, 0);
        int here = open(".", O_PATH | O_CLOEXEC);
        assert_int_equal(chdir(place), 0);
        expect_temporary("a/../a b;c", with_blank, 0);
        assert_int_equal(fchdir(here), 0);
        close(here);
        expect_temporary("/nowhere/at/all", NULL, ENOENT);
        memset(longest + 1, 'x', sizeof(longest) - 2);
        expect_temporary(longest, NULL, ENAMETOOLONG);
        if (copy)
                setenv("TMPDIR", copy, 1);
        else
                unsetenv("TMPDIR");
        free(copy);
}

static int make_place(void **state)
{
        (void) state;
        if (!mkdtemp(place) || (top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                return -1;
        int file = mkdirat(top, "a", 0700) || mkdirat(top, "a/b", 0700)
                           ? -1
                           : openat(top, "a/b/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        return file < 0 || close(file) < 0 || symlinkat("b/file", top, "a/link") || symlinkat("/etc", top, "a/out") ? -1
                                                                                                                    : 0;
}

static int remove_place(void **state)
{
        (void) state;
        close(top);
        return mf_remove_tree(AT_FDCWD, place);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_opens_below_alone),
                cmocka_unit_test(so_it_does_under_valgrind),
                cmocka_unit_test(what_is_temporary_has_its_place),
        };

        return cmocka_run_group_tests(tests, make_place, remove_place);
}
