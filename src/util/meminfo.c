/* SPDX-License-Identifier: MIT */
#include "util/meminfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "util/fd.h"
#include "util/macro.h"

int mf_memory_available(const char *meminfo, uint64_t *ret)
{
        mf_cleanup(mf_fclosep) FILE *file = fopen(meminfo, "re");
        uint64_t kib = 0;
        char line[256];

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1) {
                        *ret = kib * 1024;
                        return 0;
                }
        return -ENODATA;
}
