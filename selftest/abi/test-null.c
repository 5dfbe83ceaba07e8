/* SPDX-License-Identifier: MIT */

/* Every public function takes NULL for each of its pointers: an error or a harmless answer, never a crash. A function of the
 * symbol map without a line here fails the test. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef FIXTURE
#include <mayfly/cmocka.h>
#else
#include <mayfly/mayfly.h>
#endif

#ifdef FIXTURE
#undef skip

static void asks_for_nothing(void **state)
{
        (void) state;
        mayfly_cmocka_sh_at(NULL, NULL, NULL, 0);
}

static void asserts_status(void **state)
{
        (void) state;
        mayfly_cmocka_exec_status_at(NULL, 0, NULL, NULL, 0);
}

static void asserts_output(void **state)
{
        (void) state;
        mayfly_cmocka_exec_stdout_at(NULL, NULL, 0, NULL, NULL, 0);
}

static void asks_for_address(void **state)
{
        (void) state;
        mayfly_cmocka_address_at(NULL, NULL, NULL, 0);
}

static void asks_for_connection(void **state)
{
        (void) state;
        mayfly_cmocka_connect_at(NULL, NULL, NULL, 0);
}

static void asks_for_port(void **state)
{
        (void) state;
        mayfly_cmocka_port_at(NULL, NULL, NULL, 0);
}

static void skips(void **state)
{
        (void) state;
        mayfly_cmocka_skip_at(NULL, 0);
}

/* What a group of this one test returns. */
static int run_group(CMUnitTestFunction test)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test) };

        return mayfly_cmocka_run_group_tests(NULL, tests, 1, NULL, NULL);
}
#else
/* An error goes to the caller's struct, too. */
static struct mayfly_error err;

static int is_error(int r)
{
        return r < 0 && err.code == r && err.message[0];
}

static int is_empty(const void *list)
{
        return list && !*(const void *const *) list;
}
#endif

#define FUNCTION(name, ...)         \
        static int try_##name(void) \
        {                           \
                return __VA_ARGS__; \
        }
#define FAILS(name, ...) FUNCTION(name, name(__VA_ARGS__ NULL) < 0 && is_error(name(__VA_ARGS__ & err)))
#include FUNCTIONS
#undef FUNCTION

static const struct {
        const char *name;
        int (*try)(void);
} functions[] = {
#define FUNCTION(name, ...) { #name, try_##name },
#include FUNCTIONS
};

/* Tries one in a child. Returns 0 or 1, and tells what is wrong. */
static int try_it(const char *name, int (*try)(void))
{
        int status;

        pid_t pid = fork();
        if (pid == 0)
                _exit(try() ? 0 : 1);
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return 1;
        if (WIFSIGNALED(status))
                fprintf(stderr, "%s(NULL) ends with %s\n", name, strsignal(WTERMSIG(status)));
        else if (WEXITSTATUS(status))
                fprintf(stderr, "%s(NULL) does not answer as it should\n", name);
        return status != 0;
}

/* Tries the function of this name; returns 0 or 1. */
static int try_name(const char *name)
{
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
                if (strcmp(functions[i].name, name) == 0)
                        return try_it(functions[i].name, functions[i].try);
        fprintf(stderr, "%s() is exported, but " FUNCTIONS " does not try it\n", name);
        return 1;
}

/* Tries each name that a line of `file` has where `format` says, which ends with a conversion of what must follow it. Takes the
 * file; returns 0 or 1. */
static int try_all(FILE *file, const char *format, const char *what, int (*done)(FILE *))
{
        char line[256], name[201], end[2];
        int failed = 0, n = 0;

        while (file && fgets(line, sizeof(line), file)) {
                if (sscanf(line, format, name, end) != 2)
                        continue;
                failed |= try_name(name);
                n++;
        }
        if (!file || done(file) != 0 || n == 0) {
                fprintf(stderr, "%s cannot be read, or names nothing\n", what);
                return 1;
        }
        return failed;
}

/* Argument: the library. What it exports in truth is more than its map says, should the map have a pattern. */
int main(int argc, char *argv[])
{
        const char *library = argc == 2 ? argv[1] : "";
        char command[4096];

        snprintf(command, sizeof(command), "exec nm -D --defined-only --without-symbol-versions '%s'", library);
        return try_all(fopen(MAP, "re"), " %200[a-z_]%1[;]", MAP, fclose) |
               try_all(popen(command, "re"), "%*x %*[TDBRVWi] %200s%1[\n]", command, pclose);
}
