/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_LOG_H
#define MAYFLY_LOG_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/container.h>

/**
 * @file
 * What the app of a container wrote, line by line.
 *
 * The log keeps the last bytes of the output, as many as the spec's log_size says. A position is a number of bytes since
 * the start of the container, so that a reader can go on where it ended: nothing is missing and nothing comes twice. Of
 * two streams (the spec's separate_streams) each has its lines in their order; lines of different streams are in the
 * order in which mayfly-init read their ends, which is that of writing unless both came within the same moment.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** Where a line was written to. */
enum mayfly_stream {
        MAYFLY_STREAM_MERGED = 0, /**< standard output or error: they are one, unless the spec has separate_streams */
        MAYFLY_STREAM_OUTPUT,     /**< standard output */
        MAYFLY_STREAM_ERROR       /**< standard error, and what mayfly notes about the hooks of the app */
};

/** A line of the log. All that it points to is borrowed. */
struct mayfly_log_line {
        size_t size;               /**< sizeof this struct in the library */
        enum mayfly_stream stream; /**< where it was written to */
        int is_complete;           /**< 1: it has its newline; 0: the app has not finished it */
        int is_cut;                /**< 1: the log no longer has its beginning (or is not sure to have it) */
        const char *text; /**< the line without its newline; may have any byte, and a NUL after text_size bytes */
        size_t text_size; /**< bytes in text */
        uint64_t time_us; /**< when its first byte arrived, in microseconds since the Epoch, exact to 1 ms */
        uint64_t begin;   /**< position of its first byte */
        uint64_t end;     /**< position after its newline: where to go on reading after this line */
        uint64_t lost;    /**< bytes that were overwritten before they could be read, right before this line */
};

/** What was read of a log. Release with mayfly_log_free(). */
struct mayfly_log {
        size_t size; /**< sizeof this struct in the library */
        /**
         * The lines that ended after the position that was asked for, each from its beginning; then, of each stream, the
         * line that has no end yet, if any of it is new. That one comes again, whole, when it is finished. The list ends
         * with NULL and is never NULL.
         */
        const struct mayfly_log_line *const *lines;
        size_t n_lines; /**< how many lines */
        const char
                *bytes; /**< all bytes from the position to `next` as they arrived; never NULL, and a NUL after them */
        size_t n_bytes; /**< how many bytes */
        uint64_t next;  /**< position to go on from */
        uint64_t lost;  /**< bytes from the position on that the log no longer has */
};

/**
 * Reads the log from a position on, to its present end: what the app wrote before this call is there. It does not wait for more.
 * It works after the container died or was stopped, too.
 * @param position  0, or the `next` of an earlier reading or the `end` of a line
 * @param ret       set on success; the caller owns it
 * @return 0, or -EINVAL for a position that the log has not reached, ...
 */
int mayfly_container_log_read(struct mayfly_container *container, uint64_t position, struct mayfly_log **ret,
                              struct mayfly_error *err);

/**
 * Reads the last lines, at most `n_lines`. A line without an end is the last one of its stream.
 * @param ret  set on success; the caller owns it
 */
int mayfly_container_log_tail(struct mayfly_container *container, size_t n_lines, struct mayfly_log **ret,
                              struct mayfly_error *err);

/** Takes a line, which is borrowed until it returns. Non-zero ends mayfly_container_log_follow(), which returns it. */
typedef int (*mayfly_log_fn)(const struct mayfly_log_line *line, void *userdata);

/**
 * Calls `take` for each line as soon as it has its end, and at last for those that the container left without an end.
 * The time-out is looked at between the calls.
 * @param position    where to begin; set to where to go on, however it returns. NULL begins at 0
 * @param timeout_ms  0 takes what is there, UINT32_MAX waits for ever
 * @param take        must not stop or free the container
 * @return what `take` returned, if not 0; 0 when the container has ended; -ETIMEDOUT, or another negative errno
 */
int mayfly_container_log_follow(struct mayfly_container *container, uint64_t *position, unsigned timeout_ms,
                                mayfly_log_fn take, void *userdata, struct mayfly_error *err);

/** Frees what was read of a log (NULL is fine). Always returns NULL. */
struct mayfly_log *mayfly_log_free(struct mayfly_log *log);

#ifdef __cplusplus
}
#endif

#endif
