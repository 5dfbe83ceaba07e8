/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* The container's user namespace, for idmapped mounts: systemd-nspawn makes another one with the same IDs. A file that
 * belongs to user N on the disk belongs to user N in the container, and nothing on the host belongs to its users. */

/* Writes the map of a file system's IDs to those of the container. Returns its length. */
static int format_map(char *ret, size_t size, const struct launch_options *options, uint32_t kept)
{
        struct mf_keep_id_line lines[MF_KEEP_ID_LINES];
        const size_t n = mf_keep_id_lines(lines, 0, options->n_ids, kept);
        int used = 0;

        for (size_t i = 0; i < n; i++)
                used += snprintf(ret + used, size - (size_t) used, "%u %u %u\n", (unsigned) lines[i].outside,
                                 (unsigned) (options->ids + lines[i].inside), (unsigned) lines[i].count);
        return used;
}

static int write_map(pid_t pid, const char *name, const struct launch_options *options, uint32_t kept)
{
        char path[64], map[128];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        int n = format_map(map, sizeof(map), options, kept);
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 || write(fd, map, (size_t) n) != n ? -errno : 0;
}

/* Of the child in its new namespace, which waits meanwhile. Returns a descriptor or -errno. */
static int open_mapped(pid_t pid, const struct launch_options *options, int keeps)
{
        char path[64];

        int r = write_map(pid, "uid_map", options, keeps ? options->kept.uid : 0);
        if (r == 0)
                r = write_map(pid, "gid_map", options, keeps ? options->kept.gid : 0);
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        int fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : r;
        return r == 0 && fd < 0 ? -errno : fd;
}

int launch_userns_open(const struct launch_options *options, int keeps)
{
        int born[2], done[2];
        char byte;

        if (pipe2(born, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0)
                return launch_error(-errno, "pipe");
        pid_t pid = fork();
        if (pid == 0) {
                close(done[1]);
                byte = unshare(CLONE_NEWUSER) < 0 ? (char) errno : 0;
                if (write(born[1], &byte, 1) == 1)
                        (void) !read(done[0], &byte, 1); /* until the parent closes it, or dies */
                _exit(0);
        }
        int fd = pid < 0 ? -errno : -EIO;
        close(born[1]);
        close(done[0]);
        if (pid > 0 && read(born[0], &byte, 1) == 1)
                fd = byte ? -byte : open_mapped(pid, options, keeps);
        close(born[0]);
        close(done[1]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return fd < 0 ? launch_error(fd,
                                     "making a user namespace with the IDs from %u on; user.max_user_namespaces "
                                     "(sysctl) may be 0, or set .userns = MAYFLY_USERNS_HOST",
                                     (unsigned) options->ids)
                      : fd;
}
