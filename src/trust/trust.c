/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/trust.h>

#include "fetch/discovery.h"
#include "fetch/http.h"
#include "fetch/mirrors.h"
#include "model/ac-types.h"
#include "model/image-options.h"
#include "model/reference.h"
#include "model/show.h"
#include "trust/gpg-home.h"
#include "trust/gpg.h"
#include "trust/keyring.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"

#define KEYS_MAX ((size_t) 1 << 20)

struct request {
        struct mayfly_trust_options options;
        struct mayfly_image_options image;
        char fingerprint[MF_FINGERPRINT_MAX + 1]; /* empty: any key */
        const char *prefix;
};

static int take_options(struct request *ret, const struct mayfly_trust_options *given, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the trust options", "MAYFLY_TRUST_OPTIONS_INIT", struct mayfly_trust_options, image);
        const struct mayfly_trust_options defaults = MAYFLY_TRUST_OPTIONS_INIT;

        *ret = (struct request){ .options = defaults };
        int r = mf_options_take(&ret->options, given, &kind, err);
        if (r == 0)
                r = mf_image_options_take(ret->options.image, &ret->image, err);
        if (r < 0)
                return r;
        ret->prefix = ret->options.prefix;
        if (ret->prefix && ret->options.root)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "trusted keys: both a prefix and root are given; give one of them, since root means "
                                "every name");
        if (ret->prefix && !mf_is_ac_identifier(ret->prefix))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "trusted keys: the prefix \"%.300s\" is not an AC Identifier; write one such as "
                                "example.com/tools: lower-case letters and digits, with - . _ ~ or / between them",
                                ret->prefix);
        if (ret->options.fingerprint && mf_fingerprint_parse(ret->options.fingerprint, ret->fingerprint) < 0)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "trusted keys: \"%.100s\" is not a fingerprint, which is 40 (or 64) hex digits; shorter key "
                        "IDs can be forged",
                        ret->options.fingerprint);
        return 0;
}

/* Whether the options select the key. */
static int is_wanted(const struct request *request, const struct mf_trusted_key *trusted)
{
        if (request->fingerprint[0] && strcmp(request->fingerprint, trusted->fingerprint) != 0)
                return 0;
        if (request->options.root)
                return !trusted->prefix;
        return !request->prefix || (trusted->prefix && strcmp(request->prefix, trusted->prefix) == 0);
}

static struct mayfly_key describe(const struct mf_key *key, const char *prefix, const char *from)
{
        return (struct mayfly_key){ .size = sizeof(struct mayfly_key),
                                    .fingerprint = key->fingerprint,
                                    .user_id = key->user_id,
                                    .created = key->created,
                                    .expires = key->expires,
                                    .expired = key->expired,
                                    .revoked = key->revoked,
                                    .prefix = prefix,
                                    .from = from };
}

static int cancelled(struct mayfly_error *err)
{
        return mf_error(err, -ECANCELED, MAYFLY_STAGE_SIGNATURE, "trusted keys: the callback cancelled the operation");
}

/* --- adding ------------------------------------------------------------------------------------------------------ */

struct source {
        const struct request *request;
        const char *from;
        struct mf_buffer file; /* of keys */
};

static int too_large(const char *from, struct mayfly_error *err)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_SIGNATURE, "the file of keys %.400s has more than %zu bytes", from,
                        KEYS_MAX);
}

static int read_url(struct source *source, const char *url, struct mayfly_error *err)
{
        const struct mf_http_read read = { .url = url, .max = KEYS_MAX, .options = &source->request->image };
        char shown[MF_SHOWN_MAX];

        mf_buffer_clear(&source->file);
        mf_show_url(shown, url, 0);
        int r = mf_http_read(&source->file, &read, NULL, err);
        if (r == -EFBIG)
                return too_large(shown, err);
        return r;
}

