/* SPDX-License-Identifier: MIT */
/* Options, reports and results cross to mayfly-helper and back with all their fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/delegate.h"
#include "store/delegate.h"

/* A field behind these is not packed yet. */
#define LAST(type, field) (offsetof(type, field) + sizeof(((type *) 0)->field))

static struct mf_unpack reader(const struct mf_pack *pack)
{
        assert_false(pack->failed);
        return (struct mf_unpack){ .at = pack->bytes.data, .left = pack->bytes.size };
}

/* All was read, and no more than there is; and what came, packed again, is the same. */
static void finish(struct mf_pack *pack, struct mf_pack *again, const struct mf_unpack *unpack)
{
        assert_false(again->failed);
        assert_int_equal(again->bytes.size, pack->bytes.size);
        assert_memory_equal(again->bytes.data, pack->bytes.data, pack->bytes.size);
        mf_pack_clear(again);
        assert_false(unpack->failed);
        assert_int_equal(unpack->left, 0);
        mf_pack_clear(pack);
}

static void test_image_options(void **state)
{
        const struct mayfly_image_options options = { .size = sizeof(options),
                                                      .store = "/store",
                                                      .allow_http = 1,
                                                      .retries = 2,
                                                      .stall_timeout_ms = 3,
                                                      .connect_timeout_ms = 4,
                                                      .max_unpacked = UINT64_C(5) << 40,
                                                      .max_entries = UINT64_C(6) << 40,
                                                      .ca_file = "ca",
                                                      .mirrors = "mirrors",
                                                      .signatures = MAYFLY_SIGNATURES_REQUIRED,
                                                      .trusted_keys = "keys",
                                                      .store_max_bytes = UINT64_C(7) << 40,
                                                      .store_max_age_s = UINT64_MAX,
                                                      .fetch = MAYFLY_FETCH_NEVER };
        struct mayfly_image_options came = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mf_pack pack = { 0 }, again = { 0 };

        (void) state;
        assert_true(sizeof(options) - LAST(struct mayfly_image_options, fetch) < sizeof(uint64_t));
        mf_pack_fields(&pack, &mf_image_options_fields, &options);
        struct mf_unpack unpack = reader(&pack);
        mf_unpack_fields(&unpack, &mf_image_options_fields, &came);
        assert_string_equal(came.store, "/store");
        assert_string_equal(came.ca_file, "ca");
        assert_string_equal(came.mirrors, "mirrors");
        assert_string_equal(came.trusted_keys, "keys");
        mf_pack_fields(&again, &mf_image_options_fields, &came);
        finish(&pack, &again, &unpack);
}

static void test_progress(void **state)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_COLLECTED,
                                                  .reference = "aci:x",
                                                  .bytes_done = 1,
                                                  .bytes_total = 2,
                                                  .bytes_unpacked = 3,
                                                  .entries = 4,
                                                  .elapsed_ms = 5,
                                                  .images_removed = 6,
                                                  .bytes_freed = UINT64_MAX,
                                                  .warning = "look" };
        struct mayfly_progress came = { .size = sizeof(came) };
        struct mf_pack pack = { 0 }, again = { 0 };

        (void) state;
        assert_true(sizeof(progress) - LAST(struct mayfly_progress, warning) < sizeof(uint64_t));
        mf_pack_fields(&pack, &mf_progress_fields, &progress);
        struct mf_unpack unpack = reader(&pack);
        mf_unpack_fields(&unpack, &mf_progress_fields, &came);
        assert_string_equal(came.reference, "aci:x");
        assert_string_equal(came.warning, "look");
        mf_pack_fields(&again, &mf_progress_fields, &came);
        finish(&pack, &again, &unpack);
}

