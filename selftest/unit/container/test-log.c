/* SPDX-License-Identifier: MIT */

/* What mayfly-init writes to the log, and what the library reads of it: from a position, line by line, while it is overwritten, and
 * when it is damaged. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "container/logs.h"
#include "init/init.h"

static struct mf_log made;

/* Makes the log that the test then writes and reads. */
static void make_log(uint64_t capacity, int separate)
{
        mf_log_close(&made);
        assert_int_equal(mf_log_create(&made, capacity, separate), 0);
        assert_int_equal(mf_log_open(made.fd), 0);
        assert_int_equal(mf_log_is_separate(), separate);
}

static int close_log(void **state)
{
        (void) state;
        mf_log_close(&made);
        return 0;
}

/* Writes as mayfly-init does when these bytes arrive. */
static void write_bytes(const char *bytes, size_t size, enum mf_log_stream stream)
{
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fds[1], bytes + done, size - done < 65536 ? size - done : 65536);
                assert_true(n > 0);
                done += (size_t) n;
                assert_int_equal(mf_log_drain(fds[0], stream, 0), 1);
        }
        close(fds[1]);
        /* Another process that lists descriptors in /proc may hold that end for a moment. */
        struct pollfd end = { .fd = fds[0] };
        assert_int_equal(poll(&end, 1, 10000), 1);
        assert_int_equal(mf_log_drain(fds[0], stream, 0), 0);
        close(fds[0]);
}

static void write_text(const char *text, enum mf_log_stream stream)
{
        write_bytes(text, strlen(text), stream);
}

/* Describes what is read from a position on: "OC12:text|" for a complete line of output that ends at 12. */
static const char *show(const struct mayfly_log *log)
{
        static const char *const streams = "MOE";
        static char text[8192];
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < log->n_lines; i++) {
                const struct mayfly_log_line *line = log->lines[i];
                assert_int_equal(line->size, sizeof(*line));
                assert_int_equal(strlen(line->text), line->text_size);
                used += (size_t) snprintf(text + used, sizeof(text) - used, "%c%s%s%llu:%s|", streams[line->stream],
                                          line->is_complete ? "" : "?", line->is_cut ? "~" : "",
                                          (unsigned long long) line->end, line->text);
        }
        assert_null(log->lines[log->n_lines]);
        return text;
}

/* Checks what there is to be read from a position on. Returns where to go on. */
static uint64_t reads(uint64_t position, const char *lines, uint64_t lost)
{
        struct mayfly_log *log = NULL;

        assert_int_equal(mf_log_read_lines(&made, position, &log), 0);
        assert_string_equal(show(log), lines);
        assert_int_equal(log->lost, lost);
        assert_int_equal(log->next, mf_log_end(&made));
        assert_int_equal(log->n_bytes, log->next - position - lost);
        assert_int_equal(log->bytes[log->n_bytes], '\0');
        uint64_t next = log->next;
        mayfly_log_free(log);
        return next;
}

static void ends_with(size_t n_lines, const char *lines)
{
        struct mayfly_log *log = NULL;

        assert_int_equal(mf_log_read_tail(&made, n_lines, &log), 0);
        assert_string_equal(show(log), lines);
        assert_int_equal(log->lost, 0);
        mayfly_log_free(log);
}

static void lines_come_once_and_whole(void **state)
{
        (void) state;
        make_log(4096, 0);
        assert_int_equal(reads(0, "", 0), 0);
        write_text("one\ntwo\nthr", MF_LOG_MERGED);
        uint64_t next = reads(0, "M4:one|M8:two|M?11:thr|", 0);
        assert_int_equal(reads(next, "", 0), 11);
        write_text("ee\n\nfi", MF_LOG_MERGED);
        next = reads(next, "M14:three|M15:|M?17:fi|", 0);
        write_text("ve", MF_LOG_MERGED);
        next = reads(next, "M?19:five|", 0); /* begun before, and still without an end */
        write_text("\n", MF_LOG_MERGED);
        reads(next, "M20:five|", 0);
        reads(4, "M8:two|M14:three|M15:|M20:five|", 0);
        reads(5, "M8:two|M14:three|M15:|M20:five|", 0); /* from within a line: it is whole */
        ends_with(0, "");
        ends_with(2, "M15:|M20:five|");
        ends_with(99, "M4:one|M8:two|M14:three|M15:|M20:five|");
}

