/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aci/manifest.h"

/* The rules for image manifests, one a test: what keeps it, and what breaks it, with the message. */

#define APP "\"app\":{\"exec\":[\"/a\"],\"user\":\"0\",\"group\":\"0\","

/* A manifest with `members` added ("" is fine) or, when they begin with "{", the text itself. */
static int parse(const char *members, struct mf_image_config **ret, struct mayfly_error *err)
{
        char text[2048];

        snprintf(text, sizeof(text), "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\"%s%s%s",
                 *members ? "," : "", members, strncmp(members, APP, strlen(APP)) == 0 ? "}}" : "}");
        if (*members == '{')
                snprintf(text, sizeof(text), "%s", members);
        return mf_manifest_parse(ret, text, strlen(text), err);
}

static void good(const char *members)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_config *config = NULL;

        if (parse(members, &config, &err) < 0)
                fail_msg("%s: %s", members, err.message);
        mf_image_config_free(config);
}

/* `message` is the whole of it, after "image manifest: ". */
static void bad(const char *members, const char *message)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_config *config = NULL;

        if (parse(members, &config, &err) != -EBADMSG || strcmp(err.message + strlen("image manifest: "), message) != 0)
                fail_msg("%s: \"%s\", not \"%s\"", members, err.message, message);
}

static void appc_manifest_ackind_is_imagemanifest(void **state)
{
        (void) state;
        good("");
        bad("{\"acVersion\":\"0.8.11\",\"name\":\"a\"}", "acKind: is missing");
        bad("{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\"}",
            "acKind: \"PodManifest\" is not \"ImageManifest\"");
}

static void appc_manifest_acversion_is_not_zero(void **state)
{
        (void) state;
        good("{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.0.1\",\"name\":\"a\"}");
        bad("{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.0.0\",\"name\":\"a\"}",
            "acVersion: \"0.0.0\" is zero, which is not a version");
        bad("{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8\",\"name\":\"a\"}",
            "acVersion: \"0.8\" is not a semantic version such as 0.8.11");
}

static void appc_manifest_name_is_an_ac_identifier(void **state)
{
        (void) state;
        good("{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/a_b~c\"}");
        bad("{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a//b\"}",
            "name: \"a//b\" is not an AC Identifier (a-z, 0-9, and single -._~/ or /~ between)");
}

static void appc_manifest_keys_are_of_any_case(void **state)
{
        struct mf_image_config *config = NULL;

        (void) state;
        assert_int_equal(parse(APP "\"supplementaryGids\":[7]", &config, NULL), 0);
        assert_int_equal(config->n_extra_groups, 1);
        mf_image_config_free(config);
        assert_int_equal(parse(APP "\"SUPPLEMENTARYGIDS\":[7]", &config, NULL), 0);
        assert_int_equal(config->n_extra_groups, 1);
        mf_image_config_free(config);
        bad("\"Name\":\"b\"", "the manifest: the key \"Name\" is there twice, in different case");
}

static void appc_manifest_labels_are_unique_and_none_is_name(void **state)
{
        (void) state;
        good("\"labels\":[{\"name\":\"a\",\"value\":\"\"},{\"name\":\"b\",\"value\":\"\"}]");
        bad("\"labels\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"a\",\"value\":\"2\"}]",
            "labels[1].name: \"a\" is in the list twice");
        bad("\"labels\":[{\"name\":\"a\",\"value\":\"\"},{\"name\":\"b\",\"value\":\"\"},{\"name\":\"Name\",\"value\":"
            "\"\"}]",
            "labels[2].name: \"Name\" is not an AC Identifier (a-z, 0-9, and single -._~/ or /~ between)");
        bad("\"labels\":[{\"name\":\"name\",\"value\":\"\"}]",
            "labels[0].name: \"name\" cannot be a label: the manifest has a member of that name");
}

