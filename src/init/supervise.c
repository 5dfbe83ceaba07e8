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

#include "init/init.h"

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

_Noreturn void mf_supervise(const struct mf_exec *exec, int reply, const int stdio[3])
{
        struct mf_message result = { .type = MF_MESSAGE_RESULT };
        siginfo_t info = { 0 };
        sigset_t mask;

        prctl(PR_SET_NAME, "mayfly-command");
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK); /* SIGCHLD is blocked already, as in PID 1 */

        pid_t pid = signals < 0 ? -errno : mf_spawn(exec->argv, exec, stdio, NULL, 1, result.text, sizeof(result.text));
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
