/* SPDX-License-Identifier: MIT */
#ifndef FILTER_H
#define FILTER_H

/* System call filters as gen-filter makes them, and an interpreter of our own for them. Failures end the test. */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

struct filter {
        struct sock_filter ops[4096];
        size_t n;
};

/* Has gen-filter make a filter: of the list at a path below src/, for an architecture as "x86_64", for a use as "private". */
void filter_make(struct filter *ret, const char *list, const char *architecture, const char *use);
/* Runs it as the kernel does. Returns SECCOMP_RET_*. */
uint32_t filter_run(const struct filter *filter, const struct seccomp_data *data);

#endif
