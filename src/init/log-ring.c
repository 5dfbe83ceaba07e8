/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"

static struct mf_log_header *header;
static char *ring;
static uint64_t capacity;

int mf_log_open(int memfd)
{
        struct stat st;

        if (fstat(memfd, &st) < 0)
                return -errno;
        if (st.st_size <= (off_t) MF_LOG_DATA)
                return -EPROTO;
        char *map = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (map == MAP_FAILED)
                return -errno;
        header = (struct mf_log_header *) (void *) map;
        ring = map + MF_LOG_DATA;
        capacity = (uint64_t) st.st_size - MF_LOG_DATA;
        return header->magic == MF_LOG_MAGIC ? 0 : -EPROTO;
}

static void append(const char *data, size_t size)
{
        uint64_t written = header->written;

        while (size > 0) {
                uint64_t at = written % capacity;
                size_t n = size < capacity - at ? size : (size_t) (capacity - at);
                memcpy(ring + at, data, n);
                written += n;
                data += n;
                size -= n;
        }
        __atomic_store_n(&header->written, written, __ATOMIC_RELEASE);
}

int mf_log_drain(int pipe)
{
        static char buffer[64 * 1024];

        /* Bounded, so that an app that never stops writing cannot keep PID 1 from its other work. */
        for (unsigned i = 0; i < 16; i++) {
                ssize_t n = read(pipe, buffer, sizeof(buffer));
                if (n == 0)
                        return 0;
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 1 : 0;
                append(buffer, (size_t) n);
        }
        return 1;
}

void mf_log_note(const char *line)
{
        append(line, strlen(line));
        append("\n", 1);
}
