/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fetch/http.h"
#include "model/reference.h"
#include "registry/complain.h"
#include "registry/documents.h"
#include "registry/token.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"

struct mf_endpoint *mf_endpoint_new(char *base, char *registry, char *repository,
                                    const struct mayfly_image_options *options)
{
        struct mf_endpoint *endpoint = calloc(1, sizeof(*endpoint));

        if (!endpoint || !base || !registry || !repository) {
                free(endpoint);
                free(base);
                free(registry);
                free(repository);
                return NULL;
        }
        *endpoint = (struct mf_endpoint){
                .base = base, .registry = registry, .repository = repository, .options = options
        };
        pthread_mutex_init(&endpoint->lock, NULL);
        return endpoint;
}

struct mf_endpoint *mf_endpoint_free(struct mf_endpoint *endpoint)
{
        if (!endpoint)
                return NULL;
        pthread_mutex_destroy(&endpoint->lock);
        free(endpoint->base);
        free(endpoint->registry);
        free(endpoint->repository);
        mf_certs_clear(&endpoint->certs);
        mf_login_clear(&endpoint->login);
        mf_challenge_clear(&endpoint->challenge);
        mf_secret_free(endpoint->authorization);
        free(endpoint);
        return NULL;
}

static void secret_freep(char **secret)
{
        mf_secret_free(*secret);
}

/* --- what the endpoint speaks ------------------------------------------------------------------------------------ */

static int ignore_body(void *userdata, const void *data, size_t size)
{
        (void) userdata, (void) data, (void) size;
        return 0;
}

struct probe {
        const struct mf_ask *ask;
        int at_origin;
};

static void note_origin(void *userdata, int at_origin, const char *name, const char *value)
{
        (void) name, (void) value;
        ((struct probe *) userdata)->at_origin = at_origin;
}

static int poll_probe(void *userdata)
{
        const struct mf_ask *ask = ((const struct probe *) userdata)->ask;

        return ask->cancelled && ask->cancelled(ask->userdata);
}

/* Whether the error says nothing about what a server speaks: there may be none yet. */
static int is_unreachable(int r)
{
        return r == -ECONNREFUSED || r == -ETIMEDOUT;
}

/* Asks the base of the API with this scheme. *ret_at_origin is whether the answer, if any, came from there. Returns its status, 0
 * when a server does not answer in this scheme, or negative errno. */
static int try_scheme(struct mf_endpoint *endpoint, const char *scheme, unsigned retries, const struct mf_ask *ask,
                      int *ret_at_origin, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *url = NULL;
        const char *host = strstr(endpoint->base, "://") + 3;
        int status = 0;

        if (asprintf(&url, "%s://%.*s/v2/", scheme, (int) strcspn(host, "/"), host) < 0) {
                url = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        struct mf_http_request request = mf_http_request(url, endpoint->options);
        request.retries = retries;
        request.allow_http = 1;
        request.body = ignore_body;
        request.header = note_origin;
        request.cancelled = poll_probe;
        request.tls = &endpoint->certs.tls;
        request.status = &status;
        struct probe probe = { .ask = ask };
        request.userdata = &probe;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = mf_http_get(&request, &why);
        *ret_at_origin = probe.at_origin;
        if (r == -ENOMEM || r == -ECANCELED || (status == 0 && is_unreachable(r)))
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "the registry %.280s: %.1500s", endpoint->registry,
                                why.code ? why.message : "out of memory");
        return status > 0 ? status : r == -EKEYREJECTED ? r : 0;
}

/* Finds out whether a registry on loopback speaks http. It is asked again when there is no server yet. Returns 1, 0 for https, or
 * negative errno: -ETIMEDOUT when it may be either. */
static int speaks_http(struct mf_endpoint *endpoint, const struct mf_ask *ask, struct mayfly_error *err)
{
        unsigned retries = endpoint->options->retries;
        int at_origin = 0;

        int status = try_scheme(endpoint, "http", 0, ask, &at_origin, err);
        if (is_unreachable(status) && retries > 0)
                status = try_scheme(endpoint, "http", retries, ask, &at_origin, err);
        if (status < 0)
                return status == -EKEYREJECTED ? 0 : status;
        return status > 0 && status != 400 && at_origin;
}

/* Does the same for another host, which is asked with https first. Returns 1, 0, or negative errno: -ECONNREFUSED or -ETIMEDOUT when
 * it may be either. */
static int speaks_only_http(struct mf_endpoint *endpoint, const struct mf_ask *ask, struct mayfly_error *err)
{
        int at_origin = 0;

        int status = try_scheme(endpoint, "https", 0, ask, &at_origin, err);
        if (status > 0 || status == -EKEYREJECTED)
                return 0;
        if (status < 0 && !is_unreachable(status))
                return status;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        if (try_scheme(endpoint, "http", 0, ask, &at_origin, &why) > 0)
                return 1;
        return status;
}

