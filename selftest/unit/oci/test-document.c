/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "oci/document.h"
#include "oci/platform.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX
#define BLOB(type) "{\"mediaType\":\"" type "\",\"digest\":\"" SHA "\",\"size\":5}"
#define OCI_CONFIG BLOB("application/vnd.oci.image.config.v1+json")
#define OCI_LAYER "application/vnd.oci.image.layer.v1.tar+gzip"
#define MANIFEST(config, layers) "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layers "]}"

static int parse(struct mf_oci_document *ret, const char *text, struct mayfly_error *err)
{
        return mf_oci_document_parse(ret, text, strlen(text), err);
}

static void a_manifest_is_read(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_document document;

        (void) state;
        assert_int_equal(
                parse(&document,
                      MANIFEST(OCI_CONFIG, BLOB(OCI_LAYER) ",{\"mediaType\":\"" OCI_LAYER "\",\"digest\":\"" SHA
                                                           "\",\"size\":7,\"urls\":[\"https://x/y\"]}"),
                      &err),
                0);
        assert_int_equal(document.kind, MF_OCI_MANIFEST);
        assert_int_equal(document.n, 2);
        assert_string_equal(document.config.digest, SHA);
        assert_int_equal(document.list[1].size, 7);
        assert_null(document.list[0].urls);
        assert_string_equal(document.list[1].urls[0], "https://x/y");
        assert_int_equal(mf_oci_manifest_check(&document, &err), 0);
        mf_oci_document_clear(&document);
}

static void the_kind_is_seen(void **state)
{
        struct mf_oci_document document;

        (void) state;
        assert_int_equal(parse(&document, "{\"rootfs\":{},\"config\":{}}", NULL), 0);
        assert_int_equal(document.kind, MF_OCI_CONFIG);
        mf_oci_document_clear(&document);
        assert_int_equal(parse(&document, "{\"schemaVersion\":2,\"manifests\":[" BLOB("x") "]}", NULL), 0);
        assert_int_equal(document.kind, MF_OCI_INDEX);
        assert_string_equal(document.list[0].media_type, "x");
        mf_oci_document_clear(&document);
}

static const struct {
        const char *text, *message;
} bad[] = {
        { "", "it must be JSON" },
        { "[]", "[] is not an object" },
        { "{\"a\":1,\"a\":1}", "duplicate" },
        { "{}", "neither an index" },
        { "{\"schemaVersion\":1}", "schema 1" },
        { "{\"manifests\":[],\"layers\":[]}", "both \"manifests\" and \"layers\"" },
        { "{\"manifests\":[],\"config\":{}}", "both \"manifests\" and \"layers\"" },
        { "{\"layers\":[]}", "config: it is missing" },
        { "{\"config\":" OCI_CONFIG "}", "layers: it is missing" },
        { "{\"schemaVersion\":3,\"manifests\":[]}", "schemaVersion: 3 is not 2" },
        { "{\"schemaVersion\":\"2\",\"manifests\":[]}", "is not a whole number" },
        { "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"manifests\":[]}", "mediaType" },
        { "{\"manifests\":[1]}", "manifests[0]: 1 is not an object" },
        { "{\"manifests\":[{\"digest\":\"" SHA "\"}]}", "manifests[0].size: it is missing" },
        { "{\"manifests\":[{\"digest\":\"" SHA "\",\"size\":-1}]}", "is not a whole number of 0 or more" },
        { "{\"manifests\":[{\"digest\":\"" SHA "\",\"size\":99999999999999999999}]}", "too big" },
        { "{\"manifests\":[{\"size\":1}]}", "manifests[0].digest: it is missing" },
        { "{\"manifests\":[{\"digest\":\"md5:1\",\"size\":1}]}", "not a digest that mayfly can check" },
        { "{\"manifests\":[{\"digest\":\"sha256:" HEX "0\",\"size\":1}]}", "not a digest that mayfly can check" },
        { "{\"manifests\":[{\"digest\":\"sha256:../../etc/passwd\",\"size\":1}]}", "not a digest that mayfly" },
        { "{\"manifests\":[{\"digest\":\"" SHA "\",\"size\":1,\"platform\":7}]}", "platform: 7 is not an object" },
        { "{\"manifests\":[{\"digest\":\"" SHA "\",\"size\":1,\"urls\":[5]}]}", "urls[0]: 5 is not a string" },
};

