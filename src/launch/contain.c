/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* A container of an ordinary user, made without systemd-nspawn: in a user namespace systemd-nspawn fails where the audit
 * login UID is set, where its cgroup belongs to somebody else, and, from version 257 on, at mounting proc and sysfs.
 *
 * Two user namespaces are involved. The supervisor is root of the user's namespace, where all mounts are made that need
 * the host's files. The container has a namespace in it with the same IDs, so that nothing inside has a capability over
 * the supervisor or its mounts. */

#define ROOT LAUNCH_ROOT

int launch_join_namespace(int userns)
{
        if (setns(userns, CLONE_NEWUSER) < 0)
                return launch_error(-errno, "joining the user namespace that mayfly-helper made");
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return launch_error(-errno, "becoming root of the user namespace");
        /* The change of credentials took away the access to /proc/PID of this process and its children. */
        return prctl(PR_SET_DUMPABLE, 1) < 0 ? launch_error(-errno, "PR_SET_DUMPABLE") : 0;
}

/* --- in the container, before mayfly-init --------------------------------------------------------------------- */

static int mount_api(const char *type, const char *where, unsigned long flags, const char *data)
{
        if (mount(type, where, type, flags, data) == 0)
                return 0;
        if (errno != EPERM)
                return launch_error(-errno, "mounting %s on /%s in the container", type, where);
        return launch_error(-EPERM,
                            "mounting %s on /%s in the container; the kernel lets a user do that only where nothing "
                            "hides parts of the host's own: in docker, add --security-opt systempaths=unconfined",
                            type, where);
}

static int bind_to(const char *source, const char *where, unsigned long flags)
{
        return mount(source, where, NULL, MS_BIND | flags, NULL) < 0
                       ? launch_error(-errno, "mounting %s on /%s in the container", source, where)
                       : 0;
}

static int make_file(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        if (fd < 0)
                return launch_error(-errno, "making /%s in the container", path);
        close(fd);
        return 0;
}

/* The devices of a container of systemd-nspawn. No user may make device nodes, so the host's are mounted. */
static int mount_devices(void)
{
        static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };
        static const struct {
                const char *target, *path;
        } links[] = {
                { "pts/ptmx", "dev/ptmx" },          { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
                { "/proc/self/fd/1", "dev/stdout" }, { "/proc/kcore", "dev/core" }, { "/proc/self/fd/2", "dev/stderr" },
        };
        char source[32], path[32];

        int r = mount_api("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=0755,size=4m,nr_inodes=64k");
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(nodes); i++) {
                snprintf(source, sizeof(source), "/dev/%s", nodes[i]);
                snprintf(path, sizeof(path), "dev/%s", nodes[i]);
                r = make_file(path);
                if (r == 0)
                        r = bind_to(source, path, 0);
        }
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(links); i++)
                if (symlink(links[i].target, links[i].path) < 0)
                        r = launch_error(-errno, "making /%s in the container", links[i].path);
        if (r == 0 && (mkdir("dev/pts", 0755) < 0 || mkdir("dev/shm", 0755) < 0 || mkdir("dev/mqueue", 0755) < 0))
                r = launch_error(-errno, "making directories in /dev in the container");
        if (r == 0)
                r = mount_api("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5");
        if (r == 0)
                r = mount_api("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=01777");
        return r == 0 ? mount_api("mqueue", "dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) : r;
}

/* Makes read-only what systemd-nspawn makes so. mayfly-init hides more. */
static int protect_kernel_files(int host_network)
{
        static const char *const paths[] = { "proc/sys", "proc/bus", "proc/fs", "proc/irq", "proc/sysrq-trigger" };
        const unsigned long flags = MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        int r = 0;

        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(paths); i++) {
                if (access(paths[i], F_OK) < 0)
                        continue;
                r = bind_to(paths[i], paths[i], 0);
                if (r == 0 && i == 0 && !host_network)
                        r = bind_to("proc/sys/net", "proc/sys/net", 0); /* of its own network */
                if (r == 0)
                        r = bind_to("none", paths[i], flags);
        }
        return r;
}

