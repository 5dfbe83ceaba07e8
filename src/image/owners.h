/* SPDX-License-Identifier: MIT */
#ifndef MF_OWNERS_H
#define MF_OWNERS_H

/* Looks for files whose owners a container does not have. */

#include <stdint.h>

#include "image/open.h"

/* Returns 0 if the users and groups that own the image's files are all less than `count`, or else an error that names one
 * such file. Reads the ends of the records of its layers, and more only when there is such a file. */
int mf_owners_check(const struct mayfly_image *image, uint32_t count, struct mayfly_error *err);

#endif
