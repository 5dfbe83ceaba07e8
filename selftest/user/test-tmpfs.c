/* SPDX-License-Identifier: MIT */
/* A tmpfs that an ordinary user's containers share. Wants MAYFLY_TEST_BUSYBOX. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#include "support/containers.h"

static struct mayfly_container *start_with(const struct mayfly_volume *volumes)
{
        return start_container(MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .idle = 1, .volumes = volumes));
}

static struct mayfly_tmpfs *create(uint64_t max_size)
{
        struct mayfly_tmpfs *tmpfs = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_tmpfs_create(&tmpfs, max_size, &err) < 0)
                fail_msg("%s", err.message);
        return tmpfs;
}

static void test_shared(void **state)
{
        struct mayfly_tmpfs *tmpfs = create(1 << 20);
        struct stat st;

        (void) state;
        assert_int_not_equal(geteuid(), 0);
        struct mayfly_container *a = start_with(MAYFLY_VOLUMES({ .path = "/data", .tmpfs = tmpfs }));
        struct mayfly_container *b = start_with(MAYFLY_VOLUMES({ .path = "/seen", .tmpfs = tmpfs, .read_only = 1 },
                                                               { .path = "/again", .tmpfs = tmpfs }));
        prints_as(a, NULL, "echo from a > /data/a; df -k /data | awk 'END{print $2}'", "1024\n");
        prints_as(b, NULL, "cat /seen/a; touch /seen/b 2>/dev/null; echo $?; echo from b > /again/b", "from a\n1\n");
        prints_as(a, NULL, "cat /data/b; stat -c %u:%g /data /data/b; chown 999:998 /data/b", "from b\n0:0\n0:0\n");
        prints_as(b, NULL, "stat -c %u:%g /seen/b", "999:998\n");
        assert_int_equal(fstatat(mayfly_tmpfs_fd(tmpfs), "a", &st, 0), 0); /* for the test, too */
        assert_int_equal(st.st_size, 7);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(faccessat(mayfly_tmpfs_fd(tmpfs), "b", R_OK, 0), 0);
        assert_int_equal(unlinkat(mayfly_tmpfs_fd(tmpfs), "b", 0), 0);
        prints_as(b, NULL, "dd if=/dev/zero of=/again/big bs=1M count=2 2>/dev/null; echo $?", "1\n");
        mayfly_container_free(a);
        assert_null(mayfly_tmpfs_free(tmpfs)); /* it is there as long as anybody has it */
        prints_as(b, NULL, "cat /again/a", "from a\n");
        mayfly_container_free(b);
}

static void test_owner(void **state)
{
        struct mayfly_tmpfs *tmpfs = create(0);
        struct stat st;

        (void) state;
        struct mayfly_container *c =
                start_with(MAYFLY_VOLUMES({ .path = "/data", .tmpfs = tmpfs, .mode = 01770, .uid = 33, .gid = 44 }));
        prints_as(c, NULL, "stat -c %a:%u:%g /data", "1770:33:44\n");
        assert_int_equal(fstat(mayfly_tmpfs_fd(tmpfs), &st), 0);
        assert_int_equal(st.st_mode & 07777, 01770);
        assert_int_not_equal(st.st_uid, 33);
        assert_int_not_equal(st.st_uid, geteuid());
        mayfly_container_free(c);
        c = start_with(MAYFLY_VOLUMES({ .path = "/data", .tmpfs = tmpfs, .mode = 0711 }));
        prints_as(c, NULL, "stat -c %a:%u:%g /data", "711:0:0\n");
        mayfly_container_free(c);
        mayfly_tmpfs_free(tmpfs);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_shared), cmocka_unit_test(test_owner) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
