/* SPDX-License-Identifier: MIT */
#ifndef MF_TRANSFER_H
#define MF_TRANSFER_H

/* One request of libcurl and its answer (transfer.c), and the outcome of the answer (classify.c). http.c retries and follows
 * redirects. These three files and ready/http.c are the only users of libcurl (curl.h). */

#include <stddef.h>
#include <stdint.h>

#include "fetch/curl.h"
#include "fetch/http.h"
#include "model/show.h"

#define MF_HEADERS_MAX ((size_t) 256 * 1024) /* bytes of one answer's headers */

/* Why mayfly ended a transfer that libcurl would have continued. */
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
        char *url;                /* after redirects */
        char shown[MF_SHOWN_MAX]; /* url for messages */
        int at_origin;            /* url is at the scheme, host and port of request->url */
        char *validator;          /* ETag or Last-Modified of the bytes that body() got, for If-Range */
        uint64_t handed;          /* bytes that body() has taken, over all tries */
        uint64_t total;           /* 0: unknown */

        /* The current answer: */
        int begun;      /* its body has begun */
        uint64_t skip;  /* bytes of it that body() already has */
        uint64_t other; /* the total that it claims, when MF_STOP_CHANGED */
        size_t header_bytes, page_bytes;
        uint64_t last_arrival_us; /* 0: no request was sent yet */
        enum mf_stop stop;
        int body_error; /* what body() returned */
        char curl_error[CURL_ERROR_SIZE];
};

/* The outcome of one try. */
enum mf_outcome { MF_TRY_DONE, MF_TRY_RETRY, MF_TRY_FAILED };

static inline void mf_curl_freep(char **text)
{
        mf_curl.free(*text);
}

/* Returns one part of a URL (or the URL, CURLUPART_URL), for mf_curl.free(); NULL when the URL has no such part. */
char *mf_url_part(const char *text, CURLUPart part, unsigned flags);

/* --- transfer.c */

int mf_transfer_is_file(const struct mf_transfer *t);
/* Returns the status of the answer; 0 when there is none. */
long mf_transfer_status(const struct mf_transfer *t);
/* Returns the value of a header of the answer, borrowed; NULL when it has none. */
const char *mf_transfer_header(const struct mf_transfer *t, const char *name);
int mf_transfer_is_cancelled(const struct mf_transfer *t);
/* At the first byte of a body: sets t->skip and t->total. Returns MF_GOING_ON, or why the transfer must end. */
enum mf_stop mf_transfer_begin_body(struct mf_transfer *t);
/* Sends one request for t->url, and reads its answer. */
CURLcode mf_transfer_perform(struct mf_transfer *t);

/* --- classify.c: each function sets the error, unless it returns MF_TRY_DONE */

enum mf_outcome mf_classify_stop(struct mf_transfer *t, struct mayfly_error *err);
enum mf_outcome mf_classify_status(struct mf_transfer *t, long code, struct mayfly_error *err);
/* For a body that the server has ended. */
enum mf_outcome mf_classify_body(struct mf_transfer *t, struct mayfly_error *err);
enum mf_outcome mf_classify_failure(struct mf_transfer *t, CURLcode code, struct mayfly_error *err);

#endif
