/* SPDX-License-Identifier: MIT */
#ifndef MF_CERTS_H
#define MF_CERTS_H

/* The certificates for a registry, as docker and podman have them: in the directory HOST[:PORT] of ~/.config/containers/certs.d,
 * /etc/containers/certs.d and /etc/docker/certs.d are authorities to trust, *.crt, and the client's certificate, *.cert, with
 * its key, *.key. The first of these directories counts. */

#include <mayfly/error.h>

#include "fetch/http.h"

struct mf_certs {
        struct mf_http_tls tls; /* to hand to requests; its strings belong to it */
        char *directory;        /* NULL: there is none */
};

/* Reads the certificates for `registry`. `ca_file`, the caller's own, is trusted as well. *ret is for mf_certs_clear(), set on
 * success only. Returns 0 or negative errno. */
int mf_certs_load(struct mf_certs *ret, const char *registry, const char *ca_file, struct mayfly_error *err);
void mf_certs_clear(struct mf_certs *certs);

#endif
