/* SPDX-License-Identifier: MIT */

/* The log as a test reads it: by position, line by line, in one stream or two, and as it grows. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/log.h>

#include "support/containers.h"
#include "support/host.h"

static const char *busybox;

#define SHELL(line) .entrypoint = (const char *const[]){ "sh", "-c", line, NULL }, .user = "0"

static struct mayfly_log *read_log(struct mayfly_container *c, uint64_t position)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_log *log = NULL;

        if (mayfly_container_log_read(c, position, &log, &err) < 0)
                fail_msg("%s", err.message);
        return log;
}

static void await_end(struct mayfly_container *c)
{
        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, NULL, NULL), 0);
}

/* What a follower has seen: "M:text|" for each line, and with '?' those without an end. */
struct seen {
        char text[4096];
        const char *until; /* the line that ends it */
        uint64_t lost, last_us;
        unsigned n;
};

static int see(const struct mayfly_log_line *line, void *userdata)
{
        struct seen *seen = userdata;
        static const char streams[] = "MOE";
        const char stream = streams[line->stream], *mark = line->is_complete ? "" : "?";
        size_t used = strlen(seen->text);

        snprintf(seen->text + used, sizeof(seen->text) - used, "%c%s:%s|", stream, mark, line->text);
        seen->lost += line->lost;
        seen->last_us = line->time_us;
        seen->n++;
        return seen->until && strcmp(line->text, seen->until) == 0 ? 42 : 0;
}

/* Follows from *position on, and returns what the function does; what was seen must be `expected`. */
static int follow(struct mayfly_container *c, uint64_t *position, const char *until, unsigned timeout_ms,
                  const char *expected)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct seen seen = { .until = until };

        int r = mayfly_container_log_follow(c, position, timeout_ms, see, &seen, &err);
        if (r < 0 && r != -ETIMEDOUT)
                fail_msg("%s", err.message);
        assert_string_equal(seen.text, expected);
        if (r == -ETIMEDOUT)
                assert_non_null(strstr(err.message, "has not ended after timeout_ms ="));
        return r;
}

static void one_stream_keeps_the_exact_order(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            SHELL("i=0; while [ $i -lt 500 ]; do echo $i; echo e$i >&2; i=$((i+1)); done")));

        (void) state;
        await_end(c);
        struct mayfly_log *log = read_log(c, 0);
        assert_int_equal(log->n_lines, 1000);
        assert_int_equal(log->lost, 0);
        for (unsigned i = 0; i < 1000; i++) {
                char line[16];
                snprintf(line, sizeof(line), "%s%u", i % 2 ? "e" : "", i / 2);
                assert_string_equal(log->lines[i]->text, line);
                assert_int_equal(log->lines[i]->stream, MAYFLY_STREAM_MERGED);
        }
        mayfly_log_free(log);
        mayfly_container_free(c);
}

static void two_streams_are_told_apart(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .separate_streams = 1,
                                            SHELL("i=0; while [ $i -lt 500 ]; do echo $i; echo e$i >&2; i=$((i+1)); "
                                                  "done; echo last >/dev/stderr")));
        unsigned counts[3] = { 0 };

        (void) state;
        await_end(c);
        struct mayfly_log *log = read_log(c, 0);
        assert_int_equal(log->n_lines, 1001);
        for (unsigned i = 0; i < 1001; i++) {
                const struct mayfly_log_line *line = log->lines[i];
                char text[16];
                snprintf(text, sizeof(text), "%s%u", line->stream == MAYFLY_STREAM_ERROR ? "e" : "",
                         counts[line->stream]++);
                assert_string_equal(line->text, counts[line->stream] <= 500 ? text : "last");
                assert_int_equal(line->is_complete, 1);
        }
        assert_int_equal(counts[MAYFLY_STREAM_OUTPUT], 500);
        assert_int_equal(counts[MAYFLY_STREAM_ERROR], 501);
        mayfly_log_free(log);
        mayfly_container_free(c);
}

/* Each stream ends by itself. */
static void streams_end_one_by_one(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .separate_streams = 1,
                            SHELL("echo one; exec >&-; sleep 0.05; echo two >&2; sleep 0.05; printf 'no end' >&2")));

        (void) state;
        assert_int_equal(follow(c, NULL, NULL, FOREVER_MS, "O:one|E:two|E?:no end|"), 0);
        await_end(c);
        struct mayfly_log *log = read_log(c, 0);
        assert_int_equal(log->n_lines, 3);
        assert_true(log->lines[1]->time_us >= log->lines[0]->time_us);
        assert_true(log->lines[2]->time_us >= log->lines[1]->time_us);
        assert_string_equal(log->bytes, "one\ntwo\nno end");
        mayfly_log_free(log);
        mayfly_container_free(c);
}

