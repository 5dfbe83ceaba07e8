/* SPDX-License-Identifier: MIT */
#ifndef MF_ASK_PROGRAM_H
#define MF_ASK_PROGRAM_H

/* Runs a program that keeps credentials, docker-credential-NAME. */

#include "registry/documents.h"

/* Asks the program docker-credential-NAME of PATH for the credentials of `server`. `cancelled` (may be NULL) is polled. Returns 0,
 * also when the program has none, or negative errno; *ret_why, of `size` bytes, then continues "the program NAME ". What the
 * program writes is in no message: it may be a secret. */
int mf_ask_program(struct mf_credentials *ret, const char *name, const char *server, int (*cancelled)(void *userdata),
                   void *userdata, char *ret_why, size_t size);

#endif
