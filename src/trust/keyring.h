/* SPDX-License-Identifier: MIT */
#ifndef MF_KEYRING_H
#define MF_KEYRING_H

/* The keyring: the keys that are trusted to sign images. Each key is a file:
 *
 *     DIRECTORY/prefix.d/<prefix, with "," for "/">/<fingerprint>    trusted for the image with that name, and for images
 *                                                                    whose names begin with it and a "/"
 *     DIRECTORY/root.d/<fingerprint>                                 trusted for every image
 *
 * The directories are those of the option, else those of $MAYFLY_TRUSTED_KEYS (with ":" between them), else
 * $XDG_CONFIG_HOME/mayfly/trustedkeys (~/.config/...) and /etc/mayfly/trustedkeys. A file is the public key with that
 * fingerprint, in ASCII armour. mayfly passes over files with other names. */

#include <stddef.h>
#include <time.h>

#include <mayfly/error.h>

#include "model/reference.h"
#include "trust/openpgp.h"

struct mf_trusted_key {
        char fingerprint[MF_FINGERPRINT_MAX + 1]; /* the name of the file, in upper case */
        char *prefix;                             /* NULL: for every name */
        char *path;
        char *data; /* of the file */
        size_t size;
        struct timespec changed; /* when the file was */
};

struct mf_keyring {
        struct mf_trusted_key *list; /* sorted by prefix (NULL first), then by fingerprint */
        size_t n, allocated;
};

/* Reads all keys. Missing directories are not an error. On success *ret is for mf_keyring_clear(). Returns 0, -EPERM when
 * other users could put keys there, or another negative errno. */
int mf_keyring_load(const char *option, struct mf_keyring *ret, struct mayfly_error *err);
void mf_keyring_clear(struct mf_keyring *keyring);

/* Whether a prefix is `name` or its first parts; NULL is the prefix of every name. */
int mf_keyring_covers(const char *prefix, const char *name);
/* Returns the entry that makes a key trusted for `name`, or NULL. */
const struct mf_trusted_key *mf_keyring_find(const struct mf_keyring *keyring, const char *fingerprint,
                                             const char *name);

/* Sets *ret to the digest of all files of a key, whatever prefixes they have: it changes when one of them does. Returns 0 or
 * -errno. */
int mf_keyring_digest(const struct mf_keyring *keyring, const char *fingerprint, char ret[MF_ID_LENGTH + 1]);

/* Writes the file of a key, or replaces it, in the first directory of the option or environment. By default root's keys are in
 * /etc, and other users' in their own configuration. *ret_path is allocated. Returns 0 or negative errno. */
int mf_keyring_write(const char *option, const char *prefix, const char *fingerprint, const void *data, size_t size,
                     char **ret_path, struct mayfly_error *err);

#endif
