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
#include "util/error.h"
#include "util/macro.h"

/* Decides whether a try is done, is to be repeated, or has failed, and sets the error. */

/* Sets the error for a file whose size changed. */
static enum mf_outcome changed(const struct mf_transfer *t, uint64_t from, uint64_t to, struct mayfly_error *err)
{
        mf_error(err, -ESTALE, MAYFLY_STAGE_HTTP,
                 "%s changed from %llu to %llu bytes while it was fetched; fetch it again", t->shown,
                 (unsigned long long) from, (unsigned long long) to);
        return MF_TRY_FAILED;
}

enum mf_outcome mf_classify_stop(struct mf_transfer *t, struct mayfly_error *err)
{
        const char *range;
        char of[32] = "";

        if (t->total)
                snprintf(of, sizeof(of), " of %llu", (unsigned long long) t->total);
        switch (t->stop) {
        case MF_STOP_CANCELLED:
                mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", t->shown);
                return MF_TRY_FAILED;
        case MF_STOP_STALLED:
                mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP,
                         "%s sent nothing for stall_timeout_ms = %u, after %llu%s bytes", t->shown,
                         t->request->stall_timeout_ms, (unsigned long long) t->handed, of);
                return MF_TRY_RETRY;
        case MF_STOP_HEADERS_TOO_LONG:
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                         "%s answers with more than %zu bytes of headers; ask the operator of the server", t->shown,
                         MF_HEADERS_MAX);
                return MF_TRY_FAILED;
        case MF_STOP_CHANGED:
                return changed(t, t->total, t->other, err);
        default: /* MF_STOP_RANGE_WRONG */
                range = mf_transfer_header(t, "Content-Range");
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP,
                         "%s was asked for its bytes from %llu on and answers with Content-Range: %.100s", t->shown,
                         (unsigned long long) t->handed, range ? range : "(none)");
                free(t->validator);
                t->validator = NULL; /* ask this server for no more ranges */
                return MF_TRY_RETRY;
        }
}

enum mf_outcome mf_classify_status(struct mf_transfer *t, long code, struct mayfly_error *err)
{
        int missing = code == 404 || code == 410, denied = code == 401 || code == 403;

        if (code == 416) {
                const char *range = mf_transfer_header(t, "Content-Range");
                uint64_t total;
                if (mf_parse_range_beyond(range, &total) && total == t->handed && t->handed > 0) {
                        t->total = t->total ? t->total : total;
                        t->other = total;
                        t->stop = t->total == total ? MF_GOING_ON : MF_STOP_CHANGED;
                        /* The body was complete: only its end was missing. */
                        return t->stop ? mf_classify_stop(t, err) : MF_TRY_DONE;
                }
                free(t->validator);
                t->validator = NULL; /* ask for no more ranges */
        }
        mf_error(err,
                 missing  ? -ENOENT
                 : denied ? -EACCES
                          : -EIO,
                 MAYFLY_STAGE_HTTP, "%s answers %ld%s", t->shown, code,
                 missing       ? " (no such image); check the URL"
                 : denied      ? " (access denied); check the URL, its user and password"
                 : code >= 500 ? " (server error); try again later"
                               : "");
        return code >= 500 || code == 408 || code == 429 || code == 416 ? MF_TRY_RETRY : MF_TRY_FAILED;
}

enum mf_outcome mf_classify_body(struct mf_transfer *t, struct mayfly_error *err)
{
        if (t->skip == 0 && (t->total == 0 || t->handed == t->total))
                return MF_TRY_DONE;
        if (t->skip > 0 || t->handed > t->total)
                return changed(t, t->skip ? t->handed : t->total, t->handed - t->skip, err);
        mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s ended after %llu of %llu bytes", t->shown,
                 (unsigned long long) t->handed, (unsigned long long) t->total);
        return MF_TRY_RETRY;
}

#define HINT_MAX 400

/* Returns the environment variable that libcurl takes the proxy for `url` from; NULL when there is none. */
static const char *find_proxy_variable(const char *url)
{
        static const char *const https[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL };
        static const char *const http[] = { "http_proxy", "all_proxy", "ALL_PROXY", NULL };
        mf_cleanup(mf_curl_freep) char *host = mf_url_part(url, CURLUPART_HOST, 0);

        if (!host || mf_host_is_loopback(host))
                return NULL;
        for (const char *const *name = strncasecmp(url, "https:", 6) == 0 ? https : http; *name; name++) {
                const char *value = getenv(*name);
                if (value && *value)
                        return *name;
        }
        return NULL;
}

/* Writes a hint when the environment names a proxy for `url`, and nothing otherwise. libcurl's own message does
 * not name the proxy's port in all versions. The proxy's user and password stay secret. */
