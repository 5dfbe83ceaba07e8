/* SPDX-License-Identifier: MIT */
#ifndef MF_CREDENTIALS_H
#define MF_CREDENTIALS_H

/* Finds the credentials that "podman login" and "docker login" keep: in $REGISTRY_AUTH_FILE alone, where it is set; else in the
 * first of these that knows the registry:
 *
 *     $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/UID/auth.json)
 *     $XDG_CONFIG_HOME/containers/auth.json (~/.config/containers/auth.json)
 *     $DOCKER_CONFIG/config.json (~/.docker/config.json)
 */

#include <mayfly/error.h>

#include "registry/documents.h"

#define MF_CREDENTIALS_NOTE_MAX 512

struct mf_login {
        struct mf_credentials credentials;
        char *where; /* the file or program that they are from; NULL: there are none */
        /* What kept mayfly from looking everywhere, for the message when they are wanted; or empty. */
        char note[MF_CREDENTIALS_NOTE_MAX];
};

/* Looks for the credentials for a repository. *ret is for mf_login_clear(), set on success only; it is empty when there are none.
 * `cancelled` (may be NULL) is polled. Returns 0 or negative errno. */
int mf_login_find(struct mf_login *ret, const char *registry, const char *repository, int (*cancelled)(void *userdata),
                  void *userdata, struct mayfly_error *err);
void mf_login_clear(struct mf_login *login);

#endif
