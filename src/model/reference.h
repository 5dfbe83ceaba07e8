/* SPDX-License-Identifier: MIT */
#ifndef MF_REFERENCE_H
#define MF_REFERENCE_H

/* An image reference: "aci:URL@sha512-<128 hex>", or the same with a name in place of the URL; or
 * "oci:REGISTRY/NAME[:TAG]@sha256:<64 hex>", or the same with the URL of a file or directory. */

#include <mayfly/error.h>

#include "model/image-id.h"
#include "model/image-name.h"

enum mf_scheme { MF_SCHEME_HTTPS, MF_SCHEME_HTTP, MF_SCHEME_FILE };

enum mf_format { MF_FORMAT_ACI = 0, MF_FORMAT_OCI };

struct mf_reference {
        enum mf_format format;
        char *url;                  /* the URL to fetch; NULL when there is a name */
        enum mf_scheme scheme;      /* of url */
        struct mf_image_name *name; /* the image to look for; NULL when there is a URL */
        char id[MF_ID_LENGTH + 1];  /* the pin, lower case; empty without one. For OCI with "-", as in the store */
        char *repository;           /* OCI: the image in a registry, "redis:7.2" as written; NULL when there is a URL */
};

/* Whether a host name or address literal ("localhost", 127.0.0.0/8, ::1, [::1]) is this machine's loopback. */
int mf_host_is_loopback(const char *host);

/* Parses a reference. http: to a host that is not loopback is an error unless `allow_http` is set. On success *ret is for
 * mf_reference_clear(); on failure it is untouched. Returns 0 or negative errno. */
int mf_reference_parse(struct mf_reference *ret, const char *text, int allow_http, struct mayfly_error *err);

/* Parses a reference that "aci:" and the pin may be missing from, for a caller that is to find the pin. *ret_bare, allocated, is
 * the text with "aci:" and without the pin. Returns 0 or negative errno. */
int mf_reference_parse_unpinned(struct mf_reference *ret, char **ret_bare, const char *text, int allow_http,
                                struct mayfly_error *err);

#define MF_HINT_MAX 600

/* Sets *ret to a hint for a text that is not a reference, or leads to no image: a file may be meant, or an image for Docker. The
 * hint continues a message ("; ..."), or is empty. */
void mf_reference_hint(const char *text, char ret[MF_HINT_MAX]);

/* Checks that mayfly may fetch from a URL: https, file, http to loopback, or, with `allow_http`, any http. Returns 0 or
 * -EINVAL. */
int mf_url_check(const char *url, int allow_http, enum mf_scheme *ret, struct mayfly_error *err);

void mf_reference_clear(struct mf_reference *reference);

#endif