/* Whichever line was written last, and wherever a follower ended. */
static void lines_without_an_end_come_once(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .separate_streams = 1,
                                            SHELL("printf out; sleep 0.05; printf err >&2; sleep 0.05; echo put")));
        uint64_t position = 0, stopped = 0;

        (void) state;
        await_end(c);
        assert_int_equal(follow(c, &position, NULL, FOREVER_MS, "O:output|E?:err|"), 0);
        assert_int_equal(follow(c, &position, NULL, FOREVER_MS, ""), 0);
        assert_int_equal(follow(c, &position, NULL, FOREVER_MS, ""), 0);
        assert_int_equal(follow(c, &stopped, "output", FOREVER_MS, "O:output|"), 42);
        assert_int_equal(follow(c, &stopped, NULL, FOREVER_MS, "E?:err|"), 0);
        assert_int_equal(follow(c, NULL, NULL, FOREVER_MS, "O:output|E?:err|"), 0);
        mayfly_container_free(c);
}

static uint64_t now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void a_follower_goes_on_where_it_was(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, SHELL("mkfifo /f; echo up; while read l; do printf \"$l\"; done <>/f")));
        uint64_t position = 0, begin = now_us() - 60 * UINT64_C(1000000);

        (void) state;
        assert_int_equal(follow(c, &position, "up", FOREVER_MS, "M:up|"), 42);
        assert_int_equal(position, 3);
        assert_int_equal(follow(c, &position, NULL, 0, ""), -ETIMEDOUT);
        assert_int_equal(follow(c, &position, NULL, 20, ""), -ETIMEDOUT);
        assert_int_equal(sh(c, "echo rea >/f"), 0);
        await_output(c);
        assert_int_equal(follow(c, &position, NULL, 50, ""), -ETIMEDOUT); /* no line yet */
        assert_int_equal(sh(c, "echo 'dy\\\\n\\\\nmore\\\\nend' >/f"), 0);
        assert_int_equal(follow(c, &position, "ready", FOREVER_MS, "M:ready|"), 42);
        assert_int_equal(follow(c, &position, "more", FOREVER_MS, "M:|M:more|"), 42);
        struct mayfly_log *log = read_log(c, position);
        assert_true(log->n_lines <= 1); /* "end" has none */
        mayfly_log_free(log);
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        assert_int_equal(follow(c, &position, NULL, FOREVER_MS, "M?:end|"), 0);
        assert_int_equal(follow(c, &position, NULL, FOREVER_MS, ""), 0);
        log = read_log(c, 0);
        assert_int_equal(log->n_lines, 5);
        assert_true(log->lines[0]->time_us >= begin && log->lines[4]->time_us <= now_us());
        assert_true(log->lines[1]->time_us > log->lines[0]->time_us);
        mayfly_log_free(log);
        mayfly_container_free(c);
}

/* Notes when a line came, by the app's clock and ours. */
static int note_delay(const struct mayfly_log_line *line, void *userdata)
{
        uint64_t *shortest = userdata, written = strtoull(line->text, NULL, 10), now = now_us();

        assert_true(line->time_us <= now);
        if (written > 0 && now - line->time_us < *shortest)
                *shortest = now - line->time_us;
        return 0;
}

static void a_follower_notices_at_once(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, SHELL("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.02; echo $i; done")));
        uint64_t shortest = UINT64_MAX;

        (void) state;
        assert_int_equal(mayfly_container_log_follow(c, NULL, FOREVER_MS, note_delay, &shortest, NULL), 0);
        print_message("a line was handed over %llu us after it had arrived, at best\n", (unsigned long long) shortest);
        assert_true(shortest < UINT64_MAX);
        mayfly_container_free(c);
}

