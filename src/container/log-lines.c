/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/logs.h"
#include "util/macro.h"

/* Lines are made of pieces: each stream has a text of its own, in which the newlines become the ends of strings. */

#define N_STREAMS 3U

/* What is made of a part of the log. The public struct is the first, so that one pointer is for both. */
struct reading {
        struct mayfly_log log;
        struct mayfly_log_line *lines;
        const struct mayfly_log_line **list; /* log.lines */
        size_t n, allocated;
        char *text;              /* of all streams */
        struct mf_log_part part; /* has log.bytes */
};

/* A stream while its lines are made. */
struct stream {
        char *text;          /* its place in the reading's text */
        size_t used, line;   /* how much of that is filled, and where the present line begins in it */
        uint64_t begin, end; /* positions of the present line, if line < used */
        uint64_t time_us;
        int is_cut;
};

static void free_reading(struct reading *reading)
{
        mf_log_part_clear(&reading->part);
        free(reading->text);
        free(reading->lines);
        free(reading->list);
        free(reading);
}

MF_EXPORT struct mayfly_log *mayfly_log_free(struct mayfly_log *log)
{
        if (log)
                free_reading((struct reading *) (void *) log);
        return NULL;
}

/* Ends the present line of a stream, and takes it into the reading if it ended after `position`. Returns 0 or -ENOMEM. */
static int end_line(struct reading *reading, struct stream *stream, enum mf_log_stream number, int is_complete,
                    uint64_t position)
{
        const size_t size = stream->used - stream->line - (is_complete ? 1 : 0);

        if (stream->end > position) {
                if (reading->n == reading->allocated) {
                        size_t allocated = reading->allocated ? 2 * reading->allocated : 64;
                        struct mayfly_log_line *grown = reallocarray(reading->lines, allocated, sizeof(*grown));
                        if (!grown)
                                return -ENOMEM;
                        reading->lines = grown;
                        reading->allocated = allocated;
                }
                reading->lines[reading->n++] = (struct mayfly_log_line){ .size = sizeof(struct mayfly_log_line),
                                                                         .stream = (enum mayfly_stream) number,
                                                                         .is_complete = is_complete,
                                                                         .is_cut = stream->is_cut,
                                                                         .text = stream->text + stream->line,
                                                                         .text_size = size,
                                                                         .time_us = stream->time_us,
                                                                         .begin = stream->begin,
                                                                         .end = stream->end };
        }
        stream->text[stream->line + size] = '\0';
        stream->line = stream->used;
        stream->is_cut = 0;
        return 0;
}

