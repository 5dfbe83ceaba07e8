/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "init/init.h"

static struct mf_log_header *header;
static struct mf_log_entry *entries;
static char *ring;

int mf_log_open(int memfd)
{
        struct stat st;

        if (fstat(memfd, &st) < 0)
                return -errno;
        if (st.st_size <= (off_t) MF_LOG_INDEX)
                return -EPROTO;
        char *map = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (map == MAP_FAILED)
                return -errno;
        header = (struct mf_log_header *) (void *) map;
        entries = (struct mf_log_entry *) (void *) (map + MF_LOG_INDEX);
        if (header->magic != MF_LOG_MAGIC || header->capacity == 0 || header->n_entries == 0 ||
            (uint64_t) st.st_size != MF_LOG_DATA(header->n_entries) + header->capacity)
                return -EPROTO;
        ring = map + MF_LOG_DATA(header->n_entries);
        return 0;
}

int mf_log_is_separate(void)
{
        return header->separate != 0;
}

/* Writes when the bytes at this position arrived, unless the last entry says enough. */
static void write_entry(uint64_t position, enum mf_log_stream stream)
{
        uint64_t n = header->indexed;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t time_us = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        if (n > 0) {
                uint64_t last = entries[(n - 1) % header->n_entries].mark;
                if (last % 4 == (uint64_t) stream && time_us - last / 4 < MF_LOG_ENTRY_US)
                        return;
        }
        struct mf_log_entry *entry = &entries[n % header->n_entries];
        __atomic_store_n(&entry->position, position, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->mark, time_us * 4 + (uint64_t) stream, __ATOMIC_RELAXED);
        __atomic_store_n(&header->indexed, n + 1, __ATOMIC_RELEASE);
}

static void append(const char *data, size_t size, enum mf_log_stream stream)
{
        const uint64_t capacity = header->capacity, end = header->written + size;

        __atomic_store_n(&header->begun, end, __ATOMIC_RELAXED);
        /* A reader that sees anything of the entry or the bytes sees `begun` too, and `indexed` as it was. */
        atomic_thread_fence(memory_order_release);
        write_entry(header->written, stream);
        if (size > capacity) {
                data += size - capacity;
                size = (size_t) capacity;
        }
        while (size > 0) {
                uint64_t at = (end - size) % capacity;
                size_t n = size < capacity - at ? size : (size_t) (capacity - at);
                memcpy(ring + at, data, n);
                data += n;
                size -= n;
        }
        __atomic_store_n(&header->written, end, __ATOMIC_RELEASE);
}

/* Removes each "\r". Returns how many bytes are left. */
static size_t remove_returns(char *data, size_t size)
{
        size_t kept = 0;

        for (size_t i = 0; i < size; i++)
                if (data[i] != '\r')
                        data[kept++] = data[i];
        return kept;
}

int mf_log_drain(int fd, enum mf_log_stream stream, int is_terminal)
{
        static char buffer[64 * 1024];

        /* Bounded, so that an app that never stops writing cannot keep PID 1 from its other work. */
        for (unsigned i = 0; i < 16; i++) {
                ssize_t n = read(fd, buffer, sizeof(buffer));
                if (n == 0)
                        return 0;
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 1 : 0;
                size_t size = is_terminal ? remove_returns(buffer, (size_t) n) : (size_t) n;
                if (size > 0)
                        append(buffer, size, stream);
        }
        return 1;
}

void mf_log_note(const char *line)
{
        enum mf_log_stream stream = mf_log_is_separate() ? MF_LOG_ERROR : MF_LOG_MERGED;

        append(line, strlen(line), stream);
        append("\n", 1, stream);
}
