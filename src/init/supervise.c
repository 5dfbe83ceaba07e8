/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

/* What the child tells its parent through a close-on-exec pipe when it could not be executed. */
struct failure {
        int error;
        char text[200];
};

static const char *env_value(char *const *env, const char *name)
{
        size_t length = strlen(name);

        for (; *env; env++)
                if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
                        return *env + length + 1;
        return NULL;
}

/* execve(2) over PATH, with the environment's own PATH and without execvpe(3)'s detour over /bin/sh. */
static int execute(char *const *argv, char *const *env)
{
        const char *name = argv[0];

        if (strchr(name, '/')) {
                execve(name, argv, env);
                return -errno;
        }

        const char *path = env_value(env, "PATH");
        int result = -ENOENT;
        for (const char *p = path ? path : ""; *p;) {
                size_t length = strcspn(p, ":");
                char file[4096];
                int n = snprintf(file, sizeof(file), "%.*s%s%s", (int) length, p, length ? "/" : "./", name);
                if (n > 0 && (size_t) n < sizeof(file)) {
                        execve(file, argv, env);
                        if (errno == EACCES)
                                result = -EACCES; /* as execvp(3): go on, but remember */
                        else if (errno != ENOENT && errno != ENOTDIR)
                                return -errno;
                }
                p += length;
                if (*p)
                        p++;
        }
        return result;
}

static int become(const struct mf_identity *identity, const char *cwd, struct failure *failure)
{
        if (chdir(cwd) < 0) {
                int r = -errno;
                snprintf(failure->text, sizeof(failure->text), "working directory \"%.100s\": %s", cwd,
                         strerrordesc_np(-r));
                return r;
        }
        if (setgroups(identity->n_groups, identity->groups) < 0 ||
            setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
            setresuid(identity->uid, identity->uid, identity->uid) < 0) {
                int r = -errno;
                snprintf(failure->text, sizeof(failure->text), "becoming user %u, group %u: %s",
                         (unsigned) identity->uid, (unsigned) identity->gid, strerrordesc_np(-r));
                return r;
        }
        return 0;
}

