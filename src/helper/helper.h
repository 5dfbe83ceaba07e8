/* SPDX-License-Identifier: MIT */
#ifndef MF_HELPER_H
#define MF_HELPER_H

/* The inside of mayfly-helper: one process does one operation and ends. See protocol/call.h. */

#include <mayfly/error.h>

#include "privilege/serve.h"
#include "protocol/call.h"

struct mf_helper {
        int socket;
        struct mf_frame request;
        struct mf_unpack arguments;
        struct mf_answer answer;
};

/* The place of the descriptors of an operation in those of the request: see protocol/call.h. */
#define MF_HELPER_FIRST_FD 3

/* Sends a report to the library's callback and returns the answer. Non-zero means to cancel. */
int mf_helper_report(const struct mf_pack *report);

/* The operations: each returns 0, or a negative errno with the error filled. What they leave open stays open until the library
 * has what it wants. */
int mf_helper_namespace(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_open(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_verify(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_gc(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_tmpfs(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_snapshot(struct mf_helper *helper, struct mayfly_error *err);
int mf_helper_tmpfs_own(struct mf_helper *helper, struct mayfly_error *err);

#endif
