/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "container/command.h"
#include "util/fd.h"

/* More than a pipe or a terminal holds, so that all which was written before is read. Without a bound, a command that writes faster
 * than it is read would keep its reader from looking at anything else. */
#define READS_MAX 64U

void mf_capture_clear(struct mf_capture *capture)
{
        capture->fd = mf_close(capture->fd);
        mf_buffer_clear(&capture->kept);
}

/* Gives bytes to the callback, or keeps as many as are allowed. Returns 0 or -ENOMEM. */
static int take(struct mf_capture *capture, const char *data, size_t n)
{
        uint64_t room = capture->max - capture->kept.size;
        size_t kept = n < room ? n : (size_t) room;

        if (capture->callback) {
                if (!capture->refused)
                        capture->refused = capture->callback(data, n, capture->userdata);
                return 0;
        }
        capture->dropped += n - kept;
        return mf_buffer_add(&capture->kept, data, kept);
}

int mf_capture_drain(struct mf_capture *capture)
{
        char buffer[16 * 1024]; /* on the stack of a thread that may have little of it */

        for (unsigned i = 0; i < READS_MAX && capture->fd >= 0 && !capture->at_end && !capture->refused; i++) {
                ssize_t n = read(capture->fd, buffer, sizeof(buffer));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n == 0 || (n < 0 && errno == EIO && capture->is_terminal)) /* which no process has any more */
                        capture->at_end = 1;
                int r = n < 0 ? (capture->at_end ? 0 : -errno) : take(capture, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
        return 0;
}