static void appc_manifest_os_and_arch_are_a_listed_pair(void **state)
{
        (void) state;
        good("\"labels\":[{\"name\":\"arch\",\"value\":\"s390x\"},{\"name\":\"os\",\"value\":\"linux\"}]");
        bad("\"labels\":[{\"name\":\"arch\",\"value\":\"x86_64\"},{\"name\":\"os\",\"value\":\"linux\"}]",
            "labels[0].value: \"x86_64\" is not an arch that appc has for linux; write \"amd64\"");
        bad("\"labels\":[{\"name\":\"arch\",\"value\":\"arm64\"},{\"name\":\"os\",\"value\":\"linux\"}]",
            "labels[0].value: \"arm64\" is not an arch that appc has for linux; write \"aarch64\"");
        bad("\"labels\":[{\"name\":\"arch\",\"value\":\"i686\"},{\"name\":\"os\",\"value\":\"linux\"}]",
            "labels[0].value: \"i686\" is not an arch that appc has for linux; write \"i386\"");
        bad("\"labels\":[{\"name\":\"arch\",\"value\":\"arm64\"},{\"name\":\"os\",\"value\":\"freebsd\"}]",
            "labels[0].value: \"arm64\" is not an arch that appc has for freebsd (amd64, i386, ...)");
        bad("\"labels\":[{\"name\":\"os\",\"value\":\"beos\"}]",
            "labels[0].value: \"beos\" is not an os that appc has (linux, freebsd, darwin)");
        bad("\"labels\":[{\"name\":\"arch\",\"value\":\"amd64\"}]",
            "labels[0].name: \"arch\" is given without an os; add the label os=linux");
}

static void appc_manifest_annotations_are_unique(void **state)
{
        (void) state;
        good("\"annotations\":[{\"name\":\"a\",\"value\":\"\"},{\"name\":\"b\",\"value\":\"\"}]");
        bad("\"annotations\":[{\"name\":\"a\",\"value\":\"\"},{\"name\":\"a\",\"value\":\"\"}]",
            "annotations[1].name: \"a\" is in the list twice");
}

static void appc_manifest_created_homepage_documentation(void **state)
{
        (void) state;
        good("\"annotations\":[{\"name\":\"created\",\"value\":\"2014-10-27T19:32:27+01:00\"},"
             "{\"name\":\"homepage\",\"value\":\"http://a\"},{\"name\":\"documentation\",\"value\":\"https://a/b\"}]");
        bad("\"annotations\":[{\"name\":\"created\",\"value\":\"2014-10-27\"}]",
            "annotations[0].value: \"2014-10-27\" is not an RFC 3339 time such as 2014-10-27T19:32:27Z");
        bad("\"annotations\":[{\"name\":\"homepage\",\"value\":\"ftp://a\"}]",
            "annotations[0].value: \"ftp://a\" is not an http(s) URL");
        bad("\"annotations\":[{\"name\":\"documentation\",\"value\":\"a\"}]",
            "annotations[0].value: \"a\" is not an http(s) URL");
}

static void appc_manifest_dependencies(void **state)
{
        (void) state;
        good("\"dependencies\":[{\"imageName\":\"a\"},{\"imageName\":\"a\",\"imageID\":\"sha512-0\",\"size\":1,"
             "\"labels\":[]}]");
        bad("\"dependencies\":[{}]", "dependencies[0].imageName: is missing");
        bad("\"dependencies\":[{\"imageName\":\"a\",\"imageID\":\"md5-0\"}]",
            "dependencies[0].imageID: \"md5-0\" is not sha512- and a digest");
        bad("\"dependencies\":[{\"imageName\":\"a\",\"size\":-1}]",
            "dependencies[0].size: -1 is outside 0-9223372036854775807");
        bad("\"dependencies\":[{\"imageName\":\"a\",\"labels\":[{\"name\":\"os\",\"value\":\"x\"}]}]",
            "dependencies[0].labels[0].value: \"x\" is not an os that appc has (linux, freebsd, darwin)");
}

