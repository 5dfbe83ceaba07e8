/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Copies the beginning of a file, NUL-terminated. Returns 0 when there is none. */
static int read_text(int directory, const char *file, char *ret, size_t size)
{
        int fd = directory >= 0 ? openat(directory, file, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t n = fd >= 0 ? read(fd, ret, size - 1) : -1;

        if (fd >= 0)
                close(fd);
        if (n < 0)
                return 0;
        ret[n] = '\0';
        return 1;
}

/* The value of `key` in lines of "KEY VALUE", or NULL. */
static const char *find_value(const char *text, const char *key)
{
        size_t length = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (strncmp(line, key, length) == 0 && line[length] == ' ')
                        return line + length + 1;
        return NULL;
}

uint64_t mf_cgroup_number(int directory, const char *file, const char *key)
{
        char text[2048];
        const char *value = text;

        if (!read_text(directory, file, text, sizeof(text)))
                return MF_USAGE_UNKNOWN;
        if (key)
                value = find_value(text, key);
        return value && *value >= '0' && *value <= '9' ? strtoull(value, NULL, 10) : MF_USAGE_UNKNOWN;
}

void mf_usage_read(int directory, struct mf_usage *ret)
{
        ret->memory_peak = mf_cgroup_number(directory, "memory.peak", NULL);
        ret->cpu_us = mf_cgroup_number(directory, "cpu.stat", "usage_usec");
        ret->oom_kills = mf_cgroup_number(directory, "memory.events", "oom_kill");
}

void mf_usage_write(const struct mf_usage *usage, char *text, size_t size)
{
        snprintf(text, size, "%" PRIu64 " %" PRIu64 " %" PRIu64, usage->memory_peak, usage->cpu_us, usage->oom_kills);
}

int mf_usage_parse(const char *text, struct mf_usage *ret)
{
        struct mf_usage usage;
        char again[80];

        if (sscanf(text, "%20" SCNu64 " %20" SCNu64 " %20" SCNu64, &usage.memory_peak, &usage.cpu_us,
                   &usage.oom_kills) != 3)
                return -EPROTO;
        mf_usage_write(&usage, again, sizeof(again));
        if (strcmp(text, again) != 0)
                return -EPROTO;
        *ret = usage;
        return 0;
}