static void write_proxy_hint(char hint[HINT_MAX], const char *url)
{
        const char *variable = find_proxy_variable(url), *value = variable ? getenv(variable) : NULL;
        mf_cleanup(mf_freep) char *proxy = NULL;

        hint[0] = '\0';
        if (!value)
                return;
        if (asprintf(&proxy, "%s%s", strstr(value, "://") ? "" : "http://", value) < 0)
                proxy = NULL;
        mf_cleanup(mf_curl_freep) char *host = proxy ? mf_url_part(proxy, CURLUPART_HOST, 0) : NULL;
        mf_cleanup(mf_curl_freep) char *port = proxy ? mf_url_part(proxy, CURLUPART_PORT, 0) : NULL;
        snprintf(hint, HINT_MAX,
                 "; the proxy is that of the environment variable %s%s%.200s%s%.5s: check it, or add the host to "
                 "no_proxy",
                 variable, host ? ", " : "", host ? host : "", host && port ? " port " : "", host && port ? port : "");
}

/* Says after how many bytes the connection ended, and `detail`, where curl has one. */
static void cut_off(struct mf_transfer *t, const char *detail, struct mayfly_error *err)
{
        char of[32] = "";

        if (t->total)
                snprintf(of, sizeof(of), " of %llu", (unsigned long long) t->total);
        mf_error(err, -EIO, MAYFLY_STAGE_HTTP,
                 detail ? "%s: %s, after %llu%s bytes" : "%s%s was cut off after %llu%s bytes", t->shown,
                 detail ? detail : "", (unsigned long long) t->handed, of);
}

/* Says that the certificate of the server, or the file of certificates, was no use. Returns MF_TRY_FAILED. */
static enum mf_outcome untrusted(struct mf_transfer *t, CURLcode code, const char *detail, struct mayfly_error *err)
{
        if (code == CURLE_PEER_FAILED_VERIFICATION)
                mf_error(err, -EKEYREJECTED, MAYFLY_STAGE_HTTP,
                         "%s: %s; if the server's certificate is from an authority of your own, name the file with "
                         "that authority's certificate in MAYFLY_CA_FILE",
                         t->shown, detail);
        else
                mf_error(err, t->request->ca_file ? -EINVAL : -ENOENT, MAYFLY_STAGE_HTTP, "%s: %s; %s", t->shown,
                         detail,
                         t->request->ca_file ? "the CA file must have certificates in PEM"
                                             : "install ca-certificates, or set MAYFLY_CA_FILE to a CA file");
        return MF_TRY_FAILED;
}

/* Says why there was no connection, or why it was lost. Returns MF_TRY_RETRY, or MF_TRY_FAILED for all other codes. */
static enum mf_outcome unconnected(struct mf_transfer *t, CURLcode code, const char *detail, struct mayfly_error *err)
{
        char hint[HINT_MAX];

        write_proxy_hint(hint, t->url);
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_HTTP, "%s: %s (connect_timeout_ms = %u)", t->shown, detail,
                         t->request->connect_timeout_ms);
                return MF_TRY_RETRY;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                mf_error(err, -EHOSTUNREACH, MAYFLY_STAGE_HTTP, "%s: %s; check the name and this host's DNS%s",
                         t->shown, detail, hint);
                return MF_TRY_RETRY;
        case CURLE_COULDNT_CONNECT:
                mf_error(err, -ECONNREFUSED, MAYFLY_STAGE_HTTP, "%s: %s%s", t->shown, detail, hint);
                return MF_TRY_RETRY;
        case CURLE_SSL_CONNECT_ERROR: /* also a connection lost in the handshake */
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                cut_off(t, detail, err);
                return MF_TRY_RETRY;
        default:
                mf_error(err, -EIO, MAYFLY_STAGE_HTTP, "%s: %s", t->shown, detail);
                return MF_TRY_FAILED;
        }
}

enum mf_outcome mf_classify_failure(struct mf_transfer *t, CURLcode code, struct mayfly_error *err)
{
        const char *detail = t->curl_error[0] ? t->curl_error : mf_curl.easy_strerror(code);

        if (code == CURLE_PARTIAL_FILE && !t->begun && !mf_transfer_is_file(t) && mf_transfer_status(t) == 200)
                mf_transfer_begin_body(t); /* cut off before the first byte, but the headers have the size */
        switch (code) {
        case CURLE_OUT_OF_MEMORY:
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
                return MF_TRY_FAILED;
        case CURLE_PARTIAL_FILE:
                cut_off(t, NULL, err);
                return MF_TRY_RETRY;
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_WEIRD_SERVER_REPLY:
                if (mf_transfer_is_file(t) || strncasecmp(t->url, "http", 4) != 0)
                        return unconnected(t, code, detail, err);
                mf_error(err, -EPROTO, MAYFLY_STAGE_HTTP, "%s does not answer in HTTP (%s); check the URL", t->shown,
                         detail);
                return MF_TRY_FAILED;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
                return untrusted(t, code, detail, err);
        default:
                return unconnected(t, code, detail, err);
        }
}
