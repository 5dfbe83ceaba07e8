/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define UNIX_SOCKETS (1U << CAP_DAC_OVERRIDE)  /* those of any user inside can be reached, */
#define LOW_PORTS (1U << CAP_NET_BIND_SERVICE) /* and ports of the host below 1024 be listened for there */

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
        struct forward_confinement confinement = { .root = root,
                                                   .uid = request->uid,
                                                   .gid = request->gid,
                                                   .parent = getppid(),
                                                   .capabilities = UNIX_SOCKETS };
        if (request->has_host_ports)
                confinement.capabilities |= LOW_PORTS;
        int r = request->has_host_ports ? forward_host_start(&confinement) : 0;
        if (r < 0)
                return forward_say(text, r, "starting the process that makes sockets of the host");
        r = join_network(net);
        if (r < 0)
                return forward_say(text, r, "joining the container's network namespace");
        r = forward_confine(&confinement, text);
        if (r < 0)
                return r;
        inside.root = mf_take_fd(&root);
        return 0;
}

/* Connects to a socket of the current directory. A link there leads no further than the container's root, which is that of this
 * process. */
static int connect_here(int fd, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat st;

        if (strlen(name) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        if (stat(*name ? name : ".", &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
}

int forward_connect_unix(int fd, const char *path)
{
        const char *slash = strrchr(path, '/');
        char directory[MF_FORWARD_PATH_MAX];

        if (inside.root < 0)
                return -ENOTCONN;
        if (!slash)
                return -ENOENT;
        /* Long paths have no place in an address, so that the directory becomes the current one. */
        snprintf(directory, sizeof(directory), "%.*s/", (int) (slash - path), path);
        mf_cleanup(mf_closep) int at = mf_open_in_root(inside.root, directory, O_PATH | O_DIRECTORY);
        if (at < 0)
                return at;
        int r = fchdir(at) < 0 ? -errno : connect_here(fd, slash + 1);
        if (fchdir(inside.root) < 0)
                forward_loop_fail("returning to the container's root", -errno);
        return r;
}
