/* SPDX-License-Identifier: MIT */
#ifndef MF_HTTP_H
#define MF_HTTP_H

/* A streaming GET that survives what networks do: retries with back-off, resume, redirects checked one by one.  */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/image.h>

#include "util/buffer.h"

struct mf_http_request {
        const char *url;                                        /* https:, http: or file: */
        const char *ca_file;                                    /* of authorities to trust; NULL for the system's */
        int allow_http;                                         /* http: to any host, not just loopback */
        unsigned retries, stall_timeout_ms, connect_timeout_ms; /* final values, no defaults */
        /* Takes the next bytes of the body, each once, whatever was retried. Returns 0, or negative errno to end. */
        int (*body)(void *userdata, const void *data, size_t size);
        /* Told of the total size when the server says it (0: unknown), maybe several times. May be NULL. */
        void (*total)(void *userdata, uint64_t size);
        /* Polled several times a second; non-zero cancels with -ECANCELED. May be NULL. */
        int (*cancelled)(void *userdata);
        int *status; /* set to that of the last answer, 0 when there was none; may be NULL */
        void *userdata;
};

/* 0 once the whole body was handed over. A negative errno from body() is returned as it is, with no message set. */
int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err);

/* A request with what image options, with final values, say of it. */
struct mf_http_request mf_http_request(const char *url, const struct mayfly_image_options *options);

/* What to fetch into memory. */
struct mf_http_read {
        const char *url; /* checked here: see mf_url_check() */
        size_t max;      /* bytes; more is -EFBIG, with no message set */
        const struct mayfly_image_options *options;
        int (*cancelled)(void *userdata); /* as above; may be NULL */
        void *userdata;
};

/* Fetches all of a body. *ret is for mf_buffer_clear(), set on success only. *ret_status (may be NULL) is always set to
 * the last answer's status, 0 when there was none. */
int mf_http_read(struct mf_buffer *ret, const struct mf_http_read *read, int *ret_status, struct mayfly_error *err);

#endif
