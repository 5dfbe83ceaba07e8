/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mayfly/share.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "container/container.h"
#include "container/description.h"
#include "container/life.h"
#include "container/look.h"
#include "container/network.h"
#include "container/share.h"
#include "container/state-file.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/runtime-dir.h"
#include "util/timeout.h"

/* What a container's owner gives to mayfly-launch, so that other processes can attach: a listening socket, and what they have to know. */

#define BACKLOG 128
#define PATH_SIZE sizeof(((struct sockaddr_un *) NULL)->sun_path)

struct offer {
        int listener, directory, description, reply, their_reply;
        char socket[PATH_SIZE]; /* path of the listening socket */
        const char *name;       /* its name in the directory */
        struct mf_state_file file;
};

static void clear(struct offer *offer)
{
        mf_close(offer->listener);
        mf_close(offer->directory);
        mf_close(offer->description);
        mf_close(offer->reply);
        mf_close(offer->their_reply);
        mf_state_file_clear(&offer->file);
}

/* --- the socket ------------------------------------------------------------------------------------------------- */

static int address_of(const char *path, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        return snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path) < (int) sizeof(ret->sun_path) ? 0
                                                                                                        : -ENAMETOOLONG;
}

/* Removes the sockets on which nobody listens: somebody killed all processes of a container at once. */
static void sweep(int directory, const char *path)
{
        int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *entries = copy < 0 ? NULL : fdopendir(copy);
        struct sockaddr_un address;
        char socket_path[PATH_SIZE + NAME_MAX];

        if (!entries)
                mf_close(copy);
        for (const struct dirent *entry; entries && (entry = readdir(entries));) {
                mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                snprintf(socket_path, sizeof(socket_path), "%s/%s", path, entry->d_name);
                if (entry->d_type == DT_SOCK && address_of(socket_path, &address) == 0 &&
                    connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 && errno == ECONNREFUSED)
                        (void) unlinkat(directory, entry->d_name, 0);
        }
        if (entries)
                closedir(entries);
}

static int listen_at(struct offer *offer)
{
        struct sockaddr_un address;

        int r = address_of(offer->socket, &address);
        if (r < 0)
                return r;
        offer->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (offer->listener < 0 || bind(offer->listener, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return listen(offer->listener, BACKLOG) < 0 ? -errno : 0;
}

void mf_share_socket_path(const char *machine, char *ret, size_t size)
{
        char directory[MF_RUNTIME_DIR_MAX];

        mf_runtime_dir(directory);
        snprintf(ret, size, "%s/%s" MF_SHARE_SUFFIX, directory, machine);
}

static int open_socket(const struct mayfly_container *container, struct offer *offer, struct mayfly_error *err)
{
        char directory[MF_RUNTIME_DIR_MAX];

        mf_runtime_dir(directory);
        int r = mf_runtime_dir_lock(directory, &offer->directory, err);
        if (r < 0)
                return r;
        sweep(offer->directory, directory);
        int length =
                snprintf(offer->socket, sizeof(offer->socket), "%s/%s" MF_SHARE_SUFFIX, directory, container->machine);
        offer->name = offer->socket + strlen(directory) + 1;
        r = length < (int) sizeof(offer->socket) ? listen_at(offer) : -ENAMETOOLONG;
        mf_unlock(offer->directory);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "the socket \"%s\"", offer->socket) : 0;
}

/* --- the offer -------------------------------------------------------------------------------------------------- */

/* Sends all to mayfly-launch, and waits for its answer. Returns 0 or negative errno. */
static int send_offer(const struct mayfly_container *container, const struct offer *offer, int owner)
{
        struct mf_message message = { .type = MF_MESSAGE_SHARE, .value = { owner >= 0 } };
        int fds[MF_SHARE_NETWORKS + MF_MEMBERSHIPS_MAX] = { [MF_SHARE_REPLY] = offer->their_reply,
                                                            [MF_SHARE_LISTENER] = offer->listener,
                                                            [MF_SHARE_DIRECTORY] = offer->directory,
                                                            [MF_SHARE_FILE_DIRECTORY] = offer->file.directory,
                                                            [MF_SHARE_FILE] = offer->file.fd,
                                                            [MF_SHARE_DESCRIPTION] = offer->description,
                                                            [MF_SHARE_LOG] = container->log.fd,
                                                            [MF_SHARE_LEADER] = container->leader_fd,
                                                            [MF_SHARE_OWNER] = owner };

        if (snprintf(message.text, sizeof(message.text), "%s", offer->file.name) >= (int) sizeof(message.text))
                return -ENAMETOOLONG;
        size_t n = MF_SHARE_OWNER;
        if (owner >= 0)
                n = MF_SHARE_NETWORKS + mf_membership_hubs(container->membership, fds + MF_SHARE_NETWORKS);
        int r = mf_message_send(container->share, &message, fds, n);
        if (r < 0)
                return r;
        r = mf_await_answer(offer->reply, container->leader_fd, mf_timeout_end(MF_SHARE_ANSWER_MS));
        if (r < 0)
                return r;
        r = mf_message_recv(offer->reply, &message, NULL, NULL, NULL, MSG_DONTWAIT);
        return r > 0 ? -message.value[0] : r == 0 ? -EPIPE : r == -EAGAIN ? -ESRCH : r;
}

/* Lets mayfly-init know that the container does not end with the control socket. */
static int release(const struct mayfly_container *container)
{
        return mf_message_send(container->control, &(struct mf_message){ .type = MF_MESSAGE_RELEASE }, NULL, 0);
}

/* Says why the container is not shared: it may have ended meanwhile, which each of its connections tells in its own way. */
static int explain(struct mayfly_container *container, int r, const char *path, struct mayfly_error *err)
{
        if (r == -EPIPE || r == -ECONNRESET || (r == -ESRCH && mf_pidfd_has_ended(container->leader_fd))) {
                mf_container_hear_last_words(container);
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_SPEC, "sharing", err);
        }
        return mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "sharing container %s by \"%.200s\"", container->machine,
                              path);
}

