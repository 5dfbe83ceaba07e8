/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int mf_stream_open(struct mf_stream *stream)
{
        stream->buffer = malloc(MF_STREAM_BUFFER);
        stream->at = stream->size = 0;
        return stream->buffer ? 0 : -ENOMEM;
}

void mf_stream_clear(struct mf_stream *stream)
{
        free(stream->buffer);
        stream->buffer = NULL;
}

int mf_stream_flush(struct mf_stream *stream)
{
        while (stream->at < stream->size) {
                ssize_t n = send(stream->fd, stream->buffer + stream->at, stream->size - stream->at,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
                int r = n >= 0 ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
                if (r == -EAGAIN)
                        r = stream->wait(stream->userdata, stream->fd, POLLOUT);
                if (r < 0 && r != -EINTR)
                        return r;
                if (n > 0)
                        stream->at += (size_t) n;
        }
        stream->at = stream->size = 0;
        return 0;
}

int mf_stream_room(struct mf_stream *stream, size_t min, char **ret, size_t *ret_size)
{
        int r = MF_STREAM_BUFFER - stream->size < min ? mf_stream_flush(stream) : 0;

        if (r < 0)
                return r;
        *ret = stream->buffer + stream->size;
        *ret_size = MF_STREAM_BUFFER - stream->size;
        return 0;
}

void mf_stream_filled(struct mf_stream *stream, size_t size)
{
        stream->size += size;
}

int mf_stream_put(struct mf_stream *stream, const void *data, size_t size)
{
        const char *from = data;

        while (size > 0) {
                size_t n;
                char *room;
                int r = mf_stream_room(stream, 1, &room, &n);
                if (r < 0)
                        return r;
                n = size < n ? size : n;
                memcpy(room, from, n);
                mf_stream_filled(stream, n);
                from += n;
                size -= n;
        }
        return 0;
}

/* Fills the buffer, which is empty, with what the peer has sent. */
static int fill(struct mf_stream *stream)
{
        for (;;) {
                ssize_t n = recv(stream->fd, stream->buffer, MF_STREAM_BUFFER, MSG_DONTWAIT);
                int r = n > 0 ? 0 : n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
                if (r == -EAGAIN)
                        r = stream->wait(stream->userdata, stream->fd, POLLIN);
                if (r < 0 && r != -EINTR)
                        return r;
                if (n > 0) {
                        stream->at = 0;
                        stream->size = (size_t) n;
                        return 0;
                }
        }
}

int mf_stream_piece(struct mf_stream *stream, size_t max, const void **ret, size_t *ret_size)
{
        int r = stream->at == stream->size ? fill(stream) : 0;

        if (r < 0)
                return r;
        const size_t left = stream->size - stream->at;
        *ret = stream->buffer + stream->at;
        *ret_size = left < max ? left : max;
        stream->at += *ret_size;
        return 0;
}

int mf_stream_get(struct mf_stream *stream, void *ret, size_t size)
{
        char *to = ret;

        while (size > 0) {
                const void *piece;
                size_t n;
                int r = mf_stream_piece(stream, size, &piece, &n);
                if (r < 0)
                        return r;
                memcpy(to, piece, n);
                to += n;
                size -= n;
        }
        return 0;
}
