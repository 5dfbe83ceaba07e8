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

/* The arguments of the operation OPEN. The helper's callback is set by its caller, if there is one here (*ret_reports). */
void mf_pack_image_options(struct mf_pack *pack, const struct mayfly_image_options *options);
void mf_unpack_image_options(struct mf_unpack *unpack, struct mayfly_image_options *ret, int *ret_reports);

/* Its reports. */
void mf_pack_progress(struct mf_pack *pack, const struct mayfly_progress *progress);
void mf_unpack_progress(struct mf_unpack *unpack, struct mayfly_progress *ret);

/* The arguments and the result of the operation GC; store/delegate.h has its reports. */
void mf_pack_gc_options(struct mf_pack *pack, const struct mayfly_gc_options *options);
void mf_unpack_gc_options(struct mf_unpack *unpack, struct mayfly_gc_options *ret, int *ret_reports);
void mf_pack_gc_result(struct mf_pack *pack, const struct mayfly_gc_result *result);
void mf_unpack_gc_result(struct mf_unpack *unpack, struct mayfly_gc_result *ret);

#endif
