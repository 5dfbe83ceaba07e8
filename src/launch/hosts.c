/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/message.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define IMAGES_OWN_MAX 1048576 /* bytes of the image's file that are kept */

/* The lines that the library does not write, as the first start found them: the container can change all that it sees itself. */
#define KEPT_LINES LAUNCH_KEPT "/hosts"

/* Copies whole lines: ends the last one if need be. Returns 0 or negative errno. */
static int copy_lines(int from, int to, off_t size)
{
        mf_cleanup(mf_freep) char *text = malloc((size_t) size + 1);
        ssize_t n = text ? mf_read_full(from, text, (size_t) size) : -ENOMEM;

        if (n > 0 && text[n - 1] != '\n')
                text[n++] = '\n';
        return n < 0 ? (int) n : mf_write_full(to, text, (size_t) n);
}

/* Copies the image's own /etc/hosts, which may be a symbolic link. Returns 1 if there was none. */
static int copy_own(int root, int fd)
{
        mf_cleanup(mf_closep) int own =
                launch_open_how(root, "etc/hosts", O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_IN_ROOT);
        struct stat st;

        if (own < 0)
                return 1;
        if (fstat(own, &st) < 0 || !S_ISREG(st.st_mode))
                return launch_error(-EINVAL,
                                    "the image's /etc/hosts is no file; build the image with a file there, or none");
        if (st.st_size > IMAGES_OWN_MAX)
                return launch_error(-EFBIG, "the image's /etc/hosts is longer than %d bytes", IMAGES_OWN_MAX);
        int r = copy_lines(own, fd, st.st_size);
        return r < 0 ? launch_error(r, "copying the image's /etc/hosts") : 0;
}

/* Whether the image's own file is not enough. */
static int has_more(const struct launch_options *options)
{
        return options->on_networks || options->host_address || options->hostname || options->n_extra_hosts > 0;
}

/* Writes what is there without the library. On networks the container's name is the address that the others know. */
static int fill(int root, int fd, const struct launch_options *options)
{
        /* They come first, because the first address of a name counts. */
        for (size_t i = 0; i < options->n_extra_hosts; i++)
                if (dprintf(fd, "%s\n", options->extra_hosts[i]) < 0)
                        return launch_error(-errno, "writing /etc/hosts in the container");
        int r = has_more(options) ? copy_own(root, fd) : 1;
        if (r < 0)
                return r;
        if (r > 0 && dprintf(fd, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n") < 0)
                return launch_error(-errno, "writing /etc/hosts in the container");
        if ((r > 0 || options->hostname) && !options->on_networks &&
            dprintf(fd, "127.0.1.1\t%s\n", options->hostname ? options->hostname : options->machine) < 0)
                return launch_error(-errno, "writing /etc/hosts in the container");
        if (options->host_address && dprintf(fd, "%s\thost.mayfly\n", options->host_address) < 0)
                return launch_error(-errno, "writing /etc/hosts in the container");
        return 0;
}

/* Opens the kept lines, which the first start that needs them writes. */
static int open_kept(int root, const struct launch_options *options)
{
        int fd = open(KEPT_LINES, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0) {
                int r = launch_error(-errno, "keeping the first lines of /etc/hosts");
                mf_close(fd);
                return r;
        }
        int r = st.st_size > 0 ? 0 : fill(root, fd, options);
        if (r == 0 && lseek(fd, 0, SEEK_SET) == 0)
                return fd;
        (void) unlink(KEPT_LINES);
        mf_close(fd);
        return r < 0 ? r : -EIO;
}

/* Makes the file in the directory `etc`, in place of whatever is there. */
static int make(int etc, int lines, const struct launch_options *options)
{
        struct stat st;

        int r = mf_remove_tree(etc, "hosts");
        if (r < 0)
                return launch_error(r, "removing what is at /etc/hosts in the container");
        mf_cleanup(mf_closep) int fd = openat(etc, "hosts", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 || fstat(lines, &st) < 0)
                return launch_error(-errno, "making /etc/hosts in the container");
        r = copy_lines(lines, fd, st.st_size);
        if (r < 0)
                return launch_error(r, "writing /etc/hosts in the container");
        return launch_give_root(fd, "", options) < 0 ? launch_error(-errno, "making /etc/hosts in the container") : 0;
}

/* Without the file neither localhost nor the container's own name resolves. The image's own file, or link, is kept, unless there is
 * more to write: then a file takes its place that begins in the same way. On networks the library writes there, so that each start
 * makes the file anew, whatever the container has put there. */
int launch_hosts_make(int root, const struct launch_options *options, int is_new)
{
        mf_cleanup(mf_closep) int etc = launch_open_how(root, "etc", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);
        struct stat before, own;

        if (etc < 0 || fstat(etc, &before) < 0)
                return launch_error(etc < 0 ? etc : -errno, "/etc in the container");
        if (fstatat(etc, "hosts", &own, AT_SYMLINK_NOFOLLOW) == 0 && !options->on_networks &&
            !(has_more(options) && is_new))
                return 0;
        mf_cleanup(mf_closep) int lines = open_kept(root, options);
        int r = lines < 0 ? lines : make(etc, lines, options);
        if (r < 0)
                return r;
        const struct timespec times[2] = { { 0, UTIME_OMIT }, before.st_mtim };
        return futimens(etc, times) < 0 ? launch_error(-errno, "making /etc/hosts in the container") : 0;
}

int launch_hosts_send(const struct launch_options *options)
{
        const struct mf_message message = { .type = MF_MESSAGE_HOSTS };

        if (!options->on_networks)
                return 0;
        mf_cleanup(mf_closep) int root = open(LAUNCH_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mf_cleanup(mf_closep) int etc = launch_open_how(root, "etc", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);
        mf_cleanup(mf_closep) int fd = openat(etc, "hosts", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return launch_error(-errno, "/etc/hosts in the container");
        int r = launch_send(STDIN_FILENO, &message, fd);
        return r < 0 && r != -EPIPE && r != -ECONNRESET ? launch_error(r, "the library") : 0;
}