static void streams_keep_their_lines_apart(void **state)
{
        (void) state;
        make_log(4096, 1);
        write_text("out", MF_LOG_OUTPUT);
        write_text("err 1\ner", MF_LOG_ERROR);
        uint64_t next = reads(0, "E9:err 1|O?3:out|E?11:er|", 0);
        write_text("put\n", MF_LOG_OUTPUT);
        next = reads(next, "O15:output|", 0); /* of error output nothing is new */
        write_text("r 2\n", MF_LOG_ERROR);
        next = reads(next, "E19:err 2|", 0);
        assert_int_equal(next, 19);
        reads(0, "E9:err 1|O15:output|E19:err 2|", 0);
        ends_with(2, "O15:output|E19:err 2|");
        mf_log_note("a note");
        reads(next, "E26:a note|", 0);
}

/* At the end of a container there is nothing to wait for. */
static void the_rest_has_all_that_has_no_end(void **state)
{
        struct mayfly_log *log = NULL;

        (void) state;
        make_log(4096, 1);
        write_text("no end", MF_LOG_ERROR);
        write_text("end\n", MF_LOG_OUTPUT);
        reads(10, "", 0);
        assert_int_equal(mf_log_read_rest(&made, 10, &log), 0);
        assert_string_equal(show(log), "E?6:no end|");
        mayfly_log_free(log);
        make_log(4096, 0);
        write_text("end\nno end", MF_LOG_MERGED);
        assert_int_equal(mf_log_read_rest(&made, 4, &log), 0);
        assert_string_equal(show(log), "M?10:no end|");
        mayfly_log_free(log);
        assert_int_equal(mf_log_read_rest(&made, 10, &log), 0);
        assert_string_equal(show(log), "");
        mayfly_log_free(log);
}

static void binary_lines_keep_their_bytes(void **state)
{
        static const char bytes[] = "a\0b\n\xff\0\n";
        struct mayfly_log *log = NULL;

        (void) state;
        make_log(4096, 0);
        write_bytes(bytes, sizeof(bytes) - 1, MF_LOG_MERGED);
        assert_int_equal(mf_log_read_lines(&made, 0, &log), 0);
        assert_int_equal(log->n_lines, 2);
        assert_int_equal(log->lines[0]->text_size, 3);
        assert_memory_equal(log->lines[0]->text, "a\0b", 4);
        assert_int_equal(log->lines[1]->text_size, 2);
        assert_memory_equal(log->lines[1]->text, "\xff\0", 3);
        assert_memory_equal(log->bytes, bytes, sizeof(bytes));
        mayfly_log_free(log);
}

/* Returns "line N\n" for a number. */
static const char *numbered(unsigned number)
{
        static char line[32];

        snprintf(line, sizeof(line), "line %u\n", number);
        return line;
}

/* A console's lines end as those of a terminal. */
static void a_console_has_no_returns(void **state)
{
        int fds[2];

        (void) state;
        make_log(65536, 0);
        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(write(fds[1], "one\r\ntwo\r", 9), 9);
        assert_int_equal(mf_log_drain(fds[0], MF_LOG_MERGED, 1), 1);
        assert_int_equal(write(fds[1], "\n\r", 2), 2);
        assert_int_equal(mf_log_drain(fds[0], MF_LOG_MERGED, 1), 1);
        reads(0, "M4:one|M8:two|", 0);
        close(fds[1]);
        assert_int_equal(mf_log_drain(fds[0], MF_LOG_MERGED, 1), 0);
        close(fds[0]);
}

