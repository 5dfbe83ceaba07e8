/* SPDX-License-Identifier: MIT */
#ifndef MF_OPENPGP_H
#define MF_OPENPGP_H

/* The outer form of OpenPGP data (RFC 4880): ASCII armour and the tags of packets. GnuPG gets only data that was checked here:
 * it would accept a signed message as a detached signature, and, in a keyring, its own notes that the signatures of a key are
 * good. Only GnuPG reads the contents of packets. */

#include <stddef.h>

#include <mayfly/error.h>

#define MF_FINGERPRINT_MAX 64 /* hex digits */

enum mf_openpgp_kind {
        MF_OPENPGP_KEYS,      /* one or more public keys, armoured or not */
        MF_OPENPGP_SIGNATURE, /* detached, armoured */
};

struct mf_packets {
        unsigned char *data;
        size_t size;
        unsigned n; /* public keys without their subkeys, or signatures */
};

/* Takes off the armour, and copies the packets that data of this kind has. Messages begin with `what`: "the key file x". On
 * success *ret is for mf_packets_clear(). Returns 0, -EBADMSG or -ENOMEM. */
int mf_openpgp_read(struct mf_packets *ret, enum mf_openpgp_kind kind, const void *data, size_t size, const char *what,
                    struct mayfly_error *err);
void mf_packets_clear(struct mf_packets *packets);

/* Turns a fingerprint as people write it (0x, spaces, any case) into 40 or 64 digits in upper case. Returns 0 or -EINVAL. */
int mf_fingerprint_parse(const char *text, char ret[MF_FINGERPRINT_MAX + 1]);

#endif
