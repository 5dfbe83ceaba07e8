/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/forward.h"
#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"

/* Other processes that use the container: each gets channels to mayfly-init and to mayfly-forward of its own, so that it reads no
 * answer of another's. Those that the owner forked ask over the share socket; the others connect to a listening socket that the owner
 * has sent. Nothing here waits for mayfly-init or mayfly-forward: one that is full, because the container is paused, gets no more. */

#define CLIENTS_MAX 256U

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static int watch(const struct launch_share *share, int fd)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(share->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* A child that is about to execute mayfly-forward may have a copy, which would keep the descriptor watched. */
static void unwatch(const struct launch_share *share, int fd)
{
        (void) epoll_ctl(share->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int launch_share_open(struct launch_share *share, const char *machine, int has_janitor)
{
        share->machine = machine;
        share->epoll = epoll_create1(EPOLL_CLOEXEC);
        share->processes[0] = (int) syscall(SYS_pidfd_open, getpid(), 0);
        if (share->epoll < 0 || share->processes[0] < 0)
                return launch_error(-errno, "pidfd_open or epoll");
        share->n_processes = 1;
        if (has_janitor) {
                share->processes[1] = (int) syscall(SYS_pidfd_open, getppid(), 0);
                share->n_processes += share->processes[1] >= 0; /* it may have been killed already */
        }
        int r = watch(share, share->socket);
        return r < 0 ? launch_error(r, "the share socket") : 0;
}

/* Says what a process has to know, over its new channel. Returns 0 or -errno. */
static int introduce(const struct launch_share *share, int channel)
{
        struct mf_message attached = { .type = MF_MESSAGE_ATTACHED, .value = { (int32_t) share->n_processes } };
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n = 0;

        for (; n < share->n_processes; n++)
                fds[n] = share->processes[n];
        if (share->is_shared) {
                attached.value[1] = MF_ATTACHED_DESCRIPTION;
                fds[n++] = share->offer[MF_SHARE_DESCRIPTION];
                fds[n++] = share->offer[MF_SHARE_LOG];
                fds[n++] = share->offer[MF_SHARE_LEADER];
        }
        if (share->is_shared && share->userns >= 0) {
                attached.value[1] |= MF_ATTACHED_USERNS;
                fds[n++] = share->userns;
        }
        return mf_message_try_send(channel, &attached, fds, n);
}

/* Hands on both sockets. When one of them cannot be, the process sees the end of its channel. */
static void attach(const struct launch_share *share, int channel, int forward)
{
        const struct mf_message new_channel = { .type = MF_MESSAGE_CHANNEL };
        const struct mf_forward_request request = { .type = MF_FORWARD_ATTACH };

        int r = introduce(share, channel);
        if (r == 0)
                r = mf_forward_request_send(share->forward, &request, &forward, 1);
        if (r == 0)
                (void) mf_message_try_send(share->init, &new_channel, &channel, 1);
}

/* --- the owner's offer ------------------------------------------------------------------------------------------ */

/* Takes the descriptors of SHARE, all but the first, which is for the answer. Returns 0 or -errno. */
static int take_offer(struct launch_share *share, const struct mf_message *message, const int *fds, int *owner)
{
        int has_owner = message->value[0] != 0;

        if (share->is_shared)
                return -EALREADY;
        int r = watch(share, fds[MF_SHARE_LISTENER]);
        if (r < 0)
                return r;
        memcpy(share->offer, fds, sizeof(share->offer));
        snprintf(share->file_name, sizeof(share->file_name), "%s", message->text);
        share->is_shared = 1;
        if (has_owner) {
                mf_close(*owner);
                *owner = fds[MF_SHARE_OWNER];
        }
        return 0;
}

static void on_offer(struct launch_share *share, const struct mf_message *message, int *fds, size_t n_fds, int *owner)
{
        struct mf_message answer = { .type = MF_MESSAGE_RESULT };
        int is_whole = message->value[0] ? n_fds > MF_SHARE_OWNER : n_fds == MF_SHARE_OWNER;
        int r = is_whole ? take_offer(share, message, fds, owner) : -EPROTO;

        answer.value[0] = -r;
        if (n_fds > 0) {
                (void) mf_message_try_send(fds[MF_SHARE_REPLY], &answer, NULL, 0);
                fds[MF_SHARE_REPLY] = mf_close(fds[MF_SHARE_REPLY]);
        }
        for (size_t i = 0; i < n_fds && r == 0; i++) /* they stay open, and with them the networks */
                fds[i] = -1;
}

void launch_share_end(const struct launch_share *share)
{
        char name[128];
        struct stat ours, there;

        if (!share->is_shared)
                return;
        snprintf(name, sizeof(name), "%s" MF_SHARE_SUFFIX, share->machine);
        (void) unlinkat(share->offer[MF_SHARE_DIRECTORY], name, 0);
        /* Another container may have been shared in its place. */
        if (fstat(share->offer[MF_SHARE_FILE], &ours) == 0 &&
            fstatat(share->offer[MF_SHARE_FILE_DIRECTORY], share->file_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
                (void) unlinkat(share->offer[MF_SHARE_FILE_DIRECTORY], share->file_name, 0);
}

/* --- processes that connect ------------------------------------------------------------------------------------- */

/* Whether a process is of the container's user and in no container. The socket is in no container's file system, unless a volume shows
 * its directory. */
static int is_welcome(int client)
{
        struct ucred peer = { 0 };
        socklen_t size = sizeof(peer), pidfd_size = sizeof(int);
        mf_cleanup(mf_closep) int process = -1;

        if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid() || peer.pid <= 0)
                return 0;
        if (getsockopt(client, SOL_SOCKET, SO_PEERPIDFD, &process, &pidfd_size) < 0)
                process = -1;
        /* While it lives, no other process has its number. */
        return mf_process_namespaces(peer.pid) == mf_process_namespaces(getpid()) && !mf_pidfd_has_ended(process);
}

static void on_connection(struct launch_share *share)
{
        int client = accept4(share->offer[MF_SHARE_LISTENER], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (client < 0 && errno != EMFILE && errno != ENFILE)
                return;
        if (client < 0 || !is_welcome(client) || watch(share, client) < 0)
                mf_close(client);
        else
                share->n_clients++;
        if (client < 0 || share->n_clients == CLIENTS_MAX) { /* until one leaves */
                unwatch(share, share->offer[MF_SHARE_LISTENER]);
                share->is_full = 1;
        }
}

static void leave(struct launch_share *share, int fd)
{
        unwatch(share, fd);
        close(fd);
        if (fd == share->socket) {
                share->socket = -1;
                return;
        }
        share->n_clients--;
        if (share->is_full)
                share->is_full = watch(share, share->offer[MF_SHARE_LISTENER]) < 0;
}

static void on_request(struct launch_share *share, int fd, int *owner)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(fd, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return;
        if (r > 0 && message.type == MF_MESSAGE_ATTACH && n_fds == 2)
                attach(share, fds[0], fds[1]);
        else if (r > 0 && message.type == MF_MESSAGE_SHARE && fd == share->socket)
                on_offer(share, &message, fds, n_fds, owner);
        for (size_t i = 0; i < n_fds; i++)
                mf_close(fds[i]);
        if (r <= 0)
                leave(share, fd);
}

void launch_share_serve(struct launch_share *share, int *owner)
{
        struct epoll_event event;

        if (epoll_wait(share->epoll, &event, 1, 0) != 1)
                return;
        if (share->is_shared && event.data.fd == share->offer[MF_SHARE_LISTENER])
                on_connection(share);
        else
                on_request(share, event.data.fd, owner);
}
