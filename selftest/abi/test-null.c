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

int main(void)
{
        char line[256], name[256];
        int failed = 0, n = 0;
        FILE *map = fopen(MAP, "re");

        while (map && fgets(line, sizeof(line), map)) {
                if (sscanf(line, " mayfly_%200[a-z_];", name) != 1)
                        continue;
                size_t i = 0;
                while (i < sizeof(functions) / sizeof(functions[0]) && strcmp(functions[i].name + 7, name) != 0)
                        i++;
                n++;
                if (i < sizeof(functions) / sizeof(functions[0])) {
                        failed |= try_it(functions[i].name, functions[i].try);
                } else {
                        fprintf(stderr, "mayfly_%s() is exported, but " FUNCTIONS " does not try it\n", name);
                        failed = 1;
                }
        }
        if (!map || fclose(map) != 0 || n == 0) {
                fprintf(stderr, "%s cannot be read, or names nothing\n", MAP);
                failed = 1;
        }
        return failed;
}
