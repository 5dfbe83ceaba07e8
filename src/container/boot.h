/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_BOOT_H
#define MF_CONTAINER_BOOT_H

/* What a container is given that runs the image's init system. */

#include <mayfly/container.h>
#include <stdint.h>

#include "model/isolators.h"
#include "protocol/exec-block.h"

/* The capabilities that an init system has besides the default ones, all of them in the container's own namespaces. */
uint64_t mf_boot_capabilities(void);
/* Writes the command of the init system. */
void mf_boot_add(const struct mayfly_spec *spec, struct mf_exec_block *block);
/* Notes that the isolators of the image's app have no effect. Returns 0 or -ENOMEM. */
int mf_boot_note_isolators(struct mf_isolators *isolators);

#endif
