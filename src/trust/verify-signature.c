/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trust/verify-signature.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fetch/http.h"
#include "model/show.h"
#include "trust/gpg-home.h"
#include "trust/keyring.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/ring.h"

#define RING_SIZE (1U << 20)
#define SIGNATURE_MAX ((size_t) 64 * 1024)

struct mf_signature_check {
        const char *url, *url_of_signature;
        const struct mayfly_image_options *options;
        char shown[MF_SHOWN_MAX], shown_signature[MF_SHOWN_MAX];
        struct mf_keyring keyring;
        struct mf_ring *ring; /* the image's bytes */
        atomic_int failed;
        int (*cancelled)(void *userdata);
        void *userdata;
        struct mf_buffer file; /* of the signature */
        int missing;
        struct mf_signature found[MF_SIGNATURES_MAX];
        int n_found;
        char bad_key[600]; /* the fault of the first key that cannot be read; empty: none */
};

int mf_signature_check_new(struct mf_signature_check **ret, const char *url, const char *signature,
                           const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct mf_signature_check *check = calloc(1, sizeof(*check));

        if (!check)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        check->url = url;
        check->url_of_signature = signature;
        check->options = options;
        mf_show_url(check->shown, url, 0);
        mf_show_url(check->shown_signature, signature, 0);
        check->ring = mf_ring_new(RING_SIZE);
        int r = check->ring ? mf_keyring_load(options->trusted_keys, &check->keyring, err)
                            : mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        if (r < 0)
                mf_signature_check_free(check);
        else
                *ret = check;
        return r;
}

struct mf_signature_check *mf_signature_check_free(struct mf_signature_check *check)
{
        if (check) {
                mf_keyring_clear(&check->keyring);
                mf_ring_free(check->ring);
                mf_buffer_clear(&check->file);
                free(check);
        }
        return NULL;
}

int mf_signature_check_push(struct mf_signature_check *check, const void *data, size_t size)
{
        return mf_ring_push(check->ring, data, size) < 0 && atomic_load(&check->failed) ? -EPIPE : 0;
}

void mf_signature_check_finish(struct mf_signature_check *check, int broken)
{
        mf_ring_finish(check->ring, broken);
}

void mf_signature_check_leave(struct mf_signature_check *check, int failed)
{
        atomic_store(&check->failed, failed);
        mf_ring_abandon(check->ring);
}

/* --- the signature's file ---------------------------------------------------------------------------------------- */

static int is_cancelled(void *userdata)
{
        const struct mf_signature_check *check = userdata;

        return check->cancelled(check->userdata);
}

/* Whether a fetch failed because there is no signature. */
static int is_missing(int r, int status)
{
        if (status == 0)
                return r == -ENOENT; /* the URL is a file: URL */
        return status / 100 == 4 && status != 408 && status != 429;
}

/* Fetches the signature. Returns 0, also when there is none and none is required, or negative errno. */
static int fetch(struct mf_signature_check *check, struct mayfly_error *err)
{
        const struct mayfly_image_options *options = check->options;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int status = 0;
        const struct mf_http_read read = { .url = check->url_of_signature,
                                           .max = SIGNATURE_MAX,
                                           .options = options,
                                           .cancelled = is_cancelled,
                                           .userdata = check };

        int r = mf_http_read(&check->file, &read, &status, &why);
        if (r == 0)
                return 0;
        if (is_missing(r, status)) {
                check->missing = 1;
                if (options->signatures != MAYFLY_SIGNATURES_REQUIRED)
                        return 0;
                return mf_error(err, -ENODATA, MAYFLY_STAGE_SIGNATURE,
                                "%s has no signature (%s), which is required (MAYFLY_SIGNATURES, or the option "
                                "signatures); sign the image with gpg --armor --detach-sign",
                                check->shown, why.message[0] ? why.message : check->shown_signature);
        }
        if (r == -EFBIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_SIGNATURE,
                                "the signature %s has more than %zu bytes; a detached signature in ASCII armour is "
                                "wanted, as gpg --armor --detach-sign writes it",
                                check->shown_signature, SIGNATURE_MAX);
        if (r == -ENOMEM)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        if (r == -ECANCELED)
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "%s", why.message);
        return mf_error(err, r, MAYFLY_STAGE_SIGNATURE, "the signature of %s cannot be fetched: %.1500s", check->shown,
                        why.message);
}

