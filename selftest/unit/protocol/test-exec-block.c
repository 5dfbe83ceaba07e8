/* SPDX-License-Identifier: MIT */

/* What the library writes for mayfly-init, and what that reads. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/exec-block-read.h"
#include "protocol/exec-block.h"

static int read_bytes(const char *data, size_t size, struct mf_exec *ret)
{
        int fd = memfd_create("block", MFD_CLOEXEC);

        assert_int_equal(write(fd, data, size), size);
        int r = mf_exec_block_read(fd, ret);
        close(fd);
        return r;
}

static void all_strings_arrive(void **state)
{
        struct mf_exec_block block = { 0 };
        struct mf_exec exec;
        int fd;

        (void) state;
        mf_exec_block_add_all(&block, MF_EXEC_ARGV, (char *[]){ (char *) "sh", (char *) "", (char *) "-c", NULL });
        mf_exec_block_add(&block, MF_EXEC_ENV, "A=1");
        mf_exec_block_add(&block, MF_EXEC_ENV, "AB=2");
        mf_exec_block_add(&block, MF_EXEC_ENV, "A=3=4");
        mf_exec_block_add(&block, MF_EXEC_EXTRA_GROUP, "44");
        mf_exec_block_add(&block, MF_EXEC_ONLY_GROUPS, "");
        mf_exec_block_add(&block, MF_EXEC_BOUND, "a80425fb");
        mf_exec_block_add(&block, MF_EXEC_CAPABILITIES, "0");
        mf_exec_block_add(&block, MF_EXEC_POST_STOP, "bye");
        mf_exec_block_add(&block, MF_EXEC_ULIMIT, "7 1 2");
        mf_exec_block_add(&block, MF_EXEC_SYSCTL, "net.x=1");
        mf_exec_block_add(&block, MF_EXEC_SYSCTL, "net.y=2");
        mf_exec_block_add(&block, MF_EXEC_SHM_SIZE, "4096");
        mf_exec_block_add(&block, MF_EXEC_READ_ONLY, "");
        mf_exec_block_add(&block, MF_EXEC_BOOT, "");
        assert_int_equal(mf_exec_block_finish(&block, &fd), 0);
        assert_int_equal(mf_exec_block_read(fd, &exec), 0);
        close(fd);
        assert_string_equal(exec.argv[0], "sh");
        assert_string_equal(exec.argv[1], "");
        assert_string_equal(exec.argv[2], "-c");
        assert_null(exec.argv[3]);
        assert_string_equal(exec.env[0], "AB=2"); /* the place of the last assignment */
        assert_string_equal(exec.env[1], "A=3=4");
        assert_null(exec.env[2]);
        assert_int_equal(exec.n_extra_groups, 1);
        assert_int_equal(exec.extra_groups[0], 44);
        assert_true(exec.only_groups);
        assert_true(exec.boot);
        assert_int_equal(exec.bound, 0xa80425fb);
        assert_true(exec.confinement.has_capabilities && exec.confinement.capabilities == 0);
        assert_string_equal(exec.post_stop[0], "bye");
        assert_null(exec.pre_start[0]);
        assert_string_equal(exec.ulimits[0], "7 1 2");
        assert_null(exec.ulimits[1]);
        assert_string_equal(exec.sysctls[1], "net.y=2");
        assert_null(exec.sysctls[2]);
        assert_string_equal(exec.shm_size, "4096");
        assert_true(exec.read_only);
        assert_null(exec.sockets[0]);
        assert_string_equal(exec.cwd, "/");
        assert_string_equal(exec.user, "0");
        mf_exec_free_lists(&exec);
}

static void many_variables_are_resolved(void **state)
{
        enum { NAMES = 30000 };
        struct mf_exec_block block = { 0 };
        struct mf_exec exec;
        char text[64];
        int fd;

        (void) state;
        for (unsigned round = 0; round < 3; round++)
                for (unsigned i = 0; i < NAMES; i++) {
                        snprintf(text, sizeof(text), "V%u=%u", i, round);
                        mf_exec_block_add(&block, MF_EXEC_ENV, text);
                }
        assert_int_equal(mf_exec_block_finish(&block, &fd), 0);
        assert_int_equal(mf_exec_block_read(fd, &exec), 0);
        close(fd);
        for (unsigned i = 0; i < NAMES; i++) {
                snprintf(text, sizeof(text), "V%u=2", i);
                assert_string_equal(exec.env[i], text);
        }
        assert_null(exec.env[NAMES]);
        mf_exec_free_lists(&exec);
}

static void what_is_no_block_is_refused(void **state)
{
        struct mf_exec exec = { .cwd = "untouched" };

        (void) state;
        assert_int_equal(read_bytes("", 0, &exec), -EPROTO);
        assert_int_equal(read_bytes("ash", 3, &exec), -EPROTO);
        assert_int_equal(read_bytes("\x01sh", 4, &exec), -EPROTO);
        assert_int_equal(read_bytes("ash\0", 5, &exec), -EPROTO); /* a string without a tag */
        assert_int_equal(mf_exec_block_read(-1, &exec), -EBADF);
        assert_string_equal(exec.cwd, "untouched");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_strings_arrive),
                cmocka_unit_test(many_variables_are_resolved),
                cmocka_unit_test(what_is_no_block_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