static int mount_kernel_files(const struct launch_options *options, int has_cgroup)
{
        const int host_network = options->host_network;
        const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

        int r = mount_api("proc", "proc", flags, NULL);
        if (r == 0 && !host_network) /* else mount_host_sysfs() did it */
                r = mount_api("sysfs", "sys", flags | MS_RDONLY, NULL);
        if (r == 0)
                r = protect_kernel_files(host_network);
        /* A container without a cgroup of its own would see those of the host. */
        if (r == 0 && has_cgroup)
                return mount_api("cgroup2", "sys/fs/cgroup", flags | (options->boot ? 0 : MS_RDONLY), NULL);
        return r == 0 ? mount_api("tmpfs", "sys/fs/cgroup", flags | MS_RDONLY, "mode=0555,size=4k") : r;
}

static int enter_root(void)
{
        if (syscall(SYS_pivot_root, ".", ".") < 0)
                return launch_error(-errno, "entering the container's root");
        if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return launch_error(-errno, "leaving the host's root");
        return 0;
}

static int raise_loopback(void)
{
        struct ifreq request = { .ifr_name = "lo" };
        mf_cleanup(mf_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                return launch_error(-errno, "the container's loopback interface");
        request.ifr_flags |= IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? launch_error(-errno, "the container's loopback interface") : 0;
}

static int make_inside(const struct launch_options *options, int has_cgroup)
{
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return launch_error(-errno, "making mounts private");
        /* What another namespace mounted cannot become the root; a copy can. */
        if (mount(ROOT, ROOT, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(ROOT) < 0)
                return launch_error(-errno, "the container's root");
        int r = mount_devices();
        if (r == 0)
                r = launch_devices_bind(options);
        if (r == 0)
                r = mount_kernel_files(options, has_cgroup);
        if (r == 0)
                r = enter_root();
        const char *hostname = options->hostname ? options->hostname : options->machine;
        if (r == 0 && sethostname(hostname, strlen(hostname)) < 0)
                r = launch_error(-errno, "the container's host name");
        return r == 0 && !options->host_network ? raise_loopback() : r;
}

/* Becomes mayfly-init. `mapped` is a pipe from the supervisor: a byte arrives when the IDs are mapped, and the pipe closes
 * when the supervisor ends. */
static _Noreturn void become_init(const struct launch_options *options, int has_cgroup, int mapped)
{
        static char *const argv[] = { (char *) (uintptr_t) "/run/mayfly/init", NULL };
        static char *const env[] = { (char *) (uintptr_t) "container=mayfly", NULL };
        struct pollfd supervisor = { .fd = mapped, .events = POLLIN };
        sigset_t none;
        char byte;

        if (read(mapped, &byte, 1) != 1)
                _exit(1);
        if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
                launch_error(-errno, "becoming root of the container");
                _exit(1);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* which a change of user would undo */
        if (poll(&supervisor, 1, 0) != 0)
                _exit(1);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        (void) syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL); /* the user's keys stay outside */
        if (make_inside(options, has_cgroup) < 0)
                _exit(1);
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        execve(argv[0], argv, env);
        launch_error(-errno, "executing mayfly-init in the container");
        _exit(127);
}

/* --- outside -------------------------------------------------------------------------------------------------- */

/* sysfs belongs to the owner of a network namespace, and the host's is not the user's. A child with a network of its own
 * mounts it, which then shows everything but the host's network interfaces. */
static int mount_host_sysfs(void)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                int r = unshare(CLONE_NEWNET) < 0
                                ? launch_error(-errno, "making a network namespace")
                                : mount_api("sysfs", "sys", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
                _exit(r < 0);
        }
        if (pid < 0)
                return launch_error(-errno, "fork");
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return launch_error(-errno, "waitpid");
        return status ? -EIO : 0;
}

