/* SPDX-License-Identifier: MIT */

/* The isolators of images, enforced, or reported as ignored. The numbers in the names are those of the rules in test-executor.c. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "executor.h"

static const struct mayfly_isolator *isolator(const struct mayfly_container *c, const char *name)
{
        for (const struct mayfly_isolator *const *i = mayfly_container_isolators(c); *i; i++)
                if (strcmp((*i)->name, name) == 0)
                        return *i;
        fail_msg("no isolator %s", name);
        return NULL;
}

static void outcome(const struct mayfly_container *c, const char *name, enum mayfly_isolator_outcome wanted,
                    const char *detail)
{
        const struct mayfly_isolator *i = isolator(c, name);

        if (i->outcome != wanted || (detail ? !i->detail || !strstr(i->detail, detail) : i->detail != NULL))
                fail_msg("%s: outcome %d, \"%s\"", name, (int) i->outcome, i->detail ? i->detail : "");
}

static void appc_executor_7_capabilities(void **state)
{
        (void) state;
        struct mayfly_container *c = start("path");
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n");
        assert_null(mayfly_container_isolators(c)[0]);
        mayfly_container_free(c);

        c = start("remove-capabilities"); /* the 14 without SYS_CHROOT (18) and MKNOD (27) */
        char *log = await_log(c, "CapBnd:\t00000000a00025fb\n");
        assert_non_null(strstr(log, "CapEff:\t00000000a00025fb\n"));
        free(log);
        outcome(c, "os/linux/capabilities-remove-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        /* NET_BIND_SERVICE 10, NET_ADMIN 12, IPC_LOCK 14, and they do something. */
        const char *const granted[] = { "CAP_NET_ADMIN", "CAP_IPC_LOCK", "CAP_SYS_PTRACE", NULL };
        c = start_spec((struct mayfly_spec){ .capabilities = granted }, "retain-capabilities");
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80c75fb\n");
        free(await_log(c, "changed\n"));
        log = await_log(c, "CapBnd:\t0000000000005400\n");
        assert_non_null(strstr(log, "CapPrm:\t0000000000005400\n"));
        free(log);
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        c = start("too-many-capabilities");
        free(await_log(c, "CapBnd:\t0000000000000020\n"));
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_CHANGED,
                "the spec does not grant CAP_SYS_ADMIN");
        mayfly_container_free(c);
        c = start("retain-capabilities"); /* the image asks, the spec grants */
        free(await_log(c, "CapBnd:\t0000000000000400\n"));
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_CHANGED,
                "the spec does not grant CAP_NET_ADMIN");
        mayfly_container_free(c);
        const char *const unknown[] = { "CAP_NET_ADMIM", NULL };
        start_fails((struct mayfly_spec){ .capabilities = unknown }, "path", -EINVAL, "CAP_NET_ADMIM",
                    "did you mean \"CAP_NET_ADMIN\"?", NULL);
        if (geteuid() == 0)
                start_fails((struct mayfly_spec){ .capabilities = granted, .userns = MAYFLY_USERNS_HOST }, "path",
                            -EINVAL, "CAP_NET_ADMIN", "acts on the host", NULL);
        else
                start_fails((struct mayfly_spec){ .userns = MAYFLY_USERNS_HOST }, "path", -EPERM, "MAYFLY_USERNS_HOST",
                            "as root", NULL);
        c = start_spec((struct mayfly_spec){ .network = MAYFLY_NETWORK_HOST },
                       "path"); /* no NET_RAW, NET_BIND_SERVICE */
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80401fb\n");
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ .strict_isolators = 1 }, "too-many-capabilities", -ENOTSUP,
                    "strict_isolators is set", "os/linux/capabilities-retain-set",
                    "is changed: the spec does not grant CAP_SYS_ADMIN", NULL);
}

