/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/filter.h"
#include "util/macro.h"

/* The filter of mayfly-forward's system calls, as gen-filter makes it. That it allows what mayfly-forward needs is seen by the
 * tests that run mayfly-forward. */

static const struct {
        const char *name;
        uint32_t audit, token;
} architectures[] = { { "x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64 },
                      { "aarch64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64 } };

static struct filter filters[MF_ELEMENTSOF(architectures)];

static int make_filters(void **state)
{
        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++)
                filter_make(&filters[a], "forward/syscalls", architectures[a].name, "forward");
        return 0;
}

static int is_allowed(size_t a, int nr, const uint64_t args[6])
{
        struct seccomp_data data = { .nr = nr, .arch = architectures[a].audit };

        for (size_t i = 0; args && i < 6; i++)
                data.args[i] = args[i];
        uint32_t answer = filter_run(&filters[a], &data);
        if (answer != SECCOMP_RET_ALLOW)
                assert_int_equal(answer, SECCOMP_RET_KILL_PROCESS);
        return answer == SECCOMP_RET_ALLOW;
}

static int allows(size_t a, const char *name, const uint64_t args[6])
{
        int nr = seccomp_syscall_resolve_name_arch(architectures[a].token, name);

        assert_true(nr >= 0);
        return is_allowed(a, nr, args);
}

static void test_few_are_allowed(void **state)
{
        static const char *const denied[] = { "execve",   "execveat", "clone",       "clone3",      "openat",
                                              "ptrace",   "kill",     "tgkill",      "mount",       "unshare",
                                              "setns",    "chroot",   "pivot_root",  "prctl",       "seccomp",
                                              "capset",   "setuid",   "setresuid",   "pidfd_getfd", "pidfd_open",
                                              "unlinkat", "renameat", "linkat",      "symlinkat",   "mknodat",
                                              "fchmod",   "fchownat", "memfd_create" };

        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++) {
                unsigned n = 0;
                for (int nr = 0; nr < 1200; nr++)
                        n += (unsigned) is_allowed(a, nr, NULL);
                assert_true(n > 20 && n < 60);
                for (size_t i = 0; i < MF_ELEMENTSOF(denied); i++)
                        if (allows(a, denied[i], NULL))
                                fail_msg("%s is allowed on %s", denied[i], architectures[a].name);
        }
}

static void test_arguments(void **state)
{
        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++) {
                for (uint64_t family = 0; family < 64; family++) {
                        int wanted = family == AF_UNIX || family == AF_INET || family == AF_INET6;
                        assert_int_equal(allows(a, "socket", (uint64_t[6]){ family, SOCK_STREAM, 0 }), wanted);
                        assert_int_equal(allows(a, "socket", (uint64_t[6]){ family, SOCK_RAW, NETLINK_SOCK_DIAG }),
                                         wanted || family == AF_NETLINK);
                }
                for (uint64_t protection = 0; protection < 8; protection++) {
                        const uint64_t args[6] = { 0, 4096, protection };
                        assert_int_equal(allows(a, "mmap", args), !(protection & PROT_EXEC));
                        assert_int_equal(allows(a, "mprotect", args), !(protection & PROT_EXEC));
                }
                assert_true(allows(a, "ioctl", (uint64_t[6]){ 5, SIOCOUTQNSD }));
                assert_false(allows(a, "ioctl", (uint64_t[6]){ 5, TIOCSTI }));
        }
}

/* 32-bit calls and those of x32 have other numbers for other things. */
static void test_other_architectures(void **state)
{
        (void) state;
        for (int nr = 0; nr < 1200; nr++) {
                struct seccomp_data data = { .nr = nr, .arch = AUDIT_ARCH_I386 };
                assert_int_equal(filter_run(&filters[0], &data), SECCOMP_RET_KILL_PROCESS);
                assert_false(is_allowed(0, nr | 0x40000000, NULL));
        }
}

/* The kernel takes the filter, and does what the interpreter says. */
static void test_in_the_kernel(void **state)
{
        int status;

        (void) state;
        for (int is_forbidden = 0; is_forbidden < 2; is_forbidden++) {
                pid_t pid = fork();
                assert_true(pid >= 0);
                if (pid == 0) {
                        size_t a = seccomp_arch_native() == SCMP_ARCH_AARCH64;
                        struct sock_fprog native = { (unsigned short) filters[a].n, filters[a].ops };
                        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &native) < 0)
                                _exit(2);
                        /* Not by the C library, in whose place a sanitizer may do more. */
                        long fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
                        if (is_forbidden)
                                (void) syscall(SYS_dup3, fd, 0, 0);
                        syscall(SYS_exit_group, fd >= 0 ? 0 : 3);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, is_forbidden ? W_EXITCODE(0, SIGSYS) : 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_few_are_allowed),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_other_architectures),
                cmocka_unit_test(test_in_the_kernel),
        };

        return cmocka_run_group_tests(tests, make_filters, NULL);
}
