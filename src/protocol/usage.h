/* SPDX-License-Identifier: MIT */
#ifndef MF_USAGE_H
#define MF_USAGE_H

/* What the processes of a cgroup have used. mayfly-init reads it when the app has ended, and the library whenever it is asked. */

#include <stddef.h>
#include <stdint.h>

#define MF_USAGE_UNKNOWN UINT64_MAX

struct mf_usage {
        uint64_t memory_peak; /* bytes */
        uint64_t cpu_us;
        uint64_t oom_kills; /* processes that the kernel killed because the memory was used up */
};

/* Reads a number from `file` in a cgroup's directory: the whole file or, with `key`, what follows that word at the beginning of a
 * line. Returns MF_USAGE_UNKNOWN when there is none. */
uint64_t mf_cgroup_number(int directory, const char *file, const char *key);
/* Each number that the cgroup does not have becomes MF_USAGE_UNKNOWN, as do all when `directory` is -1. */
void mf_usage_read(int directory, struct mf_usage *ret);

/* As text of a message, and back. mf_usage_parse() returns 0, or -EPROTO for text that mf_usage_write() does not write. */
void mf_usage_write(const struct mf_usage *usage, char *text, size_t size);
int mf_usage_parse(const char *text, struct mf_usage *ret);

#endif
