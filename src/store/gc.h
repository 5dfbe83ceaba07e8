/* SPDX-License-Identifier: MIT */
#ifndef MF_GC_H
#define MF_GC_H

/* Collecting garbage in the open store at `path`. `options` has final values; `describe` (NULL is fine) finds names and
 * labels for the reports. *ret is set also on failure, as far as it came. Returns 0 or negative errno. */

#include "store/list.h"

int mf_store_gc(int store, const char *path, const struct mayfly_gc_options *options, mf_describe_fn describe,
                struct mayfly_gc_result *ret, struct mayfly_error *err);

#endif
