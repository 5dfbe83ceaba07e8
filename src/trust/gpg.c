/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trust/gpg.h"

#include <errno.h>
#include <fcntl.h>
#include <gpgme.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/text.h"

#define POLL_MS 100
#define BUFFER_SIZE "65536"

/* gpg starts no agent, asks no network, leaves no lock when it is killed, and uses no web of trust: mayfly decides which keys
 * count. gpg still checks the signatures of the keys on themselves. */
static const char configuration[] = "no-autostart\n"
                                    "disable-dirmngr\n"
                                    "no-auto-key-retrieve\n"
                                    "no-auto-check-trustdb\n"
                                    "lock-never\n"
                                    "trust-model always\n"
                                    "no-default-keyring\n"
                                    "keyring pubring.gpg\n";

struct mf_gpg {
        gpgme_ctx_t context;
};

static gpgme_error_t started;

/* Starts GPGME without two side effects: it would run gpgconf, which makes directories in /run/user, and it ignores SIGPIPE in
 * the whole program. */
static void start(void)
{
        struct sigaction action;

        sigaction(SIGPIPE, NULL, &action);
        (void) gpgme_set_global_flag("disable-gpgconf", "1");
        started = gpgme_check_version("1.18.0") ? gpgme_engine_check_version(GPGME_PROTOCOL_OpenPGP)
                                                : gpg_error(GPG_ERR_NOT_SUPPORTED);
        sigaction(SIGPIPE, &action, NULL);
}

/* Sets the error for a failure of GPGME. Returns it. */
static int failed(gpgme_error_t code, const char *doing, struct mayfly_error *err)
{
        char text[160];

        if (gpgme_err_code(code) == GPG_ERR_ENOMEM)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        gpgme_strerror_r(code, text, sizeof(text));
        return mf_error(err, -EIO, MAYFLY_STAGE_SIGNATURE, "GnuPG fails at %s: %s", doing, text);
}

/* Writes a new file in GnuPG's home directory. Returns 0 or -errno. */
static int write_file(const char *home, const char *name, const void *data, size_t size)
{
        mf_cleanup(mf_freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", home, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return mf_write_full(fd, data, size);
}

static int new_context(gpgme_ctx_t *ret, const char *home, struct mayfly_error *err)
{
        gpgme_error_t e = gpgme_new(ret);

        if (!e)
                e = gpgme_ctx_set_engine_info(*ret, GPGME_PROTOCOL_OpenPGP, NULL, home);
        if (e)
                return failed(e, "starting", err);
        gpgme_set_offline(*ret, 1);
        gpgme_set_armor(*ret, 1);
        return 0;
}

int mf_gpg_new(struct mf_gpg **ret, const char *home, const struct mf_packets *keys, struct mayfly_error *err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, start);
        if (started)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_SIGNATURE,
                                "signatures cannot be checked without GnuPG; install gpg 2.1 or later (Debian: gpg), "
                                "or check no signatures (MAYFLY_SIGNATURES=off)");
        int r = write_file(home, "gpg.conf", configuration, strlen(configuration));
        if (r == 0)
                r = write_file(home, "pubring.gpg", keys->data ? (const void *) keys->data : "", keys->size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the files for GnuPG cannot be written to %s", home);
        struct mf_gpg *gpg = calloc(1, sizeof(*gpg));
        if (!gpg)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        r = new_context(&gpg->context, home, err);
        if (r < 0) {
                mf_gpg_free(gpg);
                return r;
        }
        *ret = gpg;
        return 0;
}

struct mf_gpg *mf_gpg_free(struct mf_gpg *gpg)
{
        if (gpg) {
                gpgme_release(gpg->context);
                free(gpg);
        }
        return NULL;
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

/* Returns the length of the printable character at `p`, 0 if it is not printable: a user ID may be any bytes. */
static size_t printable(const unsigned char *p)
{
        static const unsigned least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
        size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;
        unsigned code = length == 1 ? p[0] : p[0] & (0x7fU >> length);

        if (length == 1)
                return p[0] >= ' ' && p[0] != 0x7f;
        if (length == 4 && (p[0] < 0xf0 || p[0] > 0xf4))
                return 0;
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3fU);
        }
        if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
            (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
            (code >= 0x2066 && code <= 0x2069)) /* characters that reverse a line, and line ends */
                return 0;
        return length;
}