static void what_is_wrong_is_said(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_document document;
                if (parse(&document, bad[i].text, &err) != -EBADMSG || !strstr(err.message, bad[i].message))
                        fail_msg("%s: no \"%s\" in \"%s\"", bad[i].text, bad[i].message, err.message);
        }
}

static void too_many_layers_are_refused(void **state)
{
        char text[40000] = "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[";
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_document document;

        (void) state;
        for (int i = 0; i < 128; i++) {
                strcat(text, i ? "," : "");
                strcat(text, BLOB(OCI_LAYER));
        }
        strcat(text, "]}");
        assert_int_equal(parse(&document, text, &err), -EBADMSG);
        assert_non_null(strstr(err.message, "it has 128 items; up to 127 are possible"));
}

static void types_are_checked(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { MANIFEST(OCI_CONFIG, BLOB("application/vnd.docker.image.rootfs.diff.tar.gzip")), NULL },
                { MANIFEST(BLOB("application/vnd.docker.container.image.v1+json"),
                           BLOB("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
                  NULL },
                { MANIFEST(OCI_CONFIG, BLOB("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd")), NULL },
                { MANIFEST(OCI_CONFIG, BLOB(OCI_LAYER) "," BLOB("application/wasm")), "layers[1].mediaType" },
                { MANIFEST(OCI_CONFIG, "{\"digest\":\"" SHA "\",\"size\":5}"), "layers[0].mediaType" },
                { MANIFEST(BLOB("application/vnd.oci.empty.v1+json"), BLOB(OCI_LAYER)), "another kind of artifact" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_document document;
                assert_int_equal(parse(&document, cases[i].text, &err), 0);
                int r = mf_oci_manifest_check(&document, &err);
                if (r != (cases[i].message ? -EBADMSG : 0) ||
                    (cases[i].message && !strstr(err.message, cases[i].message)))
                        fail_msg("%s: %d \"%s\"", cases[i].text, r, err.message);
                mf_oci_document_clear(&document);
        }
}

#define FOR(os, architecture, more)                                                                           \
        "{\"digest\":\"" SHA "\",\"size\":1,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" architecture \
        "\"" more "}}"
#define INDEX(list) "{\"schemaVersion\":2,\"manifests\":[" list "]}"

/* Chooses from an index with one entry for this host, among others. */
static int choose(const char *format, struct mayfly_error *err)
{
        const char *variant, *architecture = mf_oci_host_arch(&variant);
        struct mf_oci_document document;
        char text[4000];

        snprintf(text, sizeof(text), format, architecture, architecture);
        assert_int_equal(parse(&document, text, NULL), 0);
        int r = mf_oci_platform_choose(&document, err);
        mf_oci_document_clear(&document);
        return r;
}

static void the_platform_is_chosen(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(choose(INDEX(FOR("windows", "%s", "") "," FOR("linux", "%s", "")), &err), 1);
        assert_int_equal(choose(INDEX(FOR("linux", "%s", "") "," FOR("linux", "%s", "")), &err), 0);
        assert_int_equal(choose(INDEX(FOR("unknown", "unknown", "") "," FOR("linux", "%s", "")), &err), 1);
        assert_int_equal(choose(INDEX("{\"digest\":\"" SHA "\",\"size\":1}"), &err), 0);
        assert_int_equal(choose(INDEX(""), &err), -ENOENT);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(choose(INDEX(FOR("linux", "vax", "") "," FOR("plan9", "%s", ",\"variant\":\"v1\"")), &err),
                         -ENOENT);
        assert_non_null(strstr(err.message, "it is for linux/vax, plan9/"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(
                choose(INDEX("{\"digest\":\"" SHA "\",\"size\":1,\"annotations\":{\"org.opencontainers.image.ref."
                             "name\":\"a:1\"}},{\"digest\":\"" SHA "\",\"size\":1}"),
                       &err),
                -EINVAL);
        assert_non_null(strstr(err.message, "there are 2 images: " SHA " (a:1), " SHA "; pin one of them"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_manifest_is_read),    cmocka_unit_test(the_kind_is_seen),
                cmocka_unit_test(what_is_wrong_is_said), cmocka_unit_test(too_many_layers_are_refused),
                cmocka_unit_test(types_are_checked),     cmocka_unit_test(the_platform_is_chosen),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
