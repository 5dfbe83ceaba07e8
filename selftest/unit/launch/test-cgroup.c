/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/message.h"
#include "support/support.h"
#include "util/fd.h"
#include "util/macro.h"

/* What the engine direct writes into a container's cgroup: which file gets which value, and what a missing file means.
 * The cgroup is a directory of plain files: the kernel's own are there only where the kernel has the controllers and the
 * cgroup above hands them down. That the kernel enforces the values is what machine/test-resources shows, where it can. */

static char directory[64];
static struct launch_cgroup cgroup;

static int set_up(void **state)
{
        (void) state;
        strcpy(directory, "/tmp/mayfly-cgroup-XXXXXX");
        cgroup.fd = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        return cgroup.fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
        char command[128];

        (void) state;
        close(cgroup.fd);
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void controller_has(const char *file)
{
        mf_cleanup(mf_closep) int fd = openat(cgroup.fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
}

/* `expected` NULL: there is no such file. */
static void has(const char *file, const char *expected)
{
        mf_cleanup(mf_closep) int fd = openat(cgroup.fd, file, O_RDONLY | O_CLOEXEC);
        char text[64] = "";

        assert_int_equal(fd >= 0, expected != NULL);
        if (!expected)
                return;
        assert_true(read(fd, text, sizeof(text) - 1) >= 0);
        assert_string_equal(text, expected);
}

static void defaults_are_set_where_there_are_controllers(void **state)
{
        const struct launch_options options = { .default_memory = 12345678, .default_tasks = 4096 };

        (void) state;
        controller_has("pids.max");
        assert_int_equal(launch_cgroup_limit(&cgroup, &options), 0);
        has("pids.max", "4096");
        has("memory.max", NULL);
        has("memory.swap.max", NULL);
        controller_has("memory.max");
        controller_has("memory.swap.max");
        assert_int_equal(launch_cgroup_limit(&cgroup, &options), 0);
        has("memory.max", "12345678");
        has("memory.swap.max", "0");
}

static void defaults_need_no_controller(void **state)
{
        const struct launch_options options = { .default_memory = 12345678, .default_tasks = 4096 };

        (void) state;
        assert_int_equal(launch_cgroup_limit(&cgroup, &options), 0);
        has("pids.max", NULL);
        has("memory.max", NULL);
}

static void the_specs_limits_do(void **state)
{
        (void) state;
        assert_int_equal(launch_cgroup_limit(&cgroup, &(const struct launch_options){ .tasks_max = 7 }), -ENOTSUP);
        assert_int_equal(launch_cgroup_limit(&cgroup, &(const struct launch_options){ .memory_max = 7 }), -ENOTSUP);
        controller_has("pids.max");
        controller_has("memory.max");
        assert_int_equal(
                launch_cgroup_limit(&cgroup, &(const struct launch_options){ .tasks_max = 7, .memory_max = 8192 }), 0);
        has("pids.max", "7");
        has("memory.max", "8192");
}

static void no_limit_writes_nothing(void **state)
{
        (void) state;
        controller_has("pids.max");
        controller_has("memory.max");
        controller_has("memory.swap.max");
        assert_int_equal(launch_cgroup_limit(&cgroup, &(const struct launch_options){ 0 }), 0);
        assert_int_equal(launch_cgroup_image_limits(&cgroup, &(const struct launch_options){ 0 }), 0);
        has("pids.max", "");
        has("memory.max", "");
        has("memory.swap.max", "");
}

static void an_images_limit_is_set_or_reported(void **state)
{
        const struct launch_options options = { .image_memory = 65536 };

        (void) state;
        assert_int_equal(launch_cgroup_image_limits(&cgroup, &options), MF_LIMIT_MEMORY);
        controller_has("memory.max");
        assert_int_equal(launch_cgroup_image_limits(&cgroup, &options), 0);
        has("memory.max", "65536");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(defaults_are_set_where_there_are_controllers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(defaults_need_no_controller, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_specs_limits_do, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_limit_writes_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_images_limit_is_set_or_reported, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
