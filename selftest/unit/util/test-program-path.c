/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/macro.h"
#include "util/program-path.h"

static char self[PATH_MAX];

/* This program stands for one of a prefix: it is copied to DIRECTORY/bin, and asked there for "helper". */
static int ask(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *path = NULL;

        printf("%s\n", mf_program_path("helper", &path, &err) < 0 ? err.message : path);
        free(path);
        return 0;
}

static void run(const char *command, char *ret, size_t size)
{
        FILE *f = popen(command, "re");

        assert_non_null(f);
        size_t n = fread(ret, 1, size - 1, f);
        ret[n] = '\0';
        assert_int_equal(pclose(f), 0);
}

static void test_moved_prefix(void **state)
{
        char directory[] = "/tmp/mayfly-prefix-XXXXXX", command[2 * PATH_MAX], said[PATH_MAX], expected[PATH_MAX];

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(command, sizeof(command),
                 "cd %s && mkdir -p bin libexec/mayfly && cp '%s' bin/ask && touch libexec/mayfly/helper && "
                 "chmod 755 libexec/mayfly/helper && ln -s bin/ask link",
                 directory, self);
        run(command, said, sizeof(said));
        snprintf(expected, sizeof(expected), "%s/libexec/mayfly/helper\n", directory);
        static const char *const ways[] = { "bin/ask ask", "$PWD/bin/ask ask", "./link ask", "$PWD/link ask",
                                            "PATH=bin ask ask" };
        for (size_t i = 0; i < MF_ELEMENTSOF(ways); i++) {
                snprintf(command, sizeof(command), "cd %s && unset MAYFLY_LIBEXEC && %s", directory, ways[i]);
                run(command, said, sizeof(said));
                assert_string_equal(said, expected);
        }
        snprintf(command, sizeof(command), "rm -r %s", directory);
        run(command, said, sizeof(said));
}

static void test_variable(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *path = NULL;

        (void) state;
        setenv("MAYFLY_LIBEXEC", "/usr/bin", 1);
        assert_int_equal(mf_program_path("env", &path, &err), 0);
        assert_string_equal(path, "/usr/bin/env");
        free(path);
        assert_int_equal(mf_program_path("no-such-program", &path, &err), -ENOEXEC);
        assert_non_null(strstr(err.message, "/usr/bin/no-such-program cannot be executed: No such file or directory"));
        assert_non_null(strstr(err.message, "set MAYFLY_LIBEXEC"));
        mf_error_clear(&err);
        setenv("MAYFLY_LIBEXEC", "bin", 1);
        assert_int_equal(mf_program_path("env", &path, &err), -EINVAL);
        assert_string_equal(err.message, "MAYFLY_LIBEXEC is \"bin\"; give an absolute path");
        unsetenv("MAYFLY_LIBEXEC");
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_moved_prefix), cmocka_unit_test(test_variable) };

        if (argc > 1 && strcmp(argv[1], "ask") == 0)
                return ask();
        if (!realpath("/proc/self/exe", self))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