static int read_path(struct source *source, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char block[4096];
        ssize_t n = fd < 0 ? -1 : 1;
        int r = 0;

        while (r == 0 && n > 0) {
                n = read(fd, block, sizeof(block));
                if (n < 0 && errno == EINTR)
                        n = 1;
                else if (n > 0)
                        r = (size_t) n > KEYS_MAX - source->file.size ? -EFBIG
                                                                      : mf_buffer_add(&source->file, block, (size_t) n);
        }
        if (n < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SIGNATURE, "the file of keys \"%.400s\" cannot be read",
                                      path);
        if (r == -EFBIG)
                return too_large(path, err);
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_SIGNATURE) : 0;
}

/* Writes a key that is wanted. Returns 1, 0 when it is not wanted, or negative errno. */
static int add_key(struct source *source, struct mf_gpg *gpg, const struct mf_key *key, struct mayfly_error *err)
{
        const struct request *request = source->request;
        mf_cleanup(mf_freep) char *text = NULL, *path = NULL;
        size_t size = 0;

        if (request->fingerprint[0] && strcmp(request->fingerprint, key->fingerprint) != 0)
                return 0;
        const struct mayfly_key shown = describe(key, request->prefix, source->from);
        int r = request->options.key ? request->options.key(&shown, request->options.userdata) : 1;
        if (r <= 0)
                return r < 0 ? cancelled(err) : 0;
        r = mf_gpg_export(gpg, key->fingerprint, &text, &size, err);
        if (r == 0)
                r = mf_keyring_write(request->image.trusted_keys, request->prefix, key->fingerprint, text, size, &path,
                                     err);
        return r < 0 ? r : 1;
}

/* Writes all keys that are wanted. Returns their number or negative errno. */
static int each_key(struct source *source, struct mf_gpg *gpg, const struct mf_keys *keys, struct mayfly_error *err)
{
        const char *wanted = source->request->fingerprint;
        int found = !wanted[0], written = 0;

        for (size_t i = 0; i < keys->n; i++) {
                int r = add_key(source, gpg, &keys->list[i], err);
                if (r < 0)
                        return r;
                written += r;
                found |= strcmp(wanted, keys->list[i].fingerprint) == 0;
        }
        if (keys->n == 0)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_SIGNATURE, "GnuPG can read none of the keys in %.400s",
                                source->from);
        if (!found)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_SIGNATURE,
                                "the key %s is not among the %zu keys of %.400s; the first of them is %s (%s)", wanted,
                                keys->n, source->from, keys->list[0].fingerprint, keys->list[0].user_id);
        return written;
}

/* Writes the wanted keys of source->file. Returns their number or negative errno. */
static int add_keys(struct source *source, struct mayfly_error *err)
{
        struct mf_packets packets = { 0 };
        struct mf_gpg_home home;
        struct mf_gpg *gpg = NULL;
        struct mf_keys keys = { 0 };
        char what[500];

        snprintf(what, sizeof(what), "the file of keys %.400s", source->from);
        int r = mf_openpgp_read(&packets, MF_OPENPGP_KEYS, source->file.data ? source->file.data : "",
                                source->file.size, what, err);
        if (r < 0)
                return r;
        r = mf_gpg_home_make(source->request->image.store, &home, err);
        if (r == 0) {
                r = mf_gpg_new(&gpg, home.path, &packets, err);
                if (r == 0)
                        r = mf_gpg_keys(gpg, &keys, err);
                if (r == 0)
                        r = each_key(source, gpg, &keys, err);
                mf_keys_clear(&keys);
                mf_gpg_free(gpg);
                mf_gpg_home_remove(&home);
        }
        mf_packets_clear(&packets);
        return r;
}

