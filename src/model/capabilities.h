/* SPDX-License-Identifier: MIT */
#ifndef MF_CAPABILITIES_H
#define MF_CAPABILITIES_H

/* Sets of capabilities (capabilities(7)), one bit a capability. An image asks for them, and the spec grants them. */

#include <stdint.h>

#include <mayfly/error.h>

/* What a container has unless asked otherwise: appc's default set, which is docker's, too. */
extern const uint64_t mf_capabilities_default;

/* What is never granted without a user namespace, because it acts on the host. */
extern const uint64_t mf_capabilities_of_namespace;

/* The bit of the capability of that name, such as "CAP_CHOWN"; 0 when there is none. */
uint64_t mf_capability_find(const char *name);

/* The name of the lowest capability in a set that is not empty. */
const char *mf_capability_name(uint64_t set);

/* Reads a NULL-terminated list of names, as a spec has it; NULL is an empty one. Returns 0, or -EINVAL with a message. */
int mf_capabilities_parse(const char *const *names, uint64_t *ret, struct mayfly_error *err);

#endif
