/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/range.h"
#include "model/reference.h"
#include "util/macro.h"
#include "util/time.h"

#define POLL_MS 100
#define PAGE_MAX ((size_t) 64 * 1024) /* of the page of an error or redirect, which is not used */

static void curl_urlp(CURLU **url)
{
        mf_curl.url_cleanup(*url);
}

char *mf_url_part(const char *text, CURLUPart part, unsigned flags)
{
        mf_cleanup(curl_urlp) CURLU *url = mf_curl.url();
        char *ret = NULL;

        if (!url || mf_curl.url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
            mf_curl.url_get(url, part, &ret, flags) != CURLUE_OK)
                return NULL;
        return ret;
}

int mf_transfer_is_file(const struct mf_transfer *t)
{
        return strncasecmp(t->url, "file:", 5) == 0;
}

/* --- one answer -------------------------------------------------------------------------------------------------- */

long mf_transfer_status(const struct mf_transfer *t)
{
        long code = 0;

        mf_curl.easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        return code;
}

const char *mf_transfer_header(const struct mf_transfer *t, const char *name)
{
        struct curl_header *found;

        return mf_curl.easy_header(t->curl, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : NULL;
}

/* Keeps the validator for If-Range: a strong ETag, or a date that was old enough not to hide a second change (RFC 9110). */
static void keep_validator(struct mf_transfer *t)
{
        const char *etag = mf_transfer_header(t, "ETag"), *modified = mf_transfer_header(t, "Last-Modified"),
                   *date = mf_transfer_header(t, "Date");

        free(t->validator);
        t->validator = NULL;
        if (etag)
                t->validator = *etag == '"' ? strdup(etag) : NULL;
        else if (modified && date && mf_curl.getdate(modified, NULL) != -1 &&
                 mf_curl.getdate(modified, NULL) < mf_curl.getdate(date, NULL))
                t->validator = strdup(modified);
}

enum mf_stop mf_transfer_begin_body(struct mf_transfer *t)
{
        int partial = !mf_transfer_is_file(t) && mf_transfer_status(t) == 206;
        uint64_t start = 0, total = 0;
        curl_off_t length = -1;

        t->begun = 1;
        mf_curl.easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (partial && (!mf_parse_range(mf_transfer_header(t, "Content-Range"), &start, &total) || start > t->handed))
                return MF_STOP_RANGE_WRONG;
        if (total == 0 && length >= 0)
                total = start + (uint64_t) length;
        t->skip = t->handed - start;
        if (t->handed > 0 && t->total > 0 && total > 0 && total != t->total) {
                t->other = total;
                return MF_STOP_CHANGED;
        }
        if (!partial)
                keep_validator(t); /* it may be from another mirror than the last one: the pin decides */
        if (total > 0) {
                t->total = total;
                if (t->request->total)
                        t->request->total(t->request->userdata, total);
        }
        return MF_GOING_ON;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata)
{
        struct mf_transfer *t = userdata;
        size_t all = size;

        (void) one;
        t->last_arrival_us = mf_now_us();
        if (!mf_transfer_is_file(t) && mf_transfer_status(t) != 200 && mf_transfer_status(t) != 206) {
                t->page_bytes += size;
                t->stop = t->page_bytes > PAGE_MAX ? MF_STOP_PAGE_TOO_LONG : MF_GOING_ON;
                if (!t->stop && t->request->page)
                        t->request->page(t->request->userdata, data, size);
                return t->stop ? 0 : all;
        }
        if (!t->begun)
                t->stop = mf_transfer_begin_body(t);
        if (t->stop)
                return 0;
        size_t known = t->skip < size ? (size_t) t->skip : size;
        t->skip -= known;
        size -= known;
        if (size == 0)
                return all;
        t->body_error = t->request->body(t->request->userdata, data + known, size);
        t->last_arrival_us = mf_now_us(); /* the server is not to blame for the time that body() took */
        if (t->body_error < 0) {
                t->stop = MF_STOP_BODY_FAILED;
                return 0;
        }
        t->handed += size;
        return all;
}

static size_t on_header(char *data, size_t one, size_t size, void *userdata)
{
        struct mf_transfer *t = userdata;

        (void) data, (void) one;
        t->last_arrival_us = mf_now_us();
        t->header_bytes += size;
        if (t->header_bytes <= MF_HEADERS_MAX)
                return size;
        t->stop = MF_STOP_HEADERS_TOO_LONG;
        return 0;
}

int mf_transfer_is_cancelled(const struct mf_transfer *t)
{
        return t->request->cancelled && t->request->cancelled(t->request->userdata);
}

/* libcurl calls this also while it reads a large file, when the loop in run() stands still. */
static int on_progress(void *userdata, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
        struct mf_transfer *t = userdata;

        (void) dltotal, (void) dlnow, (void) ultotal, (void) ulnow;
        if (!t->stop && mf_transfer_is_cancelled(t))
                t->stop = MF_STOP_CANCELLED;
        return t->stop == MF_STOP_CANCELLED;
}

/* --- one request ------------------------------------------------------------------------------------------------- */

/* Sets what only the host that was asked may have, or, elsewhere, the authorities to trust there. */
static void set_up_tls(struct mf_transfer *t)
{
        const struct mf_http_tls *tls = t->at_origin ? t->request->tls : NULL;

        if (tls && tls->authorities) {
                struct curl_blob blob = { .data = (void *) tls->authorities,
                                          .len = tls->size,
                                          .flags = CURL_BLOB_NOCOPY };
                mf_curl.easy_setopt(t->curl, CURLOPT_CAINFO_BLOB, &blob);
        } else if (t->request->ca_file) {
                mf_curl.easy_setopt(t->curl, CURLOPT_CAINFO, t->request->ca_file);
        }
        if (tls && tls->certificate) {
                mf_curl.easy_setopt(t->curl, CURLOPT_SSLCERT, tls->certificate);
                mf_curl.easy_setopt(t->curl, CURLOPT_SSLKEY, tls->key);
        }
}

static void set_up(struct mf_transfer *t)
{
        mf_cleanup(mf_curl_freep) char *host = mf_url_part(t->url, CURLUPART_HOST, 0);
        CURL *c = t->curl;

        mf_curl.easy_reset(c);
        mf_curl.easy_setopt(c, CURLOPT_URL, t->url);
        mf_curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, mf_transfer_is_file(t) ? "file" : "http,https");
        mf_curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        set_up_tls(t);
        if (t->request->form)
                mf_curl.easy_setopt(c, CURLOPT_POSTFIELDS, t->request->form);
        mf_curl.easy_setopt(c, CURLOPT_USERAGENT, "mayfly/0.1.0");
        mf_curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long) t->request->connect_timeout_ms);
        mf_curl.easy_setopt(c, CURLOPT_BUFFERSIZE, 128L * 1024);
        mf_curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        mf_curl.easy_setopt(c, CURLOPT_WRITEDATA, t);
        mf_curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        mf_curl.easy_setopt(c, CURLOPT_HEADERDATA, t);
        mf_curl.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        mf_curl.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        mf_curl.easy_setopt(c, CURLOPT_XFERINFODATA, t);
        mf_curl.easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_error);
        if (host && mf_host_is_loopback(host)) /* a proxy has another loopback */
                mf_curl.easy_setopt(c, CURLOPT_NOPROXY, "*");
        t->begun = 0;
        t->skip = 0;
        t->header_bytes = t->page_bytes = 0;
        t->last_arrival_us = 0;
        t->stop = MF_GOING_ON;
        t->curl_error[0] = '\0';
}

