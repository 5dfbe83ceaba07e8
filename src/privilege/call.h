/* SPDX-License-Identifier: MIT */
#ifndef MF_CALL_H
#define MF_CALL_H

/* Calls an operation of mayfly-helper, mayfly-network, mayfly-mount or mayfly-files, which runs as a process of its own: see protocol/call.h. */

#include <mayfly/error.h>

#include "protocol/call.h"

struct mf_call {
        enum mf_operation operation;
        const struct mf_pack *arguments; /* may be NULL */
        int without_namespace;           /* the operation does not join the user's namespace; root's never do */
        const int *namespace;            /* to join, borrowed; NULL: the user's, as this process has it */
        const int *fds;                  /* for the operation, borrowed */
        size_t n_fds;
        /* Called for each report, in the thread of the caller. The helper waits for the return value. */
        int (*report)(void *userdata, struct mf_unpack *report);
        void *userdata;
        const char *program;  /* whose operation it is; NULL for mayfly-helper */
        uint64_t deadline_us; /* by mf_now_us(), for the result: -ETIMEDOUT; 0: none */
};

/* A helper that has answered. It keeps its locks and descriptors until mf_call_end(). Start from MF_CALL_RESULT_INIT. */
struct mf_call_result {
        struct mf_frame frame;
        int socket, process, reaper; /* the last two are pidfds, the last may be -1 */
};

#define MF_CALL_RESULT_INIT                               \
        {                                                 \
                .socket = -1, .process = -1, .reaper = -1 \
        }

/*
 * Calls the operation and waits for its result. Returns 0 or negative errno. With a failure that the helper reported,
 * ret->frame has the result as far as it came, from where mf_call_payload() begins to read. The caller ends the call,
 * also after a failure.
 */
int mf_call(struct mf_call_result *ret, const struct mf_call *call, struct mayfly_error *err);

/* Takes the error of a frame as the helper reported it. Returns its code. */
int mf_call_take_error(const struct mf_frame *frame, const char *program, struct mayfly_error *err);

/* Returns a reader of the result. */
struct mf_unpack mf_call_payload(const struct mf_call_result *result);

/* Lets the helper go, waits for its end and frees the result. One that does not end, in the kernel waiting for a file system, is left
 * behind after some seconds. */
void mf_call_end(struct mf_call_result *result);

#endif
