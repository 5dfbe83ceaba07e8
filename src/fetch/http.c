/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/range.h"
#include "model/reference.h"
#include "model/show.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define REDIRECTS_MAX 10U
#define BACKOFF_FIRST_MS 200U
#define BACKOFF_MAX_MS 10000U
#define RETRY_AFTER_MAX_MS 30000U
#define POLL_MS 100
#define HEADERS_MAX ((size_t) 256 * 1024) /* of one answer */
#define PAGE_MAX ((size_t) 64 * 1024)     /* of an error's or redirect's page, which nobody reads */

/* Why we ended a transfer that libcurl would have gone on with. */
enum stop { GOING_ON, BODY_FAILED, PAGE_TOO_LONG, HEADERS_TOO_LONG, RANGE_WRONG, CHANGED, CANCELLED, STALLED };

struct transfer {
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
        uint64_t other; /* total that it claims, when CHANGED */
        size_t header_bytes, page_bytes;
        uint64_t last_arrival_us; /* 0: nothing was asked yet */
        enum stop stop;
        int body_error; /* what body() returned */
        char curl_error[CURL_ERROR_SIZE];
};

/* What one try came to. */
enum outcome { DONE, RETRY, FAILED };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void curl_start(void)
{
        curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* --- URLs -------------------------------------------------------------------------------------------------------- */

static void curl_freep(char **text)
{
        curl_free(*text);
}

static void curl_urlp(CURLU **url)
{
        curl_url_cleanup(*url);
}

/* One part of a URL (or all, CURLUPART_URL), for curl_free(); NULL when it has none. */
static char *url_part(const char *text, CURLUPart part, unsigned flags)
{
        mf_cleanup(curl_urlp) CURLU *url = curl_url();
        char *ret = NULL;

        if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
            curl_url_get(url, part, &ret, flags) != CURLUE_OK)
                return NULL;
        return ret;
}

static int is_file(const struct transfer *t)
{
        return strncasecmp(t->url, "file:", 5) == 0;
}

static int go_to(struct transfer *t, const char *url, int redirected)
{
        char *copy = strdup(url);

        if (!copy)
                return -ENOMEM;
        free(t->url);
        t->url = copy;
        mf_show_url(t->shown, url, redirected); /* the query of a redirect's target is often a signature */
        return 0;
}

/* --- one answer -------------------------------------------------------------------------------------------------- */

static long response_code(const struct transfer *t)
{
        long code = 0;

        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
        return code;
}

