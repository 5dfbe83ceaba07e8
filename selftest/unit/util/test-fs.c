/* SPDX-License-Identifier: MIT */

/* Opening below a directory: by openat2(2), and as it is done where valgrind does not know that call. */

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
        };

        return cmocka_run_group_tests(tests, make_place, remove_place);
}
