/* SPDX-License-Identifier: MIT */

/* Sums that know holes, and the record's lines and last line. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/record.h"
#include "support/support.h"

#define SIZE (5U * MF_CONTENT_SUM_BLOCK + 1234U)

static int set_up(void **state)
{
        *state = mf_content_sum_new();
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        *state = mf_content_sum_free(*state);
        return 0;
}

/* In pieces of `piece` bytes, leaving out those that are all zeros when `holes`. */
static void sum_in_pieces(struct mf_content_sum *sum, const char *data, size_t size, size_t piece, int holes,
                          char ret[MF_MAC_LENGTH + 1])
{
        static const char zeros[SIZE];

        mf_content_sum_begin(sum, size);
        for (size_t at = 0; at < size; at += piece) {
                size_t n = piece < size - at ? piece : size - at;
                if (!holes || memcmp(data + at, zeros, n) != 0)
                        assert_int_equal(mf_content_sum_add(sum, at, data + at, n), 0);
        }
        assert_int_equal(mf_content_sum_finish(sum, ret), 0);
}

static void a_sum_is_the_same_in_any_pieces_and_with_holes(void **state)
{
        static const size_t pieces[] = { 1,
                                         7,
                                         512,
                                         4096,
                                         MF_CONTENT_SUM_BLOCK - 1,
                                         MF_CONTENT_SUM_BLOCK,
                                         MF_CONTENT_SUM_BLOCK + 1,
                                         3 * MF_CONTENT_SUM_BLOCK,
                                         SIZE };
        static char data[SIZE];
        char first[MF_MAC_LENGTH + 1], sum[MF_MAC_LENGTH + 1];

        memset(data + 100, 'x', 1000);                         /* zeros before and after, in one block */
        memset(data + 2 * MF_CONTENT_SUM_BLOCK - 10, 'y', 20); /* over a border */
        data[4 * MF_CONTENT_SUM_BLOCK] = 'z';                  /* a whole block of zeros before, the end is zeros */
        sum_in_pieces(*state, data, SIZE, SIZE, 0, first);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
                for (int holes = 0; holes < 2; holes++) {
                        sum_in_pieces(*state, data, SIZE, pieces[i], holes, sum);
                        assert_string_equal(sum, first);
                }
        }
}

static void a_sum_tells_every_byte_and_place(void **state)
{
        static char data[SIZE];
        char first[MF_MAC_LENGTH + 1], sum[MF_MAC_LENGTH + 1];
        static const size_t places[] = {
                0, 1, MF_CONTENT_SUM_BLOCK - 1, MF_CONTENT_SUM_BLOCK, 3 * MF_CONTENT_SUM_BLOCK + 5, SIZE - 1
        };

        sum_in_pieces(*state, data, SIZE, SIZE, 0, first);
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                data[places[i]] = 1;
                sum_in_pieces(*state, data, SIZE, 4096, 1, sum);
                assert_string_not_equal(sum, first);
                memcpy(first, sum, sizeof(first)); /* and from the one before it */
                data[places[i]] = 0;
        }
}

static void a_sum_refuses_what_is_out_of_order(void **state)
{
        char sum[MF_MAC_LENGTH + 1];

        mf_content_sum_begin(*state, 100);
        assert_int_equal(mf_content_sum_add(*state, 50, "abc", 3), 0);
        assert_int_equal(mf_content_sum_add(*state, 52, "d", 1), -EBADMSG);
        assert_int_equal(mf_content_sum_add(*state, 0, "d", 1), -EBADMSG);
        assert_int_equal(mf_content_sum_add(*state, 99, "de", 2), -EBADMSG);
        assert_int_equal(mf_content_sum_add(*state, UINT64_MAX, "de", 2), -EBADMSG);
        assert_int_equal(mf_content_sum_add(*state, 99, "d", 1), 0);
        assert_int_equal(mf_content_sum_finish(*state, sum), 0);
}

/* What was given up halfway is not part of the next one. */
static void a_sum_begins_anew(void **state)
{
        char first[MF_MAC_LENGTH + 1], sum[MF_MAC_LENGTH + 1];
        static char data[SIZE];

        memset(data, 'x', sizeof(data));
        sum_in_pieces(*state, "hello", 5, 5, 0, first);
        mf_content_sum_begin(*state, SIZE);
        assert_int_equal(mf_content_sum_add(*state, 0, data, SIZE), 0);
        sum_in_pieces(*state, "hello", 5, 2, 0, sum);
        assert_string_equal(sum, first);
}

