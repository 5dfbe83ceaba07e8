/* SPDX-License-Identifier: MIT */
#ifndef MF_OPENPGP_H
#define MF_OPENPGP_H

/* The outside of OpenPGP data (RFC 4880): ASCII armour, and which packets there are. GnuPG is given nothing that was
 * not looked at here: it would take a signed message for a detached signature, and from a keyring the packets in which
 * it notes for itself that a key's own signatures are good. What the packets say is GnuPG's to judge. */

#include <stddef.h>

#include <mayfly/error.h>

#define MF_FINGERPRINT_MAX 64 /* hex digits */

enum mf_openpgp_kind {
        MF_OPENPGP_KEYS,      /* public keys, armoured or not; one after the other */
        MF_OPENPGP_SIGNATURE, /* detached, armoured */
};

struct mf_packets {
        unsigned char *data;
        size_t size;
        unsigned n; /* public keys without their subkeys, or signatures */
};

/* Takes off the armour and leaves the packets that such data has. `what` begins the messages: "the key file x". On
 * success *ret is for mf_packets_clear(). -EBADMSG or -ENOMEM. */
int mf_openpgp_read(struct mf_packets *ret, enum mf_openpgp_kind kind, const void *data, size_t size, const char *what,
                    struct mayfly_error *err);
void mf_packets_clear(struct mf_packets *packets);

/* A fingerprint as people write it (0x, spaces, any case) becomes 40 or 64 digits, upper case. 0 or -EINVAL. */
int mf_fingerprint_parse(const char *text, char ret[MF_FINGERPRINT_MAX + 1]);

#endif
