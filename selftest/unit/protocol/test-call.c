/* SPDX-License-Identifier: MIT */
/* What the library and mayfly-helper send each other arrives as it is. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/call.h"

struct ends {
        int one, other;
};

static int setup(void **state)
{
        struct ends *ends = malloc(sizeof(*ends));
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        *ends = (struct ends){ pair[0], pair[1] };
        *state = ends;
        return 0;
}

static int teardown(void **state)
{
        struct ends *ends = *state;

        close(ends->one);
        close(ends->other);
        free(ends);
        return 0;
}

static void test_pack(void **state)
{
        const char *const list[] = { "a", "", "c", NULL }, *const empty[] = { NULL };
        struct mf_pack pack = { 0 };

        (void) state;
        mf_pack_number(&pack, UINT64_MAX);
        mf_pack_string(&pack, "text");
        mf_pack_string(&pack, NULL);
        mf_pack_string(&pack, "");
        mf_pack_strings(&pack, list);
        mf_pack_strings(&pack, empty);
        mf_pack_strings(&pack, NULL);
        assert_false(pack.failed);
        struct mf_unpack unpack = { .at = pack.bytes.data, .left = pack.bytes.size };
        assert_true(mf_unpack_number(&unpack) == UINT64_MAX);
        assert_string_equal(mf_unpack_string(&unpack), "text");
        assert_null(mf_unpack_string(&unpack));
        assert_string_equal(mf_unpack_string(&unpack), "");
        const char **got = mf_unpack_strings(&unpack);
        assert_string_equal(got[0], "a");
        assert_string_equal(got[1], "");
        assert_string_equal(got[2], "c");
        assert_null(got[3]);
        free(got);
        got = mf_unpack_strings(&unpack);
        assert_null(got[0]);
        free(got);
        assert_null(mf_unpack_strings(&unpack));
        assert_false(unpack.failed);
        assert_int_equal(unpack.left, 0);
        assert_int_equal(mf_unpack_number(&unpack), 0);
        assert_true(unpack.failed);
        mf_pack_clear(&pack);
}

/* No cut of a block is read beyond its end, and none passes for whole. */
static void test_cut(void **state)
{
        const char *const list[] = { "one", "two", NULL };
        struct mf_pack pack = { 0 };

        (void) state;
        mf_pack_string(&pack, "text");
        mf_pack_strings(&pack, list);
        for (size_t size = 0; size < pack.bytes.size; size++) {
                char *copy = malloc(size + 1);
                memcpy(copy, pack.bytes.data, size);
                struct mf_unpack unpack = { .at = copy, .left = size };
                (void) mf_unpack_string(&unpack);
                free(mf_unpack_strings(&unpack));
                assert_true(unpack.failed);
                free(copy);
        }
        mf_pack_clear(&pack);
}

/* Sends a frame with a payload of `size` bytes and `n` descriptors, and compares what arrives. */
static void pass(const struct ends *ends, size_t size, size_t n)
{
        struct mf_pack pack = { 0 };
        struct mf_frame frame;
        int fds[MF_CALL_FDS_MAX];
        struct stat sent, came;
        char *text = malloc(size + 1);

        memset(text, 'x', size);
        text[size] = '\0';
        for (size_t i = 0; i < n; i++)
                assert_true((fds[i] = open(i % 2 ? "/" : "/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
        mf_pack_string(&pack, text);
        assert_int_equal(mf_frame_send(ends->one, MF_FRAME_RESULT, -7, &pack, fds, n), 0);
        assert_int_equal(mf_frame_recv(ends->other, &frame, 0), 1);
        assert_int_equal(frame.type, MF_FRAME_RESULT);
        assert_int_equal(frame.value, -7);
        assert_int_equal(frame.n_fds, n);
        struct mf_unpack payload = mf_frame_payload(&frame);
        assert_string_equal(mf_unpack_string(&payload), text);
        assert_int_equal(payload.left, 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(fcntl(frame.fds[i], F_GETFD), FD_CLOEXEC);
                assert_int_equal(fstat(fds[i], &sent) | fstat(frame.fds[i], &came), 0);
                assert_true(sent.st_ino == came.st_ino && sent.st_dev == came.st_dev);
                close(fds[i]);
        }
        mf_frame_clear(&frame);
        mf_pack_clear(&pack);
        free(text);
}

static void test_frames(void **state)
{
        static const size_t sizes[] = { 0, 1, 16000, 16384 - 9, 16384, 100000, 3000000 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
                for (size_t n = 0; n <= MF_CALL_FDS_MAX; n++)
                        pass(*state, sizes[i], n);
}

static void test_strangers(void **state)
{
        const struct ends *ends = *state;
        struct mf_frame frame;
        int fds[MF_CALL_FDS_MAX + 1] = { 0 };

        assert_int_equal(mf_frame_recv(ends->other, &frame, MSG_DONTWAIT), -EAGAIN);
        assert_int_equal(mf_frame_send(ends->one, MF_FRAME_END, 0, NULL, fds, MF_CALL_FDS_MAX + 1), -EINVAL);
        assert_int_equal(send(ends->one, "short", 5, 0), 5);
        assert_int_equal(mf_frame_recv(ends->other, &frame, 0), -EPROTO);
        assert_int_equal(send(ends->one, "not the version of this build", 29, 0), 29);
        assert_int_equal(mf_frame_recv(ends->other, &frame, 0), -EPROTO);
        assert_int_equal(shutdown(ends->one, SHUT_WR), 0);
        assert_int_equal(mf_frame_recv(ends->other, &frame, 0), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pack),
                cmocka_unit_test(test_cut),
                cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
                cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
