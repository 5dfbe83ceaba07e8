/* SPDX-License-Identifier: MIT */
#ifndef MF_VERIFY_SIGNATURE_H
#define MF_VERIFY_SIGNATURE_H

/* An image's detached signature: fetched and checked while the image is fetched, over the bytes as they are served,
 * which are kept nowhere; then judged by what is trusted for the image's name. */

#include <mayfly/image.h>

#include "model/reference.h"
#include "trust/gpg.h"

/* What came of it. */
struct mf_signature_note {
        enum mayfly_signature_state state;
        struct mf_signature signature; /* when it is good or untrusted */
        char keys[MF_ID_LENGTH + 1];   /* when it is good: mf_keyring_digest() of its key */
};

struct mf_signature_check;

/* For the image at `url`, whose signature is at `signature`. `options` has final values. */
int mf_signature_check_new(struct mf_signature_check **ret, const char *url, const char *signature,
                           const struct mayfly_image_options *options, struct mayfly_error *err);
struct mf_signature_check *mf_signature_check_free(struct mf_signature_check *check); /* NULL is fine; returns NULL */

/* The thread that fetches the image: its next bytes. 0, or -EPIPE when the check has failed. */
int mf_signature_check_push(struct mf_signature_check *check, const void *data, size_t size);
void mf_signature_check_finish(struct mf_signature_check *check, int broken); /* that was all, or, broken, it was not */

/* A thread of its own, with all signals blocked: fetches the signature, checks it. 0 when all there is to know is known
 * (it may be a bad one); -EPIPE when the image's bytes were broken off; or another error. */
int mf_signature_check_run(struct mf_signature_check *check, int (*cancelled)(void *userdata), void *userdata,
                           struct mayfly_error *err);
/* Afterwards, so that the other thread goes on without it, or, failed, ends. */
void mf_signature_check_leave(struct mf_signature_check *check, int failed);

/* When all have ended: whether what was found is good enough for an image of that name. */
int mf_signature_check_classify(const struct mf_signature_check *check, const char *name, struct mf_signature_note *ret,
                                struct mayfly_error *err);

/* --- what the store keeps of it: the file "signature" of an image ---------------------------------------------- */

/* 0 or -errno. */
int mf_signature_note_write(int dirfd, const char *id, const struct mf_signature_note *note);
/* 0, or -ENOENT when there is none, or none that is whole and of this image. */
int mf_signature_note_read(int dirfd, const char *id, struct mf_signature_note *ret);
/* Whether a good signature still is one, for an image of that name: 1, or 0 and why not; or an error. */
int mf_signature_note_counts(const struct mf_signature_note *note, const char *name, const char *trusted_keys,
                             char why[400], struct mayfly_error *err);

#endif
