/* SPDX-License-Identifier: MIT */
/* The operations on the store: OPEN, VERIFY and GC. */
#include "helper/helper.h"
#include "image/delegate.h"
#include "image/open.h"
#include "store/delegate.h"
#include "util/error.h"
#include "util/macro.h"

/* Returns -EPROTO for arguments that end early. */
static int check_arguments(const struct mf_helper *helper, struct mayfly_error *err)
{
        return helper->arguments.failed ? mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper lacks arguments")
                                        : 0;
}

/* The progress callback of mayfly_image_open(). */
static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        mf_cleanup(mf_pack_clear) struct mf_pack report = { 0 };

        (void) userdata;
        mf_pack_fields(&report, &mf_progress_fields, progress);
        return mf_helper_report(&report);
}

/* The callback of mayfly_store_verify() and mayfly_store_gc(). */
static int on_store_report(const struct mayfly_store_report *event, void *userdata)
{
        mf_cleanup(mf_pack_clear) struct mf_pack report = { 0 };

        (void) userdata;
        mf_pack_store_report(&report, event);
        return mf_helper_report(&report);
}

static struct mayfly_image *image; /* stays open until this process ends */

int mf_helper_open(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mf_keep_ids kept = { 0 };

        const char *text = mf_unpack_string(&helper->arguments);
        mf_unpack_fields(&helper->arguments, &mf_image_options_fields, &options);
        options.progress = mf_unpack_number(&helper->arguments) ? on_progress : NULL;
        const int keeps = mf_unpack_number(&helper->arguments) != 0;
        if (keeps)
                mf_unpack_fields(&helper->arguments, &mf_keep_ids_fields, &kept);
        int r = check_arguments(helper, err);
        if (r == 0)
                r = mf_image_open(&image, text, &options, keeps ? &kept : NULL, err);
        if (r == 0)
                helper->answer.value = mayfly_image_was_fetched(image);
        return r;
}

int mf_helper_verify(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;

        mf_unpack_fields(&helper->arguments, &mf_verify_options_fields, &options);
        options.report = mf_unpack_number(&helper->arguments) ? on_store_report : NULL;
        int r = check_arguments(helper, err);
        if (r == 0)
                r = mayfly_store_verify(&result, &options, err);
        mf_pack_fields(&helper->answer.result, &mf_verify_result_fields, &result);
        return r;
}

int mf_helper_gc(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;

        mf_unpack_fields(&helper->arguments, &mf_gc_options_fields, &options);
        options.report = mf_unpack_number(&helper->arguments) ? on_store_report : NULL;
        int r = check_arguments(helper, err);
        if (r == 0)
                r = mayfly_store_gc(&result, &options, err);
        mf_pack_fields(&helper->answer.result, &mf_gc_result_fields, &result);
        return r;
}