static const char *header(const struct transfer *t, const char *name)
{
        struct curl_header *found;

        return curl_easy_header(t->curl, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : NULL;
}

/* What If-Range may use: a strong ETag, or a date that was old enough then not to hide a second change (RFC 9110). */
static void keep_validator(struct transfer *t)
{
        const char *etag = header(t, "ETag"), *modified = header(t, "Last-Modified"), *date = header(t, "Date");

        free(t->validator);
        t->validator = NULL;
        if (etag)
                t->validator = *etag == '"' ? strdup(etag) : NULL;
        else if (modified && date && curl_getdate(modified, NULL) != -1 &&
                 curl_getdate(modified, NULL) < curl_getdate(date, NULL))
                t->validator = strdup(modified);
}

/* At the first byte of a body: where in the whole does it start, and how long is the whole? */
static enum stop begin_body(struct transfer *t)
{
        int partial = !is_file(t) && response_code(t) == 206;
        uint64_t start = 0, total = 0;
        curl_off_t length = -1;

        t->begun = 1;
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (partial && (!mf_parse_range(header(t, "Content-Range"), &start, &total) || start > t->handed))
                return RANGE_WRONG;
        if (total == 0 && length >= 0)
                total = start + (uint64_t) length;
        t->skip = t->handed - start;
        if (t->handed > 0 && t->total > 0 && total > 0 && total != t->total) {
                t->other = total;
                return CHANGED;
        }
        if (!partial)
                keep_validator(t); /* another one than before may be another mirror's: the pin will tell */
        if (total > 0) {
                t->total = total;
                if (t->request->total)
                        t->request->total(t->request->userdata, total);
        }
        return GOING_ON;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata)
{
        struct transfer *t = userdata;
        size_t all = size;

        (void) one;
        t->last_arrival_us = mf_now_us();
        if (!is_file(t) && response_code(t) != 200 && response_code(t) != 206) {
                t->page_bytes += size;
                t->stop = t->page_bytes > PAGE_MAX ? PAGE_TOO_LONG : GOING_ON;
                return t->stop ? 0 : all;
        }
        if (!t->begun)
                t->stop = begin_body(t);
        if (t->stop)
                return 0;
        size_t known = t->skip < size ? (size_t) t->skip : size;
        t->skip -= known;
        size -= known;
        if (size == 0)
                return all;
        t->body_error = t->request->body(t->request->userdata, data + known, size);
        t->last_arrival_us = mf_now_us(); /* the time that body() took is not the server's */
        if (t->body_error < 0) {
                t->stop = BODY_FAILED;
                return 0;
        }
        t->handed += size;
        return all;
}

static size_t on_header(char *data, size_t one, size_t size, void *userdata)
{
        struct transfer *t = userdata;

        (void) data, (void) one;
        t->last_arrival_us = mf_now_us();
        t->header_bytes += size;
        if (t->header_bytes <= HEADERS_MAX)
                return size;
        t->stop = HEADERS_TOO_LONG;
        return 0;
}

static int is_cancelled(const struct transfer *t)
{
        return t->request->cancelled && t->request->cancelled(t->request->userdata);
}

/* Called within a read of a large file, too, where the loop in perform() does not come round. */
static int on_progress(void *userdata, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
        struct transfer *t = userdata;

        (void) dltotal, (void) dlnow, (void) ultotal, (void) ulnow;
        if (!t->stop && is_cancelled(t))
                t->stop = CANCELLED;
        return t->stop == CANCELLED;
}

/* --- one request ------------------------------------------------------------------------------------------------- */

static void set_up(struct transfer *t)
{
        mf_cleanup(curl_freep) char *host = url_part(t->url, CURLUPART_HOST, 0);
        CURL *c = t->curl;

        curl_easy_reset(c);
        curl_easy_setopt(c, CURLOPT_URL, t->url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_file(t) ? "file" : "http,https");
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        if (t->request->ca_file)
                curl_easy_setopt(c, CURLOPT_CAINFO, t->request->ca_file);
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
        if (host && mf_host_is_loopback(host)) /* a proxy's loopback is not ours */
                curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
        t->begun = 0;
        t->skip = 0;
        t->header_bytes = t->page_bytes = 0;
        t->last_arrival_us = 0;
        t->stop = GOING_ON;
        t->curl_error[0] = '\0';
}

/* Silence counts from when the request goes out; until then connect_timeout_ms holds. */
static int has_stalled(struct transfer *t)
{
        curl_off_t ready = 0;

        if (t->last_arrival_us == 0) {
                curl_easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &ready);
                if (ready > 0)
                        t->last_arrival_us = mf_now_us();
                return 0;
        }
        return mf_now_us() - t->last_arrival_us > (uint64_t) t->request->stall_timeout_ms * 1000;
}

static CURLcode run(struct transfer *t)
{
        CURLcode result = CURLE_ABORTED_BY_CALLBACK;
        int running = 1, left;

        if (curl_multi_add_handle(t->multi, t->curl) != CURLM_OK)
                return CURLE_OUT_OF_MEMORY;
        while (running && !t->stop) {
                if (curl_multi_perform(t->multi, &running) != CURLM_OK) {
                        result = CURLE_OUT_OF_MEMORY;
                        break;
                }
                if (!running || t->stop)
                        break;
                if (is_cancelled(t))
                        t->stop = CANCELLED;
                else if (has_stalled(t))
                        t->stop = STALLED;
                else
                        curl_multi_poll(t->multi, NULL, 0, POLL_MS, NULL);
        }
        for (const CURLMsg *message; (message = curl_multi_info_read(t->multi, &left));)
                if (message->msg == CURLMSG_DONE)
                        result = message->data.result;
        curl_multi_remove_handle(t->multi, t->curl);
        return result;
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
                if (headers) { /* never a range without its condition */
                        curl_easy_setopt(t->curl, CURLOPT_RANGE, range);
                        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
                }
        }
        CURLcode code = run(t);
        curl_slist_free_all(headers);
        return code;
}

