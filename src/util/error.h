/* SPDX-License-Identifier: MIT */
#ifndef MF_ERROR_H
#define MF_ERROR_H

#include <errno.h>

#include <mayfly/error.h>

/* Fill *err (NULL is fine) unless it is filled already; too long a message is cut. The second one adds ": " and
 * strerror(-code). */
__attribute__((format(printf, 4, 5))) void mf_error_set(struct mayfly_error *err, int code, enum mayfly_stage stage,
                                                        const char *format, ...);
__attribute__((format(printf, 4, 5))) void mf_error_set_errno(struct mayfly_error *err, int code,
                                                              enum mayfly_stage stage, const char *format, ...);

/* The same, with `code`, a negative errno, for a value: `return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "...", ...)`.
 * Macros, so that static analyzers see that it is the code that is returned. */
#define mf_error(err, code, ...)                          \
        ({                                                \
                int mf_code_ = (code);                    \
                mf_error_set(err, mf_code_, __VA_ARGS__); \
                mf_code_;                                 \
        })
#define mf_error_errno(err, code, ...)                          \
        ({                                                      \
                int mf_code_ = (code);                          \
                mf_error_set_errno(err, mf_code_, __VA_ARGS__); \
                mf_code_;                                       \
        })
/* Does the same with a message that mayfly has made already, here or in another process. It is taken as it is, with its lines. */
void mf_error_copy(struct mayfly_error *err, int code, enum mayfly_stage stage, const char *message);
/* Empties an error that was filled, so that another can be put into it. */
void mf_error_clear(struct mayfly_error *err);
/* Adds `why` to a list of what was tried in turn: its message after the others'. The code is the last one's, unless
 * something was found and was not what it should be. */
void mf_error_join(struct mayfly_error *list, const struct mayfly_error *why);

#define mf_error_oom(err, stage) mf_error(err, -ENOMEM, stage, "out of memory")

#endif
