/* SPDX-License-Identifier: MIT */
#ifndef CERTS_H
#define CERTS_H

/* Certificates made for a test. */

struct authority;

/* One that signs, and whose own certificate is written to `path` (PEM), by whose last part it is called. */
struct authority *authority_new(const char *path);
/* Signs a server's certificate for `names` ("DNS:localhost,IP:127.0.0.1"), good from now - 2 days for `seconds`, and
 * writes it with its key to `path` (PEM). */
void authority_sign(struct authority *authority, const char *names, long seconds, const char *path);
void authority_free(struct authority *authority);

#endif
