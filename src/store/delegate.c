/* SPDX-License-Identifier: MIT */
#include "store/delegate.h"

#include <stdlib.h>

#include "privilege/call.h"
#include "util/macro.h"

static const struct mf_field verify_options_field[] = {
        MF_FIELD(struct mayfly_verify_options, store),
        MF_FIELD(struct mayfly_verify_options, image),
        MF_FIELD(struct mayfly_verify_options, keep),
};
const struct mf_fields mf_verify_options_fields = { verify_options_field, MF_ELEMENTSOF(verify_options_field) };

static const struct mf_field verify_result_field[] = {
        MF_FIELD(struct mayfly_verify_result, images),  MF_FIELD(struct mayfly_verify_result, damaged),
        MF_FIELD(struct mayfly_verify_result, dropped), MF_FIELD(struct mayfly_verify_result, differences),
        MF_FIELD(struct mayfly_verify_result, entries), MF_FIELD(struct mayfly_verify_result, bytes),
        MF_FIELD(struct mayfly_verify_result, layers),  MF_FIELD(struct mayfly_verify_result, damaged_layers),
};
const struct mf_fields mf_verify_result_fields = { verify_result_field, MF_ELEMENTSOF(verify_result_field) };

static const struct mf_field store_report_field[] = {
        MF_FIELD(struct mayfly_store_report, event), MF_FIELD(struct mayfly_store_report, image),
        MF_FIELD(struct mayfly_store_report, path),  MF_FIELD(struct mayfly_store_report, what),
        MF_FIELD(struct mayfly_store_report, bytes), MF_FIELD(struct mayfly_store_report, last_used),
        MF_FIELD(struct mayfly_store_report, name),
};
static const struct mf_fields store_report_fields = { store_report_field, MF_ELEMENTSOF(store_report_field) };

/* The labels are a list, which the reader has to free. */
void mf_pack_store_report(struct mf_pack *pack, const struct mayfly_store_report *report)
{
        mf_pack_fields(pack, &store_report_fields, report);
        mf_pack_strings(pack, report->labels);
}

int mf_store_relay(void *reporter, struct mf_unpack *report)
{
        const struct mf_store_reporter *to = reporter;
        struct mayfly_store_report copy = { .size = sizeof(copy) };

        mf_unpack_fields(report, &store_report_fields, &copy);
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

        mf_pack_fields(&arguments, &mf_verify_options_fields, options);
        mf_pack_number(&arguments, options->report != NULL);
        const struct mf_call call = { .operation = MF_OPERATION_VERIFY,
                                      .arguments = &arguments,
                                      .report = mf_store_relay,
                                      .userdata = &reporter };
        int r = mf_call(&result, &call, err);
        struct mf_unpack payload = mf_call_payload(&result);
        mf_unpack_fields(&payload, &mf_verify_result_fields, ret);
        mf_call_end(&result);
        return r;
}
