/* SPDX-License-Identifier: MIT */
#ifndef MF_REGEX_H
#define MF_REGEX_H

#include <mayfly/error.h>
#include <regex.h>
#include <stddef.h>

/* Compiles a POSIX extended regular expression. Returns 0, or -EINVAL with an error that says at which character it is wrong. */
int mf_regex_compile(regex_t *ret, const char *pattern, struct mayfly_error *err);

/* Whether it matches in text[0] to text[size - 1], which may have any byte. */
int mf_regex_matches(const regex_t *regex, const char *text, size_t size);

#endif
