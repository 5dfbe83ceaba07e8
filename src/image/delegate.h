/* SPDX-License-Identifier: MIT */
#ifndef MF_DELEGATE_H
#define MF_DELEGATE_H

/* What an ordinary user's program leaves to mayfly-helper, and the form in which options and reports cross to it and back. */

#include <mayfly/store.h>

#include "image/get.h"
#include "privilege/call.h"

/* Lets the helper open the image, which fetches what is missing and makes the layers. The helper keeps it open until the call
 * is ended, which the caller does in any case. Returns 0 or negative errno. */
int mf_delegate_open(const struct mf_image_request *request, struct mf_call_result *ret_call, int *ret_fetched,
                     struct mayfly_error *err);

/* Does what mayfly_store_gc() does, with the store's path in the options. *ret is filled also on failure. */
int mf_delegate_gc(const struct mayfly_gc_options *options, struct mayfly_gc_result *ret, struct mayfly_error *err);

/* The operation OPEN has as arguments the reference, the options, whether there is a progress callback, whether the user keeps IDs, and
 * these. */
extern const struct mf_fields mf_image_options_fields;
extern const struct mf_fields mf_keep_ids_fields;
/* Its reports. */
extern const struct mf_fields mf_progress_fields;

/* The operation GC has as arguments the options, and whether there is a callback. store/delegate.h has its reports. */
extern const struct mf_fields mf_gc_options_fields;
extern const struct mf_fields mf_gc_result_fields;

#endif
