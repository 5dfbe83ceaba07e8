/* SPDX-License-Identifier: MIT */
#include "ready/room.h"

#include "util/meminfo.h"

int mf_has_room(const char *meminfo, uint64_t peak)
{
        uint64_t available;

        /* Who cannot know does without. */
        return mf_memory_available(meminfo, &available) == 0 && available / 2 >= peak;
}
