/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/init.h"

/* The sockets to those who use the container: the control socket, whose end is the container's, and the channels of other processes,
 * which mayfly-launch sends. All get the same reports. Once the container has another owner, mayfly-launch watches that. */

#define REPORTS_MAX 8U /* READY, HOOK, APP, NOTIFIED, USAGE, EXIT */
#define EVENTS_MAX 16

static struct {
        int control, link, epoll;
        int is_released; /* the end of the control socket is not the container's */
        int *others;
        size_t n, allocated;
        struct mf_message reports[REPORTS_MAX]; /* all that were sent from READY on */
        size_t n_reports;
} self = { .control = -1, .link = -1, .epoll = -1 };

static int watch(int fd)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int mf_channels_open(int control, int link)
{
        self.control = control;
        self.link = link;
        self.epoll = epoll_create1(EPOLL_CLOEXEC);
        if (self.epoll < 0)
                return -errno;
        int r = watch(control);
        return r < 0 ? r : watch(link);
}

int mf_channels_fd(void)
{
        return self.epoll;
}

void mf_channels_close(void)
{
        if (self.control >= 0)
                close(self.control);
        if (self.link >= 0)
                close(self.link);
        close(self.epoll);
        for (size_t i = 0; i < self.n; i++)
                close(self.others[i]);
}

/* Commands may have copies of the descriptor, which would keep it watched. */
static void unwatch(int fd)
{
        (void) epoll_ctl(self.epoll, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
}

static void drop(size_t i)
{
        unwatch(self.others[i]);
        self.others[i] = self.others[--self.n];
}

/* Sends all reports so far. Returns 0 or -errno. */
static int bring_up_to_date(int fd)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < self.n_reports; i++)
                r = mf_message_try_send(fd, &self.reports[i], NULL, 0);
        return r < 0 ? r : mf_message_try_send(fd, &(struct mf_message){ .type = MF_MESSAGE_CURRENT }, NULL, 0);
}

/* Takes in a channel. One that cannot be served is closed, which tells its process. */
static void add(int fd)
{
        if (self.n == self.allocated) {
                int *more = reallocarray(self.others, 2 * self.n + 8, sizeof(int));
                if (!more) {
                        close(fd);
                        return;
                }
                self.others = more;
                self.allocated = 2 * self.n + 8;
        }
        if (watch(fd) < 0 || bring_up_to_date(fd) < 0)
                unwatch(fd);
        else
                self.others[self.n++] = fd;
}

int mf_channels_report(const struct mf_message *report)
{
        if ((report->type == MF_MESSAGE_READY || self.n_reports > 0) && self.n_reports < REPORTS_MAX)
                self.reports[self.n_reports++] = *report;
        for (size_t i = self.n; i-- > 0;)
                if (mf_message_try_send(self.others[i], report, NULL, 0) < 0) /* it is gone, or does not read */
                        drop(i);
        if (!self.is_released)
                return mf_message_send(self.control, report, NULL, 0);
        if (self.control >= 0)
                (void) mf_message_try_send(self.control, report, NULL, 0);
        return 0;
}

/* Takes a message of mayfly-launch, whose end is seen elsewhere. */
static void on_link(void)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(self.link, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return;
        if (r <= 0) {
                unwatch(self.link);
                self.link = -1;
        }
        int is_channel = r > 0 && message.type == MF_MESSAGE_CHANNEL && n_fds == 1;
        for (size_t i = is_channel; i < n_fds; i++)
                close(fds[i]);
        if (is_channel)
                add(fds[0]);
}

/* Forgets a socket whose other end is closed. */
static void lose(int fd)
{
        if (fd == self.control) {
                unwatch(fd);
                self.control = -1;
                return;
        }
        for (size_t i = 0; i < self.n; i++)
                if (self.others[i] == fd) {
                        drop(i);
                        return;
                }
}

static void on_message(int fd, mf_channels_fn obey)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX], is_owner = fd == self.control;
        size_t n_fds = 0;

        int r = mf_message_recv(fd, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return;
        if (r <= 0 && is_owner && !self.is_released)
                _exit(0); /* the lifeline: nobody owns us any more */
        if (r > 0 && message.type == MF_MESSAGE_RELEASE && is_owner)
                self.is_released = 1;
        else if (r > 0)
                obey(&message, fds, n_fds, is_owner || self.is_released);
        for (size_t i = 0; i < n_fds; i++)
                close(fds[i]);
        if (r <= 0)
                lose(fd);
}

void mf_channels_receive(mf_channels_fn obey)
{
        struct epoll_event events[EVENTS_MAX];

        int n = epoll_wait(self.epoll, events, EVENTS_MAX, 0);
        for (int i = 0; i < n; i++) {
                if (events[i].data.fd == self.link)
                        on_link();
                else
                        on_message(events[i].data.fd, obey);
        }
}
