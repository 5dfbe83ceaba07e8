/* SPDX-License-Identifier: MIT */

/* The names in a directory, and how many there may be. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/dir-names.h"
#include "util/strv.h"

static char place[] = "/tmp/test-dir-names-XXXXXX";

static int open_place(void)
{
        int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void they_are_sorted_and_bounded(void **state)
{
        static const char *const all[] = { "a", "b", "c" };
        char **names = NULL;
        int fd = open_place();

        (void) state;
        assert_int_equal(mf_dir_names(fd, &names), 0);
        assert_null(names[0]);
        mf_strv_free(names);
        for (size_t i = 3; i > 0; i--)
                assert_int_equal(mkdirat(fd, all[i - 1], 0700), 0);
        for (size_t max = 0; max < 5; max++) {
                names = NULL;
                assert_int_equal(mf_dir_names_up_to(fd, max, &names), max < 3 ? -EFBIG : 0);
                for (size_t i = 0; max >= 3 && i < 3; i++)
                        assert_string_equal(names[i], all[i]);
                assert_true(max < 3 ? !names : !names[3]);
                mf_strv_free(names);
        }
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(unlinkat(fd, all[i], AT_REMOVEDIR), 0);
        close(fd);
}

static int make_place(void **state)
{
        (void) state;
        return mkdtemp(place) ? 0 : -1;
}

static int remove_place(void **state)
{
        (void) state;
        return rmdir(place);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(they_are_sorted_and_bounded) };

        return cmocka_run_group_tests(tests, make_place, remove_place);
}
