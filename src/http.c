/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "error.h"
#include "reference.h"
#include "util.h"

#define REDIRECTS_MAX 10U
#define BACKOFF_FIRST_MS 200U
#define BACKOFF_MAX_MS 10000U

struct transfer {
        const struct mf_http_request *request;
        CURL *curl;
        char *url;       /* the one after redirects */
        char *validator; /* ETag or Last-Modified of the first answer, for If-Range */
        uint64_t handed; /* bytes of the body that body() has taken, over all tries */
        uint64_t skip;   /* bytes of this answer that it has already */
        uint64_t total;  /* 0: unknown */
        uint64_t last_arrival_us;
        unsigned retry_after_s;
        int body_error; /* what body() returned */
        int wrong_range;
        char curl_error[CURL_ERROR_SIZE];
};

/* What one try came to. */
enum outcome { DONE, RETRY, FAILED };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

static long response_code(const struct transfer *t)
{
        long code = 0;

        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        return code;
}

static int is_file(const struct transfer *t)
{
        return strncasecmp(t->url, "file:", 5) == 0;
}

/* At the first byte of a body: where in the whole does it start, and how long is the whole? */
static int begin_body(struct transfer *t)
{
        curl_off_t length = -1;
        uint64_t start = response_code(t) == 206 ? t->handed : 0;

        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        t->skip = t->handed - start;
        if (length >= 0) {
                uint64_t total = start + (uint64_t) length;
                t->total = total;
                if (t->request->total)
                        t->request->total(t->request->userdata, total);
        }
        return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata)
{
        struct transfer *t = userdata;
        size_t all = size;
        long code = response_code(t);

        (void) one;
        t->last_arrival_us = mf_now_us();
        if (!is_file(t) && code != 200 && code != 206)
                return all; /* an error's page, not the image */
        if (t->wrong_range)
                return 0;
        if (t->skip == UINT64_MAX)
                begin_body(t);
        if (t->skip >= size) {
                t->skip -= size;
                return all;
        }
        data += t->skip;
        size -= (size_t) t->skip;
        t->skip = 0;
        t->body_error = t->request->body(t->request->userdata, data, size);
        if (t->body_error < 0)
                return 0;
        t->handed += size;
        return all;
}

static size_t on_header(char *data, size_t one, size_t size, void *userdata)
{
        struct transfer *t = userdata;
        char line[512];

        (void) one;
        t->last_arrival_us = mf_now_us();
        size_t n = size < sizeof(line) - 1 ? size : sizeof(line) - 1;
        memcpy(line, data, n);
        line[n] = '\0';
        line[strcspn(line, "\r\n")] = '\0';
        char *value = strchr(line, ':');
        if (!value)
                return size;
        *value++ = '\0';
        value += strspn(value, " \t");
        if (strcasecmp(line, "Retry-After") == 0)
                t->retry_after_s = (unsigned) strtoul(value, NULL, 10);
        else if (strcasecmp(line, "ETag") == 0 && !t->validator && strncmp(value, "W/", 2) != 0 && *value == '"')
                t->validator = strdup(value);
        else if (strcasecmp(line, "Content-Range") == 0 && response_code(t) == 206) {
                unsigned long long start;
                if (sscanf(value, "bytes %llu-", &start) == 1 && start != t->handed)
                        t->wrong_range = 1;
        }
        return size;
}

static int on_progress(void *userdata, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
        const struct transfer *t = userdata;

        (void) dltotal, (void) dlnow, (void) ultotal, (void) ulnow;
        if (t->request->cancelled && t->request->cancelled(t->request->userdata))
                return 1;
        return mf_now_us() - t->last_arrival_us > (uint64_t) t->request->stall_timeout_ms * 1000 ? 2 : 0;
}

static int stalled(const struct transfer *t)
{
        return mf_now_us() - t->last_arrival_us > (uint64_t) t->request->stall_timeout_ms * 1000;
}