/* Writes the wanted keys from a URL that was discovered, or from a mirror of it. Returns their number or negative errno. */
static int add_found(struct source *source, const struct mf_mirrors *mirrors, const char *url, struct mayfly_error *err)
{
        struct mayfly_error failures = MAYFLY_ERROR_INIT;
        struct mf_urls urls = { 0 };
        char shown[MF_SHOWN_MAX];

        int r = mf_urls_add_mirrored(&urls, mirrors, url, url);
        if (r < 0)
                mf_error_oom(&failures, MAYFLY_STAGE_SIGNATURE);
        for (size_t i = 0; i < urls.n && r >= 0; i++) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                r = read_url(source, urls.list[i], &why);
                if (r == 0)
                        break;
                mf_error_join(&failures, &why);
                if (i + 1 < urls.n)
                        r = 0;
        }
        mf_urls_clear(&urls);
        if (r < 0)
                return mf_error(err, failures.code, failures.stage, "%s", failures.message);
        mf_show_url(shown, url, 0);
        source->from = shown;
        r = add_keys(source, err);
        source->from = NULL;
        return r;
}

/* Writes the wanted keys from all URLs that the pages of the prefix have. Returns their number or negative errno. */
static int discover(struct source *source, struct mayfly_error *err)
{
        const struct request *request = source->request;
        struct mayfly_error failures = MAYFLY_ERROR_INIT;
        struct mf_mirrors mirrors = { 0 };
        struct mf_urls urls = { 0 };
        int written = 0, fine = 0;

        int r = mf_mirrors_load(request->image.mirrors, &mirrors, err);
        if (r == 0) {
                r = mf_discover_keys(&urls, request->prefix, &mirrors, &request->image, &failures);
                for (size_t i = 0; i < urls.n && r != -ECANCELED; i++) {
                        struct mayfly_error why = MAYFLY_ERROR_INIT;
                        r = add_found(source, &mirrors, urls.list[i], &why);
                        written += r > 0 ? r : 0;
                        fine |= r >= 0;
                        if (r < 0)
                                mf_error_join(&failures, &why);
                        if (r == -ECANCELED)
                                fine = 0;
                }
                if (!fine)
                        r = mf_error(err, failures.code, failures.stage, "no keys for %.300s: %.3500s", request->prefix,
                                     failures.message);
        }
        mf_urls_clear(&urls);
        mf_mirrors_clear(&mirrors);
        return fine ? written : r;
}

MF_EXPORT int mayfly_trust_add(const struct mayfly_trust_options *given, struct mayfly_error *err)
{
        struct mf_sigpipe sigpipe;
        struct request request;
        struct source source = { .request = &request };
        struct mf_keyring keyring = { 0 };

        int r = take_options(&request, given, err);
        if (r == 0 && !request.prefix && !request.options.root)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "trusted keys: neither a prefix nor root is given; give a prefix of image names, or root "
                             "for every name");
        if (r == 0 && !request.options.source && !request.prefix)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "trusted keys: the keys for root cannot be discovered; give a file or URL");
        if (r == 0 && !request.options.key && !request.fingerprint[0])
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "trusted keys: nothing confirms the key; give its fingerprint, or a callback that asks");
        if (r == 0)
                r = mf_keyring_load(request.image.trusted_keys, &keyring,
                                    err); /* add nothing where other users can write */
        mf_keyring_clear(&keyring);
        if (r < 0)
                return r;
        mf_sigpipe_block(&sigpipe);
        source.from = request.options.source;
        if (!source.from) {
                r = discover(&source, err);
        } else {
                r = strstr(source.from, "://") ? read_url(&source, source.from, err)
                                               : read_path(&source, source.from, err);
                if (r == 0)
                        r = add_keys(&source, err);
        }
        mf_sigpipe_restore(&sigpipe);
        mf_buffer_clear(&source.file);
        return r;
}

/* --- listing and removing ---------------------------------------------------------------------------------------- */

/* Calls the callback with one key as GnuPG reads its file. The key must have the fingerprint that is the file's name. Returns 0 or
 * negative errno. */
