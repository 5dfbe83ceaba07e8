/* SPDX-License-Identifier: MIT */
#ifndef MF_VERIFY_SIGNATURE_H
#define MF_VERIFY_SIGNATURE_H

/* Checks the detached signature of an image while the image is fetched, over the bytes as they are served, which are stored
 * nowhere. Afterwards decides by the keys that are trusted for the name of the image. */

#include <mayfly/image.h>

#include "model/reference.h"
#include "trust/gpg.h"

/* The result of a check. */
struct mf_signature_note {
        enum mayfly_signature_state state;
        struct mf_signature signature; /* when the state is good or untrusted */
        char keys[MF_ID_LENGTH + 1];   /* when the state is good: mf_keyring_digest() of the key */
};

struct mf_signature_check;

/* Prepares the check of the image at the URL `url`; its signature is at the URL `signature`. `options` has final values. Returns 0
 * or negative errno. */
int mf_signature_check_new(struct mf_signature_check **ret, const char *url, const char *signature,
                           const struct mayfly_image_options *options, struct mayfly_error *err);
struct mf_signature_check *mf_signature_check_free(struct mf_signature_check *check); /* NULL is fine; returns NULL */

/* Called by the thread that fetches the image: passes on the next bytes. Returns 0, or -EPIPE when the check has failed. */
int mf_signature_check_push(struct mf_signature_check *check, const void *data, size_t size);
/* Called by the same thread: the image is complete or, with `broken`, cut off. */
void mf_signature_check_finish(struct mf_signature_check *check, int broken);

/* Runs in a second thread, with all signals blocked: fetches the signature and checks it. Returns 0 when the check is complete
 * (the signature may be bad), -EPIPE when the image was cut off, or another negative errno. */
int mf_signature_check_run(struct mf_signature_check *check, int (*cancelled)(void *userdata), void *userdata,
                           struct mayfly_error *err);
/* Called by the second thread at its end: the first thread goes on without the check or, with `failed`, ends. */
void mf_signature_check_leave(struct mf_signature_check *check, int failed);

/* Called after both threads: decides whether an image with that name may be used. Returns 0 and sets *ret, or a negative errno. */
int mf_signature_check_classify(const struct mf_signature_check *check, const char *name, struct mf_signature_note *ret,
                                struct mayfly_error *err);

/* --- the note in the store: the file "signature" of an image ---------------------------------------------- */

/* Writes the note. Returns 0 or -errno. */
int mf_signature_note_write(int dirfd, const char *id, const struct mf_signature_note *note);
/* Reads the note. Returns 0, or -ENOENT when there is none that is complete and of this image. */
int mf_signature_note_read(int dirfd, const char *id, struct mf_signature_note *ret);
/* Whether the noted signature still counts for an image with that name. Returns 1, or 0 and sets `why`, or negative errno. */
int mf_signature_note_counts(const struct mf_signature_note *note, const char *name, const char *trusted_keys,
                             char why[400], struct mayfly_error *err);

#endif
