/* SPDX-License-Identifier: MIT */
#ifndef MF_STREAM_H
#define MF_STREAM_H

/* One end of a stream socket, with a buffer. Nothing here blocks: where the peer is not ready, the owner of the stream decides
 * how long to wait. */

#include <stddef.h>
#include <sys/types.h>

#define MF_STREAM_BUFFER ((size_t) 256 * 1024)

struct mf_stream {
        int fd; /* borrowed */
        /* Waits until the socket is ready for `events`, as poll(2) has them. Returns 0, or the negative errno to give up with. */
        int (*wait)(void *userdata, int fd, short events);
        void *userdata;
        char *buffer;
        size_t at, size; /* what is in the buffer: to be sent, or not yet read */
};

/* Makes the buffer. Returns 0 or -ENOMEM. */
int mf_stream_open(struct mf_stream *stream);
void mf_stream_clear(struct mf_stream *stream);

/* The writer's end. All return 0 or negative errno: -EPIPE when the peer is gone. */

/* Adds bytes, and sends what does not fit. */
int mf_stream_put(struct mf_stream *stream, const void *data, size_t size);
/* Makes room for at least `min` bytes, at most MF_STREAM_BUFFER, to be filled by the caller, who then calls mf_stream_filled(). */
int mf_stream_room(struct mf_stream *stream, size_t min, char **ret, size_t *ret_size);
void mf_stream_filled(struct mf_stream *stream, size_t size);
/* Sends what is in the buffer. */
int mf_stream_flush(struct mf_stream *stream);

/* The reader's end. Both return 0 or negative errno: -EPIPE at the end of the stream. */

/* Reads exactly `size` bytes. */
int mf_stream_get(struct mf_stream *stream, void *ret, size_t size);
/* Gives the next bytes, at most `max`; they are valid until the next call. */
int mf_stream_piece(struct mf_stream *stream, size_t max, const void **ret, size_t *ret_size);

#endif