static int set_stdio(const int stdio[3])
{
        int safe[3];

        /* First out of the way, so that no dup2() overwrites one still needed. */
        for (int i = 0; i < 3; i++) {
                safe[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
                if (safe[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < 3; i++)
                if (dup2(safe[i], i) < 0)
                        return -errno;
        return 0;
}

static _Noreturn void child(const struct mf_words *words, const struct mf_identity *identity, const int stdio[3],
                            int failure_fd)
{
        struct failure failure = { 0 };
        sigset_t none;

        setsid();
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        umask(022);

        failure.error = set_stdio(stdio);
        if (failure.error == 0) {
                /* Lets a program that is not root open /dev/stdout and /dev/stderr. */
                for (int i = 1; i < 3; i++)
                        (void) fchown(i, identity->uid, identity->gid);
                failure.error = become(identity, words->cwd, &failure);
        }
        if (failure.error == 0) {
                prctl(PR_SET_PDEATHSIG,
                      SIGKILL); /* for a supervisor that is killed; set last, since becoming clears it */
                failure.error = execute(words->argv, words->env);
                snprintf(failure.text, sizeof(failure.text), "\"%.120s\": %s", words->argv[0],
                         failure.error == -ENOENT && !strchr(words->argv[0], '/') ? "not found in the container's PATH"
                                                                                  : strerrordesc_np(-failure.error));
        }
        if (!failure.text[0])
                snprintf(failure.text, sizeof(failure.text), "%s", strerrordesc_np(-failure.error));
        (void) !write(failure_fd, &failure, sizeof(failure));
        _exit(127);
}

static void add_home(const struct mf_words *words, const struct mf_identity *identity)
{
        static char home[4096];
        size_t n = 0;

        if (env_value(words->env, "HOME"))
                return;
        while (words->env[n])
                n++;
        snprintf(home, sizeof(home), "HOME=%s", identity->home ? identity->home : "/");
        words->env[n] = home; /* mf_words_read() left room */
}

pid_t mf_spawn(const struct mf_words *words, const int stdio[3], int with_home, char *text, size_t text_size)
{
        struct mf_identity identity;
        struct failure failure;
        int pipe_fds[2];

        int r = mf_identity_find(words, &identity, text, text_size);
        if (r < 0)
                return r;
        if (with_home)
                add_home(words, &identity);
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;

        pid_t pid = fork();
        if (pid == 0)
                child(words, &identity, stdio, pipe_fds[1]);
        r = -errno;
        close(pipe_fds[1]);
        if (pid < 0) {
                close(pipe_fds[0]);
                snprintf(text, text_size, "fork: %s", strerrordesc_np(-r));
                return r;
        }

        ssize_t n;
        do
                n = read(pipe_fds[0], &failure, sizeof(failure));
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                failure.error = -errno;
                snprintf(failure.text, sizeof(failure.text), "hearing of it: %s", strerrordesc_np(errno));
                kill(pid, SIGKILL);
        }
        close(pipe_fds[0]);
        if (n != 0) {
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                failure.text[sizeof(failure.text) - 1] = '\0';
                snprintf(text, text_size, "%s", failure.text);
                return failure.error;
        }
        return pid;
}

/* The parent of a process, from /proc/PID/stat; 0 when it is gone. */
static pid_t parent_of(const char *pid)
{
        char path[64], line[512];

        snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        ssize_t n = read(fd, line, sizeof(line) - 1);
        close(fd);
        if (n <= 0)
                return 0;
        line[n] = '\0';
        const char *end = strrchr(line, ')'); /* the name may have anything in it */
        return end && strlen(end) > 4 ? (pid_t) strtol(end + 4, NULL, 10) : 0;
}

/* Kills every process below us that /proc shows now, children before they can be orphaned elsewhere: we are their
 * subreaper, so none gets away. Returns how many were found. */
static size_t kill_descendants(void)
{
        enum { MAX = 4096 };
        static struct {
                pid_t pid, parent;
                int ours;
        } table[MAX];
        size_t n = 0, killed = 0;
        DIR *proc = opendir("/proc");

        if (!proc)
                return 0;
        for (const struct dirent *entry; n < MAX && (entry = readdir(proc));)
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
                        table[n].pid = (pid_t) strtol(entry->d_name, NULL, 10);
                        table[n].parent = parent_of(entry->d_name);
                        table[n].ours = table[n].parent == getpid();
                        n++;
                }
        closedir(proc);

        for (int more = 1; more;) {
                more = 0;
                for (size_t i = 0; i < n; i++)
                        for (size_t j = 0; j < n && !table[i].ours; j++)
                                if (table[j].ours && table[j].pid == table[i].parent)
                                        table[i].ours = more = 1;
        }
        for (size_t i = 0; i < n; i++)
                if (table[i].ours && kill(table[i].pid, SIGKILL) == 0)
                        killed++;
        return killed;
}

/* Until there is nobody left to wait for; `ret` gets the end of `pid` if it was still running. */
static void kill_all(pid_t pid, siginfo_t *ret)
{
        for (unsigned pass = 0; pass < 10000; pass++) {
                siginfo_t info = { 0 };
                (void) kill_descendants();
                for (;;) {
                        info.si_pid = 0;
                        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
                                if (errno == ECHILD)
                                        return;
                                continue;
                        }
                        if (info.si_pid == 0)
                                break;
                        if (info.si_pid == pid)
                                *ret = info;
                }
                usleep(200);
        }
}

/* Until the command ends (its siginfo in *ret) or the library wants it killed. Returns 1 when it was killed. */
static int watch(pid_t pid, int reply, int signals, siginfo_t *ret)
{
        struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = reply, .events = POLLIN } };

        for (;;) {
                siginfo_t info = { 0 };
                while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
                        if (info.si_pid == pid) {
                                *ret = info;
                                return 0;
                        }
                        info.si_pid = 0; /* an orphan of the command's */
                }
                if (poll(fds, 2, -1) < 0)
                        continue;
                struct signalfd_siginfo drained;
                if (fds[0].revents)
                        (void) !read(signals, &drained, sizeof(drained));
                if (fds[1].revents) { /* KILL, or nobody waits for the answer any more */
                        struct mf_message message;
                        /* Taken off the queue: a socket closed with something unread resets, and the answer is lost. */
                        (void) mf_message_recv(reply, &message, NULL, NULL, NULL, MSG_DONTWAIT);
                        kill_all(pid, ret);
                        return 1;
                }
        }
}

_Noreturn void mf_supervise(const struct mf_words *words, int reply, const int stdio[3])
{
        struct mf_message result = { .type = MF_MESSAGE_RESULT };
        siginfo_t info = { 0 };
        sigset_t mask;

        prctl(PR_SET_NAME, "mayfly-command");
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK); /* SIGCHLD is blocked already, as in PID 1 */

        pid_t pid = signals < 0 ? -errno : mf_spawn(words, stdio, 1, result.text, sizeof(result.text));
        for (int i = 0; i < 3; i++)
                close(stdio[i]);
        if (pid < 0) {
                result.value[0] = -pid;
        } else {
                result.value[3] = watch(pid, reply, signals, &info);
                result.value[1] = info.si_code;
                result.value[2] = info.si_status;
        }
        (void) mf_message_send(reply, &result, NULL, 0);
        _exit(0);
}
