/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/digest.h"
#include "trust/keyring.h"
#include "trust/verify-signature.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* The file images/ID/signature, which exists only if a good signature was found:
 *
 *     mayfly-signature 1 sha512-<the image ID>
 *     key FINGERPRINT
 *     keys sha512-<mf_keyring_digest() of it>
 *     times CREATED EXPIRES KEY-EXPIRES
 *     user USER ID
 *     end MAC
 */
#define TEXT_MAX 2048
#define HEADER "mayfly-signature 1 %s\n"

/* Sets *ret to the MAC of the text. Returns 0 or -errno. */
static int mac_of(const char *text, size_t size, char ret[MF_MAC_LENGTH + 1])
{
        struct mf_mac *mac = mf_mac_new();
        int r = mac ? mf_mac_update(mac, text, size) : -ENOMEM;

        if (r == 0)
                r = mf_mac_final(mac, ret);
        mf_mac_free(mac);
        return r;
}

int mf_signature_note_write(int dirfd, const char *id, const struct mf_signature_note *note)
{
        const struct mf_signature *sig = &note->signature;
        char text[TEXT_MAX], mac[MF_MAC_LENGTH + 1];

        int n = snprintf(text, sizeof(text),
                         HEADER "key %s\nkeys %s\ntimes %" PRId64 " %" PRId64 " %" PRId64 "\nuser %s\n", id, sig->key,
                         note->keys, sig->created, sig->expires, sig->key_expires, sig->user_id);
        int r = mac_of(text, (size_t) n, mac);
        if (r < 0)
                return r;
        n += snprintf(text + n, sizeof(text) - (size_t) n, "end %s\n", mac);
        mf_cleanup(mf_closep) int fd =
                openat(dirfd, "signature", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 || fchmod(fd, 0644) < 0)
                return -errno;
        return mf_write_full(fd, text, (size_t) n);
}

int mf_signature_note_read(int dirfd, const char *id, struct mf_signature_note *ret)
{
        struct mf_signature_note note = { .state = MAYFLY_SIGNATURE_GOOD };
        struct mf_signature *sig = &note.signature;
        char text[TEXT_MAX], header[MF_ID_LENGTH + 32], mac[MF_MAC_LENGTH + 1], given[33] = "";

        mf_cleanup(mf_closep) int fd = openat(dirfd, "signature", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : mf_read_full(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -ENOENT;
        text[n] = '\0';
        snprintf(header, sizeof(header), HEADER, id);
        const char *key = text + strlen(header), *user = strstr(text, "\nuser "), *end = strstr(text, "\nend ");
        if (strncmp(text, header, strlen(header)) != 0 || !user || !end || user > end ||
            mac_of(text, (size_t) (end + 1 - text), mac) < 0 || sscanf(end, "\nend %32s", given) != 1 ||
            strcmp(mac, given) != 0)
                return -ENOENT;
        if (sscanf(key, "key %64s keys %135s times %" SCNd64 " %" SCNd64 " %" SCNd64, sig->key, note.keys,
                   &sig->created, &sig->expires, &sig->key_expires) != 5)
                return -ENOENT;
        snprintf(sig->user_id, sizeof(sig->user_id), "%.*s", (int) (end - user - 6), user + 6);
        *ret = note;
        return 0;
}

int mf_signature_note_counts(const struct mf_signature_note *note, const char *name, const char *trusted_keys,
                             char why[400], struct mayfly_error *err)
{
        const struct mf_signature *sig = &note->signature;
        struct mf_keyring keyring = { 0 };
        char keys[MF_ID_LENGTH + 1];
        int64_t now = (int64_t) time(NULL);

        int r = mf_keyring_load(trusted_keys, &keyring, err);
        if (r < 0)
                return r;
        why[0] = '\0';
        if (!mf_keyring_find(&keyring, sig->key, name))
                snprintf(why, 400, "its signature is by the key %s (%.200s), which is not trusted for this name",
                         sig->key, sig->user_id);
        else if (mf_keyring_digest(&keyring, sig->key, keys) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        else if (strcmp(keys, note->keys) != 0) /* the new version may be revoked */
                snprintf(why, 400, "its key %s (%.200s) has changed since", sig->key, sig->user_id);
        else if ((sig->expires && sig->expires <= now) || (sig->key_expires && sig->key_expires <= now))
                snprintf(why, 400, "%s %s (%.200s) has expired since",
                         sig->expires && sig->expires <= now ? "the signature by the key" : "its key", sig->key,
                         sig->user_id);
        mf_keyring_clear(&keyring);
        return r < 0 ? r : !why[0];
}
