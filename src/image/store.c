/* SPDX-License-Identifier: MIT */

/* The public functions on the store that need to know what an image is called. */

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <mayfly/store.h>

#include "image/stored.h"
#include "store/directory.h"
#include "store/gc.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"

MF_EXPORT int mayfly_store_gc(struct mayfly_gc_result *ret, const struct mayfly_gc_options *given,
                              struct mayfly_error *err)
{
        static const struct mf_option_kind kind = {
                .what = "the gc options",
                .initializer = "MAYFLY_GC_OPTIONS_INIT",
                .size_min = offsetof(struct mayfly_gc_options, userdata) + sizeof(void *),
                .size = sizeof(struct mayfly_gc_options),
        };
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        mf_cleanup(mf_closep) int store = -1;
        mf_cleanup(mf_freep) char *path = NULL;

        int r = mf_options_take(&options, given, &kind, err);
        if (r == 0)
                r = mf_store_path(options.store, &path, err);
        if (r < 0)
                return r;
        r = mf_store_open(path, 0, &store, err);
        if (r == 0)
                r = mf_store_gc(store, path, &options, mf_stored_describe, &result, err);
        else if (r == -ENOENT) /* nothing to collect */
                r = 0;
        mf_store_give_result(ret, &result, sizeof(result));
        return r;
}
