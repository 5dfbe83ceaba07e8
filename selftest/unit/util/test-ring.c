/* SPDX-License-Identifier: MIT */

/* The queue between two stages: order kept over its end, and neither side left waiting when the other goes. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "util/ring.h"

#define TOTAL 200000U

/* What both sides know of byte `i`: no period that a capacity below could share. */
static unsigned char byte_at(size_t i)
{
        return (unsigned char) (i * 2654435761U >> 13);
}

struct writer {
        struct mf_ring *ring;
        size_t piece, total;
        int broken, result;
};

static void *write_all(void *userdata)
{
        struct writer *w = userdata;
        unsigned char data[5000];

        for (size_t i = 0, n; i < w->total && w->result == 0; i += n) {
                n = w->piece < w->total - i ? w->piece : w->total - i;
                for (size_t k = 0; k < n; k++)
                        data[k] = byte_at(i + k);
                w->result = mf_ring_push(w->ring, data, n);
        }
        mf_ring_finish(w->ring, w->broken);
        return NULL;
}

static pthread_t start_writer(struct writer *w)
{
        pthread_t thread;

        assert_non_null(w->ring);
        assert_int_equal(pthread_create(&thread, NULL, write_all, w), 0);
        return thread;
}

/* Takes up to `limit` bytes, each checked; *ret_end is what the last pop returned. */
static size_t read_some(struct mf_ring *ring, size_t piece, size_t limit, long *ret_end)
{
        unsigned char data[5000];
        size_t at = 0;

        *ret_end = 1;
        while (at < limit && (*ret_end = mf_ring_pop(ring, data, piece)) > 0) {
                assert_true((size_t) *ret_end <= piece);
                for (long k = 0; k < *ret_end; k++, at++)
                        if (data[k] != byte_at(at))
                                fail_msg("byte %zu is %u, not %u", at, data[k], byte_at(at));
        }
        return at;
}

static void bytes_arrive_in_order(void **state)
{
        static const struct {
                size_t capacity, in, out;
        } cases[] = {
                { 1, 1, 1 },    { 1, 4096, 4096 }, { 7, 3, 2 },        { 7, 5000, 5 },
                { 64, 64, 64 }, { 64, 63, 65 },    { 4096, 1000, 33 }, { 4096, 5000, 5000 },
        };
        long end;

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct writer w = { .ring = mf_ring_new(cases[i].capacity), .piece = cases[i].in };
                w.total = cases[i].capacity < 64 ? TOTAL / 20 : TOTAL;
                pthread_t thread = start_writer(&w);
                assert_int_equal(read_some(w.ring, cases[i].out, SIZE_MAX, &end), w.total);
                assert_int_equal(end, 0);
                assert_int_equal(mf_ring_pop(w.ring, &end, sizeof(end)), 0); /* and stays so */
                pthread_join(thread, NULL);
                assert_int_equal(w.result, 0);
                mf_ring_free(w.ring);
        }
}

static void a_broken_writer_is_told_after_what_it_wrote(void **state)
{
        struct writer w = { .ring = mf_ring_new(100), .piece = 30, .total = 1234, .broken = 1 };
        pthread_t thread = start_writer(&w);
        long end;

        (void) state;
        assert_int_equal(read_some(w.ring, 17, SIZE_MAX, &end), 1234);
        assert_int_equal(end, -EPIPE);
        pthread_join(thread, NULL);
        mf_ring_free(w.ring);
}

/* The writer waits for room, or is about to: either way it must come back. */
static void a_reader_that_goes_frees_the_writer(void **state)
{
        long end;

        (void) state;
        for (unsigned pause_us = 0; pause_us < 20000; pause_us = pause_us * 4 + 100) {
                struct writer w = { .ring = mf_ring_new(100), .piece = 4096, .total = TOTAL };
                pthread_t thread = start_writer(&w);
                read_some(w.ring, 50, 50, &end);
                nanosleep(&(struct timespec){ .tv_nsec = pause_us * 1000L }, NULL);
                mf_ring_abandon(w.ring);
                pthread_join(thread, NULL);
                assert_int_equal(w.result, -EPIPE);
                assert_int_equal(mf_ring_push(w.ring, "x", 1), -EPIPE);
                mf_ring_free(w.ring);
        }
}

static void *finish_later(void *userdata)
{
        nanosleep(&(struct timespec){ .tv_nsec = 20000000L }, NULL);
        mf_ring_finish(userdata, 1);
        return NULL;
}

static void a_writer_that_goes_frees_the_reader(void **state)
{
        struct mf_ring *ring = mf_ring_new(100);
        pthread_t thread;
        char byte;

        (void) state;
        assert_int_equal(pthread_create(&thread, NULL, finish_later, ring), 0);
        assert_int_equal(mf_ring_pop(ring, &byte, 1), -EPIPE);
        pthread_join(thread, NULL);
        mf_ring_free(ring);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_arrive_in_order),
                cmocka_unit_test(a_broken_writer_is_told_after_what_it_wrote),
                cmocka_unit_test(a_reader_that_goes_frees_the_writer),
                cmocka_unit_test(a_writer_that_goes_frees_the_reader),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
