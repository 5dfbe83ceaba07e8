/* SPDX-License-Identifier: MIT */
#ifndef MF_AC_TYPES_H
#define MF_AC_TYPES_H

/* The forms that strings have in the appc specification ("types", "Image Manifest Schema"). Each function returns 1 when the
 * string has the form, else 0. */

/* ^[a-z0-9]+(([-._~/]|/~)[a-z0-9]+)*$: the specification's expression lacks "/~", but its example of an AC Identifier is
 * example.com/~user/app_v1. */
int mf_is_ac_identifier(const char *s);
int mf_is_ac_name(const char *s);  /* ^[a-z0-9]+([-][a-z0-9]+)*$ */
int mf_is_env_name(const char *s); /* ^[A-Za-z_][A-Za-z_0-9.-]*$ */

/* Semantic Versioning 2.0.0. *ret_zero is 1 when the version is 0.0.0. */
int mf_is_semver(const char *s, int *ret_zero);

/* RFC 3339, section 5.6, without leap seconds, as in the reference implementation. */
int mf_is_rfc3339(const char *s);

/* A URL of http or https with a host, by RFC 3986. Characters outside ASCII need no escape. */
int mf_is_web_url(const char *s);

/* Whether the specification lists the pair or, when `arch` is NULL, the os. */
int mf_is_platform(const char *os, const char *arch);

#endif
