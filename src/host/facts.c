/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/check.h"
#include "util/fd.h"
#include "util/macro.h"

/* Reads the beginning of a file as a string. Returns its length or negative errno. */
static ssize_t read_start(const char *path, char *ret, size_t size)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -errno : mf_read_full(fd, ret, size - 1);

        ret[n < 0 ? 0 : n] = '\0';
        return n;
}

int mf_host_read_number(const char *path, uint64_t *ret)
{
        char text[64], *end;

        ssize_t n = read_start(path, text, sizeof(text));
        if (n < 0)
                return (int) n;
        uint64_t number = strtoull(text, &end, 10);
        if (end == text)
                return -EINVAL;
        *ret = number;
        return 0;
}

int mf_host_read_status(const char *field, int base, uint64_t *ret)
{
        char text[4096];
        size_t length = strlen(field);

        ssize_t n = read_start("/proc/self/status", text, sizeof(text));
        if (n < 0)
                return (int) n;
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, field, length) == 0 && line[length] == ':') {
                        *ret = strtoull(line + length + 1, NULL, base);
                        return 0;
                }
        }
        return -ENOENT;
}

int mf_host_find_program(const char *name, char ret[MF_PROGRAM_MAX])
{
        static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin" };

        for (size_t i = 0; i < MF_ELEMENTSOF(directories); i++) {
                snprintf(ret, MF_PROGRAM_MAX, "%s/%s", directories[i], name);
                if (access(ret, X_OK) == 0)
                        return 0;
        }
        return -ENOENT;
}

/* Starts the program with `out` as its standard output and error. Returns its PID or negative errno. */
static pid_t spawn(char *const *argv, int out)
{
        static char *const env[] = { (char *) (uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
        posix_spawn_file_actions_t actions;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
        int r = posix_spawn(&pid, argv[0], &actions, NULL, argv, env);
        posix_spawn_file_actions_destroy(&actions);
        return r ? -r : pid;
}

int mf_host_run_program(char *const *argv, char *ret, size_t size)
{
        char rest[256];
        int pipe_fds[2], status;

        *ret = '\0';
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        pid_t pid = spawn(argv, pipe_fds[1]);
        close(pipe_fds[1]);
        ssize_t n = pid < 0 ? 0 : mf_read_full(pipe_fds[0], ret, size - 1);
        ret[n < 0 ? 0 : n] = '\0';
        while (pid > 0 && read(pipe_fds[0], rest, sizeof(rest)) > 0)
                ;
        close(pipe_fds[0]);
        if (pid < 0)
                return pid;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
