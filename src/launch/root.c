/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* What systemd-nspawn and the services in the container want to find, and an image may lack. systemd-nspawn follows the
 * image's symbolic links on the host, so none may stand where it goes. */

/* What an image may have in place of a directory. */
enum instead { DIRECTORY_ONLY, LINK_TOO, ANYTHING };

static const struct {
        const char *name;
        mode_t mode;
        enum instead instead;
} directories[] = {
        { "dev", 0755, DIRECTORY_ONLY }, { "etc", 0755, LINK_TOO }, { "proc", 0555, DIRECTORY_ONLY },
        { "root", 0700, ANYTHING },      { "run", 0755, ANYTHING }, { "sys", 0555, DIRECTORY_ONLY },
        { "tmp", 01777, LINK_TOO },      { "usr", 0755, LINK_TOO }, { "var", 0755, LINK_TOO },
};

static int make_directory(int root, const char *name, mode_t mode, const struct launch_options *options)
{
        if (mkdirat(root, name, mode) < 0 || fchmodat(root, name, mode, 0) < 0 ||
            launch_give_root(root, name, options) < 0)
                return launch_error(-errno, "making /%s in the container", name);
        return 0;
}

/* Makes /NAME a directory, or sees that it leads to one. */
static int complete(int root, size_t i, const struct launch_options *options)
{
        const char *name = directories[i].name;
        struct stat st;

        if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? make_directory(root, name, directories[i].mode, options)
                                       : launch_error(-errno, "/%s in the container", name);
        if (S_ISDIR(st.st_mode) || directories[i].instead == ANYTHING)
                return 0;
        if (directories[i].instead == LINK_TOO) {
                mf_cleanup(mf_closep) int fd = launch_open_how(root, name, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
                return fd >= 0 ? 0
                               : launch_error(
                                         fd,
                                         "the image's /%s is neither a directory nor a symbolic link to a directory "
                                         "of the image; build the image with a directory there",
                                         name);
        }
        /* A file system of the kernel's is mounted there, so that nothing of the image's is lost. */
        if (unlinkat(root, name, 0) < 0)
                return launch_error(-errno, "the image's /%s, which is no directory, cannot be replaced", name);
        return make_directory(root, name, directories[i].mode, options);
}

/* An init system expects its /run to be empty at each start. */
static int mount_empty_run(const struct launch_options *options)
{
        char data[96];

        snprintf(data, sizeof(data), "mode=0755,uid=%u,gid=%u", (unsigned) launch_host_uid(0, options),
                 (unsigned) launch_host_gid(0, options));
        return mount("mayfly-run", LAUNCH_ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, data) < 0
                       ? launch_error(-errno, "mounting a tmpfs on /run in the container")
                       : 0;
}

/* Mounts the image's /run, or the directory that its symbolic link leads to, on /run: systemd-nspawn mounts a tmpfs there
 * only where nothing is mounted. */
static int mount_run(int root, const struct launch_options *options)
{
        /* systemd-nspawn and mayfly make these. */
        static const char *const not_the_images[] = { "host", "kmsg", "mayfly" };
        char source[64], target[64];
        struct stat st;

        mf_cleanup(mf_closep) int run = launch_open_how(root, "run", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);
        if (fstatat(root, "run", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return launch_error(-errno, "/run in the container");
        if (!S_ISDIR(st.st_mode)) {
                if (unlinkat(root, "run", 0) < 0)
                        return launch_error(-errno, "the image's /run, which is no directory, cannot be replaced");
                int r = make_directory(root, "run", 0755, options);
                if (r < 0)
                        return r;
        }
        if (options->boot)
                return mount_empty_run(options);
        mf_cleanup(mf_closep) int place = openat(root, "run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0)
                return launch_error(-errno, "/run in the container");
        int shown = run >= 0 ? run : place;
        for (size_t i = 0; i < MF_ELEMENTSOF(not_the_images); i++) {
                int r = mf_remove_tree(shown, not_the_images[i]);
                if (r < 0)
                        return launch_error(r, "removing the image's /run/%s", not_the_images[i]);
        }
        snprintf(source, sizeof(source), "/proc/self/fd/%d", shown);
        snprintf(target, sizeof(target), "/proc/self/fd/%d", place);
        if (mount(source, target, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, LAUNCH_ROOT "/run", NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL) < 0)
                return launch_error(-errno, "mounting the image's /run");
        return 0;
}

int launch_root_complete(const struct launch_options *options, int is_new)
{
        mf_cleanup(mf_closep) int root = open(LAUNCH_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = 0;

        if (root < 0)
                return launch_error(-errno, "the container's root");
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(directories); i++)
                r = complete(root, i, options);
        if (r == 0)
                r = mount_run(root, options);
        return r < 0 ? r : launch_hosts_make(root, options, is_new);
}
