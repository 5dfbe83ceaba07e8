/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/transfer.h"
#include "model/reference.h"
#include "model/show.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define REDIRECTS_MAX 10U
#define BACKOFF_FIRST_MS 200U
#define BACKOFF_MAX_MS 10000U
#define RETRY_AFTER_MAX_MS 30000U

/* Makes `url` the URL of the next request. Returns 0 or -ENOMEM. */
static int go_to(struct mf_transfer *t, const char *url, int redirected)
{
        char *copy = strdup(url);

        if (!copy)
                return -ENOMEM;
        free(t->url);
        t->url = copy;
        t->at_origin = !redirected || mf_url_same_origin(url, t->request->url);
        mf_show_url(t->shown, url, redirected); /* the query in a redirect is often a credential */
        return 0;
}

int mf_url_same_origin(const char *a, const char *b)
{
        static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };

        for (size_t i = 0; i < MF_ELEMENTSOF(parts); i++) {
                mf_cleanup(mf_curl_freep) char *of_a = mf_url_part(a, parts[i], CURLU_DEFAULT_PORT);
                mf_cleanup(mf_curl_freep) char *of_b = mf_url_part(b, parts[i], CURLU_DEFAULT_PORT);
                if (!of_a || !of_b || strcasecmp(of_a, of_b) != 0)
                        return 0;
        }
        return 1;
}

char *mf_url_encode(const char *text)
{
        if (mf_curl_load(MAYFLY_STAGE_HTTP, NULL) < 0)
                return NULL;
        mf_cleanup(mf_curl_freep) char *encoded = mf_curl.easy_escape(NULL, text, 0);

        return encoded ? strdup(encoded) : NULL;
}

/* --- redirects --------------------------------------------------------------------------------------------------- */

/* Whether a redirect may be followed: never to file:, and to plain http only within this host, not from https. */
static int may_follow(const struct mf_transfer *t, const char *target)
{
        mf_cleanup(mf_curl_freep) char *scheme = mf_url_part(target, CURLUPART_SCHEME, 0);
        mf_cleanup(mf_curl_freep) char *host = mf_url_part(target, CURLUPART_HOST, 0);

        if (!scheme || !host)
                return 0;
        if (strcasecmp(scheme, "https") == 0)
                return 1;
        if (strcasecmp(scheme, "http") != 0)
                return 0;
        return t->request->allow_http || (strncasecmp(t->url, "http:", 5) == 0 && mf_host_is_loopback(host));
}

/* Follows a redirect: t->url is the next URL then. Returns 0 or negative errno. */
static int redirect(struct mf_transfer *t, unsigned *count, struct mayfly_error *err)
{
        char *target = NULL;

        mf_curl.easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &target);
        if (!target)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                                "%s answers %ld, a redirect without a target; ask the operator of the server", t->shown,
                                mf_transfer_status(t));
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
                                "%s redirects to %.300s, which is not https; %sgive another URL", t->shown, shown,
                                strncasecmp(target, "http:", 5) == 0 ? "allow plain http with allow_http = 1, or "
                                                                     : "");
        if (t->request->form && !mf_url_same_origin(target, t->request->url))
                return mf_error(
                        err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s redirects to another host, %.300s, which must not get what was sent; ask the operator of "
                        "the server",
                        t->shown, shown);
        return go_to(t, target, 1) == 0 ? 0 : mf_error_oom(err, MAYFLY_STAGE_HTTP);
}

/* Checks that a file: URL leads to a regular file that can be read: libcurl gives no reason, reads directories as empty, and
 * waits for the writer of a FIFO. Returns 0 or negative errno. */
static int check_file(const struct mf_transfer *t, struct mayfly_error *err)
{
        mf_cleanup(mf_curl_freep) char *path = mf_url_part(t->url, CURLUPART_PATH, CURLU_URLDECODE);
        mf_cleanup(mf_closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
        struct stat st;

        if (!path)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_HTTP,
                                "%s is not the URL of a file; write file:///absolute/path", t->shown);
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HTTP, "%s cannot be read; check the path", t->shown);
        if (!S_ISREG(st.st_mode))
                return mf_error(err, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, MAYFLY_STAGE_HTTP,
                                "%s is not a regular file; give the path of an image", t->shown);
        return 0;
}

/* --- tries ------------------------------------------------------------------------------------------------------- */

/* Hands over the headers of the answer. */
static void report_headers(const struct mf_transfer *t)
{
        struct curl_header *header = NULL;

        if (!t->request->header || mf_transfer_is_file(t) || mf_transfer_status(t) / 100 == 3)
                return;
        while ((header = mf_curl.easy_nextheader(t->curl, CURLH_HEADER, -1, header)))
                t->request->header(t->request->userdata, t->at_origin, header->name, header->value);
}

/* Tries once, from the first URL: the target of a redirect may be valid for a short time only. */
static enum mf_outcome try_once(struct mf_transfer *t, struct mayfly_error *err)
{
        unsigned redirects = 0;