/* --- judging ----------------------------------------------------------------------------------------------------- */

/* No file:, no plain http past this host, no step down from https. */
static int may_follow(const struct transfer *t, const char *target)
{
        mf_cleanup(curl_freep) char *scheme = url_part(target, CURLUPART_SCHEME, 0);
        mf_cleanup(curl_freep) char *host = url_part(target, CURLUPART_HOST, 0);

        if (!scheme || !host)
                return 0;
        if (strcasecmp(scheme, "https") == 0)
                return 1;
        if (strcasecmp(scheme, "http") != 0)
                return 0;
        return t->request->allow_http || (strncasecmp(t->url, "http:", 5) == 0 && mf_host_is_loopback(host));
}

/* 0 when t->url is the next to ask. */
static int redirect(struct transfer *t, unsigned *count, struct mayfly_error *err)
{
        char *target = NULL;

        curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &target);
        if (!target)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                                "%s answers %ld without saying where to; ask its operator", t->shown, response_code(t));
        char shown[MF_SHOWN_MAX];
        mf_show_url(shown, target, 1);
        if (++*count > REDIRECTS_MAX) {
                char first[MF_SHOWN_MAX];
                mf_show_url(first, t->request->url, 0);
                return mf_error(err, -ELOOP, MAYFLY_STAGE_HTTP,
                                "%s redirects more than %u times, the last to %.300s; give the final URL", first,
                                REDIRECTS_MAX, shown);
        }
        if (!may_follow(t, target))
                return mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                                "%s redirects to %.300s, which is not https; allow plain http with allow_http = 1, or "
                                "give another URL",
                                t->shown, shown);
        return go_to(t, target, 1) == 0 ? 0 : mf_error_oom(err, MAYFLY_STAGE_HTTP);
}

static enum outcome changed(const struct transfer *t, uint64_t from, uint64_t to, struct mayfly_error *err)
{
        mf_error(err, -ESTALE, MAYFLY_STAGE_HTTP,
                 "%s changed from %llu to %llu bytes while it was fetched; fetch it again", t->shown,
                 (unsigned long long) from, (unsigned long long) to);
        return FAILED;
}

static enum outcome judge_stop(struct transfer *t, struct mayfly_error *err)
{
        const char *range;
        char of[32] = "";

        if (t->total)
                snprintf(of, sizeof(of), " of %llu", (unsigned long long) t->total);
        switch (t->stop) {
        case CANCELLED:
                mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->shown);
                return FAILED;
        case STALLED:
                mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP,
                         "%s sent nothing for stall_timeout_ms = %u, after %llu%s bytes", t->shown,
                         t->request->stall_timeout_ms, (unsigned long long) t->handed, of);
                return RETRY;
        case HEADERS_TOO_LONG:
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                         "%s answers with more than %zu bytes of headers; ask its operator", t->shown, HEADERS_MAX);
                return FAILED;
        case CHANGED:
                return changed(t, t->total, t->other, err);
        default: /* RANGE_WRONG */
                range = header(t, "Content-Range");
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                         "%s was asked for its bytes from %llu on and answers with Content-Range: %.100s", t->shown,
                         (unsigned long long) t->handed, range ? range : "(none)");
                free(t->validator);
                t->validator = NULL; /* no more ranges from this server */
                return RETRY;
        }
}

static enum outcome judge_status(struct transfer *t, long code, struct mayfly_error *err)
{
        int missing = code == 404 || code == 410, denied = code == 401 || code == 403;

