/* SPDX-License-Identifier: MIT */
#ifndef MF_HELPER_H
#define MF_HELPER_H

/* The inside of mayfly-helper: one process does one operation and ends. See protocol/call.h. */

#include <mayfly/error.h>

#include "protocol/call.h"

struct mf_helper {
        int socket;
        struct mf_frame request;
        struct mf_unpack arguments;
};

/* Sends the result. Returns 0 or negative errno. */
int mf_helper_result(const struct mf_helper *helper, int value, const struct mf_pack *payload, const int *fds,
                     size_t n_fds, struct mayfly_error *err);

/* The operations: each sends its result, or returns a negative errno with the error filled. */
int mf_helper_namespace(struct mf_helper *helper, struct mayfly_error *err);

#endif