/* --- checking it ------------------------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
        const struct mf_trusted_key *one = *(const struct mf_trusted_key *const *) a;
        const struct mf_trusted_key *other = *(const struct mf_trusted_key *const *) b;

        if (one->changed.tv_sec != other->changed.tv_sec)
                return one->changed.tv_sec > other->changed.tv_sec ? -1 : 1;
        return (one->changed.tv_nsec < other->changed.tv_nsec) - (one->changed.tv_nsec > other->changed.tv_nsec);
}

/* Joins all keys, whatever they are trusted for: so a key that is not trusted for this name differs from an unknown key. The
 * newest version of a key comes first. Leaves out keys that cannot be read. Returns 0 or -ENOMEM. */
static int join_keys(struct mf_signature_check *check, struct mf_packets *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) const struct mf_trusted_key **sorted = calloc(check->keyring.n + 1, sizeof(*sorted));

        if (!sorted)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        for (size_t i = 0; i < check->keyring.n; i++)
                sorted[i] = &check->keyring.list[i];
        qsort(sorted, check->keyring.n, sizeof(*sorted), by_age);
        for (size_t i = 0; i < check->keyring.n; i++) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                struct mf_packets key = { 0 };
                char what[500];
                snprintf(what, sizeof(what), "the trusted key %.480s", sorted[i]->path);
                int r = mf_openpgp_read(&key, MF_OPENPGP_KEYS, sorted[i]->data, sorted[i]->size, what, &why);
                if (r == -ENOMEM)
                        return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
                if (r < 0) {
                        if (!check->bad_key[0])
                                snprintf(check->bad_key, sizeof(check->bad_key), "; %.590s", why.message);
                        continue;
                }
                unsigned char *grown = realloc(ret->data, ret->size + key.size);
                if (grown) {
                        ret->data = grown;
                        memcpy(grown + ret->size, key.data, key.size);
                        ret->size += key.size;
                }
                mf_packets_clear(&key);
                if (!grown)
                        return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        return 0;
}

static long read_ring(void *userdata, void *data, size_t size)
{
        const struct mf_signature_check *check = userdata;

        return mf_ring_pop(check->ring, data, size);
}

static int verify(struct mf_signature_check *check, const struct mf_packets *signatures, const struct mf_packets *keys,
                  struct mayfly_error *err)
{
        const struct mf_signed_bytes bytes = { read_ring, is_cancelled, check };
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_gpg_home home;
        struct mf_gpg *gpg = NULL;

        int r = mf_gpg_home_make(check->options->store, &home, err);
        if (r < 0)
                return r;
        r = mf_gpg_new(&gpg, home.path, keys, &why);
        if (r == 0)
                r = mf_gpg_verify(gpg, signatures, &bytes, check->found, &why);
        mf_gpg_free(gpg);
        mf_gpg_home_remove(&home);
        if (r >= 0) {
                check->n_found = r;
                return 0;
        }
        if (r == -EPIPE)
                return r;
        if (r == -ECANCELED)
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", check->shown);
        if (why.stage != MAYFLY_STAGE_SIGNATURE || r == -ENOENT)
                return mf_error(err, r, why.stage, "%s", why.message);
        return mf_error(err, r, MAYFLY_STAGE_SIGNATURE, "the signature %s cannot be checked: %.1000s",
                        check->shown_signature, why.message);
}

int mf_signature_check_run(struct mf_signature_check *check, int (*cancelled)(void *userdata), void *userdata,
                           struct mayfly_error *err)
{
        struct mf_packets signatures = { 0 }, keys = { 0 };
        char what[MF_SHOWN_MAX + 20];

        check->cancelled = cancelled;
        check->userdata = userdata;
        int r = fetch(check, err);
        if (r < 0 || check->missing)
                return r;
        snprintf(what, sizeof(what), "the signature %s", check->shown_signature);
        r = mf_openpgp_read(&signatures, MF_OPENPGP_SIGNATURE, check->file.data ? check->file.data : "",
                            check->file.size, what, err);
        if (r == 0)
                r = join_keys(check, &keys, err);
        if (r == 0)
                r = verify(check, &signatures, &keys, err);
        mf_packets_clear(&signatures);
        mf_packets_clear(&keys);
        return r;
}

/* --- the result -------------------------------------------------------------------------------------------- */

