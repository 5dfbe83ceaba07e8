/* SPDX-License-Identifier: MIT */
#include "store/delegate.h"

#include <stdlib.h>

#include "privilege/call.h"
#include "util/macro.h"

void mf_pack_verify_options(struct mf_pack *pack, const struct mayfly_verify_options *options)
{
        mf_pack_string(pack, options->store);
        mf_pack_string(pack, options->image);
        mf_pack_number(pack, options->keep != 0);
        mf_pack_number(pack, options->report != NULL);
}

void mf_unpack_verify_options(struct mf_unpack *unpack, struct mayfly_verify_options *ret, int *ret_reports)
{
        *ret = (struct mayfly_verify_options) MAYFLY_VERIFY_OPTIONS_INIT;
        ret->store = mf_unpack_string(unpack);
        ret->image = mf_unpack_string(unpack);
        ret->keep = (int) mf_unpack_number(unpack);
        *ret_reports = (int) mf_unpack_number(unpack);
}

void mf_pack_verify_result(struct mf_pack *pack, const struct mayfly_verify_result *result)
{
        mf_pack_number(pack, result->images);
        mf_pack_number(pack, result->damaged);
        mf_pack_number(pack, result->dropped);
        mf_pack_number(pack, result->differences);
        mf_pack_number(pack, result->entries);
        mf_pack_number(pack, result->bytes);
        mf_pack_number(pack, result->layers);
        mf_pack_number(pack, result->damaged_layers);
}

void mf_unpack_verify_result(struct mf_unpack *unpack, struct mayfly_verify_result *ret)
{
        *ret = (struct mayfly_verify_result) MAYFLY_VERIFY_RESULT_INIT;
        ret->images = mf_unpack_number(unpack);
        ret->damaged = mf_unpack_number(unpack);
        ret->dropped = mf_unpack_number(unpack);
        ret->differences = mf_unpack_number(unpack);
        ret->entries = mf_unpack_number(unpack);
        ret->bytes = mf_unpack_number(unpack);
        ret->layers = mf_unpack_number(unpack);
        ret->damaged_layers = mf_unpack_number(unpack);
}

void mf_pack_store_report(struct mf_pack *pack, const struct mayfly_store_report *report)
{
        mf_pack_number(pack, report->event);
        mf_pack_string(pack, report->image);
        mf_pack_string(pack, report->path);
        mf_pack_string(pack, report->what);
        mf_pack_number(pack, report->bytes);
        mf_pack_number(pack, (uint64_t) report->last_used);
        mf_pack_string(pack, report->name);
        mf_pack_strings(pack, report->labels);
}

int mf_store_relay(void *reporter, struct mf_unpack *report)
{
        const struct mf_store_reporter *to = reporter;
        struct mayfly_store_report copy = { .size = sizeof(copy) };

        copy.event = (enum mayfly_store_event) mf_unpack_number(report);
        copy.image = mf_unpack_string(report);
        copy.path = mf_unpack_string(report);
        copy.what = mf_unpack_string(report);
        copy.bytes = mf_unpack_number(report);
        copy.last_used = (int64_t) mf_unpack_number(report);
        copy.name = mf_unpack_string(report);
        mf_cleanup(mf_freep) const char **labels = mf_unpack_strings(report);
        copy.labels = labels;
        return to->report ? to->report(&copy, to->userdata) : 0;
}

int mf_delegate_verify(const struct mayfly_verify_options *options, struct mayfly_verify_result *ret,
                       struct mayfly_error *err)
{
        struct mf_store_reporter reporter = { options->report, options->userdata };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        mf_pack_verify_options(&arguments, options);
        const struct mf_call call = { .operation = MF_OPERATION_VERIFY,
                                      .arguments = &arguments,
                                      .report = mf_store_relay,
                                      .userdata = &reporter };
        int r = mf_call(&result, &call, err);
        struct mf_unpack payload = mf_call_payload(&result);
        mf_unpack_verify_result(&payload, ret);
        mf_call_end(&result);
        return r;
}
