/* SPDX-License-Identifier: MIT */
#ifndef MF_LOGS_H
#define MF_LOGS_H

/* The library's side of the log: a sealed memfd that mayfly-init writes, see protocol/log.h. Nothing in it is trusted. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/log.h>

#include "protocol/log.h"

/* A log that this library made. */
struct mf_log {
        int fd;                       /* -1: there is none */
        void *map;                    /* the whole file, or NULL */
        uint64_t capacity, n_entries; /* as in the header, which is not asked for them */
        int separate;
};

#define MF_LOG_NONE ((struct mf_log){ .fd = -1 })

/* log-file.c: makes an empty log that keeps the last `capacity` bytes, in two streams if `separate`. Returns 0 or -errno. */
int mf_log_create(struct mf_log *ret, uint64_t capacity, int separate);
/* Opens a log that another process made in this shape; its `fd` and `map` do not count. Takes the descriptor. Returns 0 or -errno. */
int mf_log_attach(struct mf_log *ret, int fd, const struct mf_log *shape);
void mf_log_close(struct mf_log *log);
/* Appends what the owner of a container without an app has to add. `stream` counts only for a log of two streams. */
void mf_log_append(const struct mf_log *log, const char *data, size_t size, enum mf_log_stream stream);
/* Makes a file for what mayfly-launch, systemd-nspawn and mayfly-init say, which cannot grow over a bound. *ret is its
 * descriptor; all writers must share it or a copy of it. Returns 0 or -errno. */
int mf_boot_log_create(int *ret);
/* Copies the last `max` bytes that were written to it: *ret is allocated and NUL-terminated. Returns 0 or -errno. */
int mf_boot_log_read(int boot_log, size_t max, char **ret);

/* log-read.c: how many bytes were ever written. It costs no system call, so that it can be asked often. */
uint64_t mf_log_end(const struct mf_log *log);
/* Copies the last `max` bytes: *ret is allocated and NUL-terminated. ret_size may be NULL. Returns 0 or -errno. */
int mf_log_read(const struct mf_log *log, size_t max, char **ret, size_t *ret_size);

/* Bytes of one stream that arrived together. */
struct mf_log_piece {
        uint64_t begin, end; /* positions */
        uint64_t time_us;    /* since the Epoch, of its first byte */
        enum mf_log_stream stream;
};

/* The bytes between two positions, and the pieces that they came in, without gaps. */
struct mf_log_part {
        uint64_t begin, end;
        char *bytes; /* the byte of position `begin` is the first; there is a NUL after the last */
        void *copy;  /* what was allocated for the bytes */
        struct mf_log_piece *pieces;
        size_t n_pieces;
};

/* Copies all from `position` on. When ret->begin is larger than that, the bytes between are lost. Returns 0 or -errno. */
int mf_log_read_part(const struct mf_log *log, uint64_t position, struct mf_log_part *ret);
void mf_log_part_clear(struct mf_log_part *part);

/* log-lines.c: reads the lines that ended after `position`, and what there is of the next ones, as
 * mayfly_container_log_read() says. Compare mf_log_end() with the `next` of the last reading before. Returns 0 or -errno. */
int mf_log_read_lines(const struct mf_log *log, uint64_t position, struct mayfly_log **ret);
/* Reads the same at the end of the container: also the lines without an end that have no byte after `position`, where there are two
 * streams. Returns 0 or -errno. */
int mf_log_read_rest(const struct mf_log *log, uint64_t position, struct mayfly_log **ret);
/* Reads the last lines, at most `n_lines`. Returns 0 or -errno. */
int mf_log_read_tail(const struct mf_log *log, size_t n_lines, struct mayfly_log **ret);

/* logs.c: does what mayfly_container_log_read() does with what is in the log, and asks mayfly-init for nothing that is still on its way:
 * for callers who look again and again. */
int mf_container_log_read(const struct mayfly_container *container, uint64_t position, struct mayfly_log **ret,
                          struct mayfly_error *err);

#endif
