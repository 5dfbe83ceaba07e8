/* SPDX-License-Identifier: MIT */
#ifndef MF_HTTP_H
#define MF_HTTP_H

/* A streaming GET, which retries with back-off, resumes where it was cut off, and checks each redirect. Registries need more:
 * credentials, a form to send, and the headers and pages of answers. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/image.h>

#include "util/buffer.h"

/* What a connection needs beyond the options of images. */
struct mf_http_tls {
        const char *authorities;       /* certificates in PEM to trust in place of those of ca_file; NULL: none */
        size_t size;                   /* of authorities */
        const char *certificate, *key; /* files in PEM with the client's certificate and its key; NULL: none */
};

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

        /* All that follows may be zero. */
        const char *accept;            /* value of the header Accept */
        const char *authorization;     /* value of the header Authorization, for the origin of `url` only */
        const struct mf_http_tls *tls; /* for the origin of `url` only */
        const char *form;              /* an encoded form to POST, to the origin of `url` only; NULL: GET */
        int immutable;                 /* the URL never has other bytes: a range needs no validator */
        unsigned *tried;               /* set to the number of tries */
        uint64_t offset;               /* how many bytes body() does not need */
        /* Called before each request; what header() and page() got before is void then. */
        void (*begin)(void *userdata);
        /* Gets each header of an answer that is no redirect; `at_origin` is 0 when it is from another host than the one asked. */
        void (*header)(void *userdata, int at_origin, const char *name, const char *value);
        /* Gets the body of an answer that is an error, in parts. */
        void (*page)(void *userdata, const void *data, size_t size);
};

/* Returns 0 when body() has taken the whole body, or negative errno. An error of body() is returned as it is, without a
 * message. */
int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err);

/* Whether two URLs have the same scheme, host and port. */
int mf_url_same_origin(const char *a, const char *b);

/* Returns `text` with all but letters, digits and "-._~" encoded as %XX, for a form or a query. Allocated; NULL when memory is
 * short. */
char *mf_url_encode(const char *text);

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
