/* SPDX-License-Identifier: MIT */
#ifndef MF_CAPABILITIES_H
#define MF_CAPABILITIES_H

/* Sets of capabilities (capabilities(7)), one bit for each capability. An image asks for them, and the spec grants them. */

#include <stdint.h>

#include <mayfly/error.h>

/* The default set of a container, which is appc's and docker's default. */
extern const uint64_t mf_capabilities_default;

/* The capabilities that act on the host: a container without a user namespace never has them. */
extern const uint64_t mf_capabilities_of_namespace;

/* Returns the bit of the capability with that name, such as "CAP_CHOWN"; 0 when there is none. */
uint64_t mf_capability_find(const char *name);

/* Returns the name of the lowest capability in a set that is not empty. */
const char *mf_capability_name(uint64_t set);

/* Sets *ret to the capabilities in a NULL-terminated list of names; NULL is an empty list. Returns 0, or -EINVAL with a
 * message. */
int mf_capabilities_parse(const char *const *names, uint64_t *ret, struct mayfly_error *err);

#endif
