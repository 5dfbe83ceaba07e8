/* SPDX-License-Identifier: MIT */

/* What /proc says of a process. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/process.h"

static void a_line_is_found_by_its_name(void **state)
{
        char text[32] = "";

        (void) state;
        assert_int_equal(mf_process_status(getpid(), "PPid:", text, sizeof(text)), 1);
        assert_int_equal(strtol(text, NULL, 10), getppid());
        assert_int_equal(mf_process_status(getpid(), "NoSuchName:", text, sizeof(text)), 0);
}

static void namespaces_are_counted(void **state)
{
        int directory = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void) state;
        unsigned n = mf_process_namespaces(getpid());
        assert_true(n >= 1 && n <= 32); /* the kernel nests no deeper */
        assert_int_equal(mf_process_namespaces_at(directory), n);
        close(directory);
}

static void nothing_is_known_of_a_process_that_is_gone(void **state)
{
        char text[32];
        pid_t pid = fork();

        (void) state;
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(mf_process_status(pid, "PPid:", text, sizeof(text)), 0);
        assert_int_equal(mf_process_namespaces(pid), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_is_found_by_its_name),
                cmocka_unit_test(namespaces_are_counted),
                cmocka_unit_test(nothing_is_known_of_a_process_that_is_gone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