        if (go_to(t, t->request->url, 0) < 0) {
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
                return MF_TRY_FAILED;
        }
        if (mf_transfer_is_file(t) && check_file(t, err) < 0)
                return MF_TRY_FAILED;
        for (;;) {
                if (t->request->begin)
                        t->request->begin(t->request->userdata);
                CURLcode code = mf_transfer_perform(t);
                if (t->request->status)
                        *t->request->status = mf_transfer_is_file(t) ? 0 : (int) mf_transfer_status(t);
                report_headers(t);
                if (t->stop == MF_STOP_BODY_FAILED)
                        return MF_TRY_FAILED;
                if (t->stop && t->stop != MF_STOP_PAGE_TOO_LONG)
                        return mf_classify_stop(t, err);
                if (code != CURLE_OK && t->stop != MF_STOP_PAGE_TOO_LONG)
                        return mf_classify_failure(t, code, err);
                long status = mf_transfer_is_file(t) ? 200 : mf_transfer_status(t);
                if (status / 100 == 3) {
                        if (redirect(t, &redirects, err) < 0)
                                return MF_TRY_FAILED;
                        continue;
                }
                if (status != 200 && status != 206)
                        return mf_classify_status(t, status, err);
                if (!t->begun) /* an empty body */
                        t->stop = mf_transfer_begin_body(t);
                return t->stop ? mf_classify_stop(t, err) : mf_classify_body(t, err);
        }
}

/* Sleeps before try number `n`. Returns 0, or -ECANCELED as soon as the request is cancelled. */
static int back_off(const struct mf_transfer *t, unsigned n)
{
        unsigned wait = BACKOFF_FIRST_MS << (n < 6 ? n : 6), jitter = 0;
        curl_off_t wish = 0;

        if (wait > BACKOFF_MAX_MS)
                wait = BACKOFF_MAX_MS;
        mf_curl.easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &wish);
        if (wish > 0)
                wait = wish < RETRY_AFTER_MAX_MS / 1000 ? (unsigned) wish * 1000 : RETRY_AFTER_MAX_MS;
        (void) !getrandom(&jitter, sizeof(jitter), 0);
        for (uint64_t until = mf_now_us() + (wait + jitter % (wait / 4 + 1)) * 1000ULL; mf_now_us() < until;) {
                if (mf_transfer_is_cancelled(t))
                        return -ECANCELED;
                nanosleep(&(struct timespec){ .tv_nsec = 50000000L }, NULL);
        }
        return 0;
}

/* Tries until the body is complete, or no retry is left. Returns 0 or negative errno. */
static int get(struct mf_transfer *t, struct mayfly_error *err)
{
        for (unsigned tries = 0;;) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;

                enum mf_outcome outcome = try_once(t, &why);
                if (t->request->tried)
                        *t->request->tried = tries + 1;
                if (outcome == MF_TRY_DONE)
                        return 0;
                if (outcome == MF_TRY_RETRY && tries < t->request->retries) {
                        if (back_off(t, tries++) == 0)
                                continue;
                        return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->shown);
                }
                if (t->stop == MF_STOP_BODY_FAILED)
                        return t->body_error; /* body() has set its own error */
                if (outcome == MF_TRY_RETRY && tries > 0)
                        return mf_error(err, why.code, MAYFLY_STAGE_HTTP, "%.1500s (tried %u times)", why.message,
                                        tries + 1);
                return mf_error(err, why.code, MAYFLY_STAGE_HTTP, "%s", why.message);
        }
}

int mf_http_get(const struct mf_http_request *request, struct mayfly_error *err)
{
        struct mf_transfer t = { .request = request, .handed = request->offset };

        int r = mf_curl_load(MAYFLY_STAGE_HTTP, err);
        if (r < 0)
                return r;
        t.multi = mf_curl.multi_init();
        t.curl = mf_curl.easy_init();
        r = t.multi && t.curl ? get(&t, err) : mf_error_oom(err, MAYFLY_STAGE_HTTP);
        mf_curl.easy_cleanup(t.curl);
        mf_curl.multi_cleanup(t.multi);
        free(t.url);
        free(t.validator);
        return r;
}

struct mf_http_request mf_http_request(const char *url, const struct mayfly_image_options *options)
{
        return (struct mf_http_request){
                .url = url,
                .ca_file = options->ca_file,
                .allow_http = options->allow_http,
                .retries = options->retries,
                .stall_timeout_ms = mf_timeout_ms(options->stall_timeout_ms),
                .connect_timeout_ms = mf_timeout_ms(options->connect_timeout_ms),
        };
}

/* --- whole bodies ----------------------------------------------------------------------------------------------- */

struct reader {
        const struct mf_http_read *read;
        struct mf_buffer body;
};

static int on_body(void *userdata, const void *data, size_t size)
{
        struct reader *reader = userdata;

        if (size > reader->read->max - reader->body.size)
                return -EFBIG;
        return mf_buffer_add(&reader->body, data, size);
}

static int on_poll(void *userdata)
{
        const struct mf_http_read *read = ((const struct reader *) userdata)->read;

        return read->cancelled && read->cancelled(read->userdata);
}

int mf_http_read(struct mf_buffer *ret, const struct mf_http_read *read, int *ret_status, struct mayfly_error *err)
{
        struct mf_http_request request = mf_http_request(read->url, read->options);
        struct reader reader = { .read = read };
        enum mf_scheme scheme;
        int status = 0;

        request.body = on_body;
        request.cancelled = on_poll;
        request.status = &status;
        request.userdata = &reader;
        int r = mf_url_check(read->url, read->options->allow_http, &scheme, err);
        if (r == 0)
                r = mf_http_get(&request, err);
        if (r == -ENOMEM)
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
        if (ret_status)
                *ret_status = status;
        if (r < 0)
                mf_buffer_clear(&reader.body);
        else
                *ret = reader.body;
        return r;
}
