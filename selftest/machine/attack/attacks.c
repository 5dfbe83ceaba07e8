/* SPDX-License-Identifier: MIT */

/* Runs inside a container, as root, and tries what must fail there: `attacks all` prints a line "NAME RESULT" for each attack,
 * RESULT being the name of the errno that it met, or "SUCCESS". `attacks NAME [ARGUMENT]` runs one. test-attack.c has the
 * results that are right. Static, without the C library's help where a wrapper might do something else. */

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
#include "init/masked-paths.h"

static long open_for(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        long r = result(fd);

        if (fd >= 0)
                close(fd);
        return r;
}

static long write_to(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        long r = result(write(fd, text, strlen(text)));
        close(fd);
        return r;
}

/* --- PID 1, and the other processes of mayfly */

static long init_descriptors(void)
{
        int pidfd = (int) syscall(SYS_pidfd_open, 1, 0);
        long r = -ESRCH;

        for (int fd = 0; fd < 64; fd++)
                r = best(r, result(syscall(SYS_pidfd_getfd, pidfd, fd, 0)));
        close(pidfd);
        return r;
}

/* Reads or opens each file of the process that tells or gives what it holds. */
static long open_process(pid_t pid)
{
        static const char *const files[] = { "mem",     "environ",    "maps", "auxv",   "syscall", "stack",
                                             "pagemap", "clear_refs", "exe",  "ns/net", "ns/user", "ns/mnt",
                                             "root/.",  "cwd/.",      "fd/0", "fd/1",   "fd/3",    "io" };
        char path[64], text[64];
        long r = -ENOENT;

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, files[i]);
                int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                /* Some are open to everybody, and refuse the read. */
                long got = fd < 0 ? -errno : strchr(files[i], '/') || !strcmp(files[i], "exe") ? 0 : read(fd, text, 1);
                if (fd >= 0 && got < 0)
                        got = -errno;
                else if (fd >= 0 && got == 0 && !strchr(files[i], '/') && strcmp(files[i], "exe") != 0)
                        got = -ENODATA;
                if (fd >= 0)
                        close(fd);
                if (got >= 0)
                        fprintf(stderr, "%s was opened\n", path);
                r = best(r, got);
        }
        return r;
}

static long trace_process(pid_t pid)
{
        char text[64];
        struct iovec iov = { text, sizeof(text) };
        long r = result(ptrace(PTRACE_SEIZE, pid, NULL, NULL));

        if (r >= 0)
                return r;
        r = result(ptrace(PTRACE_ATTACH, pid, NULL, NULL));
        r = best(r, result(process_vm_readv(pid, &iov, 1, &iov, 1, 0)));
        return best(r, result(process_vm_writev(pid, &iov, 1, &iov, 1, 0)));
}

static long init_files(void)
{
        return open_process(1);
}

static long init_trace(void)
{
        return trace_process(1);
}

/* Whether this is a process of mayfly's that has not executed anything of the image's. */
static int is_mayfly(pid_t pid)
{
        char path[64], name[32] = "";

        snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, name, sizeof(name) - 1);
        close(fd);
        return n > 0 && strncmp(name, "mayfly", 6) == 0;
}

static long each_of_mayfly(long (*attack)(pid_t pid))
{
        DIR *dir = opendir("/proc");
        long r = -ESRCH;

        for (const struct dirent *entry; dir && (entry = readdir(dir));) {
                pid_t pid = atoi(entry->d_name);
                if (pid > 1 && is_mayfly(pid))
                        r = best(r, attack(pid));
        }
        closedir(dir);
        return r;
}

static long supervisor_files(void)
{
        return each_of_mayfly(open_process);
}

static long supervisor_trace(void)
{
        return each_of_mayfly(trace_process);
}

/* CVE-2019-5736: to write what PID 1 executes, which the host executes for the next container. */
static long init_program(void)
{
        long r = open_for("/proc/1/exe", O_RDWR | O_TRUNC);

        r = best(r, open_for("/run/mayfly/init", O_RDWR | O_TRUNC));
        r = best(r, result(unlink("/run/mayfly/init")));
        return best(r, result(mount(NULL, "/run/mayfly/init", NULL, MS_REMOUNT | MS_BIND, NULL)));
}

