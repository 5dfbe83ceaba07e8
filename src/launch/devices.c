/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/macro.h"

/* The host's devices that the spec names. Root makes nodes of its own for them, whose owners are the container's; an ordinary user may
 * make no node, so the host's are mounted. Whatever cgroup or mount forbids the use of one fails the start, with the reason. */

#define DEVICES SCRATCH "/devices"

static void write_path(size_t number, char ret[64])
{
        snprintf(ret, 64, DEVICES "/%zu", number);
}

/* Sees whether a process with the rights of this one may open the device. */
static int check_access(const struct launch_device *device, const char *path)
{
        if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
                return 0;
        if (errno == EPERM)
                return launch_error(
                        -EPERM,
                        "devices of the spec has \"%s\": the device cgroup around this program does not allow "
                        "it (with docker: --device %s; in a unit: DeviceAllow=)",
                        device->source, device->source);
        return launch_error(
                -errno,
                "devices of the spec has \"%s\": the user who runs the test may not read and write it; change "
                "its mode, or run the test as root. Groups of the user do not count in a container",
                device->source);
}

/* Makes a node like the host's. Its owners are the same numbers inside, as far as the container has them. */
static int make_node(const struct launch_device *device, const char *path, const struct launch_options *options)
{
        struct stat st;

        if (stat(device->source, &st) < 0)
                return launch_error(-errno, "devices of the spec has \"%s\"", device->source);
        const uint32_t uid = launch_host_uid(st.st_uid, options), gid = launch_host_gid(st.st_gid, options);
        if (mknod(path, st.st_mode & (S_IFMT | 07777), st.st_rdev) < 0)
                return launch_error(-errno,
                                    "devices of the spec has \"%s\": making a node for %u:%u; it takes CAP_MKNOD and a "
                                    "device cgroup that allows it (with docker: --device %s)",
                                    device->source, major(st.st_rdev), minor(st.st_rdev), device->source);
        if (chown(path, uid == (uint32_t) -1 ? options->ids : uid, gid == (uint32_t) -1 ? options->ids : gid) < 0 ||
            chmod(path, st.st_mode & 07777) < 0)
                return launch_error(-errno, "devices of the spec has \"%s\": the node for it", device->source);
        return check_access(device, path);
}

int launch_devices_make(const struct launch_options *options)
{
        char path[64];
        int r = 0;

        if (options->n_devices > 0 && mkdir(DEVICES, 0755) < 0)
                return launch_error(-errno, "a directory for devices");
        for (size_t i = 0; r == 0 && i < options->n_devices; i++) {
                write_path(i, path);
                r = make_node(&options->devices[i], path, options);
        }
        return r;
}

char *launch_device_option(const struct launch_options *options, size_t n)
{
        char path[64];

        write_path(n, path);
        return launch_bind_option("--bind-ro", path, options->devices[n].target);
}

/* Makes the directories above a path, which is relative. */
static int make_parents(char *path)
{
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                int r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
                *slash = '/';
                if (r < 0)
                        return r;
        }
        return 0;
}

static int bind_device(const struct launch_device *device, const struct launch_options *options)
{
        /* It is the host's node, whose mode and times the container must not change; the device can be written to all the same. */
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
        mf_cleanup(mf_freep) char *path = strdup(device->target + 1);

        int r = path ? make_parents(path) : -ENOMEM;
        if (r < 0)
                return launch_error(r, "devices of the spec has \"%s\": directories above it", device->target);
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0)
                return launch_error(-errno, "devices of the spec has \"%s\": making it in the container",
                                    device->target);
        close(fd);
        if (mount(device->source, path, NULL, MS_BIND, NULL) < 0 ||
            syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &attributes, sizeof(attributes)) < 0)
                return launch_error(-errno, "devices of the spec has \"%s\": mounting it", device->source);
        /* The caller, who is another user inside then, may be the one who can open it. */
        return options->kept.uid ? 0 : check_access(device, path);
}

int launch_devices_bind(const struct launch_options *options)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < options->n_devices; i++)
                r = bind_device(&options->devices[i], options);
        return r;
}
