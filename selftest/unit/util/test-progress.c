/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/* What a fetch looks like, on a terminal and elsewhere. Linked with util/progress.c. */
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/progress.h"

static char output[16384];

static unsigned count(const char *text)
{
        unsigned n = 0;

        for (const char *p = output; (p = strstr(p, text)); p++)
                n++;
        return n;
}

#define assert_said(text, times) assert_int_equal(count(text), times)

static const char *reference = "aci:https://host/a/db.aci@sha512-00";

static void report(struct mf_progress_printer *printer, enum mayfly_progress_phase phase, uint64_t ms, uint64_t total)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = phase,
                                                  .reference = reference,
                                                  .bytes_done = total ? total * ms / 10000 : ms << 10,
                                                  .bytes_total = total,
                                                  .elapsed_ms = ms };

        assert_int_equal(mf_progress_print(&progress, printer), 0);
}

static void test_progress_lines(void **state)
{
        struct mf_progress_printer printer;
        FILE *out = tmpfile();

        (void) state;
        assert_non_null(out);
        mf_progress_init(&printer, out);
        for (uint64_t ms = 0; ms < 10000; ms += 100)
                report(&printer, MAYFLY_PROGRESS_FETCH, ms, 100 << 20);
        report(&printer, MAYFLY_PROGRESS_DONE, 10000, 100 << 20);
        mf_progress_finish(&printer);
        rewind(out);
        memset(output, 0, sizeof(output));
        assert_true(fread(output, 1, sizeof(output) - 1, out) > 0);
        fclose(out);
        assert_said("mayfly: fetching db.aci: ", 5);
        assert_said("mayfly: fetching db.aci: 10%, 10.0 MiB of 100.0 MiB, 10.0 MiB/s\n", 1);
        assert_said("mayfly: fetched db.aci in 10.0 s\n", 1);
        assert_said("\r", 0);
}

/* It concerns none of the images being fetched, and is said however short the fetch was. */
static void test_progress_collected(void **state)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_COLLECTED,
                                                  .reference = reference,
                                                  .images_removed = 2,
                                                  .bytes_freed = 3 << 20 };
        struct mf_progress_printer printer;
        FILE *out = tmpfile();

        (void) state;
        assert_non_null(out);
        mf_progress_init(&printer, out);
        report(&printer, MAYFLY_PROGRESS_DONE, 10, 100);
        assert_int_equal(mf_progress_print(&progress, &printer), 0);
        mf_progress_finish(&printer);
        rewind(out);
        memset(output, 0, sizeof(output));
        assert_true(fread(output, 1, sizeof(output) - 1, out) > 0);
        fclose(out);
        assert_said("mayfly: removed 2 images, unused the longest, from the store, and freed 3.0 MiB", 1);
        assert_said("\n", 1);
}

/* A warning is printed even if the progress of another image is shown. */
static void test_progress_warning(void **state)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_WARNING,
                                                  .reference = "aci:example.com/two@sha512-11",
                                                  .warning = "\"rootfs/x\" has a POSIX ACL" };
        struct mf_progress_printer printer;
        FILE *out = tmpfile();

        (void) state;
        assert_non_null(out);
        mf_progress_init(&printer, out);
        report(&printer, MAYFLY_PROGRESS_FETCH, 10, 100);
        assert_int_equal(mf_progress_print(&progress, &printer), 0);
        report(&printer, MAYFLY_PROGRESS_DONE, 20, 100);
        mf_progress_finish(&printer);
        rewind(out);
        memset(output, 0, sizeof(output));
        assert_true(fread(output, 1, sizeof(output) - 1, out) > 0);
        fclose(out);
        assert_string_equal(output, "mayfly: two: warning: \"rootfs/x\" has a POSIX ACL\n");
}

/* As the dependencies of an image are. */
static void test_progress_of_several(void **state)
{
        static const char *const references[] = { "aci:example.com/one,version=1@sha512-00",
                                                  "aci:example.com/two@sha512-11" };
        struct mf_progress_printer printer;
        FILE *out = tmpfile();

        (void) state;
        assert_non_null(out);
        mf_progress_init(&printer, out);
        for (uint64_t ms = 0; ms < 8000; ms += 100)
                for (size_t i = 0; i < (ms < 5000 ? 2 : 1); i++) {
                        reference = references[ms < 5000 ? i : 1];
                        report(&printer, MAYFLY_PROGRESS_FETCH, ms, 100 << 20);
                        if (i == 0 && (ms == 4900 || ms == 7900))
                                report(&printer, MAYFLY_PROGRESS_DONE, ms, 100 << 20);
                }
        reference = "aci:https://host/a/db.aci@sha512-00";
        mf_progress_finish(&printer);
        rewind(out);
        memset(output, 0, sizeof(output));
        assert_true(fread(output, 1, sizeof(output) - 1, out) > 0);
        fclose(out);
        assert_said("mayfly: fetching one,version=1: 10%, 10.0 MiB of 100.0 MiB, 10.0 MiB/s\n", 1);
        assert_said("mayfly: fetching one,version=1: ", 2);
        assert_said("mayfly: fetched one,version=1 in 4.9 s\nmayfly: fetching two: 49%, 49.0 MiB of 100.0 MiB, 10.0 "
                    "MiB/s\n",
                    1);
        assert_said("mayfly: fetching two: ", 2);
        assert_said("mayfly: fetched two in 7.9 s\n", 1);
}

static void test_progress_bar(void **state)
{
        struct winsize window = { .ws_row = 24, .ws_col = 60 };
        struct mf_progress_printer printer;
        int master, slave;

        (void) state;
        assert_int_equal(setenv("TERM", "xterm", 1), 0);
        assert_int_equal(openpty(&master, &slave, NULL, NULL, &window), 0);
        FILE *out = fdopen(slave, "w");
        assert_non_null(out);
        mf_progress_init(&printer, out);
        report(&printer, MAYFLY_PROGRESS_WAIT, 0, 0);
        report(&printer, MAYFLY_PROGRESS_FETCH, 0, 100 << 20);
        report(&printer, MAYFLY_PROGRESS_FETCH, 5000, 100 << 20);
        report(&printer, MAYFLY_PROGRESS_DONE, 10000, 100 << 20);
        mf_progress_finish(&printer);
        memset(output, 0, sizeof(output));
        /* A terminal hands on what was written when it pleases. */
        for (size_t used = 0; !strstr(output, "\r\033[K") || strlen(output) != used;) {
                struct pollfd fd = { .fd = master, .events = POLLIN };
                used = strlen(output);
                assert_true(poll(&fd, 1, strstr(output, "\r\033[K") ? 200 : 10000) >= 0);
                ssize_t n = fd.revents & POLLIN ? read(master, output + used, sizeof(output) - 1 - used) : 0;
                assert_true(n >= 0 && (n > 0 || used > 0));
                if (n == 0)
                        break;
        }
        fclose(out);
        close(master);
        assert_said("\rdb.aci: another process is fetching it", 1);
        assert_said("\rdb.aci [############            ]  50%  50.0 MiB of 100.0 Mi", 0); /* cut to 59 columns */
        assert_said("\rdb.aci [############            ]  50%  50.0 MiB of 100.0 M\033[K", 1);
        assert_said("\r\033[K", 1);
        assert_said("\n", 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_progress_lines),   cmocka_unit_test(test_progress_collected),
                cmocka_unit_test(test_progress_warning), cmocka_unit_test(test_progress_of_several),
                cmocka_unit_test(test_progress_bar),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
