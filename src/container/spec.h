/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_SPEC_H
#define MF_CONTAINER_SPEC_H

#include <mayfly/container.h>

/* Takes a caller's spec, and checks what can be checked without the image. Returns 0 or negative errno. */
int mf_spec_take(struct mayfly_spec *spec, const struct mayfly_spec *given, struct mayfly_error *err);
/* Returns the group of "USER:GROUP", or NULL for a user alone, or a path. */
const char *mf_user_group(const char *user);
/* Returns a copy of the user, or NULL for a lack of memory. */
char *mf_user_name(const char *user);
void mf_spec_set_defaults(struct mayfly_spec *spec);

/* Replaces all that the container's spec points to, which its caller may free, by copies. The handles in it stay what they are. Returns 0
 * or negative errno. */
int mf_spec_keep(struct mayfly_container *container, struct mayfly_error *err);

#endif
