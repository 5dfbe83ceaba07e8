/* SPDX-License-Identifier: MIT */
#ifndef MF_ENDPOINT_H
#define MF_ENDPOINT_H

/* One place that serves a repository: the registry itself or a mirror. It answers challenges, and keeps what they bring for the
 * next request. Several threads may use it at once. */

#include <pthread.h>
#include <stdint.h>

#include <mayfly/image.h>

#include "registry/certs.h"
#include "registry/challenge.h"
#include "registry/credentials.h"

struct mf_endpoint {
        char *base;       /* "https://registry-1.docker.io/v2/library/redis/" */
        char *registry;   /* host or host:port that credentials and certificates are for, "docker.io" */
        char *repository; /* "library/redis" */
        int is_mirror;
        int probe; /* whether it is https or http is still to be found out */
        const struct mayfly_image_options *options;

        pthread_mutex_t lock; /* for all that follows */
        int is_ready;         /* the scheme is known, the certificates are loaded */
        int knows_login;      /* the credentials were looked for */
        struct mf_certs certs;
        struct mf_login login;
        struct mf_challenge challenge; /* the last one that was answered */
        char *authorization;           /* its answer; NULL: none */
        uint64_t expires_us;           /* of the answer, on CLOCK_MONOTONIC */
};

/* Takes over the strings, which may be NULL when memory was short. Returns NULL when memory is short. `options` must outlive it. */
struct mf_endpoint *mf_endpoint_new(char *base, char *registry, char *repository,
                                    const struct mayfly_image_options *options);
/* NULL is fine; returns NULL. */
struct mf_endpoint *mf_endpoint_free(struct mf_endpoint *endpoint);

/* One document or blob to get. */
struct mf_ask {
        const char *kind;   /* for messages: "manifest", "blob" */
        const char *which;  /* the digest or tag */
        const char *path;   /* below the endpoint's base */
        const char *accept; /* may be NULL */
        uint64_t size;      /* bytes it has; 0: unknown */
        /* As in struct mf_http_request. An error of body() is returned as it is, and then sink_failed is set. */
        int (*body)(void *userdata, const void *data, size_t size);
        int (*cancelled)(void *userdata); /* may be NULL */
        void *userdata;

        uint64_t handed;  /* bytes that body() has taken; begin with 0, and keep it for the next endpoint */
        char *media_type; /* of the answer, allocated; NULL: none */
        int sink_failed;
};

/* Gets it. Returns 0 or negative errno. */
int mf_endpoint_get(struct mf_endpoint *endpoint, struct mf_ask *ask, struct mayfly_error *err);
/* Hands a piece of the body on, and asks whether to stop, for what gets the body in another way. */
int mf_ask_take(struct mf_ask *ask, const void *data, size_t size);
int mf_ask_is_cancelled(const struct mf_ask *ask);

#endif
