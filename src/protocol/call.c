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

#include "util/fd.h"
#include "util/macro.h"

#define INLINE_MAX 16384U /* bytes of payload; an error fits */

struct header {
        uint32_t version, type;
        int32_t value;
        uint32_t in_memfd; /* the payload is in the last descriptor */
};

union rights {
        struct cmsghdr align;
        char buffer[CMSG_SPACE((MF_CALL_FDS_MAX + 1) * sizeof(int))];
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

static int send_all(int fd, struct header *header, const struct mf_buffer *payload, const int *fds, size_t n_fds)
{
        struct iovec parts[] = { { header, sizeof(*header) }, { payload->data, payload->size } };
        union rights rights = { .buffer = { 0 } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = payload->size > 0 ? 2 : 1 };

        if (n_fds > 0) {
                struct cmsghdr *cmsg = &rights.align;
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
                message.msg_control = rights.buffer;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
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
        return send_all(fd, &header, &bytes, all, n_fds);
}

/* Takes the descriptors of a message. Returns 0 or -EPROTO. */
static int take_rights(struct msghdr *message, struct mf_frame *frame, int *ret_extra)
{
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg; cmsg = CMSG_NXTHDR(message, cmsg)) {
                size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
                        if (frame->n_fds < MF_CALL_FDS_MAX)
                                frame->fds[frame->n_fds++] = fd;
                        else
                                *ret_extra = fd; /* there is room for one */
                }
        }
        return message->msg_flags & (MSG_CTRUNC | MSG_TRUNC) ? -EPROTO : 0;
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
        struct iovec parts[] = { { &header, sizeof(header) }, { data, sizeof(data) } };
        union rights rights = { .buffer = { 0 } };
        struct msghdr message = {
                .msg_iov = parts, .msg_iovlen = 2, .msg_control = rights.buffer, .msg_controllen = sizeof(rights.buffer)
        };
        int extra = -1;
        ssize_t n;

        *ret = (struct mf_frame){ 0 };
        do
                n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        int r = take_rights(&message, ret, &extra);
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
