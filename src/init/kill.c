/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/init.h"

#define PASSES_QUICK 1000
#define PASSES_MAX 1300 /* and then none but the command's own end is waited for */

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
 * subreaper, so none gets away. */
static void kill_those_of_proc(void)
{
        enum { MAX = 4096 };
        static struct {
                pid_t pid, parent;
                int ours;
        } table[MAX];
        size_t n = 0;
        DIR *proc = opendir("/proc");

        if (!proc)
                return;
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
                if (table[i].ours)
                        (void) kill(table[i].pid, SIGKILL);
}

/* Takes the ends of all children that have ended. Returns 0 when there is no child left. */
static int reap(pid_t pid, siginfo_t *ret)
{
        for (;;) {
                siginfo_t info = { 0 };
                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
                        if (errno == ECHILD)
                                return 0;
                        continue;
                }
                if (info.si_pid == 0)
                        return 1;
                if (info.si_pid == pid)
                        *ret = info;
        }
}

/* Waits a moment for the end of a process that was killed. It may not come: a descendant that traces the process has it first. */
static void await_killed(pid_t pid, siginfo_t *ret)
{
        static const struct timespec moment = { .tv_nsec = 10L * 1000 * 1000 };
        sigset_t children;

        sigemptyset(&children);
        sigaddset(&children, SIGCHLD); /* which is blocked */
        for (unsigned n = 0; n < 20 && reap(pid, ret) && ret->si_pid != pid; n++)
                if (sigtimedwait(&children, NULL, &moment) < 0 && errno == EAGAIN)
                        return;
}

void mf_kill_descendants(pid_t pid, siginfo_t *ret)
{
        /* Most commands have no child by then, and a look at all of /proc takes its time where there are hundreds of commands. */
        if (kill(pid, SIGKILL) == 0)
                await_killed(pid, ret);
        for (unsigned pass = 0; reap(pid, ret) && (ret->si_pid != pid || pass < PASSES_MAX); pass++) {
                kill_those_of_proc();
                if (!reap(pid, ret))
                        return;
                usleep(pass < PASSES_QUICK ? 200 : 10000);
        }
}
