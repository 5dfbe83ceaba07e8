/* SPDX-License-Identifier: MIT */
#ifndef MF_NAMES_H
#define MF_NAMES_H

/* The names of containers on networks. */

#include <mayfly/error.h>

#define MF_ALIASES_MAX 64U

/* Returns NULL for a host name (RFC 1123), else why it is none. */
const char *mf_host_name_fault(const char *name);

/* Checks a spec's aliases, a NULL-terminated list or NULL. Returns 0 or negative errno. */
int mf_aliases_check(const char *const *aliases, struct mayfly_error *err);

/* Returns the names of a container, separated by blanks: its host name, which may be NULL, that of the machine, of its spec, and the
 * aliases. Allocated; NULL without memory. */
char *mf_names_join(const char *machine, const char *hostname, const char *const *aliases);

#endif