static void appc_manifest_path_whitelist_is_absolute_and_empty_is_none(void **state)
{
        struct mf_image_config *config = NULL;

        (void) state;
        assert_int_equal(parse("\"pathWhitelist\":[]", &config, NULL), 0);
        assert_null(config->whitelist);
        mf_image_config_free(config);
        good("\"pathWhitelist\":[\"/a\",\"/b/\"]");
        bad("\"pathWhitelist\":[\"/a\",\"b\"]", "pathWhitelist[1]: \"b\" is not an absolute path");
}

static void appc_manifest_user_and_group_are_not_empty(void **state)
{
        (void) state;
        good("\"app\":{\"user\":\"a\",\"group\":\"/b\"}");
        bad("\"app\":{\"group\":\"0\"}", "app.user: is missing");
        bad("\"app\":{\"user\":\"0\",\"group\":\"\"}", "app.group: \"\" is empty");
}

static void appc_manifest_supplementary_gids_and_working_directory(void **state)
{
        (void) state;
        good(APP "\"supplementaryGIDs\":[0,4294967294],\"workingDirectory\":\"/a\"");
        bad(APP "\"supplementaryGIDs\":[0,-1]",
            "app.supplementaryGIDs[1]: -1 is not a group number from 0 to 4294967294");
        bad(APP "\"workingDirectory\":\"a\"", "app.workingDirectory: \"a\" is not an absolute path");
}

static void appc_manifest_environment_has_unique_names_and_no_substitution(void **state)
{
        struct mf_image_config *config = NULL;

        (void) state;
        assert_int_equal(parse(APP "\"environment\":[{\"name\":\"A.b-1\",\"value\":\"$HOME ${A} $$\"}]", &config, NULL),
                         0);
        assert_string_equal(config->env[0], "A.b-1=$HOME ${A} $$");
        mf_image_config_free(config);
        bad(APP "\"environment\":[{\"name\":\"A\",\"value\":\"\"},{\"name\":\"A\",\"value\":\"\"}]",
            "app.environment[1].name: \"A\" is in the list twice");
        bad(APP "\"environment\":[{\"name\":\"1A\",\"value\":\"\"}]",
            "app.environment[0].name: \"1A\" cannot name an environment variable (letters, digits and _.-, and no "
            "digit "
            "first)");
}

static void appc_manifest_event_handlers_are_pre_start_and_post_stop_once(void **state)
{
        (void) state;
        good(APP
             "\"eventHandlers\":[{\"name\":\"post-stop\",\"exec\":[\"a\"]},{\"name\":\"pre-start\",\"exec\":[\"a\"]}]");
        bad(APP "\"eventHandlers\":[{\"name\":\"start\",\"exec\":[\"a\"]}]",
            "app.eventHandlers[0].name: \"start\" is not an event; write pre-start or post-stop");
        bad(APP
            "\"eventHandlers\":[{\"name\":\"pre-start\",\"exec\":[\"a\"]},{\"name\":\"pre-start\",\"exec\":[\"a\"]}]",
            "app.eventHandlers[1].name: \"pre-start\" is in the list twice");
        bad(APP "\"eventHandlers\":[{\"name\":\"pre-start\",\"exec\":[]}]", "app.eventHandlers[0].exec: [] is empty");
}

static void appc_manifest_mount_points(void **state)
{
        (void) state;
        good(APP
             "\"mountPoints\":[{\"name\":\"a\",\"path\":\"/a\",\"readOnly\":true},{\"name\":\"b\",\"path\":\"/b\"}]");
        bad(APP "\"mountPoints\":[{\"name\":\"a.b\",\"path\":\"/a\"}]",
            "app.mountPoints[0].name: \"a.b\" is not an AC Name (a-z, 0-9, and single - between)");
        bad(APP "\"mountPoints\":[{\"name\":\"a\",\"path\":\"a\"}]",
            "app.mountPoints[0].path: \"a\" is not an absolute path");
        bad(APP "\"mountPoints\":[{\"name\":\"a\",\"path\":\"/a\",\"readOnly\":1}]",
            "app.mountPoints[0].readOnly: 1 is neither true nor false");
}

