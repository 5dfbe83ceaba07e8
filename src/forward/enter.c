/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"

static struct {
        int root; /* of the container, O_PATH; -1: not entered */
} inside = { .root = -1 };

int forward_say(struct forward_text *text, int code, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text->text, sizeof(text->text), format, arguments);
        va_end(arguments);
        return code;
}

int forward_has_entered(void)
{
        return inside.root >= 0;
}

/* Opens what /proc says of a process. */
static int open_of(pid_t pid, const char *name, int flags)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        int fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Files and Unix sockets of any user inside can be reached, and ports below 1024 inside be listened on. */
#define KEPT (1U << CAP_DAC_OVERRIDE | 1U << CAP_NET_BIND_SERVICE)

static int keep_capabilities(uint32_t kept)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { .effective = kept, .permitted = kept } };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int forward_drop_privileges(uid_t uid, gid_t gid, uint32_t capabilities, pid_t parent)
{
        /* Where a user namespace may not change its groups, an ordinary user's stay. */
        if (setgroups(0, NULL) < 0 && errno != EPERM)
                return -errno;
        for (int i = 0; i <= CAP_LAST_CAP; i++)
                prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* an older kernel has fewer */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        int r = keep_capabilities(capabilities);
        if (r < 0)
                return r;
        /* The change of credentials took away both. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return getppid() == parent ? 0 : -ESRCH;
}

/* Joins a network namespace, unless this process is in it: an ordinary user may not join that of the host. */
static int join_network(int net)
{
        struct stat here, there;

        if (stat("/proc/self/ns/net", &here) < 0 || fstat(net, &there) < 0)
                return -errno;
        if (here.st_dev == there.st_dev && here.st_ino == there.st_ino)
                return 0;
        return setns(net, CLONE_NEWNET) < 0 ? -errno : 0;
}

int forward_enter(const struct mf_forward_request *request, int pidfd, struct forward_text *text)
{
        pid_t pid = mf_pidfd_pid(pidfd);
        if (pid < 0)
                return forward_say(text, pid, "the container has ended");
        mf_cleanup(mf_closep) int net = open_of(pid, "ns/net", O_RDONLY);
        if (net < 0)
                return forward_say(text, net, "opening the container's network namespace");
        mf_cleanup(mf_closep) int root = open_of(pid, "root", O_PATH | O_DIRECTORY);
        if (root < 0)
                return forward_say(text, root, "opening the container's root");
        /* Both were this process's unless its number has been given to another meanwhile. */
        if (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
                return forward_say(text, -errno, "the container has ended");
        int r = request->has_host_ports ? forward_host_start(request) : 0;
        if (r < 0)
                return forward_say(text, r, "starting the process that makes sockets of the host");
        r = join_network(net);
        if (r < 0)
                return forward_say(text, r, "joining the container's network namespace");
        r = forward_drop_privileges(request->uid, request->gid, KEPT, getppid());
        if (r < 0)
                return forward_say(text, r, "becoming user %u, group %u of the host", request->uid, request->gid);
        inside.root = mf_take_fd(&root);
        return 0;
}

int forward_open_inside(const char *path)
{
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

        if (inside.root < 0)
                return -ENOTCONN;
        for (int i = 0; i < 100; i++) { /* EAGAIN: somebody renames directories on the way */
                int fd = (int) syscall(SYS_openat2, inside.root, path, &how, sizeof(how));
                if (fd >= 0)
                        return fd;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
        return -EAGAIN;
}

int forward_unix_address(const char *path, struct sockaddr_un *ret, int *ret_fd)
{
        struct stat st;

        mf_cleanup(mf_closep) int fd = forward_open_inside(path);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d", fd);
        *ret_fd = mf_take_fd(&fd);
        return 0;
}
