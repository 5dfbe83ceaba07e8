/* SPDX-License-Identifier: MIT */
/* What is said of a host that refuses a user namespace. /proc/sys is a directory of the test's. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper/explain.h"

static char directory[] = "/tmp/mayfly-explain-XXXXXX";
static const char *const names[] = { "user/max_user_namespaces", "kernel/unprivileged_userns_clone",
                                     "kernel/apparmor_restrict_unprivileged_userns" };

static int setup(void **state)
{
        char path[128];

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/user", directory);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/kernel", directory);
        return mkdir(path, 0700);
}

static int teardown(void **state)
{
        char path[128];

        (void) state;
        snprintf(path, sizeof(path), "%s/user", directory);
        rmdir(path);
        snprintf(path, sizeof(path), "%s/kernel", directory);
        rmdir(path);
        return rmdir(directory);
}

/* Gives the files these values; -1: there is none. */
static void set(const int values[3])
{
        char path[128];

        for (size_t i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                unlink(path);
                FILE *f = values[i] < 0 ? NULL : fopen(path, "w");
                if (f) {
                        fprintf(f, "%d\n", values[i]);
                        fclose(f);
                }
        }
}

static void test_clone(void **state)
{
        static const struct {
                int code, values[3];
                const char *said, *remedy;
        } cases[] = {
                { -ENOSPC, { 0, -1, -1 }, "max_user_namespaces is 0", "sysctl user.max_user_namespaces=15000" },
                { -ENOSPC, { 100, -1, -1 }, "max_user_namespaces is 100", "sysctl user.max_user_namespaces=NUMBER" },
                { -EUSERS, { 100, 1, 0 }, "too many inside each other", "raise the limit" },
                { -EPERM,
                  { 100, 0, -1 },
                  "unprivileged_userns_clone is 0",
                  "sysctl kernel.unprivileged_userns_clone=1" },
                { -EPERM, { 100, 1, 1 }, "AppArmor", "apparmor_restrict_unprivileged_userns=0" },
                { -EACCES, { 100, -1, 1 }, "AppArmor", "mayfly doctor --apparmor-profile" },
                { -EPERM, { 100, 1, 0 }, "chroot", "--security-opt seccomp=unconfined" },
                { -EINVAL, { -1, -1, -1 }, "CONFIG_USER_NS", "sudo" },
                { -ENOMEM, { 100, -1, -1 }, "Cannot allocate memory", "" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                set(cases[i].values);
                assert_int_equal(mf_explain_clone(cases[i].code, directory, &err), cases[i].code);
                assert_int_equal(err.stage, MAYFLY_STAGE_HOST);
                if (!strstr(err.message, cases[i].said) || !strstr(err.message, cases[i].remedy))
                        fail_msg("case %zu: %s", i, err.message);
        }
        set((const int[]){ -1, -1, -1 });
}

static void test_powerless(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT, other = MAYFLY_ERROR_INIT;

        (void) state;
        set((const int[]){ 100, 1, 1 });
        assert_int_equal(mf_explain_powerless(-EPERM, directory, &err), -EPERM);
        assert_non_null(strstr(err.message, "mayfly doctor --apparmor-profile"));
        set((const int[]){ -1, -1, -1 });
        assert_int_equal(mf_explain_powerless(-EPERM, directory, &other), -EPERM);
        assert_non_null(strstr(other.message, "security module"));
}

static void test_no_ranges(void **state)
{
        const struct mf_id_map none = { .end = 0 }, others = { .end = 231072 }, own = { .n = 1, .end = 165536 };
        const struct {
                const struct mf_id_map *uids, *gids;
                const char *expected;
        } cases[] = {
                { &none, &none,
                  "in /etc/subuid and /etc/subgid, which the users of containers need; add some: sudo usermod "
                  "--add-subuids 100000-165535 --add-subgids 100000-165535 ann" },
                { &others, &own,
                  "in /etc/subuid, which the users of containers need; add some: sudo usermod --add-subuids "
                  "231072-296607 ann" },
                { &own, &none,
                  "in /etc/subgid, which the users of containers need; add some: sudo usermod --add-subgids "
                  "165536-231071 ann" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(mf_explain_no_ranges("ann", cases[i].uids, cases[i].gids, &err), -ENOENT);
                if (!strstr(err.message, cases[i].expected))
                        fail_msg("case %zu: %s", i, err.message);
        }
}

static void test_mapper(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT, other = MAYFLY_ERROR_INIT, group = MAYFLY_ERROR_INIT;
        const struct mf_mapper_failure bare = { "/bin/true", "write to uid_map failed", getegid() };
        const struct mf_mapper_failure refused = { "/bin/su", "uid range [1-5) not allowed", getegid() };
        const struct mf_mapper_failure strange = { "/bin/su", "Target process is owned by a different user",
                                                   getegid() + 1 };

        (void) state;
        assert_int_equal(mf_explain_mapper(&bare, &err), -EPERM);
        assert_non_null(strstr(err.message, "neither a set-user-ID bit of root nor capabilities"));
        assert_int_equal(mf_explain_mapper(&refused, &other), -EPERM);
        assert_non_null(
                strstr(other.message, "/bin/su cannot map the IDs of this user: uid range [1-5) not allowed; look at"));
        assert_int_equal(mf_explain_mapper(&strange, &group), -EPERM);
        assert_non_null(strstr(group.message, "leave newgrp or sg"));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_clone), cmocka_unit_test(test_powerless),
                                            cmocka_unit_test(test_no_ranges), cmocka_unit_test(test_mapper) };

        return cmocka_run_group_tests(tests, setup, teardown);
}
