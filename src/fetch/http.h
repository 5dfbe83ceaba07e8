/* SPDX-License-Identifier: MIT */
#ifndef MF_HTTP_H
#define MF_HTTP_H

/* A streaming GET, which retries with back-off, resumes where it was cut off, and checks each redirect. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/image.h>

#include "util/buffer.h"

struct mf_http_request {
        const char *url;     /* https:, http: or file: */
        const char *ca_file; /* certificate authorities to trust; NULL: those of the system */
        int allow_http;      /* allow http: to any host, not only loopback */
        unsigned retries, stall_timeout_ms, connect_timeout_ms; /* final values, no defaults */
        /* Takes the next bytes of the body, each byte once in spite of retries. Returns 0, or negative errno to end. */
        int (*body)(void *userdata, const void *data, size_t size);
        /* Gets the total size when the server sends it, maybe several times. May be NULL. */
        void (*total)(void *userdata, uint64_t size);
        /* Polled several times a second; non-zero cancels with -ECANCELED. May be NULL. */
        int (*cancelled)(void *userdata);
        int *status; /* set to the status of the last answer, 0 when there was none; may be NULL */
        void *userdata;
};

/* Returns 0 when body() has taken the whole body, or negative errno. An error of body() is returned as it is, without a
 * message. */
int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err);

/* Returns a request with the values of image options, which must be final. */
struct mf_http_request mf_http_request(const char *url, const struct mayfly_image_options *options);

/* A body to fetch into memory. */
struct mf_http_read {
        const char *url; /* mf_http_read() checks it with mf_url_check() */
        size_t max;      /* bytes; a longer body is -EFBIG, without a message */
        const struct mayfly_image_options *options;
        int (*cancelled)(void *userdata); /* as in struct mf_http_request; may be NULL */
        void *userdata;
};

/* Fetches a whole body. *ret is for mf_buffer_clear(), set on success only. *ret_status (may be NULL) is set in any case to the
 * status of the last answer, 0 when there was none. Returns 0 or negative errno. */
int mf_http_read(struct mf_buffer *ret, const struct mf_http_read *read, int *ret_status, struct mayfly_error *err);

#endif
