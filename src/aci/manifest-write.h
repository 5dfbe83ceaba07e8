/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_WRITE_H
#define MF_MANIFEST_WRITE_H

/* An image manifest for those who have no more to say than a name and a program. */

#include <mayfly/build.h>

/* From the options' name and what belongs to it. *ret is allocated, JSON, and not checked yet. -EINVAL when something
 * is not of the form NAME=VALUE. */
int mf_manifest_write(const struct mayfly_build_options *options, char **ret, struct mayfly_error *err);

#endif
