/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/init.h"

/* What a spec says of the container's namespaces and mounts, done with the capabilities that PID 1 has before mf_confine(). */

/* --- sysctls ---------------------------------------------------------------------------------------------------- */

static const char *sysctl_problem(int r)
{
        if (r == -ENOENT)
                return "the namespaces of a container have no such parameter on this kernel";
        if (r == -EACCES || r == -EPERM || r == -EROFS)
                return "this kernel lets only the host's root change it, and not root of a user namespace";
        return r == -EINVAL ? "the kernel refuses this value" : strerrordesc_np(-r);
}

/* Writes a value below /proc/sys of a copy of the mount of /proc, on which nothing is read-only. */
static int write_sysctl(int proc, const char *name, size_t length, const char *value)
{
        char path[256];

        snprintf(path, sizeof(path), "sys/%.*s", (int) length, name);
        for (char *dot = path; *dot; dot++)
                if (*dot == '.')
                        *dot = '/';
        int fd = openat(proc, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        int r = write(fd, value, strlen(value)) < 0 ? -errno : 0;
        close(fd);
        return r;
}

static int set_sysctl(int proc, const char *sysctl)
{
        static const char domain[] = "kernel.domainname";
        const size_t length = strcspn(sysctl, "=");
        const char *value = sysctl + length + 1;

        if (length == strlen(domain) && memcmp(sysctl, domain, length) == 0)
                return setdomainname(value, strlen(value)) < 0 ? -errno : 0;
        return write_sysctl(proc, sysctl, length, value);
}

static int set_sysctls(char *const *sysctls, char *text, size_t text_size)
{
        int proc = *sysctls ? (int) syscall(SYS_open_tree, AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) : -1;
        int r = 0;

        if (*sysctls && proc < 0) {
                r = -errno;
                snprintf(text, text_size, "sysctls: copying the mount of /proc: %s", strerrordesc_np(-r));
                return r;
        }
        for (; r == 0 && *sysctls; sysctls++) {
                r = set_sysctl(proc, *sysctls);
                if (r < 0)
                        snprintf(text, text_size, "sysctls of the spec has \"%.100s\": %s", *sysctls,
                                 sysctl_problem(r));
        }
        if (proc >= 0)
                close(proc);
        return r;
}

/* --- mounts ----------------------------------------------------------------------------------------------------- */

/* Covers the /dev/shm that there is by one of this size: who mounted that may have been in another user namespace. */
static int mount_shm(const char *size, char *text, size_t text_size)
{
        char options[64];

        snprintf(options, sizeof(options), "mode=1777,size=%s", size);
        if (mount("mayfly-shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, options) == 0)
                return 0;
        int r = -errno;
        snprintf(text, text_size, "shm_size of the spec is %s: mounting /dev/shm: %s", size, strerrordesc_np(-r));
        return r;
}

/* Mounts the directory on itself. One to which a link of the image leads is left as it is: the link may lead to the root. */
static int keep_writable(const char *path)
{
        const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                      .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        const int place = (int) syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

        if (place < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
        const int copy = (int) syscall(SYS_open_tree, place, "",
                                       AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        int r = copy < 0 || syscall(SYS_move_mount, copy, "", place, "",
                                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                        ? -errno
                        : 0;
        if (copy >= 0)
                close(copy);
        close(place);
        return r;
}

/* Makes the root read-only, but for what programs expect to be able to write to, as podman has it. /run is a mount already. */
static int protect_root(void)
{
        static const char *const writable[] = { "/tmp", "/var/tmp" };
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        int r = 0;

        for (size_t i = 0; r == 0 && i < sizeof(writable) / sizeof(writable[0]); i++)
                r = keep_writable(writable[i]);
        if (r < 0)
                return r;
        return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

static pid_t protector;
static int protector_pipe = -1;

/* The root must be writable until all is put there that is to be there before the app starts. By then PID 1 has no capability for
 * it, but a child of it has. */
static int begin_protection(void)
{
        int fds[2];
        char byte;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        protector = fork();
        if (protector == 0) {
                close(fds[1]);
                int r = read(fds[0], &byte, 1) == 1 ? protect_root() : -ECANCELED;
                _exit(-r);
        }
        close(fds[0]);
        protector_pipe = fds[1];
        return protector < 0 ? -errno : 0;
}

int mf_root_protect(void)
{
        int status = 0;

        if (protector <= 0)
                return 0;
        if (write(protector_pipe, "", 1) != 1)
                return -errno;
        close(protector_pipe);
        if (waitpid(protector, &status, 0) != protector)
                return -errno;
        protector = 0;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

int mf_set_up(const struct mf_exec *exec, char *text, size_t text_size)
{
        int r = set_sysctls(exec->sysctls, text, text_size);

        if (r == 0 && exec->shm_size)
                r = mount_shm(exec->shm_size, text, text_size);
        if (r < 0 || !exec->read_only)
                return r;
        r = begin_protection();
        if (r < 0)
                snprintf(text, text_size, "read_only of the spec: %s", strerrordesc_np(-r));
        return r;
}

/* --- network and files ------------------------------------------------------------------------------------------ */

/* Lets every user inside listen on every port, as docker and podman do: the network is the container's own. */
int mf_set_up_network(char *text, size_t text_size)
{
        static const char path[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

        if (fd >= 0 && write(fd, "0", 1) < 0) { /* a kernel without IPv4 has no such file */
                r = -errno;
                snprintf(text, text_size, "%s: %s", path, strerrordesc_np(-r));
        }
        if (fd >= 0)
                close(fd);
        if (r == 0)
                mf_await_loopback();
        return r;
}

/* Makes a directory and its missing parents. One that cannot be made is missed by the program that wants it. */
static void make_directory(char *path)
{
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void) mkdir(path, 0755);
                *slash = '/';
        }
        (void) mkdir(path, 0755);
}

int mf_set_up_files(const struct mf_exec *exec, char *text, size_t text_size)
{
        int r = 0;

        /* appc spec, "Operating System Environment"; nspawn makes none for pipes. The log has what the app says, so the link is for
         * programs that want one to be there. */
        if (!exec->boot && symlink("null", "/dev/console") < 0 && errno != EEXIST) {
                r = -errno;
                snprintf(text, text_size, "/dev/console");
        }
        /* Newer versions of nspawn make the device where the host has it. What volumes put there stays: a mount or a directory. */
        if (r == 0 && unlink("/dev/fuse") < 0 && errno != ENOENT && errno != EBUSY && errno != EISDIR) {
                r = -errno;
                snprintf(text, text_size, "removing /dev/fuse");
        }
        for (char **directory = exec->directories; r == 0 && *directory; directory++)
                make_directory(*directory);
        return r;
}

/* --- limits ----------------------------------------------------------------------------------------------------- */

int mf_limits_set(char *const *ulimits, char *text, size_t text_size)
{
        for (; *ulimits; ulimits++) {
                unsigned long long soft = 0, hard = 0;
                int resource = -1;
                if (sscanf(*ulimits, "%d %llu %llu", &resource, &soft, &hard) != 3)
                        return -EPROTO;
                const struct rlimit limit = { soft, hard };
                if (setrlimit((__rlimit_resource_t) resource, &limit) == 0)
                        continue;
                int r = -errno;
                snprintf(text, text_size, "setting limit %d to %llu:%llu: %s", resource, soft, hard,
                         strerrordesc_np(-r));
                return r;
        }
        return 0;
}
