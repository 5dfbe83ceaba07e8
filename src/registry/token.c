/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/http.h"
#include "model/reference.h"
#include "model/show.h"
#include "registry/documents.h"
#include "util/base64.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"

#define ANSWER_MAX ((size_t) 256 * 1024)
#define PAGE_MAX 4096U
#define LOG_IN "log in with \"podman login %.200s\" or \"docker login %.200s\""

struct exchange {
        const struct mf_token_request *request;
        struct mf_buffer answer, page;
        int status;
};

static void secret_freep(char **secret)
{
        mf_secret_free(*secret);
}

static int on_body(void *userdata, const void *data, size_t size)
{
        struct exchange *exchange = userdata;

        if (size > ANSWER_MAX - exchange->answer.size)
                return -EFBIG;
        return mf_buffer_add(&exchange->answer, data, size);
}

static void on_begin(void *userdata)
{
        mf_buffer_clear(&((struct exchange *) userdata)->page);
}

static void on_page(void *userdata, const void *data, size_t size)
{
        struct exchange *exchange = userdata;
        size_t room = PAGE_MAX - exchange->page.size;

        (void) mf_buffer_add(&exchange->page, data, size < room ? size : room);
}

static int on_poll(void *userdata)
{
        const struct mf_token_request *request = ((const struct exchange *) userdata)->request;

        return request->cancelled && request->cancelled(request->userdata);
}

/* Returns "Basic ..." for user and password, for mf_secret_free(); NULL when memory is short. */
static char *basic_of(const struct mf_credentials *credentials)
{
        mf_cleanup(secret_freep) char *plain = NULL, *encoded = NULL;
        char *ret = NULL;

        if (asprintf(&plain, "%s:%s", credentials->user, credentials->password) < 0)
                plain = NULL;
        encoded = plain ? mf_base64_encode(plain, strlen(plain)) : NULL;
        return encoded && asprintf(&ret, "Basic %s", encoded) >= 0 ? ret : NULL;
}

/* Returns "Bearer TOKEN", for mf_secret_free(); NULL when memory is short. */
static char *bearer_of(const char *token)
{
        char *ret = NULL;

        return asprintf(&ret, "Bearer %s", token) < 0 ? NULL : ret;
}

/* Returns "service=...&scope=...", encoded and allocated; NULL when memory is short. */
static char *query_of(const struct mf_token_request *request)
{
        mf_cleanup(mf_freep) char *scope = NULL, *encoded_scope = NULL, *encoded_service = NULL;
        const struct mf_challenge *challenge = request->challenge;
        char *ret = NULL;

        if (challenge->scope)
                scope = strdup(challenge->scope);
        else if (asprintf(&scope, "repository:%s:pull", request->repository) < 0)
                scope = NULL;
        encoded_scope = scope ? mf_url_encode(scope) : NULL;
        encoded_service = mf_url_encode(challenge->service ? challenge->service : "");
        if (!encoded_scope || !encoded_service)
                return NULL;
        if (asprintf(&ret, "%s%s%sscope=%s", challenge->service ? "service=" : "", encoded_service,
                     challenge->service ? "&" : "", encoded_scope) < 0)
                return NULL;
        return ret;
}

/* --- the token server -------------------------------------------------------------------------------------------- */

/* Says why there is no token. `why` is the error of the request. Returns r. */
static int complain(const struct exchange *exchange, int r, const char *realm, const char *where,
                    const struct mayfly_error *why, struct mayfly_error *err)
{
        const char *registry = exchange->request->registry;
        char page[MF_PAGE_SHOWN_MAX];

        mf_error_page_show(page, exchange->page.data, exchange->page.size, &exchange->request->login->credentials,
                           NULL);
        const char *colon = *page ? ": " : "";
        if (r == -EFBIG)
                return mf_error(err, r, MAYFLY_STAGE_HTTP,
                                "the token server %s of the registry %.200s sends more than %zu bytes, which is no "
                                "token; ask the "
                                "operator of the registry",
                                realm, registry, ANSWER_MAX);
        if (exchange->status >= 404)
                return mf_error(err, -EIO, MAYFLY_STAGE_HTTP,
                                "the token server %s of the registry %.200s answers %d%s%s; try again later, or ask "
                                "the operator of "
                                "the registry",
                                realm, registry, exchange->status, colon, page);
        if (exchange->status < 400)
                return mf_error(err, r, why->stage ? why->stage : MAYFLY_STAGE_HTTP,
                                "there is no token for the registry %.200s: %.1500s", registry,
                                why->code ? why->message : "out of memory");
        if (where)
                return mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                                "the token server %s of the registry %.200s refuses the credentials from %.300s "
                                "(%d%s%s); " LOG_IN " again",
                                realm, registry, where, exchange->status, colon, page, registry, registry);
        return mf_error(
                err, -EACCES, MAYFLY_STAGE_HTTP,
                "the token server %s of the registry %.200s gives no token without credentials (%d%s%s); " LOG_IN
                "%s%s",
                realm, registry, exchange->status, colon, page, registry, registry,
                exchange->request->login->note[0] ? "; " : "", exchange->request->login->note);
}

/* Reads the token of the answer. Returns 0 or negative errno. */
static int take_token(const struct exchange *exchange, const char *realm, char **ret, uint64_t *ret_expires_us,
                      struct mayfly_error *err)
{
        struct mf_token token = { 0 };
        const char *why;

