/* SPDX-License-Identifier: MIT */
#ifndef MF_TOKEN_H
#define MF_TOKEN_H

/* Answers a challenge: gets a Bearer token from the server that the challenge names (distribution specification, "token
 * authentication"), or sends user and password. */

#include <stdint.h>

#include <mayfly/image.h>

#include "registry/challenge.h"
#include "registry/credentials.h"

struct mf_token_request {
        const struct mf_challenge *challenge;
        const struct mf_login *login;
        const char *registry, *repository;
        int no_secrets; /* the registry is not reached safely: it gets no credentials */
        const struct mayfly_image_options *options;
        int (*cancelled)(void *userdata); /* may be NULL */
        void *userdata;
};

/* *ret is the value of the header Authorization, for mf_secret_free(), and good until *ret_expires_us (CLOCK_MONOTONIC). It is NULL
 * when there is nothing that could answer the challenge. Both are set on success only. Returns 0 or negative errno. */
int mf_token_get(char **ret, uint64_t *ret_expires_us, const struct mf_token_request *request,
                 struct mayfly_error *err);

#endif
