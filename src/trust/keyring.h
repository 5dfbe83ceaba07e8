/* SPDX-License-Identifier: MIT */
#ifndef MF_KEYRING_H
#define MF_KEYRING_H

/* The keyring: the keys that are trusted to sign images, as files in folders:
 *
 *     FOLDER/prefix.d/<prefix, "," for "/">/<fingerprint>    for the image of that name, and those whose names begin
 *                                                            with it and a "/"
 *     FOLDER/root.d/<fingerprint>                            for every image
 *
 * FOLDER is each of the option, else of $MAYFLY_TRUSTED_KEYS (several are separated by ":"), else
 * $XDG_CONFIG_HOME/mayfly/trustedkeys (~/.config/...) and /etc/mayfly/trustedkeys. A file is a public key that has this
 * fingerprint, in ASCII armour. Other names are passed over. */

#include <stddef.h>
#include <time.h>

#include <mayfly/error.h>

#include "model/reference.h"
#include "trust/openpgp.h"

struct mf_trusted_key {
        char fingerprint[MF_FINGERPRINT_MAX + 1]; /* upper case; what the file's name says */
        char *prefix;                             /* NULL: for every name */
        char *path;
        char *data; /* the file's */
        size_t size;
        struct timespec changed; /* likewise */
};

struct mf_keyring {
        struct mf_trusted_key *list; /* by prefix (every name first), then by fingerprint */
        size_t n, allocated;
};

/* -EPERM when others could put keys there; -EINVAL; no folder is no error. On success *ret is for mf_keyring_clear().
 */
int mf_keyring_load(const char *option, struct mf_keyring *ret, struct mayfly_error *err);
void mf_keyring_clear(struct mf_keyring *keyring);

/* Whether a prefix (NULL is every name's) is `name`, or some of its first parts. */
int mf_keyring_covers(const char *prefix, const char *name);
/* The entry that makes a key trusted for `name`, or NULL. */
const struct mf_trusted_key *mf_keyring_find(const struct mf_keyring *keyring, const char *fingerprint,
                                             const char *name);

/* Of all the files of a key, whatever it is trusted for: another one when any of them has changed. 0 or -errno. */
int mf_keyring_digest(const struct mf_keyring *keyring, const char *fingerprint, char ret[MF_ID_LENGTH + 1]);

/* Writes a key's file, in place of one that is there, in the first folder of the option or environment, else root's in
 * /etc and others' in their own. *ret_path is allocated. */
int mf_keyring_write(const char *option, const char *prefix, const char *fingerprint, const void *data, size_t size,
                     char **ret_path, struct mayfly_error *err);

#endif
