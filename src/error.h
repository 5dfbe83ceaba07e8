/* SPDX-License-Identifier: MIT */
#ifndef MF_ERROR_H
#define MF_ERROR_H

#include <mayfly/error.h>

/* Fills *err (NULL is fine) unless it is filled already; too long a message is cut. Returns `code`, a negative errno,
 * so that a caller can `return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "...", ...)`. */
__attribute__((format(printf, 4, 5))) int mf_error(struct mayfly_error *err, int code, enum mayfly_stage stage,
                                                   const char *format, ...);

/* As mf_error(), with ": " and strerror(-code) at the end. */
__attribute__((format(printf, 4, 5))) int mf_error_errno(struct mayfly_error *err, int code, enum mayfly_stage stage,
                                                         const char *format, ...);

/* -ENOMEM with a message. */
int mf_error_oom(struct mayfly_error *err, enum mayfly_stage stage);

#endif