/* The same by a process of ours that runs the program, stopped at its first instruction. */
static long own_copy_of_init(void)
{
        char path[64];
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
                execl("/run/mayfly/init", "init", NULL);
                _exit(1);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
                return 97;
        snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
        /* O_TRUNC: else the answer is that the program is in use, which will pass. */
        long r = open_for(path, O_RDWR | O_TRUNC);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return r;
}

/* CVE-2024-21626: nothing but the three standard descriptors comes in. */
static long descriptors(void)
{
        for (int fd = 3; fd < 1024; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        return fd;
        return -EBADF;
}

/* --- the kernel's files */

/* Opened only: under another tool than mayfly, what is written would be the host's. */
static long core_pattern(void)
{
        return open_for("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static long proc_sys(void)
{
        static const char *const files[] = { "kernel/hostname",
                                             "kernel/modprobe",
                                             "kernel/randomize_va_space",
                                             "kernel/yama/ptrace_scope",
                                             "vm/drop_caches",
                                             "vm/overcommit_memory",
                                             "fs/suid_dumpable",
                                             "kernel/sysrq",
                                             "fs/protected_symlinks",
                                             "kernel/panic" };
        char path[96];
        long r = -EROFS;

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(path, sizeof(path), "/proc/sys/%s", files[i]);
                long one = open_for(path, O_WRONLY);
                r = best(r, one == -ENOENT ? -EROFS : one);
        }
        return r;
}

static long sysrq(void)
{
        return open_for("/proc/sysrq-trigger", O_WRONLY);
}

/* Whether what mayfly hides shows anything: a directory an entry, or a file a byte. */
static long shows(const char *path)
{
        char text[16];
        long r = -ENOENT;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (dir) {
                for (const struct dirent *entry; (entry = readdir(dir));)
                        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                                r = 0;
                closedir(dir);
        } else if (fd >= 0) {
                r = read(fd, text, sizeof(text)) > 0 ? 0 : -ENOENT;
                close(fd);
        }
        if (r == 0)
                fprintf(stderr, "%s shows something\n", path);
        return r;
}

/* All that mayfly hides, and what docker does. Most kernels have only some of these. */
static long kernel_files(void)
{
        static const char *const masked[] = { MF_MASKED_PATHS };
        static const char *const files[] = { "/proc/kcore",         "/proc/kmsg",        "/proc/keys",
                                             "/proc/latency_stats", "/proc/timer_list",  "/proc/timer_stats",
                                             "/proc/sched_debug",   "/proc/acpi/wakeup", "/proc/scsi/scsi",
                                             "/proc/kpagecount",    "/proc/kpageflags",  "/proc/slabinfo",
                                             "/proc/vmallocinfo" };
        long r = -ENOENT;

        for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
                r = best(r, shows(masked[i]));
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
                r = best(r, shows(files[i]));
        return r;
}

/* Whether anything below a directory can be opened for writing, three levels deep. */
static long write_below(const char *path, int depth, long so_far)
{
        DIR *dir = opendir(path);
        char name[512];

        for (const struct dirent *entry; so_far < 0 && dir && (entry = readdir(dir));) {
                if (entry->d_name[0] == '.' || entry->d_type == DT_LNK)
                        continue;
                snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
                if (strcmp(name, "/sys/fs/cgroup") == 0 || strcmp(name, "/proc/sys/net") == 0)
                        continue; /* they are the container's own, and cgroup_files() looks at the first */
                if (entry->d_type == DT_DIR && depth > 0)
                        so_far = write_below(name, depth - 1, so_far);
                else if (entry->d_type == DT_REG && open_for(name, O_WRONLY) >= 0) {
                        fprintf(stderr, "%s can be written\n", name);
                        so_far = 0;
                }
        }
        if (dir)
                closedir(dir);
        return so_far;
}

static long sys_files(void)
{
        return write_below("/sys", 4, -EROFS);
}

static long proc_files(void)
{
        static const char *const below[] = { "/proc/sys", "/proc/irq",  "/proc/bus",
                                             "/proc/fs",  "/proc/scsi", "/proc/acpi" };
        long r = -EROFS;

        for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
                r = write_below(below[i], 4, r);
        return r;
}

/* Cgroup v1's way out, and the limits of the container, which stand in the cgroup above what it sees. */
static long cgroup_files(void)
{
        static const char *const files[] = { "release_agent", "notify_on_release", "memory.max",
                                             "pids.max",      "devices.allow",     "cpu.max" };
        static const char *const directories[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/..",
                                                   "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory" };
        char path[128];
        long r = -ENOENT;

        for (size_t d = 0; d < sizeof(directories) / sizeof(directories[0]); d++)
                for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                        snprintf(path, sizeof(path), "%s/%s", directories[d], files[i]);
                        long one = open_for(path, O_WRONLY);
                        if (one >= 0)
                                fprintf(stderr, "%s can be written\n", path);
                        r = best(r, one);
                }
        return r;
}

/* To see, or go to, a cgroup that is not below our own. */
static long cgroup_of_others(void)
{
        char text[4096] = "";
        int fd = open("/sys/fs/cgroup/cgroup.procs", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (fd >= 0)
                close(fd);
        /* A process of another PID namespace is shown as 0. */
        for (const char *line = text; n > 0 && line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (atoi(line) == 0)
                        return 0;
        fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
        memset(text, 0, sizeof(text));
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        return strstr(text, "/..") ? 0 : -ENOENT;
}

static long id_maps(void)
{
        long r = write_to("/proc/self/uid_map", "0 0 4294967295\n");

        return best(r, write_to("/proc/1/uid_map", "0 0 4294967295\n"));
}

static long device_nodes(void)
{
        long r = result(mknod("/tmp/disk", S_IFBLK | 0600, makedev(254, 0)));

        return best(r, result(mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1))));
}

/* The kernel's log, which is no harm to read, as a device that no container has. */
static long new_device(void)
{
        if (mknod("/tmp/new-device", S_IFCHR | 0600, makedev(1, 11)) < 0)
                return -errno;
        long r = open_for("/tmp/new-device", O_RDONLY);
        unlink("/tmp/new-device");
        return r;
}

/* Anything in /dev beyond what every container has. */
static long devices(void)
{
        static const char known[] =
                " char null zero full random urandom tty net console ptmx pts fd stdin stdout stderr core shm "
                "mqueue log kmsg . .. ";
        DIR *dir = opendir("/dev");
        char word[300];
        long r = -ENOENT;

        for (const struct dirent *entry; dir && (entry = readdir(dir));) {
                snprintf(word, sizeof(word), " %s ", entry->d_name);
                if (!strstr(known, word)) {
                        fprintf(stderr, "/dev/%s is there\n", entry->d_name);
                        r = 0;
                }
        }
        closedir(dir);
        return r;
}

static long kernel_log(void)
{
        char text[16];
        int fd = open("/dev/kmsg", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

        if (fd >= 0)
                close(fd);
        return n > 0 ? n : -ENOENT;
}

/* --- with an argument */

static const char *argument;

static long immutable(void)
{
        int fd = open(argument, O_RDONLY | O_CLOEXEC), flags = 0;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return 98; /* a test that shows nothing */
        flags |= FS_IMMUTABLE_FL;
        long r = result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
        close(fd);
        return r;
}

static long process(void)
{
        const pid_t pid = atoi(argument);
        long r = result(kill(pid, 0));

        r = best(r, open_process(pid));
        return best(r, trace_process(pid));
}

static long device(void)
{
        return open_for(argument, O_RDONLY);
}

static long abstract_socket(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path + 1, argument, sizeof(address.sun_path) - 2);
        long r = result(connect(fd, (const struct sockaddr *) &address,
                                (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argument))));
        close(fd);
        return r;
}

