/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/check.h"
#include "privilege/userns.h"
#include "util/fd.h"
#include "util/id-range.h"
#include "util/macro.h"

/* What the child sends: that it wants IDs, and then what it found. */
struct request {
        int wants_ids;
        int error;
        char step[128];
};

int mf_host_attempt_failed(struct mf_host_attempt *attempt, const char *step)
{
        attempt->error = errno ? errno : EIO;
        snprintf(attempt->step, sizeof(attempt->step), "%s", step);
        return -1;
}

static int write_text(const char *path, const char *text)
{
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -1 : write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int write_map(pid_t pid, const char *name)
{
        char path[64], map[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        snprintf(map, sizeof(map), "0 %u %u", (unsigned) MF_ID_RANGE_FIRST, (unsigned) MF_ID_RANGE_SIZE);
        return write_text(path, map) < 0 ? -errno : 0;
}

/* Gives the process, which is in a new user namespace, IDs as those of a container. Returns 0 or negative errno. */
static int write_maps(pid_t pid)
{
        int r = write_map(pid, "uid_map");

        return r < 0 ? r : write_map(pid, "gid_map");
}

/* --- the child ------------------------------------------------------------------------------------------------- */

static int send_request(int fd, const struct request *request)
{
        return send(fd, request, sizeof(*request), MSG_NOSIGNAL) == (ssize_t) sizeof(*request) ? 0 : -1;
}

/* Has the parent give this child IDs. Sets errno on failure. */
static int ask_for_ids(int parent)
{
        const struct request request = { .wants_ids = 1 };
        int error = EPIPE;

        if (send_request(parent, &request) < 0 || recv(parent, &error, sizeof(error), 0) < 0)
                return -1;
        errno = error;
        return error ? -1 : 0;
}

/* Gives this child the IDs of the user alone. Sets errno on failure. */
static int map_user(unsigned uid, unsigned gid)
{
        char map[32];

        if (write_text("/proc/self/setgroups", "deny") < 0)
                return -1;
        snprintf(map, sizeof(map), "0 %u 1", uid);
        if (write_text("/proc/self/uid_map", map) < 0)
                return -1;
        snprintf(map, sizeof(map), "0 %u 1", gid);
        return write_text("/proc/self/gid_map", map);
}

int mf_host_enter_user_namespace(struct mf_host_attempt *attempt)
{
        unsigned uid = geteuid(), gid = getegid();

        if (attempt->userns >= 0 && setns(attempt->userns, CLONE_NEWUSER) < 0)
                return mf_host_attempt_failed(attempt, "joining a user namespace");
        if (attempt->userns < 0 && unshare(CLONE_NEWUSER) < 0)
                return mf_host_attempt_failed(attempt, "making a user namespace");
        if (attempt->userns < 0 && (attempt->host->is_root ? ask_for_ids(attempt->parent) < 0 : map_user(uid, gid) < 0))
                return mf_host_attempt_failed(attempt, "giving IDs to a user namespace");
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return mf_host_attempt_failed(attempt, "becoming root of a user namespace");
        return 0;
}

/* Opens the namespace of a process that waits in it, once it has IDs. Sets errno on failure. */
static int open_namespace(pid_t pid)
{
        char path[64];

        int r = write_maps(pid);
        if (r < 0) {
                errno = -r;
                return -1;
        }
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        return open(path, O_RDONLY | O_CLOEXEC);
}

int mf_host_open_user_namespace(struct mf_host_attempt *attempt)
{
        int pair[2], error = EIO, fd = -1;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_host_attempt_failed(attempt, "making a socket");
        pid_t pid = fork();
        if (pid == 0) {
                close(pair[0]);
                error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
                (void) send(pair[1], &error, sizeof(error), MSG_NOSIGNAL);
                (void) !recv(pair[1], &error, sizeof(error), 0); /* until the other end is closed */
                _exit(0);
        }
        close(pair[1]);
        if (pid > 0 && recv(pair[0], &error, sizeof(error), 0) == (ssize_t) sizeof(error) && error == 0)
                fd = open_namespace(pid);
        else if (pid > 0)
                errno = error;
        if (fd < 0)
                (void) mf_host_attempt_failed(attempt, "making a user namespace");
        close(pair[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return fd;
}

int mf_host_enter_mount_namespace(struct mf_host_attempt *attempt)
{
        if (unshare(CLONE_NEWNS) < 0)
                return mf_host_attempt_failed(attempt, "making a mount namespace");
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return mf_host_attempt_failed(attempt, "making mounts private");
        return 0;
}

static _Noreturn void run_child(int (*run)(struct mf_host_attempt *attempt), struct mf_host_attempt *attempt,
                                pid_t parent)
{
        struct request request = { 0 };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        (void) run(attempt);
        request.error = attempt->error;
        memcpy(request.step, attempt->step, sizeof(request.step));
        (void) send_request(attempt->parent, &request);
        _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------------------------ */

/* Takes what the child sends until it has sent what it found. */
static void serve(int fd, pid_t pid, struct mf_host_attempt *ret)
{
        struct request request = { .error = ECHILD, .step = "a child process" };

        while (recv(fd, &request, sizeof(request), 0) == (ssize_t) sizeof(request) && request.wants_ids) {
                int error = -write_maps(pid);
                (void) send(fd, &error, sizeof(error), MSG_NOSIGNAL);
                request = (struct request){ .error = ECHILD, .step = "a child process" };
        }
        ret->error = request.error;
        memcpy(ret->step, request.step, sizeof(ret->step));
}

int mf_host_try(const struct mf_host *host, int (*run)(struct mf_host_attempt *attempt), struct mf_host_attempt *ret)
{
        pid_t parent = getpid();
        int pair[2];

        *ret = (struct mf_host_attempt){ .host = host, .parent = -1, .userns = -1 };
        if (!host->is_root)
                (void) mf_userns_get(&ret->userns, NULL);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_host_attempt_failed(ret, "making a socket");
        pid_t pid = fork();
        if (pid == 0) {
                close(pair[0]);
                ret->parent = pair[1];
                run_child(run, ret, parent);
        }
        close(pair[1]);
        if (pid < 0)
                (void) mf_host_attempt_failed(ret, "making a process");
        else
                serve(pair[0], pid, ret);
        close(pair[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return ret->error ? -1 : 0;
}