static int set_up(struct transfer *t)
{
        CURL *c = t->curl;

        curl_easy_reset(c);
        curl_easy_setopt(c, CURLOPT_URL, t->url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_file(t) ? "file" : "http,https");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "mayfly/0.1.0");
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long) t->request->connect_timeout_ms);
        curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 128L * 1024);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_error);
        t->curl_error[0] = '\0';
        t->skip = UINT64_MAX;
        t->wrong_range = 0;
        t->retry_after_s = 0;
        t->last_arrival_us = mf_now_us();
        return 0;
}

static CURLcode perform(struct transfer *t)
{
        mf_cleanup(mf_freep) char *if_range = NULL;
        struct curl_slist *headers = NULL;
        char range[32];

        set_up(t);
        if (t->handed > 0 && t->validator && !is_file(t) && asprintf(&if_range, "If-Range: %s", t->validator) > 0) {
                snprintf(range, sizeof(range), "%llu-", (unsigned long long) t->handed);
                headers = curl_slist_append(NULL, if_range);
                curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
                curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
        }
        CURLcode code = curl_easy_perform(t->curl);
        curl_slist_free_all(headers);
        return code;
}

/* Each redirect is looked at before it is followed: no file:, no plain http past this host. */
static enum outcome redirect(struct transfer *t, unsigned *count, int *ret, struct mayfly_error *err)
{
        char *target = NULL, *part = NULL, *scheme = NULL;

        curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &target);
        if (!target) {
                *ret = mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                                "%s answers %ld without saying where to; ask its operator", t->url, response_code(t));
                return FAILED;
        }
        if (++*count > REDIRECTS_MAX) {
                *ret = mf_error(err, -ELOOP, MAYFLY_STAGE_HTTP,
                                "%s redirects more than %u times, the last to %.300s; give the final URL",
                                t->request->url, REDIRECTS_MAX, target);
                return FAILED;
        }
        CURLU *url = curl_url();
        int fine = url && curl_url_set(url, CURLUPART_URL, target, 0) == CURLUE_OK &&
                   curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
        if (fine && strcmp(scheme, "http") == 0) {
                fine = curl_url_get(url, CURLUPART_HOST, &part, 0) == CURLUE_OK &&
                       (t->request->allow_http || mf_host_is_loopback(part));
        } else {
                fine = fine && strcmp(scheme, "https") == 0;
        }
        curl_free(part);
        curl_free(scheme);
        curl_url_cleanup(url);
        if (!fine) {
                *ret = mf_error(
                        err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s redirects to %.300s, which is not https; allow plain http with allow_http = 1, or give "
                        "another URL",
                        t->url, target);
                return FAILED;
        }
        char *copy = strdup(target);
        if (!copy) {
                *ret = mf_error_oom(err, MAYFLY_STAGE_HTTP);
                return FAILED;
        }
        free(t->url);
        t->url = copy;
        return RETRY;
}

static enum outcome judge_status(struct transfer *t, int *ret, struct mayfly_error *err)
{
        long code = response_code(t);

        if (is_file(t) || code == 200 || code == 206) {
                if (t->total && t->handed < t->total) {
                        *ret = mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s ended after %llu of %llu bytes", t->url,
                                        (unsigned long long) t->handed, (unsigned long long) t->total);
                        return RETRY;
                }
                return DONE;
        }
        *ret = mf_error(err,
                        code == 404 || code == 410   ? -ENOENT
                        : code == 401 || code == 403 ? -EACCES
                                                     : -EIO,
                        MAYFLY_STAGE_HTTP, "%s answers %ld%s", t->url, code,
                        code == 404 || code == 410   ? " (no such image); check the URL"
                        : code == 401 || code == 403 ? " (access denied)"
                        : code >= 500                ? " (trouble at the server); try again later"
                                                     : "");
        return code >= 500 || code == 408 || code == 429 || code == 416 ? RETRY : FAILED;
}