/* Copies a user ID, with "?" for bytes that are not printable. */
static void copy_user_id(char ret[MF_USER_ID_MAX], const char *text)
{
        size_t n = 0;

        while (*text && n + 5 < MF_USER_ID_MAX) {
                size_t length = printable((const unsigned char *) text);
                if (length > 0)
                        memcpy(ret + n, text, length);
                else
                        ret[n] = '?';
                n += length ? length : 1;
                text += length ? length : 1;
        }
        ret[n] = '\0';
}

/* Fills *ret. Returns 0, -ENOENT when the key has no subkeys, or -ENOMEM. */
static int copy_key(struct mf_key *ret, const struct _gpgme_key *key)
{
        size_t n = 0;

        for (gpgme_subkey_t s = key->subkeys; s; s = s->next)
                n++;
        if (n == 0)
                return -ENOENT;
        *ret = (struct mf_key){ .created = key->subkeys->timestamp,
                                .expires = key->subkeys->expires,
                                .revoked = key->revoked,
                                .expired = key->expired,
                                .subkeys = calloc(n, sizeof(*ret->subkeys)) };
        if (!ret->subkeys)
                return -ENOMEM;
        snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s", key->subkeys->fpr ? key->subkeys->fpr : "");
        for (gpgme_subkey_t s = key->subkeys; s; s = s->next)
                snprintf(ret->subkeys[ret->n_subkeys++], sizeof(*ret->subkeys), "%s", s->fpr ? s->fpr : "");
        gpgme_user_id_t uid = key->uids;
        while (uid && uid->revoked && uid->next)
                uid = uid->next;
        copy_user_id(ret->user_id, uid && uid->uid ? uid->uid : "");
        return 0;
}

int mf_gpg_keys(struct mf_gpg *gpg, struct mf_keys *ret, struct mayfly_error *err)
{
        struct mf_keys keys = { 0 };
        gpgme_key_t key;
        int r = 0;

        gpgme_error_t e = gpgme_op_keylist_start(gpg->context, NULL, 0);
        while (r == 0 && !e && !(e = gpgme_op_keylist_next(gpg->context, &key))) {
                struct mf_key *grown = mf_grow(keys.list, keys.n, &keys.allocated, sizeof(*grown));
                if (grown)
                        keys.list = grown;
                r = grown ? copy_key(&grown[keys.n], key) : -ENOMEM;
                keys.n += r == 0;
                if (r == -ENOENT)
                        r = 0;
                gpgme_key_unref(key);
        }
        (void) gpgme_op_keylist_end(gpg->context);
        if (r < 0 || gpgme_err_code(e) != GPG_ERR_EOF) {
                mf_keys_clear(&keys);
                return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_SIGNATURE) : failed(e, "listing keys", err);
        }
        *ret = keys;
        return 0;
}

void mf_keys_clear(struct mf_keys *keys)
{
        for (size_t i = 0; i < keys->n; i++)
                free(keys->list[i].subkeys);
        free(keys->list);
        *keys = (struct mf_keys){ 0 };
}

int mf_gpg_export(struct mf_gpg *gpg, const char *fingerprint, char **ret, size_t *ret_size, struct mayfly_error *err)
{
        gpgme_data_t data = NULL;

        gpgme_error_t e = gpgme_data_new(&data);
        if (!e)
                e = gpgme_op_export(gpg->context, fingerprint, 0, data);
        if (e) {
                gpgme_data_release(data);
                return failed(e, "exporting a key", err);
        }
        char *text = gpgme_data_release_and_get_mem(data, ret_size);
        *ret = text && *ret_size > 0 ? malloc(*ret_size) : NULL;
        if (*ret)
                memcpy(*ret, text, *ret_size);
        gpgme_free(text);
        return *ret ? 0 : mf_error(err, -EIO, MAYFLY_STAGE_SIGNATURE, "GnuPG exports nothing for %s", fingerprint);
}

/* --- signatures -------------------------------------------------------------------------------------------------- */

