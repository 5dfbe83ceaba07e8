/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/call.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/packet.h"
#include "util/fd.h"
#include "util/macro.h"

#define INLINE_MAX 16384U /* bytes of payload; an error fits */

struct header {
        uint32_t version, type;
        int32_t value;
        uint32_t in_memfd; /* the payload is in the last descriptor */
};

/* Returns a memfd with the payload, or negative errno. */
static int write_memfd(const struct mf_buffer *payload)
{
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-payload", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = mf_write_full(fd, payload->data, payload->size);
        return r < 0 ? r : mf_take_fd(&fd);
}

int mf_frame_send(int fd, enum mf_frame_type type, int32_t value, const struct mf_pack *payload, const int *fds,
                  size_t n_fds)
{
        struct header header = { .version = MF_CALL_VERSION, .type = type, .value = value };
        struct mf_buffer bytes = payload ? payload->bytes : (struct mf_buffer){ 0 };
        mf_cleanup(mf_closep) int memfd = -1;
        int all[MF_CALL_FDS_MAX + 1];

        if (n_fds > MF_CALL_FDS_MAX || (payload && payload->failed))
                return n_fds > MF_CALL_FDS_MAX ? -EINVAL : -ENOMEM;
        if (n_fds > 0)
                memcpy(all, fds, n_fds * sizeof(int));
        if (bytes.size > INLINE_MAX) {
                memfd = write_memfd(&bytes);
                if (memfd < 0)
                        return memfd;
                all[n_fds++] = memfd;
                header.in_memfd = 1;
                bytes.size = 0;
        }
        const struct iovec parts[] = { { &header, sizeof(header) }, { bytes.data, bytes.size } };
        return mf_packet_send(fd, parts, bytes.size > 0 ? 2 : 1, all, n_fds, 0);
}

/* Reads the payload from a memfd. */
static int read_memfd(int fd, struct mf_buffer *ret)
{
        struct stat st;
        char part[4096];
        ssize_t n = 1;
        int r = fstat(fd, &st) < 0 ? -errno : 0;

        for (off_t at = 0; r == 0 && at < st.st_size && n > 0; at += n) {
                n = pread(fd, part, sizeof(part), at);
                r = n < 0 ? -errno : mf_buffer_add(ret, part, (size_t) n);
        }
        return r;
}

/* Takes what came after the header, or in a memfd. Returns 0 or negative errno. */
static int take_payload(struct mf_frame *frame, const struct header *header, const char *data, size_t size, int extra)
{
        mf_cleanup(mf_closep) int memfd = extra;

        if (!header->in_memfd)
                return mf_buffer_add(&frame->payload, data, size);
        if (memfd < 0 && frame->n_fds > 0)
                memfd = frame->fds[--frame->n_fds];
        return memfd < 0 ? -EPROTO : read_memfd(memfd, &frame->payload);
}

int mf_frame_recv(int fd, struct mf_frame *ret, int flags)
{
        struct header header;
        char data[INLINE_MAX];
        const struct iovec parts[] = { { &header, sizeof(header) }, { data, sizeof(data) } };
        int fds[MF_CALL_FDS_MAX + 1], extra = -1;
        struct mf_packet packet;

        *ret = (struct mf_frame){ 0 };
        ssize_t n = mf_packet_recv(fd, parts, 2, fds, MF_ELEMENTSOF(fds), 0, &packet, flags);
        if (n < 0)
                return (int) n;
        if (packet.n_fds == MF_ELEMENTSOF(fds)) /* the last is the payload's */
                extra = fds[--packet.n_fds];
        memcpy(ret->fds, fds, packet.n_fds * sizeof(int));
        ret->n_fds = packet.n_fds;
        int r = packet.flags & (MSG_CTRUNC | MSG_TRUNC) ? -EPROTO : 0;
        if (n == 0) {
                mf_close(extra);
                mf_frame_clear(ret);
                return 0;
        }
        if (r == 0 && ((size_t) n < sizeof(header) || header.version != MF_CALL_VERSION))
                r = -EPROTO;
        if (r == 0) {
                ret->type = header.type;
                ret->value = header.value;
                r = take_payload(ret, &header, data, (size_t) n - sizeof(header), extra);
        } else {
                mf_close(extra);
        }
        if (r < 0)
                mf_frame_clear(ret);
        return r < 0 ? r : 1;
}

struct mf_unpack mf_frame_payload(const struct mf_frame *frame)
{
        return (struct mf_unpack){ .at = frame->payload.data, .left = frame->payload.size };
}

int mf_frame_take_fd(struct mf_frame *frame, size_t i)
{
        return i < frame->n_fds ? mf_take_fd(&frame->fds[i]) : -1;
}

void mf_frame_clear(struct mf_frame *frame)
{
        for (size_t i = 0; i < frame->n_fds; i++)
                frame->fds[i] = mf_close(frame->fds[i]);
        mf_buffer_clear(&frame->payload);
        *frame = (struct mf_frame){ 0 };
}