static enum outcome judge_failure(struct transfer *t, CURLcode code, int *ret, struct mayfly_error *err)
{
        const char *detail = t->curl_error[0] ? t->curl_error : curl_easy_strerror(code);

        if (t->body_error < 0) {
                *ret = t->body_error;
                return FAILED;
        }
        switch (code) {
        case CURLE_ABORTED_BY_CALLBACK:
                if (!stalled(t)) {
                        *ret = mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->url);
                        return FAILED;
                }
                *ret = mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP,
                                "%s sent nothing for stall_timeout_ms = %u, after %llu bytes", t->url,
                                t->request->stall_timeout_ms, (unsigned long long) t->handed);
                return RETRY;
        case CURLE_FILE_COULDNT_READ_FILE:
                *ret = mf_error(err, -ENOENT, MAYFLY_STAGE_HTTP, "%s cannot be read; check the path", t->url);
                return FAILED;
        case CURLE_PARTIAL_FILE:
                *ret = mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s was cut off after %llu of %llu bytes", t->url,
                                (unsigned long long) t->handed, (unsigned long long) t->total);
                return RETRY;
        case CURLE_OPERATION_TIMEDOUT:
                *ret = mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP, "%s: %s", t->url, detail);
                return RETRY;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_WRITE_ERROR: /* a 206 for another range than was asked for */
                *ret = mf_error(err, code == CURLE_COULDNT_CONNECT ? -ECONNREFUSED : -EIO, MAYFLY_STAGE_HTTP, "%s: %s",
                                t->url, detail);
                if (t->wrong_range)
                        t->validator = (free(t->validator), NULL); /* no more ranges from this server */
                return RETRY;
        default:
                *ret = mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s: %s", t->url, detail);
                return FAILED;
        }
}

/* Sleeps before try number `n`, unless cancelled. */
static int back_off(const struct transfer *t, unsigned n)
{
        unsigned wait = BACKOFF_FIRST_MS << (n < 6 ? n : 6), jitter = 0;

        if (t->retry_after_s)
                wait = t->retry_after_s * 1000;
        if (wait > BACKOFF_MAX_MS)
                wait = BACKOFF_MAX_MS;
        (void) !getrandom(&jitter, sizeof(jitter), 0);
        for (uint64_t until = mf_now_us() + (wait + jitter % (wait / 4 + 1)) * 1000ULL; mf_now_us() < until;) {
                if (t->request->cancelled && t->request->cancelled(t->request->userdata))
                        return -ECANCELED;
                usleep(20000);
        }
        return 0;
}

static int get(struct transfer *t, struct mayfly_error *err)
{
        unsigned redirects = 0;

        for (unsigned tries = 0;;) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                enum outcome outcome;
                int r = 0;

                CURLcode code = perform(t);
                if (code == CURLE_OK && !is_file(t) && response_code(t) / 100 == 3) {
                        outcome = redirect(t, &redirects, &r, &why);
                        if (outcome == RETRY)
                                continue;
                } else {
                        outcome = code == CURLE_OK ? judge_status(t, &r, &why) : judge_failure(t, code, &r, &why);
                }
                if (outcome == DONE)
                        return 0;
                if (outcome == RETRY && tries < t->request->retries) {
                        if (back_off(t, tries++) == 0)
                                continue;
                        return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->url);
                }
                if (!why.code)
                        return r; /* body() has its own reason */
                if (outcome == RETRY)
                        return mf_error(err, r, MAYFLY_STAGE_HTTP, "%.1500s (tried %u times)", why.message, tries + 1);
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "%s", why.message);
        }
}

int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err)
{
        struct transfer t = { .request = request };

        pthread_once(&curl_once, curl_start);
        t.curl = curl_easy_init();
        t.url = strdup(request->url);
        int r = t.curl && t.url ? get(&t, err) : mf_error_oom(err, MAYFLY_STAGE_HTTP);
        curl_easy_cleanup(t.curl);
        free(t.url);
        free(t.validator);
        return r;
}
