/* SPDX-License-Identifier: MIT */

/* Writes syscall-filter.h: the containers' system call filter, ready to load. Runs at build time, because compiling it
 * with libseccomp at every start would cost 30 ms of them.
 *
 * The calls below reach beyond the container or past the kernel's namespaces, and are answered EPERM. Capabilities
 * guard most of them as well: this is the second fence. */

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const denied[] = {
        /* keyrings are not namespaced */
        "add_key",
        "keyctl",
        "request_key",
        /* kernel code, images and introspection */
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "create_module",
        "get_kernel_syms",
        "query_module",
        "lookup_dcookie",
        "syslog",
        /* other processes' descriptors and memory: PID 1 and its children hold some of the owner's */
        "kcmp",
        "pidfd_getfd",
        "process_madvise",
        "process_vm_readv",
        "process_vm_writev",
        /* much of the kernel, past this filter; and events of the host's files */
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "fanotify_init",
        /* files by handle escape a mount namespace */
        "open_by_handle_at",
        "name_to_handle_at",
        /* the machine as a whole */
        "reboot",
        "swapon",
        "swapoff",
        "acct",
        "quotactl",
        "quotactl_fd",
        "nfsservctl",
        "settimeofday",
        "stime",
        "clock_settime",
        "clock_settime64",
        "clock_adjtime",
        "clock_adjtime64",
        "adjtimex",
        "iopl",
        "ioperm",
        "vhangup",
        "_sysctl",
        "sysfs",
        "uselib",
        "vm86",
        "vm86old",
        "modify_ldt",
        "pciconfig_iobase",
        "pciconfig_read",
        "pciconfig_write",
        /* mounts and namespaces: the container's are mayfly's to arrange */
        "mount",
        "umount",
        "umount2",
        "pivot_root",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "setns",
        "unshare",
        /* other processes' memory placement */
        "move_pages",
        "migrate_pages",
};

/* New namespaces come with capabilities in them, and so with all of the kernel that those open. */
#define NEW_NAMESPACES \
        (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

static void check(int r, const char *what)
{
        if (r < 0) {
                fprintf(stderr, "gen-filter: %s: %d\n", what, r);
                exit(1);
        }
}

/* Device nodes are the host's devices, whoever makes them; CAP_MKNOD is among appc's default. Only 0:0, with which
 * overlays mark what is removed, stands for none. `mode` and `dev` are the numbers of the arguments. */
static void deny_devices(scmp_filter_ctx ctx, const char *name, unsigned mode, unsigned dev)
{
        int nr = seccomp_syscall_resolve_name(name);

        if (nr == __NR_SCMP_ERROR)
                return;
        check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 1, SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFBLK)),
              name);
        check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 2, SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFCHR),
                               SCMP_CMP(dev, SCMP_CMP_NE, 0, 0)),
              name);
}

static void deny_namespaces(scmp_filter_ctx ctx)
{
        /* One rule a flag: the comparison is of all bits under a mask. */
        for (uint64_t flag = 1; flag <= NEW_NAMESPACES; flag <<= 1)
                if (flag & NEW_NAMESPACES)
                        check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                               SCMP_CMP(0, SCMP_CMP_MASKED_EQ, flag, flag)),
                              "clone");
        /* Its flags are in memory, where no filter can look; the C library then uses clone(). */
        check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
}

int main(void)
{
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

        if (!ctx)
                check(-ENOMEM, "seccomp_init");
        if (seccomp_arch_native() == SCMP_ARCH_X86_64)
                check(seccomp_arch_add(ctx, SCMP_ARCH_X86), "i386");
        check(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "other architectures");
        check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");

        for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
                int nr = seccomp_syscall_resolve_name(denied[i]);
                if (nr == __NR_SCMP_ERROR)
                        continue; /* of another architecture, or older than this libseccomp */
                check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0), denied[i]);
        }

        deny_devices(ctx, "mknod", 1, 2);
        deny_devices(ctx, "mknodat", 2, 3);
        deny_namespaces(ctx);

        FILE *f = tmpfile();
        if (!f)
                check(-errno, "tmpfile");
        check(seccomp_export_bpf(ctx, fileno(f)), "seccomp_export_bpf");
        rewind(f);
        puts("/* Made by gen-filter.c. */\nstatic const struct sock_filter syscall_filter[] = {");
        struct {
                uint16_t code;
                uint8_t jt, jf;
                uint32_t k;
        } op;
        while (fread(&op, sizeof(op), 1, f) == 1)
                printf("        { %#x, %u, %u, %#x },\n", op.code, op.jt, op.jf, op.k);
        puts("};");
        fclose(f);
        seccomp_release(ctx);
        return 0;
}