        if (code == 416) {
                const char *range = header(t, "Content-Range");
                uint64_t total;
                if (mf_parse_range_beyond(range, &total) && total == t->handed && t->handed > 0) {
                        t->total = t->total ? t->total : total;
                        t->other = total;
                        t->stop = t->total == total ? GOING_ON : CHANGED;
                        /* What was missing was only the sign that this was all. */
                        return t->stop ? judge_stop(t, err) : DONE;
                }
                free(t->validator);
                t->validator = NULL; /* no more ranges */
        }
        mf_error(err,
                 missing  ? -ENOENT
                 : denied ? -EACCES
                          : -EIO,
                 MAYFLY_STAGE_HTTP, "%s answers %ld%s", t->shown, code,
                 missing       ? " (no such image); check the URL"
                 : denied      ? " (access denied); check the URL and what it needs to be let in"
                 : code >= 500 ? " (trouble at the server); try again later"
                               : "");
        return code >= 500 || code == 408 || code == 429 || code == 416 ? RETRY : FAILED;
}

/* A body that ended as its server meant it to. */
static enum outcome judge_body(struct transfer *t, struct mayfly_error *err)
{
        if (t->skip == 0 && (t->total == 0 || t->handed == t->total))
                return DONE;
        if (t->skip > 0 || t->handed > t->total)
                return changed(t, t->skip ? t->handed : t->total, t->handed - t->skip, err);
        mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s ended after %llu of %llu bytes", t->shown,
                 (unsigned long long) t->handed, (unsigned long long) t->total);
        return RETRY;
}

static enum outcome judge_failure(struct transfer *t, CURLcode code, struct mayfly_error *err)
{
        const char *detail = t->curl_error[0] ? t->curl_error : curl_easy_strerror(code);
        char of[32] = "";

        if (code == CURLE_PARTIAL_FILE && !t->begun && !is_file(t) && response_code(t) == 200)
                begin_body(t); /* cut before the first byte, but we know how many there are */
        if (t->total)
                snprintf(of, sizeof(of), " of %llu", (unsigned long long) t->total);
        switch (code) {
        case CURLE_OUT_OF_MEMORY:
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
                return FAILED;
        case CURLE_PARTIAL_FILE:
                mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s was cut off after %llu%s bytes", t->shown,
                         (unsigned long long) t->handed, of);
                return RETRY;
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_WEIRD_SERVER_REPLY:
                if (is_file(t) || strncasecmp(t->url, "http", 4) != 0)
                        break;
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP, "%s does not answer in HTTP (%s); check the URL", t->shown,
                         detail);
                return FAILED;
        case CURLE_PEER_FAILED_VERIFICATION:
                mf_error(err, -EKEYREJECTED, MAYFLY_STAGE_HTTP,
                         "%s: %s; if the server's certificate is from an authority of your own, name the file of that "
                         "one's in MAYFLY_CA_FILE",
                         t->shown, detail);
                return FAILED;
        case CURLE_SSL_CACERT_BADFILE:
                mf_error(err, t->request->ca_file ? -EINVAL : -ENOENT, MAYFLY_STAGE_HTTP, "%s: %s; %s", t->shown,
                         detail,
                         t->request->ca_file ? "the CA file must have certificates in PEM"
                                             : "install ca-certificates, or name a CA file in MAYFLY_CA_FILE");
                return FAILED;
        case CURLE_OPERATION_TIMEDOUT:
                mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP, "%s: %s (connect_timeout_ms = %u)", t->shown, detail,
                         t->request->connect_timeout_ms);
                return RETRY;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                mf_error(err, -EHOSTUNREACH, MAYFLY_STAGE_HTTP, "%s: %s; check the name and this host's DNS", t->shown,
                         detail);
                return RETRY;
        case CURLE_COULDNT_CONNECT:
                mf_error(err, -ECONNREFUSED, MAYFLY_STAGE_HTTP, "%s: %s", t->shown, detail);
                return RETRY;
        case CURLE_SSL_CONNECT_ERROR: /* also a connection lost in the handshake */
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s: %s, after %llu%s bytes", t->shown, detail,
                         (unsigned long long) t->handed, of);
                return RETRY;
        default:
                break;
        }
        mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s: %s", t->shown, detail);
        return FAILED;
}

