/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/log.h"
#include "util/fd.h"

/* The log is kept by mayfly-launch, because it outlives an owner that is killed. The file was opened by the owner. */

/* Whether the header, which mayfly-init has written, describes a log of this size. */
static int is_log(const struct mf_log_header *header, uint64_t size)
{
        return header->magic == MF_LOG_MAGIC && header->capacity > 0 && header->capacity < size &&
               header->n_entries < size && MF_LOG_DATA(header->n_entries) + header->capacity == size;
}

/* Writes the last bytes that were ever written, the oldest first. Returns 0 or negative errno. */
static int copy(const char *map, const struct mf_log_header *header, int kept)
{
        const char *ring = map + MF_LOG_DATA(header->n_entries);
        const uint64_t capacity = header->capacity, written = header->written;
        const uint64_t at = written % capacity;

        if (ftruncate(kept, 0) < 0)
                return -errno;
        int r = written >= capacity ? mf_write_full(kept, ring + at, (size_t) (capacity - at)) : 0;
        return r < 0 ? r : mf_write_full(kept, ring, (size_t) at);
}

void launch_log_keep(int log, int kept)
{
        struct stat st;

        if (log < 0 || kept < 0 || fstat(log, &st) < 0 || (uint64_t) st.st_size < sizeof(struct mf_log_header))
                return;
        char *map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, log, 0);
        if (map == MAP_FAILED)
                return;
        const struct mf_log_header header = *(const struct mf_log_header *) (const void *) map;
        int r = is_log(&header, (uint64_t) st.st_size) ? copy(map, &header, kept) : -EPROTO;
        if (r < 0)
                (void) launch_error(r, "keeping the log");
        munmap(map, (size_t) st.st_size);
}
