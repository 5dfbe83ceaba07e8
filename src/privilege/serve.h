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

/* Moves the socket away from standard input, where programs that this one executes would have it, and closes the descriptor
 * where the library heard of this process. Returns the socket or negative errno. */
int mf_serve_socket(void);

/* Becomes root of the user's namespace. The process must have one thread. Returns 0 or negative errno. */
int mf_serve_join(int userns, struct mayfly_error *err);

/* Sends the answer or, if `r` is negative, the error and the result as far as it came. */
void mf_serve_answer(int socket, int r, const struct mf_answer *answer, const struct mayfly_error *err);

#endif
