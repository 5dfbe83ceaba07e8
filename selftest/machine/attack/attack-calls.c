/* SPDX-License-Identifier: MIT */

/* The attacks by system calls, of each kind that a program can make. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks.h"

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

#define ATTACK_CALL(name, ...)                                     \
        static long call_##name(void)                              \
        {                                                          \
                return result(syscall(SYS_##name, ##__VA_ARGS__)); \
        }

ATTACK_CALL(open_tree, AT_FDCWD, "/", 1)
ATTACK_CALL(open_tree_attr, AT_FDCWD, "/proc/sys", 1, NULL, 0L)
ATTACK_CALL(fsopen, "proc", 0)
ATTACK_CALL(fspick, AT_FDCWD, "/proc", 0)
ATTACK_CALL(fsmount, -1, 0, 0)
ATTACK_CALL(mount_setattr, AT_FDCWD, "/proc/sys", 0, NULL, 0L)
ATTACK_CALL(move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0)
ATTACK_CALL(mount, "none", "/tmp", "tmpfs", 0L, NULL)
ATTACK_CALL(umount2, "/proc/sys", MNT_DETACH)
ATTACK_CALL(pivot_root, "/tmp", "/tmp")
ATTACK_CALL(unshare, CLONE_NEWUSER)
ATTACK_CALL(setns, -1, 0)
ATTACK_CALL(keyctl, 0L, -3L, 1L) /* KEYCTL_GET_KEYRING_ID of the session */
ATTACK_CALL(add_key, "user", "mayfly", "x", 1L, -4L)
ATTACK_CALL(request_key, "user", "mayfly", NULL, -4L)
ATTACK_CALL(io_uring_setup, 8, NULL)
ATTACK_CALL(io_uring_enter, -1, 0, 0, 0, NULL, 0L)
ATTACK_CALL(io_uring_register, -1, 0, NULL, 0)
ATTACK_CALL(bpf, 5, NULL, 0)
ATTACK_CALL(perf_event_open, NULL, 0, -1, -1, 0L)
ATTACK_CALL(userfaultfd, 0)
ATTACK_CALL(kcmp, 1, 1, 0, 0L, 0L)
ATTACK_CALL(fanotify_init, 0, 0)
ATTACK_CALL(process_madvise, -1, NULL, 0L, 0, 0)
ATTACK_CALL(open_by_handle_at, AT_FDCWD, NULL, 0)
ATTACK_CALL(name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0)
ATTACK_CALL(syslog, 3, NULL, 0)
ATTACK_CALL(sethostname, "attacked", 8L)
ATTACK_CALL(setdomainname, "attacked", 8L)
ATTACK_CALL(quotactl, 0, "/", 0, NULL)
ATTACK_CALL(acct, "/tmp/acct")
ATTACK_CALL(swapon, "/tmp/swap", 0)
ATTACK_CALL(reboot, 0, 0, 0, NULL)
ATTACK_CALL(kexec_load, 0L, 0L, NULL, 0L)
ATTACK_CALL(init_module, NULL, 0L, "")
ATTACK_CALL(finit_module, -1, "", 0)
ATTACK_CALL(delete_module, "loop", 0)
ATTACK_CALL(settimeofday, NULL, NULL)
ATTACK_CALL(clock_settime, 0, NULL)
ATTACK_CALL(move_pages, 1, 0L, NULL, NULL, NULL, 0)
ATTACK_CALL(clone, (unsigned long) CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0L)
ATTACK_CALL(vmsplice, -1, NULL, 0L, 0)
#ifdef __x86_64__
ATTACK_CALL(iopl, 3)
ATTACK_CALL(ioperm, 0L, 1L, 1)
#endif

static long clone3_namespace(void)
{
        uint64_t arguments[8] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
        long r = syscall(SYS_clone3, arguments, sizeof(arguments));

        if (r == 0)
                _exit(0);
        return result(r);
}

static long weak_personality(void)
{
        return result(syscall(SYS_personality, 0x0040000)); /* ADDR_NO_RANDOMIZE */
}

/* Each of the policies that starve the host. */
static long scheduler(void)
{
        const struct sched_param param = { .sched_priority = 99 };
        long r = result(sched_setscheduler(0, SCHED_FIFO, &param));

        r = best(r, result(sched_setscheduler(0, SCHED_RR, &param)));
        return best(r, setpriority(PRIO_PROCESS, 0, -20) < 0 ? -errno : 0);
}

#ifdef __x86_64__
/* The system calls of 32-bit programs, which any program can make. `words` go where 32 bits reach. */
static long call_32(uint32_t number, uint32_t a, const uint32_t *words, size_t n, uint32_t c)
{
        uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        int64_t r;

        if (low == MAP_FAILED)
                return -errno;
        memcpy(low, words, n * sizeof(*words));
        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"((uint64_t) number), "b"((uint64_t) a), "c"((uint64_t) (uintptr_t) low), "d"((uint64_t) c)
                         : "memory", "r8", "r9", "r10", "r11");
        munmap(low, 4096);
        return (int32_t) r;
}

static long socketcall_32(void)
{
        return call_32(102, 1, (const uint32_t[]){ AF_VSOCK, SOCK_STREAM, 0 }, 3, 0);
}

