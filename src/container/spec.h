/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_SPEC_H
#define MF_CONTAINER_SPEC_H

#include <mayfly/container.h>
#include <mayfly/file.h>

#include "util/arena.h"

/* Takes a caller's spec, and checks what can be checked without the image. Returns 0 or negative errno. */
int mf_spec_take(struct mayfly_spec *spec, const struct mayfly_spec *given, struct mayfly_error *err);
void mf_spec_set_defaults(struct mayfly_spec *spec);

/* Replaces what a later start needs of a spec, which its caller may free, by copies. `volumes` and `files` are the copies of the spec's
 * arrays. Returns 0 or negative errno. */
int mf_spec_keep(struct mayfly_spec *spec, struct mayfly_volume *volumes, struct mayfly_file *files,
                 struct mf_arena *arena, struct mayfly_error *err);

#endif
