/* SPDX-License-Identifier: MIT */

/* mf_http_get() over real sockets, from a server with every fault we know of. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"

/* --- what works -------------------------------------------------------------------------------------------------- */

static void whole_bodies_arrive(void **state)
{
        (void) state;
        ADD(.path = "/fine");
        ADD(.path = "/close", .flags = FAULTY_CLOSE_ENDS);
        ADD(.path = "/chunked", .flags = FAULTY_CHUNKED, .chunk = 7000);
        ADD(.path = "/slow", .chunk = SIZE / 20, .delay_ms = 20);
        ADD(.path = "/empty", .body = "", .size = 0);
        struct got got = get("/fine", 0);
        assert_int_equal(got.total, SIZE);
        assert_whole(got);
        assert_asked("/fine", 0, "User-Agent: mayfly/");
        assert_asked("/fine", 0, "\r\nAccept-Encoding: identity\r\n");
        assert_not_asked("/fine", 0, "Range");
        got = get("/close", 0);
        assert_int_equal(got.total, 0);
        assert_whole(got);
        assert_whole(get("/chunked", 0));
        assert_whole(get("/slow", 0));
        got = get("/empty", 0);
        assert_int_equal(got.result, 0);
        assert_int_equal(got.size, 0);
        assert_int_equal(faulty_count(world.server, "/slow"), 1);
}

static void a_reader_that_takes_its_time_is_no_stall(void **state)
{
        char url[128];
        struct got got = nothing;

        (void) state;
        /* The second half comes after the reader's pause, in less than a stall's time. */
        ADD(.path = "/patient", .body = "both halves", .size = 11, .chunk = 6, .delay_ms = 900);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/patient", faulty_port(world.server));
        got.sleep_ms = 800;
        got = fetch(url, 0, got);
        if (got.result < 0)
                fail_msg("%s", got.err.message);
        assert_int_equal(got.size, 11);
        free(got.data);
}

static void loopback_needs_no_proxy(void **state)
{
        (void) state;
        ADD(.path = "/direct");
        setenv("http_proxy", "http://127.0.0.1:1", 1);
        struct got got = get("/direct", 0);
        unsetenv("http_proxy");
        assert_whole(got);
}

static void content_is_asked_for_as_it_is(void **state)
{
        (void) state;
        ADD(.path = "/plain", .flags = FAULTY_CUT, .cut = 1000, .times = 1);
        assert_whole(get("/plain", 3));
        assert_asked("/plain", 0, "\r\nAccept-Encoding: identity\r\n");
        assert_asked("/plain", 1, "\r\nAccept-Encoding: identity\r\n");
        assert_asked("/plain", 1, "\r\nIf-Range: ");
}

static void *fetch_thread(void *userdata)
{
        struct got *got = userdata;

        *got = get("/crowd", 3);
        return NULL;
}

static void threads_do_not_meet(void **state)
{
        enum { N = 8 };
        pthread_t threads[N];
        struct got gots[N];

        (void) state;
        ADD(.path = "/crowd", .times = N, .flags = FAULTY_CUT, .cut = SIZE / 2);
        for (size_t i = 0; i < N; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, fetch_thread, &gots[i]), 0);
        for (size_t i = 0; i < N; i++)
                pthread_join(threads[i], NULL);
        for (size_t i = 0; i < N; i++)
                assert_whole(gots[i]);
}

/* --- resuming ---------------------------------------------------------------------------------------------------- */

static void cut_transfers_resume(void **state)
{
        (void) state;
        ADD(.path = "/cut", .times = 1, .flags = FAULTY_CUT, .cut = 100000);
        assert_whole(get("/cut", 1));
        assert_asked("/cut", 1, "Range: bytes=100000-\r\n");
        assert_asked("/cut", 1, "If-Range: \"300000\"\r\n");
        ADD(.path = "/thrice", .times = 3, .flags = FAULTY_CUT, .cut = 70000);
        assert_whole(get("/thrice", 3));
        assert_asked("/thrice", 3, "Range: bytes=210000-\r\n");
        ADD(.path = "/dated", .times = 2, .flags = FAULTY_CUT | FAULTY_DATE, .cut = 100000);
        assert_whole(get("/dated", 2));
        assert_asked("/dated", 1, "If-Range: Mon, 05 Jan 2015 10:00:00 GMT\r\n");
        ADD(.path = "/chunks", .times = 1, .flags = FAULTY_CUT | FAULTY_CHUNKED, .cut = 100000);
        assert_whole(get("/chunks", 1));
        assert_asked("/chunks", 1, "Range: bytes=100000-\r\n");
        ADD(.path = "/stalls", .times = 1, .flags = FAULTY_STALL, .cut = 100000);
        assert_whole(get("/stalls", 1));
        assert_asked("/stalls", 1, "Range: bytes=100000-\r\n");
        ADD(.path = "/reset", .times = 1, .flags = FAULTY_RESET, .cut = 100000);
        assert_whole(get("/reset", 1));
        assert_int_equal(faulty_count(world.server, "/reset"), 2);
}

