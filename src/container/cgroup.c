/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "util/fd.h"
#include "util/macro.h"

/* Whether a list of words with "," between them has this one. */
static int has_word(const char *list, size_t length, const char *word)
{
        size_t n = strlen(word);

        for (const char *p = list, *end = list + length; p < end; p += strcspn(p, ",:") + 1)
                if (strncmp(p, word, n) == 0 && (p + n == end || p[n] == ','))
                        return 1;
        return 0;
}

/* The path in a line of /proc/PID/cgroup, "NUMBER:CONTROLLERS:PATH", if the line is of that hierarchy; else NULL. */
static char *path_in(char *line, const char *controller)
{
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

        if (!path)
                return NULL;
        list++;
        if (controller ? !has_word(list, (size_t) (path - list), controller) : path != list)
                return NULL;
        path[1 + strcspn(path + 1, "\n")] = '\0';
        return path + 1;
}

/* The end of the name that the container's own cgroup has in a path, or NULL where the path is through none. */
static char *end_of_own(char *path, const char *machine)
{
        char name[80];
        int length = snprintf(name, sizeof(name), "/mayfly-%s", machine);
        char *found = strstr(path, name);

        if (!found)
                return NULL;
        found += length;
        return strchr("/.", *found) ? found + strcspn(found, "/") : NULL;
}

static int open_directory(const char *controller, const char *path)
{
        mf_cleanup(mf_freep) char *directory = NULL;
        const char *hierarchy = controller                                         ? controller
                                : access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? ""
                                                                                   : "unified";

        if (asprintf(&directory, "/sys/fs/cgroup/%s%s", hierarchy, path) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int mf_cgroup_open(const struct mayfly_container *container, const char *controller, enum mf_cgroup_part part)
{
        mf_cleanup(mf_freep) char *line = NULL;
        size_t allocated = 0;
        char name[64];

        snprintf(name, sizeof(name), "/proc/%d/cgroup", (int) container->leader);
        mf_cleanup(mf_fclosep) FILE *f = fopen(name, "re");
        while (f && getline(&line, &allocated, f) > 0) {
                char *path = path_in(line, controller), *end = path ? end_of_own(path, container->machine) : NULL;
                if (!end)
                        continue;
                /* Inside, root may make cgroups below its own and move PID 1 into one. Beside an init system PID 1 is in one. */
                const int has_part = *end && strcmp(end, "/mayfly-init") != 0;
                end[part == MF_CGROUP_INSIDE && has_part ? 1 + strcspn(end + 1, "/") : 0] = '\0';
                return open_directory(controller, path);
        }
        return -ENOENT;
}

int mf_cgroup_write(int directory, const char *file, const char *value)
{
        mf_cleanup(mf_closep) int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}
