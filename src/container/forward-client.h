/* SPDX-License-Identifier: MIT */
#ifndef MF_FORWARD_CLIENT_H
#define MF_FORWARD_CLIENT_H

/* Requests to mayfly-forward, the container's end of its ports: see protocol/forward.h. */

#include <stddef.h>

#include "protocol/forward.h"

struct mayfly_container;
struct mayfly_error;

/* The library's end of the socket. All zero but `socket`, which is -1, while there is none. */
struct mf_forward {
        int socket;
        unsigned n_queued; /* requests whose replies nobody has read */
        unsigned n_late;   /* replies that nobody waits for any more, and that come before others */
        int was_entered;
};

/* Makes the socket; *ret is the end of mayfly-launch. Returns 0 or negative errno. */
int mf_forward_open(struct mf_forward *forward, int *ret);
void mf_forward_close(struct mf_forward *forward);

/* Sends a request before the container runs, without waiting. Returns 0 or negative errno: -EAGAIN when no more can be
 * queued. */
int mf_forward_queue(struct mayfly_container *container, const struct mf_forward_request *request, const int *fds,
                     size_t n_fds);
/* Once the container answers: brings mayfly-forward into its network, if anything was queued. mf_forward_finish() reads the
 * replies. */
int mf_forward_enter(struct mayfly_container *container, struct mayfly_error *err);
int mf_forward_finish(struct mayfly_container *container, struct mayfly_error *err);

/* Sends a request and waits for the reply. *ret_fd (NULL is fine) is the descriptor that comes with the reply, or -1. Returns 0
 * when mayfly-forward answered, and then ret->error says whether it could do what it was asked; or negative errno with an error:
 * -ESRCH (the container has died), -ETIMEDOUT. */
int mf_forward_ask(struct mayfly_container *container, const struct mf_forward_request *request, const int *fds,
                   size_t n_fds, struct mf_forward_reply *ret, int *ret_fd, struct mayfly_error *err);

/* Makes a socket in the container's network, or in the host's if that is the container's. Returns the descriptor or negative
 * errno. */
int mf_forward_socket(struct mayfly_container *container, int domain, int type, int protocol, struct mayfly_error *err);

#endif