/* GPGME's own loop cannot be cancelled, and waits forever for a gpg that ended before it had read everything. So mayfly has
 * this loop. */
struct loop {
        struct watch {
                struct pollfd poll;
                gpgme_io_cb_t ready;
                void *userdata;
        } watches[16];
        const struct mf_signed_bytes *bytes;
        int broken; /* read() failed */
        int done;
        gpgme_error_t result;
};

static gpgme_error_t watch(void *userdata, int fd, int reading, gpgme_io_cb_t ready, void *ready_data, void **ret_tag)
{
        struct loop *loop = userdata;

        for (size_t i = 0; i < MF_ELEMENTSOF(loop->watches); i++)
                if (!loop->watches[i].ready) {
                        loop->watches[i] = (struct watch){ { fd, reading ? POLLIN : POLLOUT, 0 }, ready, ready_data };
                        *ret_tag = &loop->watches[i];
                        return 0;
                }
        return gpg_error(GPG_ERR_ENOMEM);
}

static void unwatch(void *tag)
{
        struct watch *w = tag;

        w->ready = NULL;
}

static void on_event(void *userdata, gpgme_event_io_t type, void *data)
{
        const struct gpgme_io_event_done_data *done = data;
        struct loop *loop = userdata;

        if (type != GPGME_EVENT_DONE)
                return;
        loop->done = 1;
        loop->result = done->err ? done->err : done->op_err;
}

static void run_loop(struct loop *loop, gpgme_ctx_t context)
{
        while (!loop->done) {
                struct pollfd polls[MF_ELEMENTSOF(loop->watches)];
                nfds_t n = MF_ELEMENTSOF(loop->watches);
                for (size_t i = 0; i < n; i++) {
                        polls[i] = loop->watches[i].poll;
                        if (!loop->watches[i].ready)
                                polls[i].fd = -1;
                }
                if (poll(polls, n, POLL_MS) < 0 && errno != EINTR)
                        break;
                if (loop->bytes->cancelled && loop->bytes->cancelled(loop->bytes->userdata)) {
                        (void) gpgme_cancel(context);
                        break;
                }
                for (size_t i = 0; i < n && !loop->done; i++) {
                        struct watch *w = &loop->watches[i];
                        if (polls[i].fd >= 0 && polls[i].revents && w->ready && w->poll.fd == polls[i].fd)
                                (void) w->ready(w->userdata, w->poll.fd);
                }
        }
}

static ssize_t on_read(void *userdata, void *data, size_t size)
{
        struct loop *loop = userdata;
        long n = loop->bytes->read(loop->bytes->userdata, data, size);

        if (n < 0) {
                loop->broken = 1;
                errno = EPIPE;
                return -1;
        }
        return n;
}

/* Returns the verdict of gpg on one signature, and fills in `detail`. */
static enum mf_verdict verdict_of(const struct _gpgme_signature *sig, char detail[160])
{
        gpgme_strerror_r(sig->status, detail, 160);
        switch (gpgme_err_code(sig->status)) {
        case GPG_ERR_NO_ERROR:
                return MF_VERDICT_GOOD;
        case GPG_ERR_BAD_SIGNATURE:
                return MF_VERDICT_BAD;
        case GPG_ERR_NO_PUBKEY:
                return MF_VERDICT_UNKNOWN_KEY;
        case GPG_ERR_SIG_EXPIRED:
                return MF_VERDICT_EXPIRED;
        case GPG_ERR_KEY_EXPIRED:
                return MF_VERDICT_KEY_EXPIRED;
        case GPG_ERR_CERT_REVOKED:
                return MF_VERDICT_KEY_REVOKED;
        default:
                return MF_VERDICT_OTHER;
        }
}

/* Copies the results. Returns their number. */
static int copy_results(gpgme_ctx_t context, struct mf_signature ret[MF_SIGNATURES_MAX])
{
        gpgme_verify_result_t result = gpgme_op_verify_result(context);
        int n = 0;

        for (gpgme_signature_t s = result ? result->signatures : NULL; s && n < (int) MF_SIGNATURES_MAX; s = s->next) {
                struct mf_signature *sig = &ret[n++];
                *sig = (struct mf_signature){ .created = (int64_t) s->timestamp,
                                              .expires = (int64_t) s->exp_timestamp };
                sig->verdict = verdict_of(s, sig->detail);
                snprintf(sig->key, sizeof(sig->key), "%.*s", MF_FINGERPRINT_MAX, s->fpr ? s->fpr : "");
        }
        return n;
}