/* Writes a date to `text`, and returns it. */
static const char *date(int64_t when, char text[32])
{
        time_t t = (time_t) when;
        struct tm tm;

        if (when <= 0 || !gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d", &tm) == 0)
                snprintf(text, 32, "an unknown day");
        return text;
}

/* Writes the prefixes that a key is trusted for to `text`, and returns it. */
static const char *list_prefixes(const struct mf_signature_check *check, const char *key, char text[300])
{
        size_t n = 0;

        text[0] = '\0';
        for (size_t i = 0; i < check->keyring.n; i++)
                if (strcmp(check->keyring.list[i].fingerprint, key) == 0 && check->keyring.list[i].prefix && n < 280)
                        n += (size_t) snprintf(text + n, 300 - n, "%s%.100s", n ? ", " : "",
                                               check->keyring.list[i].prefix);
        return text;
}

/* Returns why a signature does not count, and the remedy, as the end of a sentence about the image; allocated, NULL when memory
 * is short. *ret_code is the errno. */
static char *explain(const struct mf_signature_check *check, const struct mf_signature *sig, const char *name,
                     int *ret_code)
{
        char key[MF_FINGERPRINT_MAX + MF_USER_ID_MAX + 8], when[32], prefixes[300], *text = NULL;
        int r = -1;

        snprintf(key, sizeof(key), "%s%s%s%s", sig->key, sig->user_id[0] ? " (" : "", sig->user_id,
                 sig->user_id[0] ? ")" : "");
        switch (sig->verdict) {
        case MF_VERDICT_GOOD:
                *ret_code = -EKEYREJECTED;
                r = asprintf(
                        &text,
                        "(%s) is signed by the key %s, which is trusted for other names only (%s); to trust it for "
                        "this name, too: mayfly trust --prefix %s",
                        name, key, list_prefixes(check, sig->key, prefixes), name);
                break;
        case MF_VERDICT_BAD:
                *ret_code = -EBADMSG;
                r = asprintf(&text,
                             "is not the file that was signed with the signature %s by the key %s; the image or the "
                             "signature was changed, or they do not belong together",
                             check->shown_signature, key);
                break;
        case MF_VERDICT_UNKNOWN_KEY:
                *ret_code = -ENOKEY;
                r = asprintf(&text,
                             "is signed by the key %s, which is not trusted; to trust it: mayfly trust "
                             "--prefix %s%s",
                             key, name, check->bad_key);
                break;
        case MF_VERDICT_EXPIRED:
                *ret_code = -EKEYEXPIRED;
                r = asprintf(&text, "has a signature, by the key %s, that expired on %s; ask for a new signature", key,
                             date(sig->expires, when));
                break;
        case MF_VERDICT_KEY_EXPIRED:
                *ret_code = -EKEYEXPIRED;
                r = asprintf(&text,
                             "is signed by the key %s, which expired on %s; if its owner has prolonged it, get it "
                             "again: mayfly trust --prefix %s",
                             key, date(sig->key_expires, when), name);
                break;
        case MF_VERDICT_KEY_REVOKED:
                *ret_code = -EKEYREVOKED;
                r = asprintf(&text,
                             "is signed by the key %s, which its owner has revoked; ask for a signature with another "
                             "key",
                             key);
                break;
        case MF_VERDICT_OTHER:
                *ret_code = -EBADMSG;
                r = asprintf(&text, "has a signature %s, by the key %s, that GnuPG does not accept: %s",
                             check->shown_signature, key, sig->detail);
                break;
        }
        return r < 0 ? NULL : text;
}

static int refuse(const struct mf_signature_check *check, const struct mf_signature *sig, const char *name,
                  struct mayfly_error *err)
{
        int code = -EBADMSG;
        mf_cleanup(mf_freep) char *why = explain(check, sig, name, &code);

        return why ? mf_error(err, code, MAYFLY_STAGE_SIGNATURE, "%s %s", check->shown, why)
                   : mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
}

/* Whether the signature may be good, but by a key that is not trusted. */
static int is_untrusted(const struct mf_signature *sig)
{
        return sig->verdict == MF_VERDICT_GOOD || sig->verdict == MF_VERDICT_UNKNOWN_KEY;
}

/* One of the signatures must be good. */
int mf_signature_check_classify(const struct mf_signature_check *check, const char *name, struct mf_signature_note *ret,
                                struct mayfly_error *err)
{
        const struct mf_signature *worst = check->found;

        *ret = (struct mf_signature_note){ .state = MAYFLY_SIGNATURE_MISSING };
        if (check->missing)
                return 0;
        for (int i = 0; i < check->n_found; i++) {
                const struct mf_signature *sig = &check->found[i];
                if (sig->verdict == MF_VERDICT_GOOD && mf_keyring_find(&check->keyring, sig->key, name)) {
                        ret->state = MAYFLY_SIGNATURE_GOOD;
                        ret->signature = *sig;
                        if (mf_keyring_digest(&check->keyring, sig->key, ret->keys) < 0)
                                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
                        return 0;
                }
                if (is_untrusted(worst))
                        worst = sig;
        }
        if (check->options->signatures == MAYFLY_SIGNATURES_DEFAULT && is_untrusted(worst)) {
                ret->state = MAYFLY_SIGNATURE_UNTRUSTED;
                ret->signature = *worst;
                return 0;
        }
        return refuse(check, worst, name, err);
}
