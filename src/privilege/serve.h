/* SPDX-License-Identifier: MIT */
#ifndef MF_SERVE_H
#define MF_SERVE_H

/* What the programs that call.h calls have in common. */

#include <mayfly/error.h>

#include "protocol/call.h"

/* What goes back to the library. An operation that fails may have filled in `result` as far as it came. */
struct mf_answer {
        int32_t value;
        struct mf_pack result;
        int fds[MF_CALL_FDS_MAX];
        size_t n_fds;
};

/* Moves the socket away from standard input, where programs that this one executes would have it, closes the descriptor where
 * the library heard of this process, and receives the request. Returns the socket; prints and returns negative errno on failure. */
int mf_serve_begin(const char *program, struct mf_frame *ret_request);

/* Becomes root of the user's namespace. The process must have one thread. Returns 0 or negative errno. */
int mf_serve_join(int userns, struct mayfly_error *err);

/* Sends the answer or, if `r` is negative, the error and the result as far as it came. On failure prints and returns negative
 * errno: the library waits for an answer or for the end of this process. */
int mf_serve_answer(const char *program, int socket, int r, const struct mf_answer *answer,
                    const struct mayfly_error *err);

#endif