/* Fills in the primary key and its user ID from the fingerprint or ID that gpg gave. There may be several versions of a key: it
 * counts as revoked if one of them is. */
static void name_signer(struct mf_signature *sig, const struct mf_keys *keys)
{
        char made_by[MF_FINGERPRINT_MAX + 1];
        int found = 0;

        snprintf(made_by, sizeof(made_by), "%s", sig->key);
        for (size_t i = 0; i < keys->n; i++) {
                const struct mf_key *key = &keys->list[i];
                size_t j = 0;
                while (j < key->n_subkeys && (!*made_by || !mf_ending(key->subkeys[j], made_by)))
                        j++;
                if (j == key->n_subkeys)
                        continue;
                if (!found) {
                        memcpy(sig->key, key->fingerprint, sizeof(sig->key));
                        memcpy(sig->user_id, key->user_id, sizeof(sig->user_id));
                        sig->key_expires = key->expires;
                }
                found = 1;
                if (key->revoked && sig->verdict == MF_VERDICT_GOOD)
                        sig->verdict = MF_VERDICT_KEY_REVOKED;
        }
        if (!found && sig->verdict == MF_VERDICT_GOOD) /* should not happen */
                sig->verdict = MF_VERDICT_UNKNOWN_KEY;
}

/* Runs gpg over the bytes. *ret is its error. Returns 0, -EPIPE when read() failed, or -ECANCELED. */
static int verify(struct loop *loop, gpgme_ctx_t context, const struct mf_packets *signatures, gpgme_error_t *ret)
{
        static struct gpgme_data_cbs callbacks = { .read = on_read };
        struct gpgme_io_cbs io = { watch, loop, unwatch, on_event, loop };
        gpgme_data_t sig = NULL, data = NULL;

        gpgme_set_io_cbs(context, &io);
        gpgme_error_t e = gpgme_data_new_from_mem(&sig, (const char *) signatures->data, signatures->size, 0);
        if (!e)
                e = gpgme_data_new_from_cbs(&data, &callbacks, loop);
        if (!e)
                (void) gpgme_data_set_flag(data, "io-buffer-size", BUFFER_SIZE);
        if (!e)
                e = gpgme_op_verify_start(context, sig, data, NULL);
        if (!e) {
                run_loop(loop, context);
                e = loop->done ? loop->result : gpg_error(GPG_ERR_CANCELED);
        }
        gpgme_data_release(sig);
        gpgme_data_release(data);
        *ret = e;
        return loop->broken ? -EPIPE : gpgme_err_code(e) == GPG_ERR_CANCELED ? -ECANCELED : 0;
}

int mf_gpg_verify(struct mf_gpg *gpg, const struct mf_packets *signatures, const struct mf_signed_bytes *bytes,
                  struct mf_signature ret[MF_SIGNATURES_MAX], struct mayfly_error *err)
{
        struct loop loop = { .bytes = bytes };
        const char *home = gpgme_ctx_get_engine_info(gpg->context)->home_dir;
        struct mf_keys keys = { 0 };
        gpgme_ctx_t context = NULL;
        gpgme_error_t e = 0;

        int n = 0, r = new_context(&context, home, err);
        if (r == 0)
                r = verify(&loop, context, signatures, &e);
        if (r == 0) {
                n = copy_results(context, ret);
                if (n == 0)
                        r = mf_error(err, -EBADMSG, MAYFLY_STAGE_SIGNATURE, "GnuPG finds no signature in the file (%s)",
                                     gpgme_strerror(e));
        }
        gpgme_release(context);
        if (r == 0)
                r = mf_gpg_keys(gpg, &keys, err);
        for (int i = 0; i < n && r == 0; i++)
                name_signer(&ret[i], &keys);
        mf_keys_clear(&keys);
        return r < 0 ? r : n;
}