static int list_one(const struct request *request, const struct mf_trusted_key *trusted, const char *home,
                    struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_packets packets = { 0 };
        struct mf_keys keys = { 0 };
        struct mf_gpg *gpg = NULL;
        struct mf_key none = { 0 };
        const struct mf_key *key = NULL;

        snprintf(none.fingerprint, sizeof(none.fingerprint), "%s", trusted->fingerprint);
        int r = mf_openpgp_read(&packets, MF_OPENPGP_KEYS, trusted->data, trusted->size, "the file", &why);
        if (r == 0)
                r = mf_gpg_new(&gpg, home, &packets, err);
        if (r == 0)
                r = mf_gpg_keys(gpg, &keys, err);
        mf_gpg_free(gpg);
        mf_packets_clear(&packets);
        if (r < 0 && !why.code)
                return r;
        for (size_t i = 0; i < keys.n; i++)
                if (strcmp(keys.list[i].fingerprint, trusted->fingerprint) == 0)
                        key = &keys.list[i];
        struct mayfly_key shown = describe(key ? key : &none, trusted->prefix, trusted->path);
        shown.problem = why.code ? why.message : key ? NULL : "the key in it has another fingerprint";
        r = request->options.key ? request->options.key(&shown, request->options.userdata) : 0;
        mf_keys_clear(&keys);
        return r < 0 ? cancelled(err) : 0;
}

MF_EXPORT int mayfly_trust_list(const struct mayfly_trust_options *given, struct mayfly_error *err)
{
        struct mf_keyring keyring = { 0 };
        struct mf_sigpipe sigpipe;
        struct request request;

        int r = take_options(&request, given, err);
        if (r == 0)
                r = mf_keyring_load(request.image.trusted_keys, &keyring, err);
        mf_sigpipe_block(&sigpipe);
        for (size_t i = 0; i < keyring.n && r == 0; i++) {
                struct mf_gpg_home home;
                if (!is_wanted(&request, &keyring.list[i]))
                        continue;
                r = mf_gpg_home_make(request.image.store, &home, err);
                if (r < 0)
                        break;
                r = list_one(&request, &keyring.list[i], home.path, err);
                mf_gpg_home_remove(&home);
        }
        mf_sigpipe_restore(&sigpipe);
        mf_keyring_clear(&keyring);
        return r;
}

MF_EXPORT int mayfly_trust_remove(const struct mayfly_trust_options *given, struct mayfly_error *err)
{
        struct mf_keyring keyring = { 0 };
        struct request request;
        size_t removed = 0;

        int r = take_options(&request, given, err);
        if (r == 0 && !request.fingerprint[0])
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "trusted keys: give the fingerprint of the key to remove");
        if (r == 0)
                r = mf_keyring_load(request.image.trusted_keys, &keyring, err);
        for (size_t i = 0; i < keyring.n && r == 0; i++) {
                const struct mf_trusted_key *trusted = &keyring.list[i];
                struct mf_key key = { 0 };
                if (!is_wanted(&request, trusted))
                        continue;
                if (unlink(trusted->path) < 0 && errno != ENOENT) {
                        r = mf_error_errno(err, -errno, MAYFLY_STAGE_SIGNATURE, "trusted keys: %s cannot be removed",
                                           trusted->path);
                        break;
                }
                removed++;
                snprintf(key.fingerprint, sizeof(key.fingerprint), "%s", trusted->fingerprint);
                const struct mayfly_key shown = describe(&key, trusted->prefix, trusted->path);
                if (request.options.key && request.options.key(&shown, request.options.userdata) < 0)
                        r = cancelled(err);
        }
        mf_keyring_clear(&keyring);
        if (r == 0 && removed == 0)
                r = mf_error(err, -ENOENT, MAYFLY_STAGE_SIGNATURE, "the key %s is not trusted%s%.300s",
                             request.fingerprint,
                             request.prefix         ? " for "
                             : request.options.root ? " for every name"
                                                    : "",
                             request.prefix ? request.prefix : "");
        return r;
}