static void what_is_overwritten_is_counted(void **state)
{
        char *text = NULL;
        size_t size;

        (void) state;
        make_log(16, 0);
        for (unsigned i = 10; i < 20; i++)
                write_text(numbered(i), MF_LOG_MERGED); /* of 8 bytes each */
        reads(0, "M~72:line 18|M80:line 19|", 64);
        reads(63, "M~72:line 18|M80:line 19|", 1);
        reads(64, "M~72:line 18|M80:line 19|", 0);
        reads(72, "M80:line 19|", 0);
        write_text("12345", MF_LOG_MERGED);
        reads(0, "M~72:18|M80:line 19|M?85:12345|", 69);
        reads(80, "M?85:12345|", 0);
        write_text("6789012345678\n", MF_LOG_MERGED);
        reads(80, "M~99:456789012345678|", 3);
        reads(85, "M~99:456789012345678|", 0); /* its beginning is before the position, and lost */
        ends_with(1, "M~99:456789012345678|");
        assert_int_equal(mf_log_read(&made, SIZE_MAX, &text, &size), 0);
        assert_string_equal(text, "456789012345678\n");
        assert_int_equal(size, 16);
        free(text);
}

/* mayfly-init is in the midst of writing, or was killed there: the bytes that it overwrites are neither old nor new. */
static void what_is_being_overwritten_is_not_read(void **state)
{
        char *text = NULL;

        (void) state;
        make_log(16, 0);
        write_text("line 10\nline 11\n", MF_LOG_MERGED);
        struct mf_log_header *header = made.map;
        header->begun += 9;
        memset((char *) made.map + MF_LOG_DATA(made.n_entries), '#', 9);
        reads(0, "M~16:ine 11|", 9);
        reads(8, "M~16:ine 11|", 1);
        ends_with(1, "M~16:ine 11|");
        assert_int_equal(mf_log_read(&made, SIZE_MAX, &text, NULL), 0);
        assert_string_equal(text, "ine 11\n");
        free(text);
        header->begun += 100;
        reads(0, "", 16);
}

/* A line that is longer than what is read at first, in either stream. */
static void long_lines_are_looked_for_far_back(void **state)
{
        static char x[100001];
        struct mayfly_log *log = NULL;

        (void) state;
        memset(x, 'x', sizeof(x) - 1);
        make_log(1 << 20, 1);
        write_text("early ", MF_LOG_ERROR);
        write_text(x, MF_LOG_OUTPUT);
        uint64_t next = mf_log_end(&made);
        write_text("late\n", MF_LOG_ERROR);
        next = reads(next, "E100011:early late|", 0);
        write_text("y\n", MF_LOG_OUTPUT);
        assert_int_equal(mf_log_read_lines(&made, next, &log), 0);
        assert_int_equal(log->n_lines, 1);
        assert_int_equal(log->lines[0]->text_size, sizeof(x));
        assert_int_equal(log->lines[0]->begin, 6);
        assert_int_equal(log->lines[0]->is_cut, 0);
        mayfly_log_free(log);
        assert_int_equal(mf_log_read_tail(&made, 1, &log), 0);
        assert_int_equal(log->n_lines, 1);
        assert_int_equal(log->lines[0]->text_size, sizeof(x));
        mayfly_log_free(log);
}

static uint64_t now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void pause_us(unsigned us)
{
        nanosleep(&(const struct timespec){ .tv_nsec = (long) us * 1000 }, NULL);
}

static void lines_have_the_time_of_their_arrival(void **state)
{
        struct mayfly_log *log = NULL;
        uint64_t times[6];

        (void) state;
        make_log(4096, 0);
        for (unsigned i = 0; i < 6; i++) {
                pause_us(1500);
                times[i] = now_us();
                write_text(i % 2 ? "end\n" : "begin ", MF_LOG_MERGED);
        }
        assert_int_equal(mf_log_read_lines(&made, 0, &log), 0);
        assert_int_equal(log->n_lines, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_true(log->lines[i]->time_us >= times[2 * i]);
                assert_true(log->lines[i]->time_us <= times[2 * i + 1]);
        }
        mayfly_log_free(log);
}

