/* SPDX-License-Identifier: MIT */
#include "ready/room.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/fd.h"
#include "util/macro.h"

int mf_has_room(const char *meminfo, uint64_t peak)
{
        mf_cleanup(mf_fclosep) FILE *file = fopen(meminfo, "re");
        uint64_t available = 0;
        char line[256];

        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &available) == 1)
                        return available / 2 >= peak / 1024;
        return 0; /* who cannot know does without */
}
