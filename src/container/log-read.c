/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "container/logs.h"
#include "util/macro.h"

/* Copies from the rings that mayfly-init writes meanwhile: first the copy, then a look at what was overwritten. */

static const struct mf_log_header *header_of(const struct mf_log *log)
{
        return log->map;
}

static const struct mf_log_entry *entry_of(const struct mf_log *log, uint64_t number)
{
        const struct mf_log_entry *entries = (const void *) ((const char *) log->map + MF_LOG_INDEX);

        return &entries[number % log->n_entries];
}

uint64_t mf_log_end(const struct mf_log *log)
{
        return log->map ? __atomic_load_n(&header_of(log)->written, __ATOMIC_ACQUIRE) : 0;
}

/* Returns the first position that the ring can have when so many bytes were written. */
static uint64_t oldest(const struct mf_log *log, uint64_t written)
{
        return written > log->capacity ? written - log->capacity : 0;
}

/* Copies the bytes between two positions, which are at most `capacity` apart. Returns the position of the first byte that was not
 * overwritten before it was copied; it is `end` when all were. */
static uint64_t copy_bytes(const struct mf_log *log, uint64_t begin, uint64_t end, char *to)
{
        const char *ring = (const char *) log->map + MF_LOG_DATA(log->n_entries);

        for (uint64_t p = begin; p < end;) {
                uint64_t at = p % log->capacity, n = end - p < log->capacity - at ? end - p : log->capacity - at;
                memcpy(to + (p - begin), ring + at, (size_t) n);
                p += n;
        }
        atomic_thread_fence(memory_order_acquire);
        uint64_t first = oldest(log, __atomic_load_n(&header_of(log)->begun, __ATOMIC_RELAXED));
        return first <= begin ? begin : first < end ? first : end;
}

int mf_log_read(const struct mf_log *log, size_t max, char **ret, size_t *ret_size)
{
        uint64_t end = mf_log_end(log), begin = oldest(log, end);

        if (!log->map)
                return -EBADF;
        if (end - begin > max)
                begin = end - max;
        char *copy = malloc((size_t) (end - begin) + 1);
        if (!copy)
                return -ENOMEM;
        uint64_t first = copy_bytes(log, begin, end, copy);
        size_t size = (size_t) (end - first);
        memmove(copy, copy + (first - begin), size);
        copy[size] = '\0';
        *ret = copy;
        if (ret_size)
                *ret_size = size;
        return 0;
}

/* --- pieces ----------------------------------------------------------------------------------------------------- */

/* Returns the number of the last entry from `first` to `n` that is not after this position, or `first`. */
static uint64_t find_entry(const struct mf_log *log, uint64_t first, uint64_t n, uint64_t position)
{
        while (n - first > 1) {
                uint64_t middle = first + (n - first) / 2;
                if (__atomic_load_n(&entry_of(log, middle)->position, __ATOMIC_RELAXED) <= position)
                        first = middle;
                else
                        n = middle;
        }
        return first;
}

/* Copies the entries for the bytes from this position on. *ret is allocated. Returns how many there are, or -ENOMEM. */
static ssize_t copy_entries(const struct mf_log *log, uint64_t position, struct mf_log_entry **ret)
{
        uint64_t n = __atomic_load_n(&header_of(log)->indexed, __ATOMIC_ACQUIRE);
        uint64_t first = find_entry(log, n > log->n_entries ? n - log->n_entries : 0, n, position);
        struct mf_log_entry *entries = calloc((size_t) (n - first) + 1, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        for (uint64_t i = first; i < n; i++) {
                const struct mf_log_entry *entry = entry_of(log, i);
                entries[i - first].position = __atomic_load_n(&entry->position, __ATOMIC_RELAXED);
                entries[i - first].mark = __atomic_load_n(&entry->mark, __ATOMIC_RELAXED);
        }
        atomic_thread_fence(memory_order_acquire);
        uint64_t now = __atomic_load_n(&header_of(log)->indexed, __ATOMIC_RELAXED);
        /* The place of the oldest entry is where the next is being written. */
        uint64_t valid = now >= log->n_entries ? now - log->n_entries + 1 : 0;
        if (valid > first) {
                uint64_t overwritten = valid < n ? valid - first : n - first;
                memmove(entries, entries + overwritten, (size_t) (n - first - overwritten) * sizeof(*entries));
                first += overwritten;
        }
        *ret = entries;
        return (ssize_t) (n - first);
}

/* Returns the stream that an entry names, or one that is possible. */
static enum mf_log_stream stream_of(const struct mf_log *log, uint64_t mark)
{
        if (!log->separate)
                return MF_LOG_MERGED;
        return mark % 4 == MF_LOG_ERROR ? MF_LOG_ERROR : MF_LOG_OUTPUT;
}

/* Divides the bytes of `part` into pieces. What is older than all entries arrived not later than the first piece; where its stream
 * is not known, it counts as lost. Returns 0 or -ENOMEM. */
static int make_pieces(const struct mf_log *log, const struct mf_log_entry *entries, size_t n, struct mf_log_part *part)
{
        uint64_t done = part->begin;

        part->pieces = calloc(n + 1, sizeof(*part->pieces));
        if (!part->pieces)
                return -ENOMEM;
        for (size_t i = 0; i < n && done < part->end; i++) {
                uint64_t end = i + 1 < n && entries[i + 1].position < part->end ? entries[i + 1].position : part->end;
                if (part->n_pieces == 0 && log->separate && entries[i].position > done && entries[i].position < end)
                        done = entries[i].position;
                if (end <= done)
                        continue;
                part->pieces[part->n_pieces++] = (struct mf_log_piece){ .begin = done,
                                                                        .end = end,
                                                                        .time_us = entries[i].mark / 4,
                                                                        .stream = stream_of(log, entries[i].mark) };
                done = end;
        }
        if (done < part->end && !log->separate) /* all entries were overwritten while they were copied */
                part->pieces[part->n_pieces++] = (struct mf_log_piece){ .begin = done, .end = part->end };
        uint64_t begin = part->n_pieces > 0 ? part->pieces[0].begin : part->end;
        part->bytes += begin - part->begin;
        part->begin = begin;
        return 0;
}

int mf_log_read_part(const struct mf_log *log, uint64_t position, struct mf_log_part *ret)
{
        mf_cleanup(mf_freep) struct mf_log_entry *entries = NULL;
        uint64_t end = mf_log_end(log), begin = oldest(log, end);
        struct mf_log_part part = { .end = end };

        if (!log->map)
                return -EBADF;
        if (position > begin)
                begin = position < end ? position : end;
        part.copy = part.bytes = malloc((size_t) (end - begin) + 1);
        if (!part.bytes)
                return -ENOMEM;
        ssize_t n = begin < end ? copy_entries(log, begin, &entries) : 0;
        part.begin = copy_bytes(log, begin, end, part.bytes);
        part.bytes += part.begin - begin;
        part.bytes[end - part.begin] = '\0';
        int r = n < 0 ? (int) n : make_pieces(log, entries, (size_t) n, &part);
        if (r < 0)
                mf_log_part_clear(&part);
        else
                *ret = part;
        return r;
}

void mf_log_part_clear(struct mf_log_part *part)
{
        free(part->copy);
        free(part->pieces);
        *part = (struct mf_log_part){ 0 };
}
