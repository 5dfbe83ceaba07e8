/* SPDX-License-Identifier: MIT */
#ifndef SIGNED_H
#define SIGNED_H

/* For tests of signed images: one image, served with or without its signature, and the keys that are trusted. */

#include "keys.h"
#include "named.h"

#define IMAGE "/a.aci"
#define ASC "/a.aci.asc"

extern char *trusted; /* the directory of trusted keys */
extern char url[700]; /* the image's */

int signed_setup(void **state);
/* Processes whose command line has the store in it. */
int count_processes(void);
void wait_for_processes_to_end(void);
int signed_teardown(void **state);
char *serve_signature(char *text);
/* Signs the image, and serves that; allocated. */
char *sign_by(const char *who);
/* Opening the image fails with this error, and nothing is stored. */
void refuses(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What gpg itself says, with the keys of these two (NULL: one). */
int gpg_says(const char *one, const char *other, const char *signature);
int signed_group_setup(void **state);
int signed_group_teardown(void **state);

#define signed_test(f) cmocka_unit_test_setup_teardown(f, signed_setup, signed_teardown)

#endif
