/* SPDX-License-Identifier: MIT */
#ifndef KEYS_H
#define KEYS_H

/* For tests of signatures: keys that gpg makes, in a directory of their own, and signatures by them. */

#include <stddef.h>

/* Makes the directory, and its keys: "alice", "bob", "carol", all from 2019; "old", expired in 2020; "gone", revoked;
 * "sub", which signs with a subkey. */
void keys_start(void);
void keys_stop(void); /* with the agent that gpg started */

/* Runs gpg in that directory. Returns its exit status. */
int keys_gpg(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *keys_directory(void);
/* The fingerprint of a key. Borrowed. */
const char *keys_fingerprint(const char *who);
/* A key in ASCII armour, allocated; "gone!" is gone before it was revoked. */
char *keys_export(const char *who);
/* A signature, allocated. `options` for gpg come before its command, which is --detach-sign where `command` is NULL. */
char *keys_sign(const char *who, const char *options, const char *command, const void *data, size_t size);
/* What gpg itself says, with the keys of these people alone: 1 when it finds the signature good. */
int keys_verify(const char *const *who, const char *signature, const void *data, size_t size);
/* Makes these keys trusted: in prefix.d of the directory, or without a prefix in root.d. */
void keys_trust(const char *directory, const char *prefix, const char *who);

#endif
