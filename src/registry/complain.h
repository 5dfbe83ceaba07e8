/* SPDX-License-Identifier: MIT */
#ifndef MF_COMPLAIN_H
#define MF_COMPLAIN_H

/* One request to an endpoint and its answer, and the message when it fails. */

#include "registry/endpoint.h"
#include "util/buffer.h"

#define MF_PAGE_MAX ((size_t) 4096) /* bytes of an error's page that are read */

struct mf_conversation {
        struct mf_endpoint *endpoint;
        struct mf_ask *ask;
        enum mf_challenge_scheme scheme; /* of the last challenge that was answered */
        const char *authorization;       /* what the request had, borrowed; NULL: nothing */
        uint64_t wrong_size;             /* the size that the answer claims, when it is not the one asked for */

        /* The last answer: */
        int status;
        unsigned tried;
        struct mf_challenge challenge;
        struct mf_buffer page;
        char retry_after[40];
        uint64_t says_size;
        struct mayfly_error why; /* of mf_http_get() */
};

/* Says why the request failed with r, in terms of the registry. Returns r, or a more exact code. */
int mf_complain(const struct mf_conversation *c, int r, struct mayfly_error *err);

#endif
