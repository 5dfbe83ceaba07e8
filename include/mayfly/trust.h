/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_TRUST_H
#define MAYFLY_TRUST_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>
#include <mayfly/image.h>

/**
 * @file
 * The keys that are trusted to sign images, each for the names that begin with a prefix, or for all.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** A public key. Valid during the callback only. */
struct mayfly_key {
        size_t size;             /**< sizeof this struct in the library that fills it */
        const char *fingerprint; /**< of the primary key: 40 or 64 hex digits, upper case */
        const char *user_id;     /**< printable UTF-8, as its owner wrote it; empty when there is none */
        int64_t created;         /**< in seconds since 1970 */
        int64_t expires;         /**< in seconds since 1970; 0: never */
        int expired;             /**< non-zero: it has expired */
        int revoked;             /**< non-zero: its owner has revoked it */
        const char *prefix;      /**< of the names it is, or is to be, trusted for; NULL: all */
        const char *from;        /**< mayfly_trust_add(): the URL or file it is from; otherwise its file */
        const char *problem;     /**< mayfly_trust_list(): why the file is of no use, in English; otherwise NULL */
};

/** Called with each key, in the thread that called mayfly. A negative value ends the call, which then fails with
 * -ECANCELED. The functions below say what other values mean. */
typedef int (*mayfly_key_fn)(const struct mayfly_key *key, void *userdata);

/** Which keys, and for which names. Start from MAYFLY_TRUST_OPTIONS_INIT. */
struct mayfly_trust_options {
        size_t size;        /**< sizeof this struct */
        const char *prefix; /**< for the image of this name, and those whose names begin with it and a "/" */
        int root;           /**< non-zero, in place of a prefix: for every name */
        /** mayfly_trust_add(): URL (https:, file: or http:, see allow_http) or path of the keys; default: what
         * discovery finds for the prefix. */
        const char *source;
        const char *fingerprint; /**< this key only; spaces, "0x" and lower case are fine */
        mayfly_key_fn key;       /**< called with each key; default none */
        void *userdata;          /**< handed to key */
        /** How to fetch, the store (for temporary files) and the directories of trusted keys; NULL for the defaults. */
        const struct mayfly_image_options *image;
};

#define MAYFLY_TRUST_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_trust_options)

/**
 * Makes keys trusted: writes each to a file in the first directory of trusted keys. A key that is trusted already is
 * updated.
 *
 * @param options  `prefix` or `root`, and `key` or `fingerprint`. `key` is called with each key, and returns non-zero
 *                 if the key is to be trusted. Without it, the key of `fingerprint` is trusted.
 * @return how many keys were written, or negative errno: -EINVAL (options), -ENOENT (no keys, or none of that
 *         fingerprint), -EBADMSG (no OpenPGP keys), -EPERM (others can write in the directory) and others
 */
int mayfly_trust_add(const struct mayfly_trust_options *options, struct mayfly_error *err);

/**
 * Reports the trusted keys: all, or those for a prefix, `root`'s, or those of a fingerprint.
 *
 * @param options  `key` is called with each and returns 0
 * @return 0 or negative errno
 */
int mayfly_trust_list(const struct mayfly_trust_options *options, struct mayfly_error *err);

/**
 * Removes the files of the key of `fingerprint`: for the prefix, `root`'s, or, without either, all.
 *
 * @param options  `key`, if there is one, is called with the fingerprint, prefix and file of each removed key, and
 *                 returns 0
 * @return 0 or negative errno: -ENOENT when it was not trusted
 */
int mayfly_trust_remove(const struct mayfly_trust_options *options, struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