/* Whether the server has been silent for too long. Time counts from when the request goes out; connect_timeout_ms limits the
 * time before. */
static int has_stalled(struct mf_transfer *t)
{
        curl_off_t ready = 0;

        if (t->last_arrival_us == 0) {
                mf_curl.easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
                if (ready > 0)
                        t->last_arrival_us = mf_now_us();
                return 0;
        }
        return mf_now_us() - t->last_arrival_us > (uint64_t) t->request->stall_timeout_ms * 1000;
}

/* Runs one request, until its answer has ended or we end it. */
static CURLcode run(struct mf_transfer *t)
{
        CURLcode result = CURLE_ABORTED_BY_CALLBACK;
        int running = 1, left;

        if (mf_curl.multi_add_handle(t->multi, t->curl) != CURLM_OK)
                return CURLE_OUT_OF_MEMORY;
        while (running && !t->stop) {
                if (mf_curl.multi_perform(t->multi, &running) != CURLM_OK) {
                        result = CURLE_OUT_OF_MEMORY;
                        break;
                }
                if (!running || t->stop)
                        break;
                if (mf_transfer_is_cancelled(t))
                        t->stop = MF_STOP_CANCELLED;
                else if (has_stalled(t))
                        t->stop = MF_STOP_STALLED;
                else
                        mf_curl.multi_poll(t->multi, NULL, 0, POLL_MS, NULL);
        }
        for (const CURLMsg *message; (message = mf_curl.multi_info_read(t->multi, &left));)
                if (message->msg == CURLMSG_DONE)
                        result = message->data.result;
        mf_curl.multi_remove_handle(t->multi, t->curl);
        return result;
}

/* Servers and caches on the way must not compress the body: size and signature are of the bytes as served. */
#define NO_CODING "Accept-Encoding: identity"

/* Adds a header to the next request. Returns 0 or -ENOMEM. */
static int add_header(struct curl_slist **headers, const char *text)
{
        struct curl_slist *longer = mf_curl.slist_append(*headers, text);

        if (longer)
                *headers = longer;
        return longer ? 0 : -ENOMEM;
}

/* Adds the header "NAME: value" to the next request. Returns 0 or -ENOMEM. */
static int add_named(struct curl_slist **headers, const char *name, const char *value)
{
        mf_cleanup(mf_freep) char *text = NULL;

        if (asprintf(&text, "%s: %s", name, value) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return add_header(headers, text);
}

/* Asks only for the missing part of a body that was cut off, or for all of it when memory is short. A range without a condition
 * is only for bytes that never change. */
static void add_range(struct mf_transfer *t, struct curl_slist **headers)
{
        char range[32];

        snprintf(range, sizeof(range), "%llu-", (unsigned long long) t->handed);
        if (t->request->immutable || (t->validator && add_named(headers, "If-Range", t->validator) == 0))
                mf_curl.easy_setopt(t->curl, CURLOPT_RANGE, range);
}

/* Makes the headers of the next request. Returns 0 or -ENOMEM. */
static int add_headers(struct mf_transfer *t, struct curl_slist **headers)
{
        const struct mf_http_request *request = t->request;
        int r = add_header(headers, NO_CODING);

        if (r == 0 && request->accept)
                r = add_named(headers, "Accept", request->accept);
        if (r == 0 && request->authorization && t->at_origin)
                r = add_named(headers, "Authorization", request->authorization);
        if (r == 0 && t->handed > 0)
                add_range(t, headers);
        return r;
}

CURLcode mf_transfer_perform(struct mf_transfer *t)
{
        struct curl_slist *headers = NULL;

        set_up(t);
        CURLcode code = CURLE_OUT_OF_MEMORY;
        if (mf_transfer_is_file(t) || add_headers(t, &headers) == 0) {
                mf_curl.easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
                code = run(t);
        }
        mf_curl.slist_free_all(headers);
        return code;
}