static int make_offer(struct mayfly_container *container, const char *path, int owner, struct offer *offer,
                      struct mayfly_error *err)
{
        int pair[2];

        int r = open_socket(container, offer, err);
        if (r < 0)
                return r;
        r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
        if (r == 0) {
                offer->reply = pair[0];
                offer->their_reply = pair[1];
                r = mf_description_write(container, &offer->description);
        }
        if (r == 0) {
                r = mf_state_file_write(container, path, offer->socket, &offer->file, err);
                if (r < 0)
                        return r;
                r = send_offer(container, offer, owner);
        }
        if (r == 0 && owner >= 0)
                r = release(container);
        return r < 0 ? explain(container, r, path, err) : 0;
}

/* --- public ----------------------------------------------------------------------------------------------------- */

static int check_owner_pidfd(const struct mayfly_container *container, int owner, pid_t *ret, struct mayfly_error *err)
{
        pid_t pid = owner < 0 ? container->owner : mf_pidfd_pid(owner);

        if (pid <= 0)
                return mf_error(err, -ESRCH, MAYFLY_STAGE_SPEC,
                                "owner_pidfd = %d is no pidfd of a process that runs; give one that pidfd_open(2) has "
                                "returned, or -1",
                                owner);
        *ret = pid;
        return 0;
}

/* Shares it, with `owner` as the one who owns it from now on. */
static int share(struct mayfly_container *container, const char *file, int owner_pidfd, pid_t owner,
                 struct mayfly_error *err)
{
        mf_cleanup(clear) struct offer offer = { -1, -1, -1, -1, -1, .file = MF_STATE_FILE_NONE };
        const pid_t self = container->owner;

        container->owner = owner; /* as it is described */
        container->is_given = owner != self;
        int r = make_offer(container, file, container->is_given ? owner_pidfd : -1, &offer, err);
        if (r == 0) {
                container->is_shared = container->is_attached = 1;
                return 0;
        }
        container->owner = self;
        container->is_given = 0;
        if (offer.file.fd >= 0)
                (void) unlinkat(offer.file.directory, offer.file.name, 0);
        if (offer.listener >= 0)
                (void) unlinkat(offer.directory, offer.name, 0);
        return r;
}

MF_EXPORT int mayfly_container_share(struct mayfly_container *container, const char *file, int owner_pidfd,
                                     struct mayfly_error *err)
{
        pid_t owner = 0;

        if (!container || !file || !*file)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_share() needs a container and the path of a state file");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_runs(container, "sharing", err);
        if (r == 0)
                r = check_owner_pidfd(container, owner_pidfd, &owner, err);
        if (r == 0 && container->is_shared)
                r = mf_error(err, -EALREADY, MAYFLY_STAGE_SPEC,
                             "container %s is shared already; use the state file that it has", container->machine);
        return r < 0 ? r : share(container, file, owner_pidfd, owner, err);
}
