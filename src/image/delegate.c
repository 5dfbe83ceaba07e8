/* SPDX-License-Identifier: MIT */
#include "image/delegate.h"

#include "store/delegate.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/trace.h"

static const struct mf_field image_options_field[] = {
        MF_FIELD(struct mayfly_image_options, store),
        MF_FIELD(struct mayfly_image_options, allow_http),
        MF_FIELD(struct mayfly_image_options, retries),
        MF_FIELD(struct mayfly_image_options, stall_timeout_ms),
        MF_FIELD(struct mayfly_image_options, connect_timeout_ms),
        MF_FIELD(struct mayfly_image_options, max_unpacked),
        MF_FIELD(struct mayfly_image_options, max_entries),
        MF_FIELD(struct mayfly_image_options, ca_file),
        MF_FIELD(struct mayfly_image_options, mirrors),
        MF_FIELD(struct mayfly_image_options, signatures),
        MF_FIELD(struct mayfly_image_options, trusted_keys),
        MF_FIELD(struct mayfly_image_options, store_max_bytes),
        MF_FIELD(struct mayfly_image_options, store_max_age_s),
        MF_FIELD(struct mayfly_image_options, fetch),
};
const struct mf_fields mf_image_options_fields = { image_options_field, MF_ELEMENTSOF(image_options_field) };

static const struct mf_field keep_ids_field[] = {
        MF_FIELD(struct mf_keep_ids, uid),
        MF_FIELD(struct mf_keep_ids, gid),
};
const struct mf_fields mf_keep_ids_fields = { keep_ids_field, MF_ELEMENTSOF(keep_ids_field) };

static const struct mf_field progress_field[] = {
        MF_FIELD(struct mayfly_progress, phase),          MF_FIELD(struct mayfly_progress, reference),
        MF_FIELD(struct mayfly_progress, bytes_done),     MF_FIELD(struct mayfly_progress, bytes_total),
        MF_FIELD(struct mayfly_progress, bytes_unpacked), MF_FIELD(struct mayfly_progress, entries),
        MF_FIELD(struct mayfly_progress, elapsed_ms),     MF_FIELD(struct mayfly_progress, images_removed),
        MF_FIELD(struct mayfly_progress, bytes_freed),    MF_FIELD(struct mayfly_progress, warning),
};
const struct mf_fields mf_progress_fields = { progress_field, MF_ELEMENTSOF(progress_field) };

/* The callback of mf_call(): passes a report on to the caller's callback. */
static int on_progress(void *userdata, struct mf_unpack *report)
{
        const struct mayfly_image_options *options = userdata;
        struct mayfly_progress progress = { .size = sizeof(progress) };

        mf_unpack_fields(report, &mf_progress_fields, &progress);
        return options->progress ? options->progress(&progress, options->progress_userdata) : 0;
}

int mf_delegate_open(const struct mf_image_request *request, struct mf_call_result *ret_call, int *ret_fetched,
                     struct mayfly_error *err)
{
        struct mayfly_image_options options = *request->options;
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        options.store = request->path;
        mf_pack_string(&arguments, request->text);
        mf_pack_fields(&arguments, &mf_image_options_fields, &options);
        mf_pack_number(&arguments, options.progress != NULL);
        mf_pack_number(&arguments, request->kept != NULL);
        if (request->kept)
                mf_pack_fields(&arguments, &mf_keep_ids_fields, request->kept);
        const struct mf_call call = {
                .operation = MF_OPERATION_OPEN, .arguments = &arguments, .report = on_progress, .userdata = &options
        };
        MF_TRACE("fetch by mayfly-helper", request->reference->id);
        int r = mf_call(ret_call, &call, err);
        if (r == 0)
                *ret_fetched = ret_call->frame.value;
        return r;
}

/* --- the collection ------------------------------------------------------------------------------------------- */

static const struct mf_field gc_options_field[] = {
        MF_FIELD(struct mayfly_gc_options, store),     MF_FIELD(struct mayfly_gc_options, max_age_s),
        MF_FIELD(struct mayfly_gc_options, max_bytes), MF_FIELD(struct mayfly_gc_options, all),
        MF_FIELD(struct mayfly_gc_options, dry_run),
};
const struct mf_fields mf_gc_options_fields = { gc_options_field, MF_ELEMENTSOF(gc_options_field) };

static const struct mf_field gc_result_field[] = {
        MF_FIELD(struct mayfly_gc_result, removed),     MF_FIELD(struct mayfly_gc_result, kept),
        MF_FIELD(struct mayfly_gc_result, in_use),      MF_FIELD(struct mayfly_gc_result, leftovers),
        MF_FIELD(struct mayfly_gc_result, bytes_freed), MF_FIELD(struct mayfly_gc_result, bytes_kept),
        MF_FIELD(struct mayfly_gc_result, layers),
};
const struct mf_fields mf_gc_result_fields = { gc_result_field, MF_ELEMENTSOF(gc_result_field) };

int mf_delegate_gc(const struct mayfly_gc_options *options, struct mayfly_gc_result *ret, struct mayfly_error *err)
{
        struct mf_store_reporter reporter = { options->report, options->userdata };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        mf_pack_fields(&arguments, &mf_gc_options_fields, options);
        mf_pack_number(&arguments, options->report != NULL);
        const struct mf_call call = {
                .operation = MF_OPERATION_GC, .arguments = &arguments, .report = mf_store_relay, .userdata = &reporter
        };
        int r = mf_call(&result, &call, err);
        struct mf_unpack payload = mf_call_payload(&result);
        mf_unpack_fields(&payload, &mf_gc_result_fields, ret);
        mf_call_end(&result);
        return r;
}