static void without_ranges_what_is_there_is_skipped(void **state)
{
        (void) state;
        ADD(.path = "/anew", .times = 1, .flags = FAULTY_CUT | FAULTY_NO_ETAG, .cut = 100000);
        assert_whole(get("/anew", 1));
        assert_not_asked("/anew", 1, "Range");
        ADD(.path = "/ignores", .times = 2, .flags = FAULTY_CUT | FAULTY_NO_RANGES, .cut = 200000);
        struct got got = get("/ignores", 2);
        assert_whole(got);
        assert_asked("/ignores", 1, "Range: bytes=200000-");
        ADD(.path = "/weak", .times = 1, .flags = FAULTY_CUT, .cut = 100000, .etag = "W/\"weak\"");
        assert_whole(get("/weak", 1));
        assert_not_asked("/weak", 1, "Range");
        /* Another server's validator for the same bytes: If-Range fails, and all is sent. */
        ADD(.path = "/mirror", .times = 1, .flags = FAULTY_CUT, .cut = 100000, .etag = "\"one\"");
        assert_whole(get("/mirror", 1));
        assert_asked("/mirror", 1, "If-Range: \"one\"");
}

static void wrong_ranges_are_not_taken(void **state)
{
        (void) state;
        ADD(.path = "/late", .times = 2, .flags = FAULTY_CUT, .cut = 100000, .range_off = 500);
        assert_whole(get("/late", 2));
        assert_asked("/late", 1, "Range: bytes=100000-");
        assert_not_asked("/late", 2, "Range");
        ADD(.path = "/unsaid", .times = 2, .flags = FAULTY_CUT | FAULTY_NO_CONTENT_RANGE, .cut = 100000);
        assert_whole(get("/unsaid", 2));
        assert_not_asked("/unsaid", 2, "Range");
        ADD(.path = "/never", .flags = FAULTY_CUT, .cut = 100000, .range_off = 500);
        assert_failed(get("/never", 1), -EPROTO, "Content-Range: bytes 100500-299999/300000");
}

static void a_changed_image_is_not_pasted_together(void **state)
{
        (void) state;
        ADD(.path = "/grows", .flags = FAULTY_CUT, .cut = 100000, .total_off = 17);
        assert_failed(get("/grows", 3), -ESTALE, "from 300000 to 300017 bytes");
        assert_int_equal(faulty_count(world.server, "/grows"), 2);
        ADD(.path = "/lies", .times = 1, .length_off = 1000, .flags = FAULTY_NO_RANGES);
        assert_failed(get("/lies", 3), -ESTALE, "from 301000 to 300000 bytes");
}

static void a_range_past_the_end_is_the_end(void **state)
{
        (void) state;
        /* All bytes, but the last chunk's mark is missing: nobody knows yet that this was all. */
        ADD(.path = "/unmarked", .times = 1, .flags = FAULTY_CHUNKED | FAULTY_CUT, .cut = SIZE);
        assert_whole(get("/unmarked", 1));
        assert_asked("/unmarked", 1, "Range: bytes=300000-");
}

/* --- faults that pass, and faults that stay ---------------------------------------------------------------------- */

static void passing_faults_are_survived(void **state)
{
        static const int statuses[] = { 408, 429, 500, 502, 503, 504 };

        (void) state;
        for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
                ADD(.path = "/once", .times = 1, .status = statuses[i]);
                assert_whole(get("/once", 1));
                assert_int_equal(faulty_count(world.server, "/once"), 2 * (i + 1));
        }
        ADD(.path = "/500", .times = 2, .status = 500);
        assert_whole(get("/500", 2));
        ADD(.path = "/silent", .times = 1, .flags = FAULTY_SILENT);
        assert_whole(get("/silent", 1));
        ADD(.path = "/dead", .times = 1, .flags = FAULTY_RESET | FAULTY_NO_ETAG, .cut = 0);
        assert_whole(get("/dead", 1));
}