/* More entries than the index has. One stream loses nothing by it; of two the oldest bytes are lost, and counted. */
static void an_index_that_is_full_loses_the_oldest(void **state)
{
        struct mayfly_log *log = NULL;

        (void) state;
        make_log(1, 0);
        assert_int_equal(made.n_entries, 64);
        make_log(4096, 0);
        const unsigned n = (unsigned) made.n_entries + 20;
        for (unsigned i = 0; i < n; i++) {
                write_text("x\n", MF_LOG_MERGED);
                pause_us(1100);
        }
        assert_int_equal(mf_log_read_lines(&made, 0, &log), 0);
        assert_int_equal(log->lost, 0);
        assert_int_equal(log->n_lines, n);
        assert_true(log->lines[0]->time_us == log->lines[20]->time_us);
        assert_true(log->lines[22]->time_us > log->lines[20]->time_us);
        mayfly_log_free(log);

        make_log(4096, 1);
        for (unsigned i = 0; i < n; i++)
                write_text("x\n", i % 2 ? MF_LOG_OUTPUT : MF_LOG_ERROR);
        assert_int_equal(mf_log_read_lines(&made, 0, &log), 0);
        assert_int_equal(log->n_lines, n - 21); /* the place of one entry is always being written */
        assert_int_equal(log->lost, 42);
        assert_int_equal(log->lines[0]->begin, 42);
        assert_int_equal(log->lines[0]->lost, 42);
        assert_int_equal(log->lines[0]->stream, 21 % 2 ? MAYFLY_STREAM_OUTPUT : MAYFLY_STREAM_ERROR);
        mayfly_log_free(log);
}

#define LINES 60000U

/* Writes all lines, each by itself or a thousand at once, to one stream or to two in turn. */
static void write_lines(int separate, unsigned at_once)
{
        static char text[64 * 1024];
        size_t used = 0;

        for (unsigned i = 0; i < LINES; i++) {
                used += (size_t) snprintf(text + used, sizeof(text) - used, "%s", numbered(i));
                if ((i + 1) % at_once == 0) {
                        write_bytes(text, used, separate ? 1 + i / at_once % 2 : MF_LOG_MERGED);
                        used = 0;
                }
        }
}

