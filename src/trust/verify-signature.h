/* SPDX-License-Identifier: MIT */
#ifndef MF_VOUCH_H
#define MF_VOUCH_H

/* An image's detached signature: fetched and checked while the image is fetched, over the bytes as they are served,
 * which are kept nowhere; then judged by what is trusted for the image's name. */

#include <mayfly/image.h>

#include "model/reference.h"
#include "trust/gpg.h"

/* What came of it. */
struct mf_vouched {
        enum mayfly_signature_state state;
        struct mf_signature signature; /* when it is good or untrusted */
        char keys[MF_ID_LENGTH + 1];   /* when it is good: mf_trust_digest() of its key */
};

struct mf_vouch;

/* For the image at `url`, whose signature is at `signature`. `options` has final values. */
int mf_vouch_new(struct mf_vouch **ret, const char *url, const char *signature,
                 const struct mayfly_image_options *options, struct mayfly_error *err);
struct mf_vouch *mf_vouch_free(struct mf_vouch *vouch); /* NULL is fine; returns NULL */

/* The thread that fetches the image: its next bytes. 0, or -EPIPE when the check has failed. */
int mf_vouch_push(struct mf_vouch *vouch, const void *data, size_t size);
void mf_vouch_finish(struct mf_vouch *vouch, int broken); /* that was all, or, broken, it was not */

/* A thread of its own, with all signals blocked: fetches the signature, checks it. 0 when all there is to know is known
 * (it may be a bad one); -EPIPE when the image's bytes were broken off; or another error. */
int mf_vouch_run(struct mf_vouch *vouch, int (*cancelled)(void *userdata), void *userdata, struct mayfly_error *err);
/* Afterwards, so that the other thread goes on without it, or, failed, ends. */
void mf_vouch_leave(struct mf_vouch *vouch, int failed);

/* When all have ended: whether what was found is good enough for an image of that name. */
int mf_vouch_judge(const struct mf_vouch *vouch, const char *name, struct mf_vouched *ret, struct mayfly_error *err);

/* --- what the store keeps of it: the file "signature" of an image ---------------------------------------------- */

/* 0 or -errno. */
int mf_vouched_write(int dirfd, const char *id, const struct mf_vouched *vouched);
/* 0, or -ENOENT when there is none, or none that is whole and of this image. */
int mf_vouched_read(int dirfd, const char *id, struct mf_vouched *ret);
/* Whether a good signature still is one, for an image of that name: 1, or 0 and why not; or an error. */
int mf_vouched_counts(const struct mf_vouched *vouched, const char *name, const char *trusted_keys, char why[400],
                      struct mayfly_error *err);

#endif