static void appc_executor_7_system_calls(void **state)
{
        (void) state;
        struct mayfly_container *c = start("remove-syscalls");
        char *log = await_log(c, "NoNewPrivs:\t0\n"); /* setuid programs go on to work */
        assert_non_null(strstr(log, "not supported\nmkdir 1\nchmod 0\n"));
        assert_non_null(strstr(log, "CapPrm:\t00000000a80425fb\n")); /* what loaded the filter is gone */
        free(log);
        outcome(c, "os/linux/seccomp-remove-set", MAYFLY_ISOLATOR_CHANGED, "no_such_call is no system call");
        expect_output(c, "mkdir /x; echo $?", "0\n"); /* commands are not the app */
        mayfly_container_free(c);

        c = start("fatal-syscalls"); /* mkdir is killed, the shell goes on */
        free(await_log(c, "before\nBad system call\nmkdir 159\n"));
        outcome(c, "os/linux/seccomp-remove-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        c = start_spec((struct mayfly_spec){ 0 }, "retain-syscalls");
        assert_int_equal(mayfly_container_wait(c, 5000, &end, NULL), 0);
        assert_true(end.exited);
        free(await_log(c, "hello from 1 argument"));
        outcome(c, "os/linux/seccomp-retain-set", MAYFLY_ISOLATOR_CHANGED, "stay blocked");
        mayfly_container_free(c);
        c = start("too-few-syscalls");
        assert_int_equal(mayfly_container_wait(c, 5000, &end, NULL), 0);
        assert_int_equal(end.signal, SIGSYS);
        mayfly_container_free(c);

        expect_log("all-syscalls", "mkdir 0\n");
}

static int has_capability(unsigned number)
{
        unsigned long long bits = 0;
        char line[200];
        FILE *f = fopen("/proc/self/status", "re");

        assert_non_null(f);
        while (fgets(line, sizeof(line), f) && sscanf(line, "CapBnd: %llx", &bits) != 1)
                ;
        fclose(f);
        return (int) (bits >> number & 1);
}

static void appc_executor_7_no_new_privileges_and_oom_score(void **state)
{
        (void) state;
        struct mayfly_container *c = start("no-new-privileges");
        char *log = await_log(c, "NoNewPrivs:\t1\n321\n");
        assert_non_null(strstr(log, "Permission denied\nmkdir 1\n"));
        free(log);
        outcome(c, "os/linux/no-new-privileges", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        c = start("low-oom-score");
        if (isolator(c, "os/linux/oom-score-adj")->outcome == MAYFLY_ISOLATOR_IGNORED) {
                outcome(c, "os/linux/oom-score-adj", MAYFLY_ISOLATOR_IGNORED, "no CAP_SYS_RESOURCE");
                assert_false(has_capability(24));
                /* systemd gives the units of users a score of 200 (systemd-user.conf(5), DefaultOOMScoreAdjust=). */
                int is_users_unit = geteuid() != 0 && mayfly_container_engine(c) == MAYFLY_ENGINE_SYSTEMD;
                free(await_log(c, is_users_unit ? "hook 200\n200\nCapBnd:\t00000000a80425fb\n"
                                                : "hook 0\n0\nCapBnd:\t00000000a80425fb\n"));
        } else {
                assert_true(has_capability(24));
                free(await_log(c, "hook -500\n-500\nCapBnd:\t00000000a80425fb\n"));
        }
        expect_output(c, "echo -800 2>/dev/null > /proc/self/oom_score_adj || echo refused", "refused\n");
        mayfly_container_free(c);
}

/* Enforced, or told to be ignored and why: which one depends on the host's controllers. */
static void appc_executor_7_resources(void **state)
{
        static const struct {
                const char *isolator, *file, *value;
        } cases[] = {
                { "resource/memory", "memory.max", "134217728\n" },
                { "resource/cpu", "cpu.max", "50000 100000\n" },
                { "os/linux/cpu-shares", "cpu.weight", "50\n" },
        };
        struct mayfly_container *c = start("resources");

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char path[400] = "/sys/fs/cgroup", line[300], value[64] = "";
                snprintf(line, sizeof(line), "/proc/%d/cgroup", (int) mayfly_container_leader(c));
                FILE *f = fopen(line, "re");
                assert_non_null(f);
                while (fgets(line, sizeof(line), f))
                        if (strncmp(line, "0::", 3) == 0)
                                snprintf(path, sizeof(path), "/sys/fs/cgroup%s", line + 3);
                fclose(f);
                path[strcspn(path, "\n")] = '\0';
                /* nspawn puts its payload one or two below. */
                for (unsigned up = 0; up < 3 && strlen(path) > 15 && !*value; up++) {
                        char file[500];
                        snprintf(file, sizeof(file), "%s/%s", path, cases[i].file);
                        f = fopen(file, "re");
                        if (f) {
                                if (!fgets(value, sizeof(value), f) || strcmp(value, cases[i].value) != 0)
                                        *value = '\0';
                                fclose(f);
                        }
                        *strrchr(path, '/') = '\0';
                }
                if (*value)
                        assert_int_equal(isolator(c, cases[i].isolator)->outcome, MAYFLY_ISOLATOR_ENFORCED);
                else if (isolator(c, cases[i].isolator)->outcome == MAYFLY_ISOLATOR_IGNORED)
                        assert_non_null(strstr(isolator(c, cases[i].isolator)->detail, "controller"));
        }
        mayfly_container_free(c);
}

static void appc_executor_7_what_is_ignored_is_told(void **state)
{
        struct mayfly_container *c = start("unknown-isolators");

        (void) state;
        outcome(c, "example.com/magic", MAYFLY_ISOLATOR_IGNORED, "does not know it");
        outcome(c, "os/linux/no-new-privileges", MAYFLY_ISOLATOR_ENFORCED, NULL);
        outcome(c, "resource/network-bandwidth", MAYFLY_ISOLATOR_IGNORED, "shapes no traffic");
        outcome(c, "os/linux/selinux-context", MAYFLY_ISOLATOR_IGNORED, "labels nothing");
        outcome(c, "os/unix/sysctl", MAYFLY_ISOLATOR_IGNORED, "read-only");
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ .strict_isolators = 1 }, "unknown-isolators", -ENOTSUP, "example.com/magic",
                    "ignored: mayfly does not know it", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_executor_7_capabilities),
                cmocka_unit_test(appc_executor_7_system_calls),
                cmocka_unit_test(appc_executor_7_no_new_privileges_and_oom_score),
                cmocka_unit_test(appc_executor_7_resources),
                cmocka_unit_test(appc_executor_7_what_is_ignored_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
