/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/flatten.h"
#include "util/macro.h"

/* Makes a tar of empty files with these names. */
static int make_tar(const char *const *names, size_t n)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_writer *writer = NULL;
        char id[MF_ID_LENGTH + 1];
        int fd = memfd_create("tar", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(mf_writer_new(&writer, fd, MAYFLY_COMPRESSION_NONE, NULL, &err), 0);
        for (size_t i = 0; i < n; i++) {
                const struct mf_entry entry = { .name = names[i], .mode = S_IFREG | 0644 };
                assert_int_equal(mf_writer_put(writer, &entry, &err), 0);
        }
        assert_int_equal(mf_writer_finish(writer, id, &err), 0);
        mf_writer_free(writer);
        return fd;
}

static int place(void *userdata, const struct mf_entry *entry, struct mf_flat_place *ret, struct mayfly_error *err)
{
        (void) userdata;
        (void) err;
        strcpy(ret->path, entry->name);
        return 0;
}

/* Adds the names, with a limit for the directories above them. Sets *ret_n to how many of those were counted. */
static int add(const char *const *names, size_t n, uint64_t max, uint64_t *ret_n, struct mayfly_error *err)
{
        atomic_uint_least64_t entries = 0;
        struct mf_flat *flat = mf_flat_new(&entries, max);
        int fd = make_tar(names, n);

        assert_non_null(flat);
        int r = mf_flat_add(flat, fd, place, NULL, err);
        *ret_n = entries;
        mf_flat_free(flat);
        close(fd);
        return r;
}

static void directories_without_an_entry_count(void **state)
{
        static const char *const names[] = { "rootfs/a/b/c/f", "rootfs/a/b/g", "rootfs/a/b/c/h" };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        uint64_t n;

        (void) state;
        assert_int_equal(add(names, MF_ELEMENTSOF(names), 4, &n, &err), 0);
        assert_int_equal(n, 4);
        assert_int_equal(add(names, MF_ELEMENTSOF(names), 3, &n, &err), -EFBIG);
        assert_non_null(strstr(err.message, "max_entries = 3"));
}

static void their_names_are_limited(void **state)
{
        static char text[40][4000];
        const char *names[MF_ELEMENTSOF(text)];
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        uint64_t n;

        (void) state;
        for (size_t i = 0; i < MF_ELEMENTSOF(text); i++) {
                names[i] = text[i];
                for (size_t at = 0; at + 2 < sizeof(text[i]); at += 2)
                        memcpy(text[i] + at, "a/", 2);
                text[i][0] = (char) ('A' + i);
                text[i][sizeof(text[i]) - 2] = 'f';
        }
        assert_int_equal(add(names, 10, UINT64_MAX, &n, &err), 0);
        assert_int_equal(n, 10 * 1999);
        assert_int_equal(add(names, MF_ELEMENTSOF(names), UINT64_MAX, &n, &err), -EFBIG);
        assert_non_null(strstr(err.message, "more than 64 MiB"));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(directories_without_an_entry_count),
                                            cmocka_unit_test(their_names_are_limited) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
