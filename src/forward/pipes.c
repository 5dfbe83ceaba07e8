/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "forward/forward.h"

/* Data pass through one pipe after the other flow's, and a flow keeps a pipe only while there is something in it. So there
 * are as many pipes as flows whose receivers are slow. */

#define IDLE_MAX 16U
#define PIPE_SIZE (512 * 1024)

static struct {
        int idle[IDLE_MAX][2];
        unsigned n, open; /* idle, all */
} pipes;

int forward_pipe_take(int ret[2])
{
        if (pipes.n > 0) {
                pipes.n--;
                ret[0] = pipes.idle[pipes.n][0];
                ret[1] = pipes.idle[pipes.n][1];
                return 0;
        }
        /* Three quarters are for connections. */
        if (pipes.open >= forward_fds_max() / 8 || !forward_take_fds(2))
                return -EMFILE;
        if (pipe2(ret, O_CLOEXEC | O_NONBLOCK) < 0) {
                forward_give_fds(2);
                ret[0] = ret[1] = -1;
                return -errno;
        }
        pipes.open++;
        fcntl(ret[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one does, too */
        return 0;
}

static void close_pipe(const int given[2])
{
        close(given[0]);
        close(given[1]);
        pipes.open--;
        forward_give_fds(2);
}

void forward_pipes_trim(void)
{
        while (pipes.n > 0)
                close_pipe(pipes.idle[--pipes.n]);
}

void forward_pipe_give(int given[2], int is_empty)
{
        if (given[0] < 0)
                return;
        if (is_empty && pipes.n < IDLE_MAX) {
                pipes.idle[pipes.n][0] = given[0];
                pipes.idle[pipes.n][1] = given[1];
                pipes.n++;
        } else {
                close_pipe(given);
        }
        given[0] = given[1] = -1;
}
