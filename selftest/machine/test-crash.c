/* SPDX-License-Identifier: MIT */

/* The backtrace of an app that crashes, with its core file and the libraries of the container. */

#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"

#define CRASHING(...)                                                                              \
        MAYFLY_SPEC(.image = test_image("debian"), .cwd = "/tmp", .keep_files = 1,                 \
                    .ulimits = MAYFLY_STRINGS("core=-1"), .argv = MAYFLY_STRINGS(__VA_ARGS__),     \
                    .files = MAYFLY_FILES({ .path = "/opt/crash", .source = CRASH, .mode = 0755 }, \
                                          { .path = "/opt/stripped", .source = CRASH_STRIPPED, .mode = 0755 }))

/* Whether core files of this host go to a program: a machine that CI makes has them in files. */
static int is_taken_away(void)
{
        char first = '\0';
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

        assert_non_null(f);
        first = (char) fgetc(f);
        fclose(f);
        return first == '|';
}

/* Waits for the end of the app, and asks for its backtrace. Returns the result; *ret is to be freed. */
static int crash(const struct mayfly_spec *spec, char **ret, struct mayfly_error *err)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_container *c = start_container(spec);

        *ret = NULL;
        works(mayfly_container_wait(c, FOREVER_MS, &end, fresh()));
        int r = mayfly_container_backtrace(c, ret, err);
        mayfly_container_free(c);
        return r;
}

static char *trace(const struct mayfly_spec *spec)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *text = NULL;

        int r = crash(spec, &text, &err);
        if (is_taken_away()) {
                assert_int_equal(r, -ENOTSUP);
                return NULL;
        }
        if (r < 0)
                fail_msg("%s", err.message);
        return text;
}

static void has(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("there is no \"%s\" in:\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
        if (strstr(text, part))
                fail_msg("there is \"%s\" in:\n%s", part, text);
}

static void functions_and_lines_are_named(void **state)
{
        char *text = trace(CRASHING("/opt/crash"));

        (void) state;
        if (!text)
                return;
        has(text, "raise (");
        has(text, "strike (depth=3) at ");
        has(text, "crash.c:");
        has(text, "main () ");
        has(text, "begin (");
        lacks(text, "mayfly-core-");
        has(text, "Thread 2 ");
        lacks(text, "the script of the app ran");
        lacks(text, "warning: ");
        free(text);
}

/* Which function of the program with symbols has the address. The other program differs from it only by having none. */
static void expect_function(const char *address, const char *expected)
{
        char command[PATH_MAX], line[256] = "";

        snprintf(command, sizeof(command), "addr2line -f -e '%s' 0x%llx", CRASH, strtoull(address, NULL, 16));
        FILE *f = popen(command, "re");
        assert_non_null(f);
        assert_non_null(fgets(line, sizeof(line), f));
        assert_int_equal(pclose(f), 0);
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(line, expected);
}

static void without_symbols_places_are_named(void **state)
{
        static const char from[] = " in ?? () from /opt/stripped+0x";
        /* The thread that crashed is the last one. */
        static const char *const functions[] = { "main", "_start", "strike", "strike", "strike", "strike", "begin" };
        char *text = trace(CRASHING("/opt/stripped"));
        const char *frame = text;

        (void) state;
        if (!text)
                return;
        has(text, "raise (");
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
                frame = strstr(frame, from);
                if (!frame)
                        fail_msg("%zu frames have places in:\n%s", i, text);
                frame += strlen(from);
                expect_function(frame, functions[i]);
        }
        lacks(text, "in ?? ()\n");
        lacks(text, "strike");
        lacks(text, "mayfly-core-");
        free(text);
}

/* The app is another program by a script, which is started by a link. */
static void programs_of_the_image_have_one(void **state)
{
        char *text = trace(CRASHING("/bin/sh", "-c", "kill -SEGV $$"));

        (void) state;
        if (!text)
                return;
        has(text, "kill (");
        has(text, "Thread 1 ");
        free(text);
}

/* The newest file whose name fits counts, and the app chooses what is in it. */
static void what_is_no_core_file_is_refused(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *text = NULL;

        (void) state;
        if (is_taken_away())
                return;
        assert_int_equal(
                crash(CRASHING("/bin/sh", "-c",
                               "echo '!id' >core.zz; ln core.zz core.z; touch -d 2040-01-01 core.z; kill -SEGV $$"),
                      &text, &err),
                -EBADMSG);
        assert_non_null(strstr(err.message, "gdb cannot read the core file"));
        assert_null(text);
}

static void without_a_core_file_there_is_none(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *text = NULL;

        (void) state;
        assert_int_equal(crash(CRASHING("/bin/sh", "-c", "exit 3"), &text, &err), -ENODATA);
        assert_non_null(strstr(err.message, "exited with status 3"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(functions_and_lines_are_named),     cmocka_unit_test(without_symbols_places_are_named),
                cmocka_unit_test(programs_of_the_image_have_one),    cmocka_unit_test(what_is_no_core_file_is_refused),
                cmocka_unit_test(without_a_core_file_there_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