/* Shows mayfly-init where it is executed. */
static int bind_init(const struct launch_options *options)
{
        if (mkdir("run/mayfly", 0755) < 0 || launch_give_root(AT_FDCWD, "run/mayfly", options) < 0)
                return launch_error(-errno, "making /run/mayfly in the container");
        int r = make_file("run/mayfly/init");
        if (r == 0)
                r = bind_to(SCRATCH "/init", "run/mayfly/init", 0);
        return r == 0 ? bind_to("none", "run/mayfly/init", MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV) : r;
}

static int prepare(const struct launch_options *options)
{
        if (chdir(ROOT) < 0)
                return launch_error(-errno, "the container's root");
        int r = bind_init(options);
        if (r == 0 && options->host_network)
                r = mount_host_sysfs();
        if (r == 0)
                r = launch_volumes_bind(options);
        return chdir("/") < 0 && r == 0 ? launch_error(-errno, "entering /") : r;
}

/* Lets the container's root make cgroups in its own, as an init system does. */
static int delegate(const struct launch_options *options, const struct launch_cgroup *cgroup)
{
        static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads" };

        for (size_t i = 0; i < MF_ELEMENTSOF(files); i++)
                if (launch_give_root(cgroup->fd, files[i], options) < 0)
                        return launch_error(-errno, "giving %s of its cgroup to the container", files[i]);
        return 0;
}

/* Maps each ID of this user namespace to one in that of `pid`: to itself, unless the user keeps the ID. No line may span two of
 * ours. Returns 0 or negative errno. */
static int make_map(pid_t pid, const char *name, uint32_t kept)
{
        unsigned inside, outside, count;
        char path[64], map[4096];
        size_t size = 0;

        snprintf(path, sizeof(path), "/proc/self/%s", name);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        while (f && size < sizeof(map) - MF_KEEP_ID_LINES * 36 &&
               fscanf(f, "%u %u %u", &inside, &outside, &count) == 3) {
                struct mf_keep_id_line lines[MF_KEEP_ID_LINES];
                const size_t n = mf_keep_id_lines(lines, inside, count, kept);
                for (size_t i = 0; i < n; i++)
                        size += (size_t) snprintf(map + size, sizeof(map) - size, "%u %u %u\n",
                                                  (unsigned) lines[i].inside, (unsigned) lines[i].outside,
                                                  (unsigned) lines[i].count);
        }
        if (!f || size == 0)
                return f ? -EIO : -errno;
        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 || write(fd, map, size) != (ssize_t) size ? -errno : 0;
}

pid_t launch_contain(const struct launch_options *options, const struct launch_cgroup *cgroup)
{
        struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                                            CLONE_NEWCGROUP,
                                   .exit_signal = SIGCHLD };
        int mapped[2];

        int r = prepare(options);
        if (r == 0 && options->boot)
                r = delegate(options, cgroup);
        if (r < 0)
                return r;
        if (pipe2(mapped, O_CLOEXEC) < 0)
                return launch_error(-errno, "pipe");
        if (!options->host_network)
                args.flags |= CLONE_NEWNET;
        if (cgroup) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) cgroup->fd;
        }
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0) {
                close(mapped[1]);
                become_init(options, cgroup || options->in_unit, mapped[0]);
        }
        close(mapped[0]);
        if (pid < 0) {
                r = launch_error(-errno, "making the container's namespaces");
        } else {
                r = make_map(pid, "uid_map", options->kept.uid);
                if (r == 0)
                        r = make_map(pid, "gid_map", options->kept.gid);
                if (r < 0)
                        launch_error(r, "mapping the IDs of the container");
        }
        if (r == 0 && write(mapped[1], "", 1) != 1)
                r = launch_error(-errno, "pipe");
        if (r < 0) {
                close(mapped[1]); /* which ends the child */
                return r;
        }
        return pid; /* mapped[1] stays open as long as this process lives */
}
