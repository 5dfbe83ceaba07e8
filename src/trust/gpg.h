/* SPDX-License-Identifier: MIT */
#ifndef MF_SIGNATURE_H
#define MF_SIGNATURE_H

/* GnuPG, by GPGME, in a folder of its own: with the keys it is given, without an agent, and without a look at the
 * user's keyring. It is told which keys and packets there are (openpgp.h) and says what they are worth. Only user of
 * GPGME.
 *
 * To be called with SIGPIPE blocked, as a connection to a gpg that has ended raises it. */

#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "trust/openpgp.h"

#define MF_USER_ID_MAX 256 /* with its NUL */

struct mf_gpg;

/* `folder` is absolute, empty, and the user's alone; what is put there is the caller's to remove, after mf_gpg_free().
 * Where a key comes twice in `keys` the first is used. */
int mf_gpg_new(struct mf_gpg **ret, const char *folder, const struct mf_packets *keys, struct mayfly_error *err);
struct mf_gpg *mf_gpg_free(struct mf_gpg *gpg); /* NULL is fine; returns NULL */

struct mf_key {
        char fingerprint[MF_FINGERPRINT_MAX + 1]; /* upper case */
        char user_id[MF_USER_ID_MAX];             /* printable UTF-8; empty without any */
        int64_t created, expires;                 /* seconds since 1970; 0: never */
        int revoked, expired;
        char (*subkeys)[MF_FINGERPRINT_MAX + 1]; /* and its own */
        size_t n_subkeys;
};

struct mf_keys {
        struct mf_key *list;
        size_t n, allocated;
};

/* The keys it was given, as far as GnuPG can read them. On success *ret is for mf_keys_clear(). */
int mf_gpg_keys(struct mf_gpg *gpg, struct mf_keys *ret, struct mayfly_error *err);
void mf_keys_clear(struct mf_keys *keys);
/* One of them in ASCII armour, allocated. */
int mf_gpg_export(struct mf_gpg *gpg, const char *fingerprint, char **ret, size_t *ret_size, struct mayfly_error *err);

enum mf_verdict {
        MF_VERDICT_OTHER, /* see detail */
        MF_VERDICT_GOOD,
        MF_VERDICT_BAD,         /* it is not of these bytes */
        MF_VERDICT_UNKNOWN_KEY, /* key: what is known of it, an ID or a fingerprint */
        MF_VERDICT_EXPIRED,
        MF_VERDICT_KEY_EXPIRED,
        MF_VERDICT_KEY_REVOKED,
};

struct mf_signature {
        enum mf_verdict verdict;
        char key[MF_FINGERPRINT_MAX + 1]; /* the primary key's fingerprint */
        char user_id[MF_USER_ID_MAX];
        int64_t created, expires; /* 0: never */
        int64_t key_expires;      /* the key's that made it, or its primary key's if that is sooner; 0: never */
        char detail[160];
};

#define MF_SIGNATURES_MAX 16U

struct mf_signed_bytes {
        /* The next bytes, their number, 0 at the end, or negative errno. */
        long (*read)(void *userdata, void *data, size_t size);
        int (*cancelled)(void *userdata); /* polled */
        void *userdata;
};

/* What the signatures are worth. The number of them in ret, from 1 to MF_SIGNATURES_MAX. -EPIPE when read() failed,
 * -ECANCELED, -EBADMSG and others, the last two with a message. */
int mf_gpg_verify(struct mf_gpg *gpg, const struct mf_packets *signatures, const struct mf_signed_bytes *bytes,
                  struct mf_signature ret[MF_SIGNATURES_MAX], struct mayfly_error *err);

#endif
