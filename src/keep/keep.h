/* SPDX-License-Identifier: MIT */
#ifndef MF_KEEP_H
#define MF_KEEP_H

#include <stddef.h>

/* Waits for the descriptors that the library gives, at most `most`. Returns 0 or negative errno. */
int keep_await(int *ret, size_t most, size_t *ret_n);

/* scratch.c: removes the directory when nobody uses it. Returns an exit status. */
int keep_scratch(const char *name);

#endif
