/* SPDX-License-Identifier: MIT */
#ifndef MF_CHALLENGE_H
#define MF_CHALLENGE_H

/* The header WWW-Authenticate (RFC 9110, 11.6.1): what a registry that answers 401 wants to see. */

enum mf_challenge_scheme { MF_CHALLENGE_NONE = 0, MF_CHALLENGE_OTHER, MF_CHALLENGE_BASIC, MF_CHALLENGE_BEARER };

/* The best challenge so far: Bearer, else Basic, else one that mayfly cannot answer. Starts from zeros. */
struct mf_challenge {
        enum mf_challenge_scheme scheme;
        char *name;                    /* of the scheme, as sent */
        char *realm, *service, *scope; /* NULL: not given */
};

/* Reads one header, which may have several challenges, and keeps the best. What is malformed ends the header. Returns 0 or
 * -ENOMEM. */
int mf_challenge_add(struct mf_challenge *challenge, const char *header);
void mf_challenge_clear(struct mf_challenge *challenge);

#endif
