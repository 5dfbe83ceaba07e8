/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_ROOM_H
#define MF_READY_ROOM_H

#include <stdint.h>

/* Whether the host has memory for a spare of a container that had `peak` bytes: twice that must be available, as `meminfo`, a file
 * like /proc/meminfo, says. */
int mf_has_room(const char *meminfo, uint64_t peak);

#endif
