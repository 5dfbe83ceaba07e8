/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/init.h"

/* An init system, systemd, as the app. It is PID 1 of a PID namespace within the container's: there mayfly-init has no number, so
 * that nothing inside can look at it, trace it or send it a signal, and the end of the init system is the end of all that it has
 * started. What mayfly-init starts after it, the commands, is in that namespace, too. All else is shared: mounts, network, IDs. */

#define CGROUPS "/sys/fs/cgroup"
#define OWN_CGROUP CGROUPS "/mayfly-init" /* src/container/cgroup.c knows the name */

static int say(int r, const char *what, char *text, size_t text_size)
{
        snprintf(text, text_size, "%s: %s", what, strerrordesc_np(-r));
        return r;
}

/* What the image has as init system, in the order of systemd-nspawn --boot. */
static int find_init(char **argv, char *text, size_t text_size)
{
        static char paths[][32] = { "/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init" };

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                if (access(paths[i], X_OK) == 0) {
                        argv[0] = paths[i];
                        return 0;
                }
        snprintf(text, text_size,
                 "the image has no init system: it has none of %s, %s and %s; install the package systemd in it, or "
                 "name "
                 "the program in entrypoint",
                 paths[0], paths[1], paths[2]);
        return -ENOENT;
}

/* Makes a terminal, and shows it as /dev/console: nothing that is not a terminal is written to as a console. */
static int make_console(int *ret_master, int *ret_terminal, char *text, size_t text_size)
{
        char path[32];
        unsigned number;

        int r = mf_terminal_open(24, 80, ret_master, ret_terminal, text, text_size);
        if (r < 0)
                return r;
        if (fcntl(*ret_master, F_SETFL, O_NONBLOCK) < 0 || ioctl(*ret_master, TIOCGPTN, &number) < 0)
                return say(-errno, "the console", text, text_size);
        int fd = open("/dev/console", O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600);
        if (fd < 0)
                return say(-errno, "making /dev/console", text, text_size);
        close(fd);
        snprintf(path, sizeof(path), "/dev/pts/%u", number);
        return mount(path, "/dev/console", NULL, MS_BIND, NULL) < 0
                       ? say(-errno, "mounting a terminal on /dev/console", text, text_size)
                       : 0;
}

static int enter_cgroup(const char *procs)
{
        int fd = open(procs, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = write(fd, "0", 1) < 0 ? -errno : 0;
        close(fd);
        return r;
}

/* No process may be in a cgroup whose controllers the init system hands down. */
static int leave_cgroup(char *text, size_t text_size)
{
        int r = mkdir(OWN_CGROUP, 0755) < 0 && errno != EEXIST ? -errno : enter_cgroup(OWN_CGROUP "/cgroup.procs");

        return r < 0 ? say(r, "the cgroup " OWN_CGROUP ", beside those of the init system", text, text_size) : 0;
}

int mf_boot_prepare(char **argv, int *ret_master, int *ret_terminal, char *text, size_t text_size)
{
        int r = argv[0][0] ? 0 : find_init(argv, text, text_size);

        if (r == 0)
                r = make_console(ret_master, ret_terminal, text, text_size);
        if (r == 0)
                r = leave_cgroup(text, text_size);
        if (r == 0 && unshare(CLONE_NEWPID) < 0)
                r = say(-errno, "a PID namespace", text, text_size);
        return r;
}

/* A proc of this PID namespace, in the place of the one of mayfly-init's. */
static int replace_proc(char *text, size_t text_size)
{
        int fs = (int) syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
        int tree = -1;

        if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
                tree = (int) syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (tree < 0)
                return say(-errno, "mounting proc", text, text_size);
        /* Only now: without one that is seen no other may be mounted. Where it is locked, it is covered. */
        if (umount2("/proc", MNT_DETACH) < 0 && errno != EINVAL)
                return say(-errno, "unmounting /proc", text, text_size);
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return say(-errno, "mounting /proc", text, text_size);
        close(tree);
        close(fs);
        return 0;
}

int mf_boot_enter(char *text, size_t text_size)
{
        int r = enter_cgroup(CGROUPS "/cgroup.procs");

        if (r < 0)
                return say(r, "the cgroup of the init system", text, text_size);
        r = replace_proc(text, text_size);
        return r == 0 ? mf_mask_for_boot(text, text_size) : r;
}