/* Climbs from the working directory as far as can be, and looks for a file of the host. */
static long climb(void)
{
        char path[512] = "";

        for (int i = 0; i < 20; i++)
                strcat(path, "../");
        strncat(path, argument + 1, sizeof(path) - strlen(path) - 1);
        return best(open_for(path, O_RDONLY), open_for(argument, O_RDONLY));
}

static long raw_socket(void)
{
        long r = socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP);

        r = best(r, socket_of(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
        return best(r, socket_of(AF_PACKET, SOCK_RAW, htons(3)));
}

/* A program of another user's set-user-ID. `argument` is a copy of ours, owned by 33 and set so. */
static long set_user_id(void)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                if (setgid(1000) < 0 || setuid(1000) < 0)
                        _exit(97);
                execl(argument, argument, "effective-user", NULL);
                _exit(96);
        }
        waitpid(pid, &status, 0);
        return WEXITSTATUS(status) == 0 ? -EPERM : WEXITSTATUS(status);
}

/* Fills the boot log, if PID 1's output is within reach. */
static long fill_boot_log(void)
{
        static char block[1 << 20];
        int fd = open("/proc/1/fd/1", O_WRONLY | O_CLOEXEC);
        long written = 0;

        if (fd < 0)
                return -errno;
        for (int i = 0; i < 300; i++) {
                ssize_t n = write(fd, block, sizeof(block));
                if (n < 0)
                        break;
                written += n;
        }
        close(fd);
        return written > 16 << 20 ? written : -EFBIG;
}