static void test_gc(void **state)
{
        const struct mayfly_gc_options options = {
                .size = sizeof(options), .store = "/store", .max_age_s = 1, .max_bytes = 2, .all = 1, .dry_run = 1
        };
        const struct mayfly_gc_result result = { sizeof(result), 1, 2, 3, 4, 5, 6, UINT64_MAX };
        struct mayfly_gc_options came_options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result came_result = MAYFLY_GC_RESULT_INIT;
        struct mf_pack pack = { 0 }, again = { 0 };

        (void) state;
        assert_true(sizeof(options) - LAST(struct mayfly_gc_options, userdata) < sizeof(uint64_t));
        assert_true(sizeof(result) - LAST(struct mayfly_gc_result, layers) < sizeof(uint64_t));
        mf_pack_fields(&pack, &mf_gc_options_fields, &options);
        mf_pack_fields(&pack, &mf_gc_result_fields, &result);
        struct mf_unpack unpack = reader(&pack);
        mf_unpack_fields(&unpack, &mf_gc_options_fields, &came_options);
        mf_unpack_fields(&unpack, &mf_gc_result_fields, &came_result);
        assert_string_equal(came_options.store, "/store");
        mf_pack_fields(&again, &mf_gc_options_fields, &came_options);
        mf_pack_fields(&again, &mf_gc_result_fields, &came_result);
        finish(&pack, &again, &unpack);
}

static int compare_report(const struct mayfly_store_report *came, void *userdata)
{
        const struct mayfly_store_report *sent = userdata;

        assert_int_equal(came->event, sent->event);
        assert_null(came->image);
        assert_string_equal(came->path, sent->path);
        assert_string_equal(came->what, sent->what);
        assert_true(came->bytes == sent->bytes && came->last_used == sent->last_used);
        assert_string_equal(came->name, sent->name);
        assert_string_equal(came->labels[0], sent->labels[0]);
        assert_null(came->labels[1]);
        return 42;
}

static void test_verify(void **state)
{
        static const char *const labels[] = { "os=linux", NULL };
        struct mayfly_store_report report = { .size = sizeof(report),
                                              .event = MAYFLY_STORE_LAYER,
                                              .path = "/x",
                                              .what = "mode",
                                              .bytes = 1,
                                              .last_used = -2,
                                              .name = "example.com/x",
                                              .labels = labels };
        const struct mayfly_verify_options options = {
                .size = sizeof(options), .store = "/store", .image = "sha512-0", .keep = 1
        };
        const struct mayfly_verify_result result = { sizeof(result), 1, 2, 3, 4, 5, 6, 7, UINT64_MAX };
        struct mf_store_reporter reporter = { compare_report, &report };
        struct mayfly_verify_options came_options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result came_result = MAYFLY_VERIFY_RESULT_INIT;
        struct mf_pack pack = { 0 }, again = { 0 };

        (void) state;
        assert_true(sizeof(options) - LAST(struct mayfly_verify_options, userdata) < sizeof(uint64_t));
        assert_true(sizeof(result) - LAST(struct mayfly_verify_result, damaged_layers) < sizeof(uint64_t));
        assert_true(sizeof(report) - LAST(struct mayfly_store_report, labels) < sizeof(uint64_t));
        mf_pack_fields(&pack, &mf_verify_options_fields, &options);
        mf_pack_fields(&pack, &mf_verify_result_fields, &result);
        mf_pack_store_report(&pack, &report);
        struct mf_unpack unpack = reader(&pack);
        mf_unpack_fields(&unpack, &mf_verify_options_fields, &came_options);
        mf_unpack_fields(&unpack, &mf_verify_result_fields, &came_result);
        assert_int_equal(mf_store_relay(&reporter, &unpack), 42);
        assert_string_equal(came_options.store, "/store");
        assert_string_equal(came_options.image, "sha512-0");
        mf_pack_fields(&again, &mf_verify_options_fields, &came_options);
        mf_pack_fields(&again, &mf_verify_result_fields, &came_result);
        mf_pack_store_report(&again, &report);
        finish(&pack, &again, &unpack);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_image_options), cmocka_unit_test(test_progress),
                                            cmocka_unit_test(test_gc), cmocka_unit_test(test_verify) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
