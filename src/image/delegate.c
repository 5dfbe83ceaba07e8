/* SPDX-License-Identifier: MIT */
#include "image/delegate.h"

#include "store/delegate.h"
#include "util/error.h"
#include "util/macro.h"

void mf_pack_image_options(struct mf_pack *pack, const struct mayfly_image_options *options)
{
        mf_pack_string(pack, options->store);
        mf_pack_number(pack, options->allow_http != 0);
        mf_pack_number(pack, options->retries);
        mf_pack_number(pack, options->stall_timeout_ms);
        mf_pack_number(pack, options->connect_timeout_ms);
        mf_pack_number(pack, options->max_unpacked);
        mf_pack_number(pack, options->max_entries);
        mf_pack_number(pack, options->progress != NULL);
        mf_pack_string(pack, options->ca_file);
        mf_pack_string(pack, options->mirrors);
        mf_pack_number(pack, options->signatures);
        mf_pack_string(pack, options->trusted_keys);
        mf_pack_number(pack, options->store_max_bytes);
        mf_pack_number(pack, options->store_max_age_s);
}

void mf_unpack_image_options(struct mf_unpack *unpack, struct mayfly_image_options *ret, int *ret_reports)
{
        *ret = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        ret->store = mf_unpack_string(unpack);
        ret->allow_http = (int) mf_unpack_number(unpack);
        ret->retries = (unsigned) mf_unpack_number(unpack);
        ret->stall_timeout_ms = (unsigned) mf_unpack_number(unpack);
        ret->connect_timeout_ms = (unsigned) mf_unpack_number(unpack);
        ret->max_unpacked = mf_unpack_number(unpack);
        ret->max_entries = mf_unpack_number(unpack);
        *ret_reports = (int) mf_unpack_number(unpack);
        ret->ca_file = mf_unpack_string(unpack);
        ret->mirrors = mf_unpack_string(unpack);
        ret->signatures = (enum mayfly_signatures) mf_unpack_number(unpack);
        ret->trusted_keys = mf_unpack_string(unpack);
        ret->store_max_bytes = mf_unpack_number(unpack);
        ret->store_max_age_s = mf_unpack_number(unpack);
}

void mf_pack_progress(struct mf_pack *pack, const struct mayfly_progress *progress)
{
        mf_pack_number(pack, progress->phase);
        mf_pack_string(pack, progress->reference);
        mf_pack_number(pack, progress->bytes_done);
        mf_pack_number(pack, progress->bytes_total);
        mf_pack_number(pack, progress->bytes_unpacked);
        mf_pack_number(pack, progress->entries);
        mf_pack_number(pack, progress->elapsed_ms);
        mf_pack_number(pack, progress->images_removed);
        mf_pack_number(pack, progress->bytes_freed);
        mf_pack_string(pack, progress->warning);
}

void mf_unpack_progress(struct mf_unpack *unpack, struct mayfly_progress *ret)
{
        *ret = (struct mayfly_progress){ .size = sizeof(*ret) };
        ret->phase = (enum mayfly_progress_phase) mf_unpack_number(unpack);
        ret->reference = mf_unpack_string(unpack);
        ret->bytes_done = mf_unpack_number(unpack);
        ret->bytes_total = mf_unpack_number(unpack);
        ret->bytes_unpacked = mf_unpack_number(unpack);
        ret->entries = mf_unpack_number(unpack);
        ret->elapsed_ms = mf_unpack_number(unpack);
        ret->images_removed = mf_unpack_number(unpack);
        ret->bytes_freed = mf_unpack_number(unpack);
        ret->warning = mf_unpack_string(unpack);
}

/* The callback of mf_call(): passes a report on to the caller's callback. */
static int on_progress(void *userdata, struct mf_unpack *report)
{
        const struct mayfly_image_options *options = userdata;
        struct mayfly_progress progress;

        mf_unpack_progress(report, &progress);
        return options->progress ? options->progress(&progress, options->progress_userdata) : 0;
}

int mf_delegate_open(const struct mf_image_request *request, struct mf_call_result *ret_call, int *ret_fetched,
                     struct mayfly_error *err)
{
        struct mayfly_image_options options = *request->options;
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        options.store = request->path;
        mf_pack_string(&arguments, request->text);
        mf_pack_image_options(&arguments, &options);
        const struct mf_call call = {
                .operation = MF_OPERATION_OPEN, .arguments = &arguments, .report = on_progress, .userdata = &options
        };
        int r = mf_call(ret_call, &call, err);
        if (r == 0)
                *ret_fetched = ret_call->frame.value;
        return r;
}

/* --- the collection ------------------------------------------------------------------------------------------- */

void mf_pack_gc_options(struct mf_pack *pack, const struct mayfly_gc_options *options)
{
        mf_pack_string(pack, options->store);
        mf_pack_number(pack, options->max_age_s);
        mf_pack_number(pack, options->max_bytes);
        mf_pack_number(pack, options->all != 0);
        mf_pack_number(pack, options->dry_run != 0);
        mf_pack_number(pack, options->report != NULL);
}

void mf_unpack_gc_options(struct mf_unpack *unpack, struct mayfly_gc_options *ret, int *ret_reports)
{
        *ret = (struct mayfly_gc_options) MAYFLY_GC_OPTIONS_INIT;
        ret->store = mf_unpack_string(unpack);
        ret->max_age_s = mf_unpack_number(unpack);
        ret->max_bytes = mf_unpack_number(unpack);
        ret->all = (int) mf_unpack_number(unpack);
        ret->dry_run = (int) mf_unpack_number(unpack);
        *ret_reports = (int) mf_unpack_number(unpack);
}

void mf_pack_gc_result(struct mf_pack *pack, const struct mayfly_gc_result *result)
{
        mf_pack_number(pack, result->removed);
        mf_pack_number(pack, result->kept);
        mf_pack_number(pack, result->in_use);
        mf_pack_number(pack, result->leftovers);
        mf_pack_number(pack, result->bytes_freed);
        mf_pack_number(pack, result->bytes_kept);
        mf_pack_number(pack, result->layers);
}

void mf_unpack_gc_result(struct mf_unpack *unpack, struct mayfly_gc_result *ret)
{
        *ret = (struct mayfly_gc_result) MAYFLY_GC_RESULT_INIT;
        ret->removed = mf_unpack_number(unpack);
        ret->kept = mf_unpack_number(unpack);
        ret->in_use = mf_unpack_number(unpack);
        ret->leftovers = mf_unpack_number(unpack);
        ret->bytes_freed = mf_unpack_number(unpack);
        ret->bytes_kept = mf_unpack_number(unpack);
        ret->layers = mf_unpack_number(unpack);
}

int mf_delegate_gc(const struct mayfly_gc_options *options, struct mayfly_gc_result *ret, struct mayfly_error *err)
{
        struct mf_store_reporter reporter = { options->report, options->userdata };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        mf_pack_gc_options(&arguments, options);
        const struct mf_call call = {
                .operation = MF_OPERATION_GC, .arguments = &arguments, .report = mf_store_relay, .userdata = &reporter
        };
        int r = mf_call(&result, &call, err);
        struct mf_unpack payload = mf_call_payload(&result);
        mf_unpack_gc_result(&payload, ret);
        mf_call_end(&result);
        return r;
}