/* libcurl names no reason, reads folders as empty, and would wait for a FIFO's writer. */
static int check_file(const struct transfer *t, struct mayfly_error *err)
{
        mf_cleanup(curl_freep) char *path = url_part(t->url, CURLUPART_PATH, CURLU_URLDECODE);
        mf_cleanup(mf_closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
        struct stat st;

        if (!path)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_HTTP, "%s is not a file's URL; give file:///absolute/path",
                                t->shown);
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HTTP, "%s cannot be read; check the path", t->shown);
        if (!S_ISREG(st.st_mode))
                return mf_error(err, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, MAYFLY_STAGE_HTTP,
                                "%s is not a regular file; give an image's path", t->shown);
        return 0;
}

/* --- tries ------------------------------------------------------------------------------------------------------- */

/* From the first URL on, as what it redirects to may be good for a short time only. */
static enum outcome try_once(struct transfer *t, struct mayfly_error *err)
{
        unsigned redirects = 0;

        if (go_to(t, t->request->url, 0) < 0) {
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
                return FAILED;
        }
        if (is_file(t) && check_file(t, err) < 0)
                return FAILED;
        for (;;) {
                CURLcode code = perform(t);
                if (t->request->status)
                        *t->request->status = is_file(t) ? 0 : (int) response_code(t);
                if (t->stop == BODY_FAILED)
                        return FAILED;
                if (t->stop && t->stop != PAGE_TOO_LONG)
                        return judge_stop(t, err);
                if (code != CURLE_OK && t->stop != PAGE_TOO_LONG)
                        return judge_failure(t, code, err);
                long status = is_file(t) ? 200 : response_code(t);
                if (status / 100 == 3) {
                        if (redirect(t, &redirects, err) < 0)
                                return FAILED;
                        continue;
                }
                if (status != 200 && status != 206)
                        return judge_status(t, status, err);
                if (!t->begun) /* an empty body */
                        t->stop = begin_body(t);
                return t->stop ? judge_stop(t, err) : judge_body(t, err);
        }
}

/* Sleeps before try number `n`, unless cancelled. */
static int back_off(const struct transfer *t, unsigned n)
{
        unsigned wait = BACKOFF_FIRST_MS << (n < 6 ? n : 6), jitter = 0;
        curl_off_t wish = 0;

        if (wait > BACKOFF_MAX_MS)
                wait = BACKOFF_MAX_MS;
        curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &wish);
        if (wish > 0)
                wait = wish < RETRY_AFTER_MAX_MS / 1000 ? (unsigned) wish * 1000 : RETRY_AFTER_MAX_MS;
        (void) !getrandom(&jitter, sizeof(jitter), 0);
        for (uint64_t until = mf_now_us() + (wait + jitter % (wait / 4 + 1)) * 1000ULL; mf_now_us() < until;) {
                if (is_cancelled(t))
                        return -ECANCELED;
                nanosleep(&(struct timespec){ .tv_nsec = 50000000L }, NULL);
        }
        return 0;
}

static int get(struct transfer *t, struct mayfly_error *err)
{
        for (unsigned tries = 0;;) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;

                enum outcome outcome = try_once(t, &why);
                if (outcome == DONE)
                        return 0;
                if (outcome == RETRY && tries < t->request->retries) {
                        if (back_off(t, tries++) == 0)
                                continue;
                        return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->shown);
                }
                if (t->stop == BODY_FAILED)
                        return t->body_error; /* it has its own reason */
                if (outcome == RETRY && tries > 0)
                        return mf_error(err, why.code, MAYFLY_STAGE_HTTP, "%.1500s (tried %u times)", why.message,
                                        tries + 1);
                return mf_error(err, why.code, MAYFLY_STAGE_HTTP, "%s", why.message);
        }
}

int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err)
{
        struct transfer t = { .request = request };

        pthread_once(&curl_once, curl_start);
        if (curl_started != CURLE_OK)
                return mf_error(err, -ENOMEM, MAYFLY_STAGE_HTTP, "libcurl does not start: %s",
                                curl_easy_strerror(curl_started));
        t.multi = curl_multi_init();
        t.curl = curl_easy_init();
        int r = t.multi && t.curl ? get(&t, err) : mf_error_oom(err, MAYFLY_STAGE_HTTP);
        curl_easy_cleanup(t.curl);
        curl_multi_cleanup(t.multi);
        free(t.url);
        free(t.validator);
        return r;
}
