/* SPDX-License-Identifier: MIT */
/* The operation NAMESPACE: a child is made in a new user namespace, newuidmap and newgidmap write its map, and a descriptor of
 * the namespace goes to the library. The child ends then. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/explain.h"
#include "helper/helper.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define SYSCTLS "/proc/sys"

/* One of the two programs that write maps. */
struct mapper {
        const char *name, *file; /* "newuidmap", "/etc/subuid" */
        uint32_t own;            /* the ID that becomes 0 */
        char path[64];
        struct mf_id_map map;
};

static int find_mapper(struct mapper *mapper, struct mayfly_error *err)
{
        static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin" };

        for (size_t i = 0; i < MF_ELEMENTSOF(directories); i++) {
                snprintf(mapper->path, sizeof(mapper->path), "%s/%s", directories[i], mapper->name);
                if (access(mapper->path, X_OK) == 0)
                        return 0;
        }
        return mf_error(err, -ENOENT, MAYFLY_STAGE_HOST,
                        "%s is not installed, which an ordinary user's containers need; on Debian: apt-get install "
                        "uidmap",
                        mapper->name);
}

/* Looks for all that the user needs before anything is made. *ret_group is the user's own group. */
static int prepare(struct mapper mappers[2], gid_t *ret_group, struct mayfly_error *err)
{
        if (access("/proc/self/ns/user", F_OK) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST,
                                      "/proc/self/ns/user is missing; mount proc on /proc");
        const struct passwd *user = getpwuid(geteuid());
        if (!user)
                return mf_error(
                        err, -ENOENT, MAYFLY_STAGE_HOST,
                        "the user %u has no name, and so no subordinate IDs; give the user a line in /etc/passwd",
                        (unsigned) geteuid());
        *ret_group = user->pw_gid;
        int r = 0;
        for (size_t i = 0; r == 0 && i < 2; i++) {
                r = mf_id_map_read(&mappers[i].map, mappers[i].file, user->pw_name, geteuid(), mappers[i].own);
                if (r < 0)
                        (void) mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be read", mappers[i].file);
        }
        if (r == 0 && (mappers[0].map.n == 0 || mappers[1].map.n == 0))
                r = mf_explain_no_ranges(user->pw_name, &mappers[0].map, &mappers[1].map, err);
        for (size_t i = 0; r == 0 && i < 2; i++)
                r = find_mapper(&mappers[i], err);
        return r;
}

/* --- the child in the namespace ------------------------------------------------------------------------------- */

/* Tries what root of the namespace has to be able to do. Returns errno or 0. */
static int try_rights(void)
{
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0)
                return errno;
        return 0;
}

/* Waits for the map, says whether root has rights, and waits for the end. */
static _Noreturn void be_member(int socket)
{
        char byte;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (read(socket, &byte, 1) == 1) {
                int error = try_rights();
                if (write(socket, &error, sizeof(error)) == (ssize_t) sizeof(error))
                        (void) !read(socket, &byte, 1);
        }
        _exit(0);
}

/* Makes the child. *ret_socket is the parent's end; the child ends when that is closed. Returns its PID or negative errno. */
static pid_t make_member(int *ret_socket, struct mayfly_error *err)
{
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "a socket cannot be made");
        pid_t pid = (pid_t) syscall(SYS_clone, (unsigned long) (CLONE_NEWUSER | SIGCHLD), NULL, NULL, NULL, 0UL);
        if (pid == 0) {
                close(pair[0]);
                be_member(pair[1]);
        }
        int r = -errno;
        close(pair[1]);
        if (pid < 0) {
                close(pair[0]);
                return mf_explain_clone(r, SYSCTLS, err);
        }
        *ret_socket = pair[0];
        return pid;
}

/* --- the map -------------------------------------------------------------------------------------------------- */

/* Reads what a program writes, until its end; the first line is kept. */
static void read_line(int fd, char *ret, size_t size)
{
        size_t used = 0;
        char part[256];
        ssize_t n;

        while ((n = read(fd, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR))
                for (ssize_t i = 0; i < n && used + 1 < size; i++)
                        ret[used++] = part[i];
        ret[used] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

/* Runs a program to its end and reads its standard error. Returns its status, or negative errno. */
static int run_program(char *const *argv, char *ret_text, size_t size)
{
        mf_cleanup(mf_closep) int output = -1;
        posix_spawn_file_actions_t actions;
        int pair[2], status;
        pid_t pid = -1;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        output = pair[0];
        int r = -posix_spawn_file_actions_init(&actions);
        if (r == 0) {
                r = -posix_spawn_file_actions_adddup2(&actions, pair[1], STDERR_FILENO);
                if (r == 0)
                        r = -posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
                posix_spawn_file_actions_destroy(&actions);
        }
        close(pair[1]);
        if (r < 0)
                return r;
        read_line(output, ret_text, size);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return status;
}

static int write_map(const struct mapper *mapper, pid_t pid, gid_t own_group, struct mayfly_error *err)
{
        char text[700] = "";
        char **argv = mf_id_map_arguments(&mapper->map, mapper->path, pid, mapper->own);

        if (!argv)
                return mf_error_oom(err, MAYFLY_STAGE_HOST);
        int r = run_program(argv, text, sizeof(text));
        mf_strv_free(argv);
        const struct mf_mapper_failure failure = { mapper->path, text, own_group };
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be executed", mapper->path);
        return r == 0 ? 0 : mf_explain_mapper(&failure, err);
}

/* Lets the child try its rights. */
static int ask_member(int socket, struct mayfly_error *err)
{
        int error = EIO;

        if (mf_write_full(socket, "x", 1) < 0 || mf_read_full(socket, &error, sizeof(error)) != (ssize_t) sizeof(error))
                return mf_error(err, -EIO, MAYFLY_STAGE_HOST, "the first process of the user namespace ended early");
        return error ? mf_explain_powerless(-error, SYSCTLS, err) : 0;
}

static int open_namespace(struct mf_helper *helper, pid_t pid, struct mayfly_error *err)
{
        char path[40];

        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        helper->answer.fds[0] = open(path, O_RDONLY | O_CLOEXEC);
        if (helper->answer.fds[0] < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "%s cannot be opened", path);
        helper->answer.n_fds = 1;
        return 0;
}

int mf_helper_namespace(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mapper mappers[] = { { .name = "newuidmap", .file = "/etc/subuid", .own = geteuid() },
                                    { .name = "newgidmap", .file = "/etc/subgid", .own = getegid() } };
        mf_cleanup(mf_closep) int socket = -1;
        gid_t own_group = 0;

        int r = prepare(mappers, &own_group, err);
        if (r < 0)
                return r;
        pid_t pid = make_member(&socket, err);
        if (pid < 0)
                return pid;
        for (size_t i = 0; r == 0 && i < 2; i++)
                r = write_map(&mappers[i], pid, own_group, err);
        if (r == 0)
                r = ask_member(socket, err);
        if (r == 0)
                r = open_namespace(helper, pid, err);
        socket = mf_close(socket);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}