#define PORT "{\"name\":\"a\",\"protocol\":\"tcp\",\"port\":1}"

static void appc_manifest_ports(void **state)
{
        (void) state;
        good(APP
             "\"ports\":[{\"name\":\"a\",\"protocol\":\"tcp\",\"port\":1,\"count\":65535,\"socketActivated\":true}]");
        bad(APP "\"ports\":[" PORT ",{\"name\":\"b\",\"protocol\":\"tcp\",\"port\":70000}]",
            "app.ports[1].port: 70000 is outside 1-65535");
        bad(APP "\"ports\":[{\"name\":\"a\",\"protocol\":\"tcp\",\"port\":0}]",
            "app.ports[0].port: 0 is outside 1-65535");
        bad(APP "\"ports\":[{\"name\":\"a\",\"protocol\":\"tcp\",\"port\":1,\"count\":0}]",
            "app.ports[0].count: 0 is outside 1-65535");
        bad(APP "\"ports\":[{\"name\":\"a\",\"protocol\":\"tcp\",\"port\":65535,\"count\":2}]",
            "app.ports[0].count: 2 is too many: the last port would be 65536");
        bad(APP "\"ports\":[{\"name\":\"a\",\"port\":1}]", "app.ports[0].protocol: is missing");
        bad(APP "\"ports\":[" PORT "," PORT "]", "app.ports[1].name: \"a\" is in the list twice");
}

static void appc_manifest_unknown_isolators_are_no_error(void **state)
{
        (void) state;
        good(APP "\"isolators\":[{\"name\":\"my/own\",\"value\":{\"a\":1}}]");
        bad(APP "\"isolators\":[{\"name\":\"My\",\"value\":1}]",
            "app.isolators[0].name: \"My\" is not an AC Identifier (a-z, 0-9, and single -._~/ or /~ between)");
}

static void appc_manifest_user_annotations_and_labels_are_strings(void **state)
{
        (void) state;
        good(APP "\"userAnnotations\":{\"Any Key\":\"\"},\"userLabels\":{}");
        bad(APP "\"userAnnotations\":{\"Any Key\":1}", "app.userAnnotations[\"Any Key\"]: 1 is not a string");
        bad(APP "\"userLabels\":[]", "app.userLabels: [] is not an object");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_manifest_ackind_is_imagemanifest),
                cmocka_unit_test(appc_manifest_acversion_is_not_zero),
                cmocka_unit_test(appc_manifest_name_is_an_ac_identifier),
                cmocka_unit_test(appc_manifest_keys_are_of_any_case),
                cmocka_unit_test(appc_manifest_labels_are_unique_and_none_is_name),
                cmocka_unit_test(appc_manifest_os_and_arch_are_a_listed_pair),
                cmocka_unit_test(appc_manifest_annotations_are_unique),
                cmocka_unit_test(appc_manifest_created_homepage_documentation),
                cmocka_unit_test(appc_manifest_dependencies),
                cmocka_unit_test(appc_manifest_path_whitelist_is_absolute_and_empty_is_none),
                cmocka_unit_test(appc_manifest_user_and_group_are_not_empty),
                cmocka_unit_test(appc_manifest_supplementary_gids_and_working_directory),
                cmocka_unit_test(appc_manifest_environment_has_unique_names_and_no_substitution),
                cmocka_unit_test(appc_manifest_event_handlers_are_pre_start_and_post_stop_once),
                cmocka_unit_test(appc_manifest_mount_points),
                cmocka_unit_test(appc_manifest_ports),
                cmocka_unit_test(appc_manifest_unknown_isolators_are_no_error),
                cmocka_unit_test(appc_manifest_user_annotations_and_labels_are_strings),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
