/* SPDX-License-Identifier: MIT */
#ifndef MF_GPG_H
#define MF_GPG_H

/* Runs GnuPG through GPGME, in its own home directory: with the given keys, without an agent, and without the user's keyring.
 * It gets the keys and packets that openpgp.h found, and decides whether they are good. gpg.c is the only user of GPGME.
 *
 * Callers must block SIGPIPE: a connection to a gpg that has ended raises it. */

#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "trust/openpgp.h"

#define MF_USER_ID_MAX 256 /* with its NUL */

struct mf_gpg;

/* Prepares `home`, which is absolute, empty, and accessible to this user alone. The caller removes its contents after
 * mf_gpg_free(). If a key comes twice in `keys`, the first one is used. Returns 0 or negative errno. */
int mf_gpg_new(struct mf_gpg **ret, const char *home, const struct mf_packets *keys, struct mayfly_error *err);
struct mf_gpg *mf_gpg_free(struct mf_gpg *gpg); /* NULL is fine; returns NULL */

struct mf_key {
        char fingerprint[MF_FINGERPRINT_MAX + 1]; /* upper case */
        char user_id[MF_USER_ID_MAX];             /* printable UTF-8; empty when the key has none */
        int64_t created, expires;                 /* seconds since 1970; 0: never */
        int revoked, expired;
        char (*subkeys)[MF_FINGERPRINT_MAX + 1]; /* the fingerprints of the key and its subkeys */
        size_t n_subkeys;
};

struct mf_keys {
        struct mf_key *list;
        size_t n, allocated;
};

/* Lists the given keys that GnuPG can read. On success *ret is for mf_keys_clear(). Returns 0 or negative errno. */
int mf_gpg_keys(struct mf_gpg *gpg, struct mf_keys *ret, struct mayfly_error *err);
void mf_keys_clear(struct mf_keys *keys);
/* Sets *ret to one of the keys in ASCII armour, allocated. Returns 0 or negative errno. */
int mf_gpg_export(struct mf_gpg *gpg, const char *fingerprint, char **ret, size_t *ret_size, struct mayfly_error *err);

enum mf_verdict {
        MF_VERDICT_OTHER, /* see detail */
        MF_VERDICT_GOOD,
        MF_VERDICT_BAD,         /* it does not match the bytes */
        MF_VERDICT_UNKNOWN_KEY, /* the field `key` is an ID or a fingerprint */
        MF_VERDICT_EXPIRED,
        MF_VERDICT_KEY_EXPIRED,
        MF_VERDICT_KEY_REVOKED,
};

struct mf_signature {
        enum mf_verdict verdict;
        char key[MF_FINGERPRINT_MAX + 1]; /* the primary key's fingerprint */
        char user_id[MF_USER_ID_MAX];
        int64_t created, expires; /* 0: never */
        int64_t key_expires; /* when the key that made it expires, or its primary key if that is sooner; 0: never */
        char detail[160];
};

#define MF_SIGNATURES_MAX 16U

struct mf_signed_bytes {
        /* Reads the next bytes. Returns their number, 0 at the end, or negative errno. */
        long (*read)(void *userdata, void *data, size_t size);
        int (*cancelled)(void *userdata); /* polled */
        void *userdata;
};

/* Checks the signatures of the bytes. Returns their number in `ret`, from 1 to MF_SIGNATURES_MAX; -EPIPE when read() failed or
 * -ECANCELED, both without a message; or another negative errno. */
int mf_gpg_verify(struct mf_gpg *gpg, const struct mf_packets *signatures, const struct mf_signed_bytes *bytes,
                  struct mf_signature ret[MF_SIGNATURES_MAX], struct mayfly_error *err);

#endif