/* Adds a piece to its stream, line by line. Returns 0 or -ENOMEM. */
static int add_piece(struct reading *reading, struct stream *stream, const struct mf_log_piece *piece,
                     uint64_t position)
{
        for (uint64_t at = piece->begin; at < piece->end;) {
                const char *from = reading->part.bytes + (at - reading->part.begin);
                const char *newline = memchr(from, '\n', (size_t) (piece->end - at));
                size_t size = newline ? (size_t) (newline - from) + 1 : (size_t) (piece->end - at);
                if (stream->line == stream->used) {
                        stream->begin = at;
                        stream->time_us = piece->time_us;
                }
                memcpy(stream->text + stream->used, from, size);
                stream->used += size;
                at += size;
                stream->end = at;
                int r = newline ? end_line(reading, stream, piece->stream, 1, position) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Makes lines of the reading's part: those that ended after `position`, and those without an end that have bytes after
 * `unfinished`. Returns 0 or -ENOMEM. */
static int make_lines(struct reading *reading, uint64_t position, uint64_t unfinished)
{
        const struct mf_log_part *part = &reading->part;
        struct stream streams[N_STREAMS] = { 0 };
        size_t sizes[N_STREAMS] = { 0 }, used = 0;
        int r = 0;

        for (size_t i = 0; i < part->n_pieces; i++)
                sizes[part->pieces[i].stream] += (size_t) (part->pieces[i].end - part->pieces[i].begin);
        reading->text = malloc((size_t) (part->end - part->begin) + N_STREAMS);
        if (!reading->text)
                return -ENOMEM;
        for (size_t s = 0; s < N_STREAMS; s++) {
                streams[s] = (struct stream){ .text = reading->text + used, .is_cut = part->begin > 0 };
                used += sizes[s] + 1; /* the NUL of a line without end */
        }
        for (size_t i = 0; r == 0 && i < part->n_pieces; i++)
                r = add_piece(reading, &streams[part->pieces[i].stream], &part->pieces[i], position);
        for (size_t s = 0; r == 0 && s < N_STREAMS; s++)
                if (streams[s].line < streams[s].used)
                        r = end_line(reading, &streams[s], (enum mf_log_stream) s, 0, unfinished);
        return r;
}

/* Fills in the public part, with the last `max` lines. Returns 0 or -ENOMEM. */
static int publish(struct reading *reading, uint64_t position, size_t max)
{
        const struct mf_log_part *part = &reading->part;
        size_t skipped = reading->n > max ? reading->n - max : 0;
        uint64_t from = position < part->begin ? part->begin : position < part->end ? position : part->end;

        reading->list = calloc(reading->n - skipped + 1, sizeof(*reading->list));
        if (!reading->list)
                return -ENOMEM;
        for (size_t i = skipped; i < reading->n; i++)
                reading->list[i - skipped] = &reading->lines[i];
        reading->log = (struct mayfly_log){ .size = sizeof(struct mayfly_log),
                                            .lines = reading->list,
                                            .n_lines = reading->n - skipped,
                                            .next = part->end,
                                            .lost = from > position ? from - position : 0,
                                            .bytes = part->bytes + (from - part->begin),
                                            .n_bytes = (size_t) (part->end - from) };
        if (reading->n > skipped)
                reading->lines[skipped].lost = reading->log.lost;
        return 0;
}

/* Reads the log from `from` on, and makes lines. *ret is to be freed. Returns 0 or -errno. */
static int read_from(const struct mf_log *log, uint64_t from, uint64_t position, uint64_t unfinished,
                     struct reading **ret)
{
        struct reading *reading = calloc(1, sizeof(*reading));

        if (!reading)
                return -ENOMEM;
        int r = mf_log_read_part(log, from, &reading->part);
        if (r == 0)
                r = make_lines(reading, position, unfinished);
        if (r < 0)
                free_reading(reading);
        else
                *ret = reading;
        return r;
}

/* Whether a line begins before what was read, in bytes that the log may still have. */
static int must_look_back(const struct reading *reading, uint64_t from)
{
        if (from == 0 || reading->part.begin > from)
                return 0;
        for (size_t i = 0; i < reading->n; i++)
                if (reading->lines[i].is_cut)
                        return 1;
        return 0;
}

#define LOOK_BACK 4096U /* most lines are shorter */

static uint64_t back(uint64_t position, uint64_t distance)
{
        return position > distance ? position - distance : 0;
}

/* Gives away a reading, or frees it. Returns 0 or -errno. */
static int give(struct reading *reading, uint64_t position, size_t max, struct mayfly_log **ret)
{
        int r = publish(reading, position, max);

        if (r < 0)
                free_reading(reading);
        else
                *ret = &reading->log;
        return r;
}

int mf_log_read_lines(const struct mf_log *log, uint64_t position, struct mayfly_log **ret)
{
        struct reading *reading = NULL;

        for (uint64_t distance = LOOK_BACK;; distance *= 8) {
                uint64_t from = back(position, distance);
                int r = read_from(log, from, position, position, &reading);
                if (r < 0)
                        return r;
                if (!must_look_back(reading, from))
                        return give(reading, position, SIZE_MAX, ret);
                free_reading(reading);
        }
}

int mf_log_read_rest(const struct mf_log *log, uint64_t position, struct mayfly_log **ret)
{
        struct reading *reading = NULL;
        int r = read_from(log, 0, position, log->separate ? 0 : position, &reading);

        return r < 0 ? r : give(reading, position, SIZE_MAX, ret);
}

/* Whether the last lines, `n` of them, are all there and whole. */
static int has_tail(const struct reading *reading, size_t n, uint64_t from)
{
        if (from == 0 || reading->part.begin > from || n == 0)
                return 1;
        for (size_t i = reading->n > n ? reading->n - n : 0; i < reading->n; i++)
                if (reading->lines[i].is_cut)
                        return 0;
        return reading->n >= n;
}

int mf_log_read_tail(const struct mf_log *log, size_t n_lines, struct mayfly_log **ret)
{
        struct reading *reading = NULL;
        uint64_t end = mf_log_end(log);

        for (uint64_t distance = LOOK_BACK;; distance *= 8) {
                uint64_t from = back(end, distance);
                int r = read_from(log, from, from, from, &reading);
                if (r < 0)
                        return r;
                if (has_tail(reading, n_lines, from))
                        break;
                free_reading(reading);
        }
        size_t skipped = reading->n > n_lines ? reading->n - n_lines : 0;
        return give(reading, skipped < reading->n ? reading->lines[skipped].begin : reading->part.end, n_lines, ret);
}
