/* SPDX-License-Identifier: MIT */
#ifndef MF_PROTOCOL_LOG_H
#define MF_PROTOCOL_LOG_H

/* The log: a sealed memfd that mayfly-init writes and the library reads, at the same time and without a lock. Where the container runs no
 * app, so that mayfly-init writes nothing, its owner may write instead. The log has a header, an index, which is a ring of entries, and a
 * ring of the last `capacity` bytes that were written.
 *
 * A position is a number of bytes since the start. An entry says when the bytes from its position on arrived, and in which
 * stream; they end at the position of the next entry. Bytes may be kept longer than their entry.
 *
 * The writer first stores `begun`, then the entry, then the bytes, then `written`. So a reader that has copied bytes looks at
 * `begun` and `indexed` again, and knows which of them were overwritten meanwhile. */

#include <stddef.h>
#include <stdint.h>

#define MF_LOG_MAGIC 0x6d666c32U

enum mf_log_stream { MF_LOG_MERGED = 0, MF_LOG_OUTPUT = 1, MF_LOG_ERROR = 2 };

struct mf_log_header {
        uint32_t magic;
        uint32_t separate;  /* 1: output and error output have a pipe each */
        uint64_t capacity;  /* of the ring of bytes */
        uint64_t n_entries; /* of the ring of entries */
        uint64_t begun;     /* atomic: bytes whose writing has begun, at least */
        uint64_t written;   /* atomic: bytes ever written */
        uint64_t indexed;   /* atomic: entries ever written */
        uint64_t reserved[2];
};

/* Bytes of one stream that arrive within this time share an entry. */
#define MF_LOG_ENTRY_US 1000U

struct mf_log_entry {
        uint64_t position;
        uint64_t mark; /* microseconds since the Epoch, times 4, plus enum mf_log_stream */
};

#define MF_LOG_INDEX ((uint64_t) sizeof(struct mf_log_header))                            /* offset of the entries */
#define MF_LOG_DATA(n_entries) (MF_LOG_INDEX + (n_entries) * sizeof(struct mf_log_entry)) /* offset of the bytes */

/* A mapping of the log, to write, and its shape, for which the header is not asked: others may have written there. */
struct mf_log_writer {
        void *map;
        uint64_t capacity, n_entries;
};

/* log-write.c: appends bytes that have just come. One process at a time may do this. */
void mf_log_write(const struct mf_log_writer *writer, const char *data, size_t size, enum mf_log_stream stream);

#endif
