/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"

#define NAME "mayfly-keeper-%u-%d-" /* the user and the keeper's PID, then the ID of its directory */
#define MESSAGE_MAX 65536U
#define BACKLOG 64

static socklen_t address_of(pid_t keeper, const char *id, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        int length = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, NAME "%s", (unsigned) geteuid(),
                              (int) keeper, id);
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) length);
}

/* Whether it is a process of this user, and in no container: one that is on the host's network can have this user's ID. */
static int is_trusted(const struct ucred *peer)
{
        return peer->uid == geteuid() && peer->pid > 0 &&
               mf_process_namespaces(peer->pid) == mf_process_namespaces(getpid());
}

/* Sends an object and releases it. Returns 0 or negative errno. */
static int send_object(int fd, json_t *object, int flags)
{
        mf_cleanup(mf_freep) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

        json_decref(object);
        if (!text)
                return -ENOMEM;
        return send(fd, text, strlen(text), MSG_NOSIGNAL | flags) < 0 ? -errno : 0;
}

/* Receives an object. Returns 1, 0 at the end of the connection, or negative errno. */
static int receive_object(int fd, int flags, json_t **ret)
{
        mf_cleanup(mf_freep) char *text = malloc(MESSAGE_MAX);

        if (!text)
                return -ENOMEM;
        ssize_t n = recv(fd, text, MESSAGE_MAX, flags);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        *ret = json_loadb(text, (size_t) n, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(*ret)) {
                json_decref(*ret);
                return -EBADMSG;
        }
        return 1;
}

/* --- in the keeper ---------------------------------------------------------------------------------------------- */

static int explain_listen(struct mayfly_error *err, int error, const char *name)
{
        if (error != EADDRINUSE)
                return mf_error_errno(err, -error, MAYFLY_STAGE_START, "the control socket \"@%s\"", name);
        return mf_error(err, -error, MAYFLY_STAGE_START,
                        "the control socket \"@%s\": another process has taken this name, which has the number of this "
                        "process; try again, or find that process by ss -xlp",
                        name);
}

int control_listen(const char *id, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address;
        socklen_t size = address_of(getpid(), id, &address);

        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, size) < 0 || listen(fd, BACKLOG) < 0)
                return explain_listen(err, errno, address.sun_path + 1);
        return mf_take_fd(&fd);
}

int control_accept(int listener)
{
        mf_cleanup(mf_closep) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred peer = { 0 };
        socklen_t size = sizeof(peer);

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !is_trusted(&peer))
                return -1;
        return mf_take_fd(&fd);
}

int control_receive(int fd, json_t **ret)
{
        int r = receive_object(fd, MSG_DONTWAIT, ret);

        return r == -EAGAIN ? 0 : r == 0 ? -EPIPE : r;
}

void control_send(int fd, json_t *object)
{
        (void) send_object(fd, object, MSG_DONTWAIT);
}

void control_answer(int fd, const char *error)
{
        mf_cleanup(mf_freep) char *escaped = NULL;
        json_t *text = error ? json_string(error) : NULL;

        if (error && !text) { /* it has the bytes of a path that are no UTF-8 */
                escaped = mf_escape_dup(error);
                text = json_string(escaped ? escaped : "out of memory");
        }
        control_send(fd, text ? json_pack("{s:o}", "error", text) : json_object());
}

/* --- in others -------------------------------------------------------------------------------------------------- */

/* Reads on to the next keeper of this user. Returns 0 at the end. */
static int next_keeper(FILE *f, pid_t *ret, char id[CONTROL_ID_MAX])
{
        char line[512];

        while (fgets(line, sizeof(line), f)) {
                const char *name = strchr(line, '@');
                unsigned uid;
                int pid, length = 0;
                if (!name || sscanf(name, "@" NAME "%n", &uid, &pid, &length) != 2 || /* NOLINT(cert-err34-c) */
                    length == 0 || uid != geteuid())
                        continue;
                snprintf(id, CONTROL_ID_MAX, "%.*s", (int) strcspn(name + length, "\n"), name + length);
                *ret = pid;
                return 1;
        }
        return 0;
}

int control_keepers(const char *id, pid_t **ret, size_t *ret_n)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/net/unix", "re");
        mf_cleanup(mf_freep) pid_t *list = NULL;
        size_t n = 0, allocated = 0;
        char its[CONTROL_ID_MAX];
        pid_t pid;

        if (!f)
                return -errno;
        while (next_keeper(f, &pid, its)) {
                int is_known = 0; /* its connections have its name, too */
                for (size_t i = 0; i < n; i++)
                        is_known |= list[i] == pid;
                if (is_known || strcmp(its, id) != 0)
                        continue;
                pid_t *grown = mf_grow(list, n, &allocated, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                list = grown;
                list[n++] = pid;
        }
        *ret = mf_take(list);
        *ret_n = n;
        return 0;
}

/* Any process can take a name and accept nobody, so this does not wait. */
int control_connect(pid_t keeper, const char *id)
{
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct ucred peer = { 0 };
        socklen_t peer_size = sizeof(peer);
        struct sockaddr_un address;

        if (fd < 0 || connect(fd, (const struct sockaddr *) &address, address_of(keeper, id, &address)) < 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) < 0 || fcntl(fd, F_SETFL, 0) < 0)
                return -errno;
        return is_trusted(&peer) && peer.pid == keeper ? mf_take_fd(&fd) : -ECONNREFUSED;
}

int control_is_keeper(pid_t pid)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/net/unix", "re");
        char id[CONTROL_ID_MAX];
        pid_t its;

        while (f && next_keeper(f, &its, id)) { /* others may have taken a name with its number */
                int is_its = its == pid && strcmp(id, CONTROL_RUN_ID) != 0;
                mf_cleanup(mf_closep) int fd = is_its ? control_connect(pid, id) : -1;
                if (fd >= 0)
                        return 1;
        }
        return 0;
}

int control_ask(int fd, json_t *request, unsigned timeout_s, json_t **ret)
{
        const struct timeval limit = { .tv_sec = timeout_s };

        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
                json_decref(request);
                return -errno;
        }
        int r = send_object(fd, request, 0);
        if (r < 0)
                return r;
        do
                r = receive_object(fd, 0, ret);
        while (r == -EINTR);
        return r == 0 ? -EPIPE : r < 0 ? r : 0;
}

const char *control_error(const json_t *answer)
{
        return json_string_value(json_object_get(answer, "error"));
}
