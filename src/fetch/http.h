/* SPDX-License-Identifier: MIT */
#ifndef MF_HTTP_H
#define MF_HTTP_H

/* A streaming GET that survives what networks do: retries with back-off, resume, redirects checked one by one. Only
 * user of libcurl. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

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

#endif