static void retry_after_is_honoured(void **state)
{
        struct timespec before, after;

        (void) state;
        ADD(.path = "/503", .times = 1, .status = 503, .retry_after = "1");
        clock_gettime(CLOCK_MONOTONIC, &before);
        assert_whole(get("/503", 1));
        clock_gettime(CLOCK_MONOTONIC, &after);
        /* Not how fast, only that the server's wish was kept; the first back-off alone would be much shorter. */
        assert_true((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >= 1000000000LL);
        ADD(.path = "/soon", .times = 1, .status = 503, .retry_after = "-5");
        assert_whole(get("/soon", 1));
        ADD(.path = "/past", .times = 1, .status = 503, .retry_after = "Mon, 05 Jan 2015 10:00:00 GMT");
        assert_whole(get("/past", 1));
}

static void statuses_that_stay_are_named(void **state)
{
        (void) state;
        ADD(.path = "/404", .status = 404);
        assert_failed(get("/404", 3), -ENOENT, "/404 answers 404 (no such image)");
        assert_int_equal(faulty_count(world.server, "/404"), 1);
        ADD(.path = "/410", .status = 410);
        assert_failed(get("/410", 3), -ENOENT, "/410 answers 410");
        ADD(.path = "/403", .status = 403);
        assert_failed(get("/403", 3), -EACCES, "answers 403 (access denied)");
        ADD(.path = "/418", .status = 418);
        assert_failed(get("/418", 3), -EIO, "answers 418");
        assert_int_equal(faulty_count(world.server, "/418"), 1);
        ADD(.path = "/always500", .status = 500);
        assert_failed(get("/always500", 2), -EIO, "answers 500 (server error); try again later (tried 3 times)");
        assert_int_equal(faulty_count(world.server, "/always500"), 3);
        ADD(.path = "/304", .status = 304);
        assert_failed(get("/304", 1), -EPROTO, "answers 304");
        ADD(.path = "/page", .status = 404, .flags = FAULTY_ENDLESS_BODY);
        assert_failed(get("/page", 1), -ENOENT, "answers 404");
}

static void short_bodies_name_expected_and_actual(void **state)
{
        (void) state;
        ADD(.path = "/cutalways", .flags = FAULTY_CUT | FAULTY_NO_RANGES, .cut = 1000);
        assert_failed(get("/cutalways", 1), -EIO, "cut off after 1000 of 300000 bytes (tried 2 times)");
        assert_int_equal(faulty_count(world.server, "/cutalways"), 2);
        ADD(.path = "/bodyless", .flags = FAULTY_CUT, .cut = 0);
        assert_failed(get("/bodyless", 0), -EIO, "cut off after 0 of 300000 bytes");
        ADD(.path = "/toolong", .length_off = 1000);
        assert_failed(get("/toolong", 0), -EIO, "cut off after 300000 of 301000 bytes");
        ADD(.path = "/chunkcut", .flags = FAULTY_CUT | FAULTY_CHUNKED, .cut = 1000);
        assert_failed(get("/chunkcut", 0), -EIO, "cut off after 1000 bytes");
        ADD(.path = "/tooshort", .length_off = -1000); /* all that was announced came: the pin's business */
        struct got got = get("/tooshort", 0);
        assert_int_equal(got.result, 0);
        assert_int_equal(got.size, SIZE - 1000);
        free(got.data);
}

static void servers_that_say_nothing_or_nonsense_are_named(void **state)
{
        char url[128];

        (void) state;
        ADD(.path = "/mute", .flags = FAULTY_SILENT);
        assert_failed(get("/mute", 1), -ETIMEDOUT, "sent nothing for stall_timeout_ms = 500");
        assert_int_equal(faulty_count(world.server, "/mute"), 2);
        ADD(.path = "/halfway", .flags = FAULTY_STALL, .cut = 1000);
        assert_failed(get("/halfway", 0), -ETIMEDOUT, "after 1000 of 300000 bytes");
        ADD(.path = "/garbage", .flags = FAULTY_GARBAGE);
        assert_failed(get("/garbage", 2), -EPROTO, "/garbage does not answer in HTTP");
        assert_int_equal(faulty_count(world.server, "/garbage"), 1);
        ADD(.path = "/head", .flags = FAULTY_ENDLESS_HEAD);
        assert_failed(get("/head", 2), -EPROTO, "/head answers with more than 262144 bytes of headers");
        struct faulty_server *gone = faulty_start();
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", faulty_port(gone));
        faulty_stop(gone);
        assert_failed(fetch(url, 1, nothing), -ECONNREFUSED, "(tried 2 times)");
        assert_failed(fetch("http://mayfly.invalid/x", 0, nothing), -EHOSTUNREACH, "mayfly.invalid");
}

/* --- redirects --------------------------------------------------------------------------------------------------- */

static void redirects_are_followed_so_far(void **state)
{
        static char paths[12][16], targets[12][16];

        (void) state;
        for (int i = 0; i < 12; i++) {
                snprintf(paths[i], sizeof(paths[i]), "/hop/%d", i);
                snprintf(targets[i], sizeof(targets[i]), "/hop/%d", i - 1);
                ADD(.path = paths[i], .status = i == 0 ? 0 : 301 + i % 3, .location = targets[i]);
        }
        assert_whole(get("/hop/10", 0));
        assert_failed(get("/hop/11", 3), -ELOOP, "redirects more than 10 times, the last to http://127.0.0.1");
        assert_int_equal(faulty_count(world.server, "/hop/11"), 1);
        ADD(.path = "/loop", .status = 302, .location = "/loop");
        assert_failed(get("/loop", 0), -ELOOP, "/loop redirects more than 10 times");
        ADD(.path = "/nowhere", .status = 302);
        assert_failed(get("/nowhere", 0), -EPROTO, "answers 302, a redirect without a target");
}

static void bad_targets_are_refused(void **state)
{
        static const char *const targets[] = { "file:///etc/passwd",     "FILE:///etc/passwd", "ftp://127.0.0.1/x",
                                               "http://mayfly.invalid/", "http://128.0.0.1/x", "gopher://127.0.0.1/x",
                                               "data:text/plain,x" };

        (void) state;
        for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
                ADD(.path = "/to", .status = 302, .location = targets[i]);
                assert_failed(get("/to", 3), -EACCES, "/to redirects to ");
        }
        assert_int_equal(faulty_count(world.server, "/to"), sizeof(targets) / sizeof(targets[0]));
}

