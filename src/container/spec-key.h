/* SPDX-License-Identifier: MIT */
#ifndef MF_SPEC_KEY_H
#define MF_SPEC_KEY_H

#include <mayfly/error.h>

#include "util/buffer.h"

struct mayfly_container;

/* Sets an error about what the container's spec has that a container which nobody has asked for yet would change, or would have too
 * early. Returns 0 or -EINVAL. */
int mf_spec_check_spare(const struct mayfly_container *container, struct mayfly_error *err);

/* Writes all of such a spec, after mf_spec_keep() and before the start, that a start heeds: two specs with the same bytes make the same
 * container. Returns 0 or -ENOMEM. */
int mf_spec_key(const struct mayfly_container *container, struct mf_buffer *ret);

#endif