/* Before attack_calls, and after. */
static const struct attack of_processes[] = {
        { "pidfd_getfd-of-init", init_descriptors, 0 },
        { "files-of-init", init_files, 0 },
        { "trace-init", init_trace, 0 },
        { "files-of-supervisor", supervisor_files, 0 },
        { "trace-supervisor", supervisor_trace, 0 },
        { "overwrite-init", init_program, 0 },
        { "overwrite-own-copy-of-init", own_copy_of_init, 0 },
        { "descriptors", descriptors, 0 },
        { NULL, NULL, 0 },
};

static const struct attack of_files[] = {
        { "core_pattern", core_pattern, 0 },
        { "proc-sys", proc_sys, 0 },
        { "sysrq", sysrq, 0 },
        { "kernel-files", kernel_files, 0 },
        { "sys-files", sys_files, 0 },
        { "proc-files", proc_files, 0 },
        { "cgroup-files", cgroup_files, 0 },
        { "cgroup-of-others", cgroup_of_others, 0 },
        { "id-maps", id_maps, 0 },
        { "device-nodes", device_nodes, 0 },
        { "new-device", new_device, 0 },
        { "devices", devices, 0 },
        { "kernel-log", kernel_log, 0 },
        { "boot-log", fill_boot_log, 0 },
        { "immutable", immutable, 1 },
        { "process", process, 1 },
        { "device", device, 1 },
        { "abstract-socket", abstract_socket, 1 },
        { "climb", climb, 1 },
        { "raw-socket", raw_socket, 1 },
        { "set-user-id", set_user_id, 1 },
        { NULL, NULL, 0 },
};

/* In a process of its own: what succeeds may be anything. */
static void try(const struct attack *attack)
{
        int status = 0;

        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                long r = attack->try();
                printf("%s %s\n", attack->name, r >= 0 ? "SUCCESS" : strerrorname_np((int) -r));
                fflush(stdout);
                _exit(0);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                printf("%s DIED\n", attack->name);
}

int main(int argc, char **argv)
{
        const struct attack *const tables[] = { of_processes, attack_calls, of_files };

        argument = argc > 2 ? argv[2] : "";
        if (argc > 1 && strcmp(argv[1], "effective-user") == 0)
                return geteuid() == 1000 ? 0 : 1;
        for (size_t i = 0; argc > 1 && i < sizeof(tables) / sizeof(tables[0]); i++)
                for (const struct attack *attack = tables[i]; attack->name; attack++)
                        if (strcmp(argv[1], "all") == 0 ? !attack->alone : strcmp(argv[1], attack->name) == 0)
                                try(attack);
        return 0;
}
