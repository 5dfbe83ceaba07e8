/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "unit/aci/manifests/cases.h"

/* actool is the appc specification's own tool (Debian 12: appc-spec). What it accepts and refuses of
 * unit/aci/manifests, where unit/test-manifest says what we do. */

#define ACTOOL "/usr/bin/actool"

static void manifest_path(char path[4096], const char *kind, const char *name)
{
        snprintf(path, 4096, SELFTEST "/unit/aci/manifests/%s/%s", kind, name);
}

static int actool_accepts(const char *path)
{
        char *const argv[] = { (char[]){ "actool" }, (char[]){ "validate" }, (char *) (uintptr_t) path, NULL };
        char *const env[] = { NULL };
        posix_spawn_file_actions_t actions;
        pid_t pid;
        int status;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        int r = posix_spawn(&pid, ACTOOL, &actions, NULL, argv, env);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                fail_msg(ACTOOL " cannot be run: %s; install appc-spec", strerror(r));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) == 127)
                fail_msg("actool ended with wait status %#x on %s", (unsigned) status, path);
        return WEXITSTATUS(status) == 0;
}

static void actool_accepts_our_valid_ones(void **state)
{
        char path[4096];
        size_t n = 0;

        (void) state;
        manifest_path(path, "valid", "");
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                manifest_path(path, "valid", entry->d_name);
                if (!actool_accepts(path))
                        fail_msg("actool refuses %s", path);
                n++;
        }
        closedir(dir);
        assert_true(n >= 20);
}

static void actool_refuses_our_invalid_ones(void **state)
{
        char path[4096], name[128];

        (void) state;
        for (size_t i = 0; i < sizeof(manifest_cases) / sizeof(manifest_cases[0]); i++) {
                snprintf(name, sizeof(name), "%s.json", manifest_cases[i].name);
                manifest_path(path, "invalid", name);
                int accepts = actool_accepts(path);
                if (accepts && !manifest_cases[i].stricter)
                        fail_msg("actool accepts %s", path);
                if (!accepts && manifest_cases[i].stricter)
                        fail_msg("actool refuses %s too, which is listed as stricter", path);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(actool_accepts_our_valid_ones),
                cmocka_unit_test(actool_refuses_our_invalid_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