static void retries_begin_at_the_first_url(void **state)
{
        (void) state;
        ADD(.path = "/first", .status = 302, .location = "/second?signature=secret");
        ADD(.path = "/second?signature=secret", .times = 1, .flags = FAULTY_CUT, .cut = 100000);
        assert_whole(get("/first", 1));
        assert_int_equal(faulty_count(world.server, "/first"), 2);
        assert_asked("/second?signature=secret", 1, "Range: bytes=100000-");
        assert_asked("/second?signature=secret", 1, "If-Range: \"300000\""); /* not the redirect's own ETag */
        ADD(.path = "/hides", .status = 302, .location = "/secret?signature=secret");
        ADD(.path = "/secret?signature=secret", .status = 403);
        struct got got = get("/hides", 0);
        assert_null(strstr(got.err.message, "signature"));
        assert_failed(got, -EACCES, "answers 403");
}

static void passwords_are_not_shown(void **state)
{
        char url[128];

        (void) state;
        ADD(.path = "/mine", .status = 403);
        snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%d/mine", faulty_port(world.server));
        struct got got = fetch(url, 0, nothing);
        assert_null(strstr(got.err.message, "secret"));
        assert_failed(got, -EACCES, "http://me:***@127.0.0.1");
        assert_asked("/mine", 0, "Authorization: Basic bWU6c2VjcmV0"); /* it is used, though */
}

/* --- ended by the caller ----------------------------------------------------------------------------------------- */

