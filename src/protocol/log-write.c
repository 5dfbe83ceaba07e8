/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "protocol/log.h"

static struct mf_log_header *header_of(const struct mf_log_writer *writer)
{
        return writer->map;
}

static struct mf_log_entry *entry_of(const struct mf_log_writer *writer, uint64_t number)
{
        struct mf_log_entry *entries = (struct mf_log_entry *) (void *) ((char *) writer->map + MF_LOG_INDEX);

        return &entries[number % writer->n_entries];
}

/* Writes when the bytes at this position arrived, unless the last entry says enough. */
static void write_entry(const struct mf_log_writer *writer, uint64_t position, enum mf_log_stream stream)
{
        struct mf_log_header *header = header_of(writer);
        uint64_t n = header->indexed;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t time_us = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        if (n > 0) {
                uint64_t last = entry_of(writer, n - 1)->mark;
                if (last % 4 == (uint64_t) stream && time_us - last / 4 < MF_LOG_ENTRY_US)
                        return;
        }
        struct mf_log_entry *entry = entry_of(writer, n);
        __atomic_store_n(&entry->position, position, __ATOMIC_RELAXED);
        __atomic_store_n(&entry->mark, time_us * 4 + (uint64_t) stream, __ATOMIC_RELAXED);
        __atomic_store_n(&header->indexed, n + 1, __ATOMIC_RELEASE);
}

void mf_log_write(const struct mf_log_writer *writer, const char *data, size_t size, enum mf_log_stream stream)
{
        struct mf_log_header *header = header_of(writer);
        const uint64_t capacity = writer->capacity, begin = header->written, end = begin + size;
        char *ring = (char *) writer->map + MF_LOG_DATA(writer->n_entries);

        __atomic_store_n(&header->begun, end, __ATOMIC_RELAXED);
        /* A reader that sees anything of the entry or the bytes sees `begun` too, and `indexed` as it was. */
        atomic_thread_fence(memory_order_release);
        write_entry(writer, begin, stream);
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
