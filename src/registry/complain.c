/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/complain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "registry/documents.h"
#include "util/error.h"
#include "util/macro.h"

#define LOG_IN "log in with \"podman login %.200s\" or \"docker login %.200s\""

/* Writes the status and what the page says. */
static void describe(const struct mf_conversation *c, char ret[MF_PAGE_SHOWN_MAX + 32])
{
        char page[MF_PAGE_SHOWN_MAX];

        mf_error_page_show(page, c->page.data, c->page.size, &c->endpoint->login.credentials, c->authorization);
        snprintf(ret, MF_PAGE_SHOWN_MAX + 32, "%d%s%s", c->status, *page ? ": " : "", page);
}

/* Writes "the registry HOST" or "the mirror HOST". */
static void name_endpoint(const struct mf_conversation *c, char ret[320])
{
        snprintf(ret, 320, "the %s %.280s", c->endpoint->is_mirror ? "mirror" : "registry", c->endpoint->registry);
}

/* For an answer that denies access: says whether credentials were sent, and what to do. Returns -EACCES. */
static int denied(const struct mf_conversation *c, const char *endpoint, const char *answer, struct mayfly_error *err)
{
        const char *registry = c->endpoint->registry, *repository = c->endpoint->repository;
        const struct mf_login *login = &c->endpoint->login;
        int is_plain = strncasecmp(c->endpoint->base, "https:", 6) != 0;

        if (c->scheme == MF_CHALLENGE_OTHER)
                return mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                                "%s wants credentials of the kind \"%.60s\" for %.300s, and mayfly has only Bearer and "
                                "Basic; ask "
                                "the operator of the registry",
                                endpoint, c->endpoint->challenge.name, repository);
        if (login->where && is_plain && !c->authorization)
                return mf_error(
                        err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s denies access to %.300s without credentials (%s), and mayfly does not send those of %.300s "
                        "over plain http; use https",
                        endpoint, repository, answer, login->where);
        if (login->where)
                return mf_error(
                        err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s denies access to %.300s with the credentials from %.300s (%s); check the name, or " LOG_IN
                        " as a user who may read it",
                        endpoint, repository, login->where, answer, registry, registry);
        return mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s denies access to %.300s without credentials (%s); check the name, or " LOG_IN "%s%s",
                        endpoint, repository, answer, registry, registry, login->note[0] ? "; " : "", login->note);
}

/* For an answer with another status than 200 and 206. Returns a negative errno. */
static int answered(const struct mf_conversation *c, const char *endpoint, struct mayfly_error *err)
{
        char answer[MF_PAGE_SHOWN_MAX + 32], tries[40] = "";
        const struct mf_ask *ask = c->ask;

        describe(c, answer);
        if (c->tried > 1)
                snprintf(tries, sizeof(tries), " (tried %u times)", c->tried);
        if (c->status == 401 || c->status == 403)
                return denied(c, endpoint, answer, err);
        if (c->status == 404 || c->status == 410)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_HTTP,
                                "%s has no %s %.150s of %.300s (%s); check the name and the %s", endpoint, ask->kind,
                                ask->which, c->endpoint->repository, answer,
                                strchr(ask->which, ':') ? "digest" : "tag");
        if (c->status == 429)
                return mf_error(
                        err, -EBUSY, MAYFLY_STAGE_HTTP,
                        "%s limits how often it may be asked (%s)%s, and wants a pause of %s; try again later%s%s%s%s",
                        endpoint, answer, tries, c->retry_after[0] ? c->retry_after : "unknown length",
                        c->authorization ? "" : ", or log in with \"podman login ",
                        c->authorization ? "" : c->endpoint->registry, c->authorization ? "" : "\"",
                        ", or use a mirror");
        return mf_error(err, -EIO, MAYFLY_STAGE_HTTP,
                        "%s answers %s when asked for the %s %.150s of %.300s%s; try again later", endpoint, answer,
                        ask->kind, ask->which, c->endpoint->repository, tries);
}

/* Returns whether the server ended the connection over the client's certificate. Servers differ in the alert, and versions of
 * OpenSSL in the words before it. */
static int is_about_own_certificate(const char *message)
{
        static const char *const alerts[] = {
                "alert bad certificate",        "certificate required",      "alert unknown ca",
                "alert certificate expired",    "alert certificate unknown", "alert certificate revoked",
                "alert unsupported certificate"
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(alerts); i++)
                if (strstr(message, alerts[i]))
                        return 1;
        return 0;
}

static int complain(const struct mf_conversation *c, int r, struct mayfly_error *err)
{
        char endpoint[320];

        name_endpoint(c, endpoint);
        if (c->wrong_size)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                "%s sends %llu bytes for the %s %.150s of %.300s, which has %llu; ask the operator of "
                                "the registry",
                                endpoint, (unsigned long long) c->wrong_size, c->ask->kind, c->ask->which,
                                c->endpoint->repository, (unsigned long long) c->ask->size);
        if (r == -EKEYREJECTED)
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "%.1500s, or in /etc/docker/certs.d/%.200s/ca.crt",
                                c->why.message, c->endpoint->registry);
        if (is_about_own_certificate(c->why.message))
                return mf_error(
                        err, -EACCES, MAYFLY_STAGE_HTTP,
                        "%s wants a certificate of the client%s (%.1000s); put it into /etc/docker/certs.d/%.200s, as "
                        "client.cert and client.key",
                        endpoint, c->endpoint->certs.tls.certificate ? ", and does not take the one that it got" : "",
                        c->why.message, c->endpoint->registry);
        if (r != -ECANCELED && c->status != 0 && c->status / 100 != 2 && c->status / 100 != 3)
                return answered(c, endpoint, err);
        /* A server that wants a certificate may end the connection before its alert is read. */
        int is_shut = r == -EIO && c->status == 0 && strncasecmp(c->endpoint->base, "https:", 6) == 0;
        return mf_error(err, r, c->why.stage ? c->why.stage : MAYFLY_STAGE_HTTP, "%s: %.1500s%s%.200s%s", endpoint,
                        c->why.code ? c->why.message : strerror(-r),
                        is_shut ? "; if it wants a certificate of the client, put that into /etc/docker/certs.d/" : "",
                        is_shut ? c->endpoint->registry : "", is_shut ? ", as client.cert and client.key" : "");
}

int mf_complain(const struct mf_conversation *c, int r, struct mayfly_error *err)
{
        if (c->ask->sink_failed)
                return r;
        pthread_mutex_lock(&c->endpoint->lock); /* the message shows what other threads may replace */
        r = complain(c, r, err);
        pthread_mutex_unlock(&c->endpoint->lock);
        return r;
}