static void extended_attributes_have_a_sum_without_order(void **state)
{
        char *directory = make_directory(), path[600], sums[4][MF_MAC_LENGTH + 1];

        for (int i = 0; i < 4; i++) {
                snprintf(path, sizeof(path), "%s/%d", directory, i);
                write_file(path, "x", 1);
                if (i == 1) {
                        assert_int_equal(setxattr(path, "user.a", "1", 1, 0), 0);
                        assert_int_equal(setxattr(path, "user.b", "", 0, 0), 0);
                } else if (i == 2) {
                        assert_int_equal(setxattr(path, "user.b", "", 0, 0), 0);
                        assert_int_equal(setxattr(path, "user.a", "1", 1, 0), 0);
                } else if (i == 3) {
                        assert_int_equal(setxattr(path, "user.a", "", 0, 0), 0);
                        assert_int_equal(setxattr(path, "user.b", "1", 1, 0), 0);
                }
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                assert_true(fd >= 0);
                assert_int_equal(mf_content_sum_xattrs(*state, fd, sums[i]), 0);
                close(fd);
        }
        assert_string_equal(sums[0], "-");
        assert_int_equal(strlen(sums[1]), MF_MAC_LENGTH);
        assert_string_equal(sums[1], sums[2]);
        assert_string_not_equal(sums[1], sums[3]);
        remove_directory(directory);
}

static void lines_have_one_word_a_field(void **state)
{
        static char line[MF_RECORD_LINE_MAX];
        struct stat st = { .st_mode = S_IFREG | 04755, .st_uid = 1, .st_gid = 2, .st_size = 3 };

        (void) state;
        mf_record_format(line, "rootfs/a b\n\\\xc3\xa4", &st, "SUM", "-", NULL);
        assert_string_equal(line, "f 4755 1 2 3 SUM - rootfs/a\\040b\\012\\134\\303\\244\n");
        st.st_mode = S_IFLNK | 0777;
        mf_record_format(line, "l", &st, "-", "-", "to here");
        assert_string_equal(line, "l 0000 1 2 0 - - l to\\040here\n");
        st.st_mode = S_IFCHR | 0600;
        st.st_rdev = makedev(1, 3);
        mf_record_format(line, "c", &st, "-", "-", NULL);
        assert_string_equal(line, "c 0600 1 2 259 - - c\n");
}

static void a_record_is_known_by_its_end(void **state)
{
        char *directory = make_directory(), path[600];
        struct mf_record_summary summary;
        struct stat st = { .st_mode = S_IFDIR | 0755, .st_blocks = 8, .st_uid = 99, .st_gid = 4294967294U };
        const char *why;

        (void) state;
        int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(dirfd >= 0);
        assert_int_equal(mf_record_peek(dirfd, &summary, &why), -EBADMSG);
        assert_string_equal(why, "its record is missing");
        struct mf_record *record = mf_record_new(dirfd, "sha512-x");
        assert_non_null(record);
        assert_int_equal(mf_record_add(record, "rootfs", &st, NULL, -1, NULL), 0);
        assert_int_equal(mf_record_add_hardlink(record, "rootfs/b", "rootfs/a"), 0);
        assert_int_equal(mf_record_peek(dirfd, &summary, &why), -EBADMSG);
        assert_int_equal(mf_record_finish(record), 0);
        assert_null(mf_record_free(record));
        assert_int_equal(mf_record_peek(dirfd, &summary, &why), 0);
        assert_int_equal(summary.entries, 2);
        assert_int_equal(summary.bytes, 4096);
        assert_int_equal(summary.largest, 4294967294U);
        assert_null(mf_record_new(dirfd, "sha512-x")); /* there is one */

        snprintf(path, sizeof(path), "%s/record", directory);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, summary.length + MF_RECORD_TRAILER_LENGTH);
        for (off_t size = st.st_size - 1; size >= 0; size--) {
                assert_int_equal(truncate(path, size), 0);
                assert_int_equal(mf_record_peek(dirfd, &summary, &why), -EBADMSG);
        }
        close(dirfd);
        remove_directory(directory);
}

int main(void)
{
#define sum_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                sum_test(a_sum_is_the_same_in_any_pieces_and_with_holes),
                sum_test(a_sum_tells_every_byte_and_place),
                sum_test(a_sum_refuses_what_is_out_of_order),
                sum_test(a_sum_begins_anew),
                sum_test(extended_attributes_have_a_sum_without_order),
                cmocka_unit_test(lines_have_one_word_a_field),
                cmocka_unit_test(a_record_is_known_by_its_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
