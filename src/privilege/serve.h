/* SPDX-License-Identifier: MIT */
#ifndef MF_SERVE_H
#define MF_SERVE_H

/* What the programs that call.h calls have in common. */

#include <mayfly/error.h>

#include "protocol/call.h"

#define MF_SERVE_FDS 2U /* pidfd of the owner and the working directory, which come with each request */

/* What goes back to the library. An operation that fails may have filled in `result` as far as it came. */
struct mf_answer {
        int32_t value;
        struct mf_pack result;
        int fds[MF_CALL_FDS_MAX];
        size_t n_fds;
};

/* A call of an operation. */
struct mf_serve_call {
        const int *fds; /* of the operation */
        size_t n_fds;
        int is_users; /* this process is root of an ordinary user's namespace */
        struct mf_unpack arguments;
        struct mf_answer answer;
};

struct mf_serve_operation {
        enum mf_operation operation;
        /* Returns 0, or a negative errno with the error filled. */
        int (*run)(struct mf_serve_call *call, struct mayfly_error *err);
        size_t n_fds; /* at least */
};

/* Does the operation of the list that the request names, with the rights of root or of the user's namespace. Returns the exit status of
 * the program. */
int mf_serve_one(const char *program, const struct mf_serve_operation *operations, size_t n);

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
