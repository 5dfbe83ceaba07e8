/* SPDX-License-Identifier: MIT */
#ifndef MF_MEMINFO_H
#define MF_MEMINFO_H

#include <stdint.h>

/* Sets *ret to the bytes of memory that programs can get without swapping, as `meminfo`, a file like /proc/meminfo, says. Returns 0, or
 * -ENODATA when it does not say. */
int mf_memory_available(const char *meminfo, uint64_t *ret);

#endif