/* Finds out whether the registry speaks https or http. On loopback http is tried first: a server for https answers it with an
 * error at once, while a server for http may wait for more. Elsewhere https is. *ret_is_known is 0 when the next request is to find
 * it out again, and this one is sent with https. Returns 0 or negative errno. */
static int find_scheme(struct mf_endpoint *endpoint, int is_loopback, const struct mf_ask *ask, int *ret_is_known,
                       struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = is_loopback ? speaks_http(endpoint, ask, &why) : speaks_only_http(endpoint, ask, &why);
        *ret_is_known = r >= 0;
        if (r == -ETIMEDOUT || (r == -ECONNREFUSED && !is_loopback))
                return 0;
        if (r < 0)
                return mf_error(err, r, why.stage, "%s", why.message);
        if (r == 0)
                return 0;
        char *base = NULL;
        if (asprintf(&base, "http%s", endpoint->base + strlen("https")) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        free(endpoint->base);
        endpoint->base = base;
        return 0;
}

/* Whether the host of a URL is this machine's loopback. */
static int is_loopback(const char *url)
{
        const char *host = strstr(url, "://") + 3;
        size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
        mf_cleanup(mf_freep) char *copy = strndup(host, n);

        return copy && mf_host_is_loopback(copy);
}

/* Whether what is sent there is readable for nobody else. */
static int is_safe(const struct mf_endpoint *endpoint)
{
        return strncasecmp(endpoint->base, "https:", 6) == 0 || is_loopback(endpoint->base);
}

/* Makes ready for the first request. Returns 0 or negative errno. */
static int prepare(struct mf_endpoint *endpoint, const struct mf_ask *ask, struct mayfly_error *err)
{
        int r = 0, is_known = 1;

        pthread_mutex_lock(&endpoint->lock);
        if (!endpoint->is_ready) {
                if (!endpoint->certs.directory)
                        r = mf_certs_load(&endpoint->certs, endpoint->registry, endpoint->options->ca_file, err);
                int loopback = is_loopback(endpoint->base);
                if (r == 0 && endpoint->probe && (loopback || endpoint->options->allow_http))
                        r = find_scheme(endpoint, loopback, ask, &is_known, err);
                endpoint->is_ready = r == 0 && is_known;
        }
        pthread_mutex_unlock(&endpoint->lock);
        return r;
}

/* --- challenges -------------------------------------------------------------------------------------------------- */

/* Answers endpoint->challenge; the lock is held. Returns 0 or negative errno. */
static int answer(struct mf_endpoint *endpoint, const struct mf_ask *ask, struct mayfly_error *err)
{
        char *authorization = NULL;
        int r = 0;

        if (!endpoint->knows_login)
                r = mf_login_find(&endpoint->login, endpoint->registry, endpoint->repository, ask->cancelled,
                                  ask->userdata, err);
        if (r < 0)
                return r;
        endpoint->knows_login = 1;
        const struct mf_token_request request = {
                .challenge = &endpoint->challenge,
                .login = &endpoint->login,
                .registry = endpoint->registry,
                .repository = endpoint->repository,
                .no_secrets = !is_safe(endpoint),
                .options = endpoint->options,
                .cancelled = ask->cancelled,
                .userdata = ask->userdata,
        };
        r = mf_token_get(&authorization, &endpoint->expires_us, &request, err);
        if (r == 0) {
                mf_secret_free(endpoint->authorization);
                endpoint->authorization = authorization;
        }
        return r;
}

/* Copies the value of Authorization for the next request, a new one if the last one has expired. Returns 0 or negative errno. */
static int take_authorization(struct mf_endpoint *endpoint, const struct mf_ask *ask, char **ret,
                              struct mayfly_error *err)
{
        int r = 0;

        pthread_mutex_lock(&endpoint->lock);
        if (endpoint->authorization && mf_now_us() > endpoint->expires_us)
                r = answer(endpoint, ask, err);
        *ret = NULL;
        if (r == 0 && endpoint->authorization && !(*ret = strdup(endpoint->authorization)))
                r = mf_error_oom(err, MAYFLY_STAGE_HTTP);
        pthread_mutex_unlock(&endpoint->lock);
        return r;
}

/* Takes over a challenge and answers it, unless another thread has done that since the request went out with `used`. Returns 0 or
 * negative errno; *ret is whether another request makes sense. */
static int take_challenge(struct mf_endpoint *endpoint, const struct mf_ask *ask, struct mf_challenge *challenge,
                          const char *used, int *ret, struct mayfly_error *err)
{
        int r = 0;

        pthread_mutex_lock(&endpoint->lock);
        if (!endpoint->authorization || (used && strcmp(endpoint->authorization, used) == 0)) {
                mf_challenge_clear(&endpoint->challenge);
                endpoint->challenge = *challenge;
                *challenge = (struct mf_challenge){ 0 };
                r = answer(endpoint, ask, err);
        }
        *ret = endpoint->authorization && (!used || strcmp(endpoint->authorization, used) != 0);
        pthread_mutex_unlock(&endpoint->lock);
        return r;
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

static void on_begin(void *userdata)
{
        struct mf_conversation *c = userdata;

        mf_challenge_clear(&c->challenge);
        c->page.size = 0;
        c->retry_after[0] = '\0';
        c->says_size = 0;
}

static void on_header(void *userdata, int at_origin, const char *name, const char *value)
{
        struct mf_conversation *c = userdata;

        if (strcasecmp(name, "WWW-Authenticate") == 0 && at_origin) {
                (void) mf_challenge_add(&c->challenge, value);
        } else if (strcasecmp(name, "Retry-After") == 0) {
                snprintf(c->retry_after, sizeof(c->retry_after), "%s", value);
        } else if (strcasecmp(name, "Content-Type") == 0) {
                free(c->ask->media_type);
                c->ask->media_type = strndup(value, strcspn(value, "; \t"));
        }
}

static void on_page(void *userdata, const void *data, size_t size)
{
        struct mf_conversation *c = userdata;
        size_t room = MF_PAGE_MAX - c->page.size;

        (void) mf_buffer_add(&c->page, data, size < room ? size : room);
}

static void on_total(void *userdata, uint64_t size)
{
        ((struct mf_conversation *) userdata)->says_size = size;
}

int mf_ask_take(struct mf_ask *ask, const void *data, size_t size)
{
        int r = ask->body(ask->userdata, data, size);

        if (r < 0)
                ask->sink_failed = 1;
        else
                ask->handed += size;
        return r;
}

int mf_ask_is_cancelled(const struct mf_ask *ask)
{
        return ask->cancelled && ask->cancelled(ask->userdata);
}

static int on_body(void *userdata, const void *data, size_t size)
{
        struct mf_conversation *c = userdata;
        struct mf_ask *ask = c->ask;

        if (ask->size && c->says_size && c->says_size != ask->size) {
                c->wrong_size = c->says_size;
                return -EBADMSG;
        }
        return mf_ask_take(ask, data, size);
}

static int on_poll(void *userdata)
{
        return mf_ask_is_cancelled(((const struct mf_conversation *) userdata)->ask);
}

/* Sends one request, with what mf_http_get() repeats. Returns 0 or negative errno. */
static int send_request(struct mf_conversation *c, const char *url, const char *authorization)
{
        struct mf_http_request request = mf_http_request(url, c->endpoint->options);

        request.body = on_body;
        request.total = on_total;
        request.begin = on_begin;
        request.header = on_header;
        request.page = on_page;
        request.cancelled = on_poll;
        request.status = &c->status;
        request.tried = &c->tried;
        request.userdata = c;
        request.accept = c->ask->accept;
        request.authorization = authorization;
        request.tls = &c->endpoint->certs.tls;
        request.immutable = strchr(c->ask->which, ':') != NULL; /* a tag may lead to another image any time */
        request.offset = c->ask->handed;
        mf_error_clear(&c->why);
        return mf_http_get(&request, &c->why);
}

/* Sends requests until one is answered, or the registry wants more than there is. Returns 0 or negative errno. */
static int converse(struct mf_conversation *c, const char *url, struct mayfly_error *err)
{
        for (int answered = 0;;) {
                mf_cleanup(secret_freep) char *authorization = NULL;
                uint64_t before = c->ask->handed;
                int is_new = 0;

                int r = take_authorization(c->endpoint, c->ask, &authorization, err);
                if (r < 0)
                        return r;
                c->authorization = authorization;
                r = send_request(c, url, authorization);
                if (r == 0)
                        return 0;
                if (c->ask->handed > before)
                        answered = 0; /* the token was good, but is no more */
                if (c->status != 401 || c->challenge.scheme == MF_CHALLENGE_NONE || answered)
                        return mf_complain(c, r, err);
                c->scheme = c->challenge.scheme;
                r = take_challenge(c->endpoint, c->ask, &c->challenge, authorization, &is_new, err);
                if (r < 0)
                        return r;
                if (!is_new)
                        return mf_complain(c, -EACCES, err);
                answered = 1;
        }
}

int mf_endpoint_get(struct mf_endpoint *endpoint, struct mf_ask *ask, struct mayfly_error *err)
{
        struct mf_conversation c = { .endpoint = endpoint, .ask = ask, .why = MAYFLY_ERROR_INIT };
        mf_cleanup(mf_freep) char *url = NULL;

        int r = prepare(endpoint, ask, err);
        if (r < 0)
                return r;
        if (asprintf(&url, "%s%s", endpoint->base, ask->path) < 0) {
                url = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        r = converse(&c, url, err);
        mf_challenge_clear(&c.challenge);
        mf_buffer_clear(&c.page);
        return r;
}
