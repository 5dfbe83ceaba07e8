/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/macro.h"

/* Opens the directory of /proc. Returns a descriptor, or -1. */
static int open_directory(pid_t pid)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int mf_process_status_at(int directory, const char *name, char *ret, size_t size)
{
        int fd = openat(directory, "status", O_RDONLY | O_CLOEXEC);
        mf_cleanup(mf_fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
        mf_cleanup(mf_freep) char *line = NULL;
        size_t allocated = 0;

        if (!f)
                mf_close(fd);
        while (f && getline(&line, &allocated, f) > 0) {
                if (strncmp(line, name, strlen(name)) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                snprintf(ret, size, "%s", line + strlen(name));
                return 1;
        }
        return 0;
}

int mf_process_status(pid_t pid, const char *name, char *ret, size_t size)
{
        mf_cleanup(mf_closep) int directory = open_directory(pid);

        return directory >= 0 && mf_process_status_at(directory, name, ret, size);
}

unsigned mf_process_namespaces_at(int directory)
{
        char numbers[512];
        unsigned n = 0;

        if (!mf_process_status_at(directory, "NSpid:", numbers, sizeof(numbers)))
                return 0;
        for (const char *p = numbers; (p = strchr(p, '\t')); p++)
                n++;
        return n;
}

unsigned mf_process_namespaces(pid_t pid)
{
        mf_cleanup(mf_closep) int directory = open_directory(pid);

        return directory < 0 ? 0 : mf_process_namespaces_at(directory);
}