/* `seq 1 10000` writes 48,894 bytes. */
static void what_was_overwritten_is_counted(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .log_size = 1000, SHELL("seq 1 10000; sleep 1000")));
        struct seen seen = { .until = "10000" };
        struct mayfly_log *log = NULL;

        (void) state;
        assert_int_equal(mayfly_container_log_follow(c, NULL, FOREVER_MS, see, &seen, NULL), 42);
        log = read_log(c, 0);
        assert_int_equal(log->next, 48894);
        assert_int_equal(log->n_bytes, 1000);
        assert_int_equal(log->lost, 47894);
        assert_int_equal(log->n_lines, 200);
        assert_int_equal(log->lines[0]->lost, 47894);
        assert_string_equal(log->lines[199]->text, "10000");
        mayfly_log_free(log);
        assert_int_equal(mayfly_container_log_tail(c, 3, &log, NULL), 0);
        assert_int_equal(log->n_lines, 3);
        assert_string_equal(log->lines[0]->text, "9998");
        assert_string_equal(log->bytes, "9998\n9999\n10000\n");
        mayfly_log_free(log);
        mayfly_container_free(c);
}

/* Returns where `seq` writes a number: after those of less digits, and those of as many before it. */
static uint64_t place_of(uint64_t number)
{
        uint64_t place = 0, first = 1;

        for (uint64_t size = 2;; size++, first *= 10) {
                if (number < first * 10)
                        return place + (number - first) * size;
                place += 9 * first * size;
        }
}

/* However fast the app is: each line is where it belongs, and what is missing before it was counted as lost. */
static int check_numbers(const struct mayfly_log_line *line, void *userdata)
{
        uint64_t *next = userdata, number = strtoull(line->text, NULL, 10);

        assert_int_equal(line->begin, *next + line->lost);
        if (!line->is_cut)
                assert_int_equal(line->begin, place_of(number));
        *next = line->end;
        return number == 300000 && !line->is_cut ? 1 : 0;
}

static void nothing_is_missing_or_double(void **state)
{
        (void) state;
        for (int i = 0; i < 4; i++) {
                struct mayfly_container *c =
                        start_container(MAYFLY_SPEC(.image = busybox, .separate_streams = i % 2,
                                                    .log_size = i < 2 ? 0 : 5000, SHELL("seq 1 300000")));
                uint64_t next = 0;
                assert_int_equal(mayfly_container_log_follow(c, NULL, FOREVER_MS, check_numbers, &next, NULL), 1);
                assert_int_equal(next, place_of(300001));
                mayfly_container_free(c);
        }
}

/* The app answers a command after it has written a line. */
static void what_was_written_before_an_answer_is_there(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            SHELL("mkfifo /tmp/ask /tmp/answer; while read n </tmp/ask; do echo line $n; echo "
                                  ">/tmp/answer; done")));
        char line[128], expected[32], *log = NULL;

        (void) state;
        for (unsigned i = 0; i < 100; i++) {
                snprintf(expected, sizeof(expected), "line %u\n", i);
                snprintf(line, sizeof(line),
                         "while [ ! -p /tmp/answer ]; do sleep 0.01; done; echo %u >/tmp/ask; read x </tmp/answer", i);
                assert_int_equal(sh(c, line), 0);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
                assert_non_null(strstr(log, expected));
                free(log);
        }
        mayfly_container_free(c);
}

static void bad_input_is_named(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_log *log = NULL;
        uint64_t position = 7;

        (void) state;
        assert_int_equal(mayfly_container_log_read(c, 1, &log, &err), -EINVAL);
        assert_non_null(strstr(err.message, "the position 1 is beyond the end of the log"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_container_log_follow(c, &position, 0, see, NULL, &err), -EINVAL);
        assert_non_null(strstr(err.message, "the position 7 is beyond"));
        assert_int_equal(position, 7);
        assert_int_equal(mayfly_container_log_follow(c, NULL, 0, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(mayfly_container_log_read(c, 0, NULL, NULL), -EINVAL);
        assert_int_equal(mayfly_container_log_tail(c, 1, NULL, NULL), -EINVAL);
        log = read_log(c, 0);
        assert_int_equal(log->n_lines, 0);
        assert_string_equal(log->bytes, "");
        assert_null(mayfly_log_free(log));
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_stream_keeps_the_exact_order),
                cmocka_unit_test(two_streams_are_told_apart),
                cmocka_unit_test(streams_end_one_by_one),
                cmocka_unit_test(lines_without_an_end_come_once),
                cmocka_unit_test(a_follower_goes_on_where_it_was),
                cmocka_unit_test(a_follower_notices_at_once),
                cmocka_unit_test(what_was_overwritten_is_counted),
                cmocka_unit_test(nothing_is_missing_or_double),
                cmocka_unit_test(what_was_written_before_an_answer_is_there),
                cmocka_unit_test(bad_input_is_named),
        };

        busybox = test_image("busybox");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
