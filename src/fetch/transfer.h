/* SPDX-License-Identifier: MIT */
#ifndef MF_TRANSFER_H
#define MF_TRANSFER_H

/* One request of libcurl and its answer (transfer.c), and what that answer came to (classify.c), for http.c, which
 * retries and redirects. These three are the only users of libcurl. */

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

#include "fetch/http.h"
#include "model/show.h"

#define MF_HEADERS_MAX ((size_t) 256 * 1024) /* bytes of one answer's headers */

/* Why we ended a transfer that libcurl would have gone on with. */
enum mf_stop {
        MF_GOING_ON,
        MF_STOP_BODY_FAILED,
        MF_STOP_PAGE_TOO_LONG,
        MF_STOP_HEADERS_TOO_LONG,
        MF_STOP_RANGE_WRONG,
        MF_STOP_CHANGED,
        MF_STOP_CANCELLED,
        MF_STOP_STALLED
};

struct mf_transfer {
        const struct mf_http_request *request;
        CURLM *multi;
        CURL *curl;
        char *url;                /* the one after redirects */
        char shown[MF_SHOWN_MAX]; /* the same for messages */
        char *validator;          /* of what body() was given: ETag or Last-Modified, for If-Range */
        uint64_t handed;          /* bytes that body() has taken, over all tries */
        uint64_t total;           /* 0: unknown */

        /* The answer at hand: */
        int begun;      /* its body has */
        uint64_t skip;  /* bytes of it that body() has already */
        uint64_t other; /* total that it claims, when MF_STOP_CHANGED */
        size_t header_bytes, page_bytes;
        uint64_t last_arrival_us; /* 0: nothing was asked yet */
        enum mf_stop stop;
        int body_error; /* what body() returned */
        char curl_error[CURL_ERROR_SIZE];
};

/* What one try came to. */
enum mf_outcome { MF_TRY_DONE, MF_TRY_RETRY, MF_TRY_FAILED };

static inline void mf_curl_freep(char **text)
{
        curl_free(*text);
}

/* One part of a URL (or all, CURLUPART_URL), for curl_free(); NULL when it has none. */
char *mf_url_part(const char *text, CURLUPart part, unsigned flags);

/* --- transfer.c */

int mf_transfer_is_file(const struct mf_transfer *t);
/* The status of the answer; 0 when there is none. */
long mf_transfer_status(const struct mf_transfer *t);
/* The value of a header of the answer, borrowed; NULL without it. */
const char *mf_transfer_header(const struct mf_transfer *t, const char *name);
int mf_transfer_is_cancelled(const struct mf_transfer *t);
/* At the first byte of a body: where in the whole it starts, and how long the whole is. */
enum mf_stop mf_transfer_begin_body(struct mf_transfer *t);
/* Sends one request for t->url, and takes its answer. */
CURLcode mf_transfer_perform(struct mf_transfer *t);

/* --- classify.c: each sets the error unless the try is done */

enum mf_outcome mf_classify_stop(struct mf_transfer *t, struct mayfly_error *err);
enum mf_outcome mf_classify_status(struct mf_transfer *t, long code, struct mayfly_error *err);
/* A body that ended as its server meant it to. */
enum mf_outcome mf_classify_body(struct mf_transfer *t, struct mayfly_error *err);
enum mf_outcome mf_classify_failure(struct mf_transfer *t, CURLcode code, struct mayfly_error *err);

#endif