static void the_caller_can_cancel_at_any_time(void **state)
{
        char url[128];
        struct got got = nothing;

        (void) state;
        ADD(.path = "/endless", .flags = FAULTY_CHUNKED, .chunk = 1000, .delay_ms = 20);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/endless", faulty_port(world.server));
        got.cancel_at = 5000;
        got = fetch(url, 3, got);
        assert_true(got.size < SIZE);
        assert_failed(got, -ECANCELED, "was cancelled");
        assert_int_equal(faulty_count(world.server, "/endless"), 1);

        ADD(.path = "/nothing", .flags = FAULTY_SILENT);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/nothing", faulty_port(world.server));
        got = nothing;
        got.cancel_path = "/nothing";
        got.cancel_asks = 3; /* within the stall timeout, as it is asked often enough */
        assert_failed(fetch(url, 3, got), -ECANCELED, "was cancelled");
        assert_int_equal(faulty_count(world.server, "/nothing"), 1);

        ADD(.path = "/wait", .status = 503, .retry_after = "4000000000");
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/wait", faulty_port(world.server));
        got = nothing;
        got.cancel_path = "/wait";
        got.cancel_asks = 20; /* while backing off */
        assert_failed(fetch(url, 3, got), -ECANCELED, "was cancelled");
        assert_int_equal(faulty_count(world.server, "/wait"), 1);
}

static void the_bodys_own_error_comes_back_unchanged(void **state)
{
        char url[128];
        struct got got = nothing;

        (void) state;
        ADD(.path = "/refused", .chunk = 10000, .delay_ms = 1);
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/refused", faulty_port(world.server));
        got.refuse_at = 20000;
        got = fetch(url, 3, got);
        assert_int_equal(got.result, -EDOM);
        assert_int_equal(got.err.code, 0);
        assert_string_equal(got.err.message, "");
        assert_int_equal(faulty_count(world.server, "/refused"), 1);
        free(got.data);
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void files_are_read(void **state)
{
        char path[] = "/tmp/mayfly-http-XXXXXX", url[128];
        int fd = mkstemp(path);

        (void) state;
        assert_true(fd >= 0);
        ssize_t written = write(fd, world.body, SIZE);
        close(fd);
        snprintf(url, sizeof(url), "file://%s", path);
        struct got got = fetch(url, 0, nothing);
        struct got cancelled = nothing;
        cancelled.cancel_at = 0;
        cancelled = fetch(url, 0, cancelled);
        unlink(path);
        assert_int_equal(written, SIZE);
        assert_int_equal(got.total, SIZE);
        assert_whole(got);
        assert_failed(cancelled, -ECANCELED, "was cancelled");
        got = fetch(url, 3, nothing);
        assert_non_null(strstr(got.err.message, path));
        assert_failed(got, -ENOENT, "No such file");
        assert_failed(fetch("file:///tmp", 3, nothing), -EISDIR, "file:///tmp");
        assert_failed(fetch("file:///dev/zero", 3, nothing), -EINVAL, "not a regular file");
}

static void what_is_no_url_is_an_error(void **state)
{
        (void) state;
        assert_failed(fetch("ftp://127.0.0.1/x", 0, nothing), -EIO, "ftp://127.0.0.1/x");
        assert_failed(fetch("http://", 0, nothing), -EIO, "http://");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_bodies_arrive),
                cmocka_unit_test(a_reader_that_takes_its_time_is_no_stall),
                cmocka_unit_test(loopback_needs_no_proxy),
                cmocka_unit_test(content_is_asked_for_as_it_is),
                cmocka_unit_test(threads_do_not_meet),
                cmocka_unit_test(cut_transfers_resume),
                cmocka_unit_test(without_ranges_what_is_there_is_skipped),
                cmocka_unit_test(wrong_ranges_are_not_taken),
                cmocka_unit_test(a_changed_image_is_not_pasted_together),
                cmocka_unit_test(a_range_past_the_end_is_the_end),
                cmocka_unit_test(passing_faults_are_survived),
                cmocka_unit_test(retry_after_is_honoured),
                cmocka_unit_test(statuses_that_stay_are_named),
                cmocka_unit_test(short_bodies_name_expected_and_actual),
                cmocka_unit_test(servers_that_say_nothing_or_nonsense_are_named),
                cmocka_unit_test(redirects_are_followed_so_far),
                cmocka_unit_test(bad_targets_are_refused),
                cmocka_unit_test(retries_begin_at_the_first_url),
                cmocka_unit_test(passwords_are_not_shown),
                cmocka_unit_test(the_caller_can_cancel_at_any_time),
                cmocka_unit_test(the_bodys_own_error_comes_back_unchanged),
                cmocka_unit_test(files_are_read),
                cmocka_unit_test(what_is_no_url_is_an_error),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
