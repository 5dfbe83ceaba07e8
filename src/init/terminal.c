/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"

/* Opens the other end, at first with no process in its session. Returns its descriptor or -errno. */
static int open_terminal(int master, int rows, int columns)
{
        const struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
        int unlocked = 0;

        if (ioctl(master, TIOCSWINSZ, &size) < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
                return -errno;
        /* By the master, because root in the container may have put something else at its path. */
        int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* As newer versions of systemd mount devpts; with older ones a group may write to it. */
        (void) fchmod(fd, S_IRUSR | S_IWUSR);
        return fd;
}

int mf_terminal_open(int rows, int columns, int *ret_master, int *ret_terminal, char *text, size_t text_size)
{
        int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        int terminal = master < 0 ? -errno : open_terminal(master, rows, columns);

        if (terminal >= 0) {
                *ret_master = master;
                *ret_terminal = terminal;
                return 0;
        }
        snprintf(text, text_size, "opening a terminal, /dev/pts/ptmx: %s",
                 terminal == -ENOSPC ? "there is none left (sysctl kernel.pty.max)" : strerrordesc_np(-terminal));
        if (master >= 0)
                close(master);
        return terminal;
}