/* Another process writes as fast as it can: whatever was read is right, and what is missing was counted. */
static void a_reader_beside_the_writer_sees_no_mixture(uint64_t capacity, int separate, unsigned at_once)
{
        uint64_t position = 0;
        unsigned counts[3] = { 0 }, n_read = 0;
        int status;

        make_log(capacity, separate);
        pid_t pid = fork();
        if (pid == 0) {
                write_lines(separate, at_once);
                _exit(0);
        }
        for (int ended = 0; !ended;) {
                struct mayfly_log *log = NULL;
                ended = waitpid(pid, &status, WNOHANG) == pid;
                assert_int_equal(mf_log_read_lines(&made, position, &log), 0);
                assert_int_equal(position + log->lost + log->n_bytes, log->next);
                for (size_t i = 0; i < log->n_lines; i++) {
                        const struct mayfly_log_line *line = log->lines[i];
                        if (!line->is_complete || line->is_cut)
                                continue;
                        unsigned number = (unsigned) strtoul(line->text + 5, NULL, 10);
                        assert_memory_equal(numbered(number), line->text, line->text_size);
                        assert_true(number >= counts[line->stream]);
                        counts[line->stream] = number + 1;
                        n_read++;
                }
                position = log->next;
                mayfly_log_free(log);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_true(n_read > 0);
        assert_int_equal(position, mf_log_end(&made));
        assert_int_equal(counts[separate ? 1 + (LINES - 1) / at_once % 2 : 0], LINES);
}

static void readers_and_writers_need_no_lock(void **state)
{
        (void) state;
        for (int separate = 0; separate < 2; separate++) {
                a_reader_beside_the_writer_sees_no_mixture(1 << 22, separate, 1);
                a_reader_beside_the_writer_sees_no_mixture(777, separate, 1);
                a_reader_beside_the_writer_sees_no_mixture(40000, separate, 1000);
                a_reader_beside_the_writer_sees_no_mixture(100000, separate, 4000);
        }
}

/* Checks only what must hold whatever the log has: all is within what was read, and the positions go up. */
static void read_damaged(uint64_t position)
{
        struct mayfly_log *log = NULL;
        struct mf_log_part part = { 0 };
        volatile char sum = 0;

        assert_int_equal(mf_log_read_part(&made, position, &part), 0);
        assert_true(part.end - part.begin <= made.capacity);
        for (size_t i = 0; i < part.n_pieces; i++)
                assert_true(part.pieces[i].begin == (i ? part.pieces[i - 1].end : part.begin) &&
                            part.pieces[i].begin < part.pieces[i].end);
        assert_true(part.n_pieces ? part.pieces[part.n_pieces - 1].end == part.end : part.begin == part.end);
        mf_log_part_clear(&part);
        for (unsigned kind = 0; kind < 3; kind++) {
                assert_int_equal(kind == 0   ? mf_log_read_lines(&made, position, &log)
                                 : kind == 1 ? mf_log_read_rest(&made, position, &log)
                                             : mf_log_read_tail(&made, (size_t) position % 9, &log),
                                 0);
                for (size_t i = 0; i < log->n_lines; i++) {
                        assert_int_equal(log->lines[i]->text[log->lines[i]->text_size], '\0');
                        sum = (char) (sum + log->lines[i]->text[log->lines[i]->text_size / 2]);
                }
                for (size_t i = 0; i < log->n_bytes; i++)
                        sum = (char) (sum + log->bytes[i]);
                mayfly_log_free(log);
        }
}

/* Deterministic: every run damages the same. */
static uint64_t random_number(void)
{
        static uint64_t state = 88172645463325252;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static void damage_breaks_nothing(void **state)
{
        static const uint64_t extremes[] = { 0, 1, 4095, 4096, 4097, UINT64_MAX, UINT64_MAX - 4096, 1ULL << 63 };

        (void) state;
        for (unsigned round = 0; round < 4000; round++) {
                make_log(4096, (int) (round & 1));
                for (unsigned i = 0; i < round % 40; i++)
                        write_text(numbered(i), made.separate ? 1 + i % 2 : MF_LOG_MERGED);
                uint64_t *words = made.map;
                const size_t n_words = MF_LOG_DATA(made.n_entries) / sizeof(uint64_t);
                for (unsigned i = 0; i < 1 + round % 4; i++) {
                        size_t at = random_number() % (round & 2 ? n_words : sizeof(struct mf_log_header) / 8);
                        words[at] = round & 4 ? random_number() : extremes[random_number() % 8];
                }
                read_damaged(0);
                read_damaged(random_number() % 500);
                read_damaged(mf_log_end(&made));
                read_damaged(UINT64_MAX);
        }
}

static void a_log_that_is_not_there_is_an_error(void **state)
{
        struct mf_log none = MF_LOG_NONE;
        struct mayfly_log *log = NULL;
        char *text = NULL;

        (void) state;
        assert_int_equal(mf_log_end(&none), 0);
        assert_int_equal(mf_log_read(&none, 10, &text, NULL), -EBADF);
        assert_int_equal(mf_log_read_lines(&none, 0, &log), -EBADF);
        mf_log_close(&none);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(lines_come_once_and_whole, close_log),
                cmocka_unit_test_teardown(streams_keep_their_lines_apart, close_log),
                cmocka_unit_test_teardown(the_rest_has_all_that_has_no_end, close_log),
                cmocka_unit_test_teardown(binary_lines_keep_their_bytes, close_log),
                cmocka_unit_test_teardown(a_console_has_no_returns, close_log),
                cmocka_unit_test_teardown(what_is_overwritten_is_counted, close_log),
                cmocka_unit_test_teardown(what_is_being_overwritten_is_not_read, close_log),
                cmocka_unit_test_teardown(long_lines_are_looked_for_far_back, close_log),
                cmocka_unit_test_teardown(lines_have_the_time_of_their_arrival, close_log),
                cmocka_unit_test_teardown(an_index_that_is_full_loses_the_oldest, close_log),
                cmocka_unit_test_teardown(readers_and_writers_need_no_lock, close_log),
                cmocka_unit_test_teardown(damage_breaks_nothing, close_log),
                cmocka_unit_test(a_log_that_is_not_there_is_an_error),
        };

        made = MF_LOG_NONE;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