        int r = mf_token_parse(&token, exchange->answer.data ? exchange->answer.data : "", exchange->answer.size, &why);
        if (r == -EBADMSG)
                return mf_error(
                        err, r, MAYFLY_STAGE_HTTP,
                        "the answer of the token server %s of the registry %.200s %s; ask the operator of the registry",
                        realm, exchange->request->registry, why);
        char *text = r == 0 ? bearer_of(token.text) : NULL;
        mf_secret_free(token.text);
        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        *ret = text;
        *ret_expires_us = mf_now_us() + token.expires_s * 900000; /* some time before it expires */
        return 0;
}

/* Asks the token server. `authorization` and `form` may be NULL. Returns 0 or negative errno. */
static int ask(const struct mf_token_request *request, const char *url, const char *authorization, const char *form,
               char **ret, uint64_t *ret_expires_us, struct mayfly_error *err)
{
        struct mf_http_request http = mf_http_request(url, request->options);
        struct exchange exchange = { .request = request };
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char realm[MF_SHOWN_MAX];

        http.body = on_body;
        http.begin = on_begin;
        http.page = on_page;
        http.cancelled = on_poll;
        http.status = &exchange.status;
        http.userdata = &exchange;
        http.authorization = authorization;
        http.form = form;
        mf_show_url(realm, request->challenge->realm, 1);
        int r = mf_http_get(&http, &why);
        if (r < 0)
                r = complain(&exchange, r, realm, authorization || form ? request->login->where : NULL, &why, err);
        else
                r = take_token(&exchange, realm, ret, ret_expires_us, err);
        if (exchange.answer.data)
                explicit_bzero(exchange.answer.data, exchange.answer.size);
        mf_buffer_clear(&exchange.answer);
        mf_buffer_clear(&exchange.page);
        return r;
}

/* Checks the URL of the token server: it gets the password, so plain http is for loopback only. *ret_secrets is whether it may have
 * credentials. Returns 0 or negative errno. */
static int check_realm(const struct mf_token_request *request, int *ret_secrets, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const char *realm = request->challenge->realm;
        enum mf_scheme scheme;

        int r = mf_url_check(realm, 0, &scheme, &why);
        *ret_secrets = r == 0 && scheme != MF_SCHEME_FILE;
        if (r < 0 && request->options->allow_http)
                r = mf_url_check(realm, 1, &scheme, NULL);
        for (const char *p = realm; *p && r == 0; p++)
                if (*p <= ' ' || *p == 0x7f)
                        r = -EINVAL;
        if (r == 0 && scheme != MF_SCHEME_FILE)
                return 0;
        char shown[MF_SHOWN_MAX];
        mf_show_url(shown, realm, 1);
        return mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                        "the registry %.200s names the token server \"%s\", which is neither https nor on this host; "
                        "mayfly does "
                        "not ask it; ask the operator of the registry",
                        request->registry, shown);
}

/* Gets a token with the refresh token that takes the place of a password (OAuth 2). Returns 0 or negative errno. */
static int get_by_identity(const struct mf_token_request *request, const char *query, char **ret,
                           uint64_t *ret_expires_us, struct mayfly_error *err)
{
        mf_cleanup(secret_freep) char *encoded = mf_url_encode(request->login->credentials.identity_token),
                                      *form = NULL;

        if (!encoded ||
            asprintf(&form, "grant_type=refresh_token&client_id=mayfly&%s&refresh_token=%s", query, encoded) < 0) {
                form = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        return ask(request, request->challenge->realm, NULL, form, ret, ret_expires_us, err);
}

/* Gets a token, with user and password where they are known. Returns 0 or negative errno. */
static int get_by_password(const struct mf_token_request *request, const char *query, int secrets, char **ret,
                           uint64_t *ret_expires_us, struct mayfly_error *err)
{
        const char *realm = request->challenge->realm;
        mf_cleanup(mf_freep) char *url = NULL;
        mf_cleanup(secret_freep) char *basic = NULL;

        if (asprintf(&url, "%s%c%s", realm, strchr(realm, '?') ? '&' : '?', query) < 0)
                url = NULL;
        if (secrets && request->login->credentials.user)
                basic = basic_of(&request->login->credentials);
        if (!url || (secrets && request->login->credentials.user && !basic))
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        return ask(request, url, basic, NULL, ret, ret_expires_us, err);
}

static int get_bearer(const struct mf_token_request *request, char **ret, uint64_t *ret_expires_us,
                      struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *query = query_of(request);
        int secrets = 0;

        int r = query ? check_realm(request, &secrets, err) : mf_error_oom(err, MAYFLY_STAGE_HTTP);
        if (r < 0)
                return r;
        secrets = secrets && !request->no_secrets;
        if (secrets && request->login->credentials.identity_token)
                return get_by_identity(request, query, ret, ret_expires_us, err);
        return get_by_password(request, query, secrets, ret, ret_expires_us, err);
}

int mf_token_get(char **ret, uint64_t *ret_expires_us, const struct mf_token_request *request, struct mayfly_error *err)
{
        const struct mf_credentials *credentials = &request->login->credentials;
        enum mf_challenge_scheme scheme = request->challenge->scheme;
        int is_token = credentials->registry_token && scheme == MF_CHALLENGE_BEARER;

        if (scheme == MF_CHALLENGE_BEARER && !is_token)
                return get_bearer(request, ret, ret_expires_us, err);
        char *authorization = NULL;
        if (!request->no_secrets && (is_token || (scheme == MF_CHALLENGE_BASIC && credentials->user))) {
                authorization = is_token ? bearer_of(credentials->registry_token) : basic_of(credentials);
                if (!authorization)
                        return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        *ret = authorization;
        *ret_expires_us = UINT64_MAX;
        return 0;
}
