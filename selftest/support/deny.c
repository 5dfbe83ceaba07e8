/* SPDX-License-Identifier: MIT */

/* Runs a command under a seccomp filter that refuses system calls: `deny ERRNO CALL... -- COMMAND...`. ERRNO is EPERM or ENOSYS. The
 * call "clone" is refused only where it makes a user namespace, as docker's default profile does it. */

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int refuse(scmp_filter_ctx filter, const char *name, int error)
{
        const int call = seccomp_syscall_resolve_name(name);
        const uint32_t action = SCMP_ACT_ERRNO((uint32_t) error);

        if (call == __NR_SCMP_ERROR)
                return -EINVAL;
        if (strcmp(name, "clone") == 0)
                return seccomp_rule_add(filter, action, call, 1,
                                        SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
        return seccomp_rule_add(filter, action, call, 0);
}

int main(int argc, char **argv)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int i = 2, r = filter && argc > 2 ? 0 : -EINVAL;

        if (r == 0) /* the command may be one of a user who gains privileges */
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        for (; r == 0 && i < argc && strcmp(argv[i], "--") != 0; i++)
                r = refuse(filter, argv[i], strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : EPERM);
        if (r == 0)
                r = seccomp_load(filter);
        if (r < 0 || i + 1 >= argc) {
                fprintf(stderr, "deny: %s\n", strerror(r < 0 ? -r : EINVAL));
                return 125;
        }
        execvp(argv[i + 1], argv + i + 1);
        perror(argv[i + 1]);
        return 127;
}
