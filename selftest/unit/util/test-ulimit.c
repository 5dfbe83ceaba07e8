/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "util/ulimit.h"

static void reads(const char *text, int resource, uint64_t soft, uint64_t hard)
{
        struct mf_ulimit limit = { 0 };

        assert_null(mf_ulimit_parse(text, &limit));
        assert_int_equal(limit.resource, resource);
        assert_true(limit.soft == soft && limit.hard == hard);
        assert_memory_equal(limit.name, text, strlen(limit.name));
}

static void fails(const char *text, const char *words)
{
        struct mf_ulimit limit;
        const char *fault = mf_ulimit_parse(text, &limit);

        assert_non_null(fault);
        assert_non_null(strstr(fault, words));
}

static void limits_are_written_as_for_docker(void **state)
{
        (void) state;
        reads("nofile=1024:4096", RLIMIT_NOFILE, 1024, 4096);
        reads("core=0", RLIMIT_CORE, 0, 0);
        reads("stack=8388608:-1", RLIMIT_STACK, 8388608, RLIM_INFINITY);
        reads("as=unlimited", RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY);
        reads("cpu=18446744073709551614:unlimited", RLIMIT_CPU, RLIM_INFINITY - 1, RLIM_INFINITY);
}

static void faults_are_named(void **state)
{
        (void) state;
        fails("files=3", "there is no such limit; these are known: as, core,");
        fails("NOFILE=3", "no such limit");
        fails("nofil=3", "no such limit");
        fails("", "no such limit");
        fails("nofile", "it has no value");
        fails("nofile=", "a value is a number");
        fails("nofile=1:", "a value is a number");
        fails("nofile=:1", "a value is a number");
        fails("nofile=1:2:3", "a value is a number");
        fails("nofile=-2", "a value is a number");
        fails("nofile= 2", "a value is a number");
        fails("nofile=2k", "a value is a number");
        fails("nofile=18446744073709551616", "a value is a number");
        fails("nofile=3:2", "above the hard limit");
        fails("nofile=-1:2", "above the hard limit");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(limits_are_written_as_for_docker),
                cmocka_unit_test(faults_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