static long socket_32(void) /* number 359, whose second argument is a number: an address is a bad type */
{
        return call_32(359, AF_VSOCK, (const uint32_t[]){ 0 }, 1, 0);
}

static long keyctl_32(void)
{
        return call_32(288, 0, (const uint32_t[]){ 0 }, 1, 1);
}

static long mount_32(void)
{
        return call_32(21, 0, (const uint32_t[]){ 0x706d74 }, 1, 0);
}

static long unshare_32(void)
{
        return call_32(310, CLONE_NEWUSER, (const uint32_t[]){ 0 }, 1, 0);
}

static long io_uring_32(void)
{
        return call_32(425, 8, (const uint32_t[40]){ 0 }, 40, 0);
}

static long x32(void)
{
        long r = result(syscall(0x40000000L | SYS_getpid));

        return best(r, result(syscall(0x40000000L | SYS_keyctl, 0L, -3L, 1L)));
}
#endif

/* --- sockets */

long socket_of(int family, int type, int protocol)
{
        int fd = socket(family, type | SOCK_CLOEXEC, protocol);

        if (fd < 0)
                return -errno;
        close(fd);
        return 0;
}

#define ATTACK_SOCKET(name, family, type, protocol)       \
        static long socket_##name(void)                   \
        {                                                 \
                return socket_of(family, type, protocol); \
        }

ATTACK_SOCKET(vsock, AF_VSOCK, SOCK_STREAM, 0)
ATTACK_SOCKET(xdp, 44, SOCK_RAW, 0)
ATTACK_SOCKET(alg, AF_ALG, SOCK_SEQPACKET, 0)
ATTACK_SOCKET(key, AF_KEY, SOCK_RAW, 2)
ATTACK_SOCKET(bluetooth, AF_BLUETOOTH, SOCK_RAW, 0)
ATTACK_SOCKET(audit, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)

const struct attack attack_calls[] = {
        { "open_tree", call_open_tree, 0 },
        { "open_tree_attr", call_open_tree_attr, 0 },
        { "fsopen", call_fsopen, 0 },
        { "fspick", call_fspick, 0 },
        { "fsmount", call_fsmount, 0 },
        { "mount_setattr", call_mount_setattr, 0 },
        { "move_mount", call_move_mount, 0 },
        { "mount", call_mount, 0 },
        { "umount", call_umount2, 0 },
        { "pivot_root", call_pivot_root, 0 },
        { "unshare", call_unshare, 0 },
        { "setns", call_setns, 0 },
        { "clone-namespace", call_clone, 0 },
        { "clone3-namespace", clone3_namespace, 0 },
        { "keyctl", call_keyctl, 0 },
        { "add_key", call_add_key, 0 },
        { "request_key", call_request_key, 0 },
        { "io_uring_setup", call_io_uring_setup, 0 },
        { "io_uring_enter", call_io_uring_enter, 0 },
        { "io_uring_register", call_io_uring_register, 0 },
        { "bpf", call_bpf, 0 },
        { "perf_event_open", call_perf_event_open, 0 },
        { "userfaultfd", call_userfaultfd, 0 },
        { "kcmp", call_kcmp, 0 },
        { "fanotify_init", call_fanotify_init, 0 },
        { "process_madvise", call_process_madvise, 0 },
        { "open_by_handle_at", call_open_by_handle_at, 0 },
        { "name_to_handle_at", call_name_to_handle_at, 0 },
        { "syslog", call_syslog, 0 },
        { "sethostname", call_sethostname, 0 },
        { "setdomainname", call_setdomainname, 0 },
        { "quotactl", call_quotactl, 0 },
        { "acct", call_acct, 0 },
        { "swapon", call_swapon, 0 },
        { "reboot", call_reboot, 0 },
        { "kexec_load", call_kexec_load, 0 },
        { "init_module", call_init_module, 0 },
        { "finit_module", call_finit_module, 0 },
        { "delete_module", call_delete_module, 0 },
        { "settimeofday", call_settimeofday, 0 },
        { "clock_settime", call_clock_settime, 0 },
        { "move_pages", call_move_pages, 0 },
        { "vmsplice", call_vmsplice, 0 },
#ifdef __x86_64__
        { "iopl", call_iopl, 0 },
        { "ioperm", call_ioperm, 0 },
        { "32-bit-socketcall", socketcall_32, 0 },
        { "32-bit-socket", socket_32, 0 },
        { "32-bit-keyctl", keyctl_32, 0 },
        { "32-bit-mount", mount_32, 0 },
        { "32-bit-unshare", unshare_32, 0 },
        { "32-bit-io_uring", io_uring_32, 0 },
        { "x32", x32, 0 },
#endif
        { "personality", weak_personality, 0 },
        { "scheduler", scheduler, 0 },
        { "AF_VSOCK", socket_vsock, 0 },
        { "AF_XDP", socket_xdp, 0 },
        { "AF_ALG", socket_alg, 0 },
        { "AF_KEY", socket_key, 0 },
        { "AF_BLUETOOTH", socket_bluetooth, 0 },
        { "NETLINK_AUDIT", socket_audit, 0 },
        { NULL, NULL, 0 },
};
