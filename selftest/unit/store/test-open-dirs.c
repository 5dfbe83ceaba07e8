/* SPDX-License-Identifier: MIT */

/* Directories are found and made whatever was opened before. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/open-dirs.h"
#include "support/support.h"

struct world {
        char *top;
        int fd;
        struct mf_open_dirs *dirs;
        unsigned made;
};

static int set_up(void **state)
{
        struct world *w = calloc(1, sizeof(*w));

        w->top = make_directory();
        w->fd = open(w->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w->dirs = mf_open_dirs_new(w->fd);
        *state = w;
        return w->fd >= 0 && w->dirs ? 0 : -1;
}

static int tear_down(void **state)
{
        struct world *w = *state;

        mf_open_dirs_free(w->dirs);
        close(w->fd);
        remove_directory(w->top);
        free(w);
        return 0;
}

static int make(void *userdata, int fd, const char *name, const char *path)
{
        struct world *w = userdata;
        const char *slash = strrchr(path, '/');

        assert_string_equal(slash ? slash + 1 : path, name);
        if (mkdirat(fd, name, 0700) < 0)
                return errno == EEXIST ? 0 : -errno;
        w->made++;
        return 0;
}

/* Opens the directory, and checks that it is the one at its path. */
static int get(struct world *w, const char *path)
{
        struct stat expected, found;

        int fd = mf_open_dirs_get(w->dirs, path, make, w);
        assert_true(fd >= 0);
        assert_int_equal(fstatat(w->fd, path, &expected, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(fstat(fd, &found), 0);
        assert_int_equal(found.st_ino, expected.st_ino);
        return fd;
}

static void each_way_leads_there(void **state)
{
        static const char *const paths[] = { "a/b/c",           "a/b/c/d/e/f", "a/b", "a/b/x", "a/bc", "a/b/c/d/e/g",
                                             "a/b/c/d/e/g/h/i", "b",           ".",   "a/b/c", "a",    "ab",
                                             "a/b/c/d" };
        struct world *w = *state;

        for (unsigned round = 0; round < 3; round++)
                for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                        for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
                                (void) get(w, paths[i]);
                                (void) get(w, paths[k]);
                        }
        assert_int_equal(w->made, 13); /* the levels of all paths */
}

static void a_descriptor_stays_open_for_six_calls(void **state)
{
        struct world *w = *state;
        struct stat st, again;
        char path[16];

        int fd = get(w, "first");
        assert_int_equal(fstat(fd, &st), 0);
        for (unsigned i = 0; i < 6; i++) {
                snprintf(path, sizeof(path), "%u/%u", i, i);
                (void) get(w, path);
        }
        assert_int_equal(fstat(fd, &again), 0);
        assert_int_equal(st.st_ino, again.st_ino);
}

static void what_is_no_directory_is_refused(void **state)
{
        struct world *w = *state;

        (void) get(w, "a/b");
        assert_int_equal(symlinkat("b", w->fd, "a/link"), 0);
        assert_int_equal(mknodat(w->fd, "a/file", S_IFREG | 0600, 0), 0);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/link", make, w), -ELOOP);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/link/x", make, w), -ELOOP);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/file/x", make, w), -ENOTDIR);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/none", NULL, NULL), -ENOENT);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/b/none/x", NULL, NULL), -ENOENT);
}

static void a_directory_that_was_dropped_is_looked_for_again(void **state)
{
        struct world *w = *state;

        (void) get(w, "a/b/c");
        (void) get(w, "a/b");
        (void) get(w, "a/bc");
        assert_int_equal(unlinkat(w->fd, "a/b/c", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(w->fd, "a/b", AT_REMOVEDIR), 0);
        mf_open_dirs_drop(w->dirs, "a/b");
        assert_int_equal(mknodat(w->fd, "a/b", S_IFREG | 0600, 0), 0);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/b", NULL, NULL), -ENOTDIR);
        assert_int_equal(mf_open_dirs_get(w->dirs, "a/b/c", NULL, NULL), -ENOTDIR);
        (void) get(w, "a/bc");
}

static void the_deepest_directory_is_found_from_any_other(void **state)
{
        struct world *w = *state;
        char path[PATH_MAX] = "d";

        for (size_t n = 1; n + 3 < sizeof(path); n += 2) {
                memcpy(path + n, "/d", 3);
                if (n % 401 == 0 || n + 5 >= sizeof(path))
                        (void) get(w, path);
        }
        path[0] = 'e';
        (void) get(w, path);
        path[0] = 'd';
        for (size_t n = strlen(path); n > 1; n = n > 802 ? n - 802 : 1) {
                path[n] = '\0';
                (void) get(w, path);
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(each_way_leads_there),
                TEST(a_descriptor_stays_open_for_six_calls),
                TEST(what_is_no_directory_is_refused),
                TEST(a_directory_that_was_dropped_is_looked_for_again),
                TEST(the_deepest_directory_is_found_from_any_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
