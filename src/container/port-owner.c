/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/ports.h"
#include "util/fd.h"
#include "util/macro.h"

/* Which process has a port, for a message only: it walks through /proc, which takes milliseconds. */

#define STATE_LISTEN 10U /* TCP_LISTEN of the kernel's <net/tcp_states.h> */

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* Finds the inode of the socket that is bound to the port in one of the files of /proc/net (proc_pid_net(5)). */
static int find_inode(const char *file, int is_udp, unsigned port, unsigned long *ret)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(file, "re");
        char line[512];

        while (f && fgets(line, sizeof(line), f)) {
                unsigned local, state;
                unsigned long inode;
                if (sscanf(line, " %*[0-9]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu", &local,
                           &state, &inode) != 3)
                        continue;
                if (local == port && (is_udp || state == STATE_LISTEN) && inode) {
                        *ret = inode;
                        return 1;
                }
        }
        return 0;
}

/* Whether the process has a descriptor of the socket. */
static int has_socket(const char *pid, const char *link)
{
        char path[sizeof("/proc//fd") + 16], target[64];

        snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
        mf_cleanup(closedirp) DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
                if (n <= 0)
                        continue;
                target[n] = '\0';
                if (strcmp(target, link) == 0)
                        return 1;
        }
        return 0;
}

static void name_process(const char *pid, char *ret, size_t size)
{
        char path[64], name[32] = "?";

        snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        if (f && fgets(name, sizeof(name), f))
                name[strcspn(name, "\n")] = '\0';
        snprintf(ret, size, "process %.16s (%s)", pid, name);
}

int mf_port_owner(int is_udp, unsigned port, char *ret, size_t size)
{
        static const char *const files[2][2] = { { "/proc/self/net/tcp", "/proc/self/net/tcp6" },
                                                 { "/proc/self/net/udp", "/proc/self/net/udp6" } };
        unsigned long inode;
        char link[64];

        if (!find_inode(files[is_udp][0], is_udp, port, &inode) && !find_inode(files[is_udp][1], is_udp, port, &inode))
                return 0;
        snprintf(link, sizeof(link), "socket:[%lu]", inode);
        mf_cleanup(closedirp) DIR *proc = opendir("/proc");
        for (struct dirent *entry; proc && (entry = readdir(proc));)
                if (isdigit((unsigned char) entry->d_name[0]) && has_socket(entry->d_name, link)) {
                        name_process(entry->d_name, ret, size);
                        return 1;
                }
        return 0;
}
