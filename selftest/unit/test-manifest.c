/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../src/manifest.h"
#include "../support/support.h"

#define HEAD "\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/a\""
#define APP(more) "{" HEAD ",\"app\":{\"exec\":[\"/bin/a\"],\"user\":\"0\",\"group\":\"0\"" more "}}"

static struct {
        const char *json, *message; /* message NULL: valid */
        int stricter;               /* than actool, on purpose */
} cases[] = {
        { "{" HEAD "}", NULL, 0 },
        { GOOD_MANIFEST, NULL, 0 },
        { APP(""), NULL, 0 },
        { APP(",\"environment\":[{\"name\":\"A.b-c_1\",\"value\":\"$HOME\"}]"), NULL, 0 },
        { APP(",\"workingDirectory\":\"/opt\""), NULL, 0 },
        { APP(",\"supplementaryGIDs\":[1,2]"), NULL, 0 },
        { APP(",\"ports\":[{\"name\":\"http\",\"protocol\":\"tcp\",\"port\":80,\"count\":2}]"), NULL, 0 },
        { APP(",\"mountPoints\":[{\"name\":\"data\",\"path\":\"/data\",\"readOnly\":true}]"), NULL, 0 },
        { "{" HEAD ",\"annotations\":[{\"name\":\"created\",\"value\":\"2015-01-02T03:04:05Z\"}]}", NULL, 0 },
        { "", "must be one JSON object", 0 },
        { "[]", "must be an object", 0 },
        { "{", "must be one JSON object", 0 },
        { "{" HEAD "} x", "must be one JSON object", 0 },
        { "{" HEAD "," HEAD "}", "duplicate", 1 },
        { "{\"acVersion\":\"0.8.11\",\"name\":\"a\"}", "acKind is missing", 0 },
        { "{\"acKind\":\"PodManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\"}", "acKind is \"PodManifest\"", 1 },
        { "{\"acKind\":7,\"acVersion\":\"0.8.11\",\"name\":\"a\"}", "acKind must be a string", 0 },
        { "{\"acKind\":\"ImageManifest\",\"name\":\"a\"}", "acVersion is missing", 0 },
        { "{\"acKind\":\"ImageManifest\",\"acVersion\":\"1\",\"name\":\"a\"}", "acVersion is \"1\"", 0 },
        { "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.0.0\",\"name\":\"a\"}", "must not be zero", 0 },
        { "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"A B\"}", "name is \"A B\"", 0 },
        { "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\\u0000b\"}", "NUL", 0 },
        { "{" HEAD ",\"labels\":{}}", "labels must be a list", 0 },
        { "{" HEAD ",\"labels\":[{\"name\":\"name\",\"value\":\"x\"}]}", "must not be called \"name\"", 0 },
        { "{" HEAD ",\"labels\":[{\"name\":\"v\",\"value\":\"1\"},{\"name\":\"v\",\"value\":\"2\"}]}",
          "repeats the name \"v\"", 0 },
        { "{" HEAD ",\"labels\":[{\"name\":\"os\",\"value\":\"beos\"}]}", "unknown os \"beos\"", 0 },
        { "{" HEAD ",\"labels\":[{\"name\":\"arch\",\"value\":\"amd64\"}]}", "arch (\"amd64\") without an os", 1 },
        { "{" HEAD ",\"labels\":[{\"name\":\"os\",\"value\":\"linux\"},{\"name\":\"arch\",\"value\":\"x\"}]}",
          "arch \"x\"", 0 },
        { "{" HEAD ",\"annotations\":[{\"name\":\"created\",\"value\":\"today\"}]}", "no RFC 3339 time", 0 },
        { "{" HEAD ",\"annotations\":[{\"name\":\"homepage\",\"value\":\"ftp://x\"}]}", "no http(s) URL", 0 },
        { "{" HEAD ",\"app\":7}", "app must be an object", 0 },
        { "{" HEAD ",\"app\":{\"exec\":[\"/a\"],\"group\":\"0\"}}", "app.user is missing", 0 },
        { "{" HEAD ",\"app\":{\"exec\":[\"/a\"],\"user\":\"\",\"group\":\"0\"}}", "app.user is empty", 0 },
        { "{" HEAD ",\"app\":{\"exec\":[7],\"user\":\"0\",\"group\":\"0\"}}", "app.exec must be a list of strings", 0 },
        { "{" HEAD ",\"app\":{\"exec\":[\"\"],\"user\":\"0\",\"group\":\"0\"}}", "starts with an empty string", 1 },
        { APP(",\"workingDirectory\":\"opt\""), "app.workingDirectory is \"opt\"", 0 },
        { APP(",\"environment\":[{\"name\":\"1A\",\"value\":\"\"}]"), "no environment variable's", 0 },
        { APP(",\"environment\":[{\"name\":\"A\",\"value\":\"\"},{\"name\":\"A\",\"value\":\"\"}]"), "repeats the name",
          0 },
        { APP(",\"supplementaryGIDs\":[-1]"), "no group number", 1 },
        { APP(",\"ports\":[{\"name\":\"http\",\"protocol\":\"tcp\",\"port\":0}]"), "no port from 1 to 65535", 0 },
        { APP(",\"ports\":[{\"name\":\"http\",\"protocol\":\"tcp\",\"port\":65535,\"count\":2}]"), "ports past 65535",
          0 },
        { APP(",\"mountPoints\":[{\"name\":\"Data\",\"path\":\"/d\"}]"), "no AC Name", 0 },
        { APP(",\"mountPoints\":[{\"name\":\"data\",\"path\":\"d\"}]"), "is not absolute", 1 },
        { APP(",\"eventHandlers\":[{\"name\":\"boom\",\"exec\":[\"/a\"]}]"), "is \"boom\"", 0 },
        { "{" HEAD ",\"dependencies\":[{\"imageName\":\"A B\"}]}", "imageName \"A B\"", 0 },
        { "{" HEAD ",\"pathWhitelist\":[\"a\"]}", "no absolute path", 1 },
};

static void agrees_with_the_table(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_run_config *config = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                int r = mf_manifest_parse(&config, cases[i].json, strlen(cases[i].json), &err);

                if (!cases[i].message && r < 0)
                        fail_msg("%s is valid, but: %s", cases[i].json, err.message);
                if (cases[i].message && (r >= 0 || !strstr(err.message, cases[i].message)))
                        fail_msg("%s gives \"%s\", not \"%s\"", cases[i].json, err.message, cases[i].message);
                if (cases[i].message)
                        assert_int_equal(err.stage, MAYFLY_STAGE_MANIFEST);
                mf_run_config_free(config);
        }
}

/* actool is the appc specification's own tool: where it refuses we refuse, and where it accepts only `stricter` ones
 * may be refused. */
static void agrees_with_actool(void **state)
{
        char *folder = make_folder(), path[256], command[512];

        (void) state;
        snprintf(path, sizeof(path), "%s/manifest", folder);
        snprintf(command, sizeof(command), "actool validate %s >/dev/null 2>&1", path);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                write_file(path, cases[i].json, strlen(cases[i].json));
                int status = system(command);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 127);
                int accepted = WEXITSTATUS(status) == 0;
                if (accepted != (cases[i].message == NULL || cases[i].stricter))
                        fail_msg("actool %s %s", accepted ? "accepts" : "refuses", cases[i].json);
        }
        remove_folder(folder);
}

static void becomes_a_run_configuration(void **state)
{
        static const char json[] = "{" HEAD ",\"app\":{\"exec\":[\"/bin/a\",\"-x\"],\"user\":\"www\",\"group\":\"33\","
                                   "\"supplementaryGids\":[4],\"environment\":[{\"name\":\"A\",\"value\":\"b=c\"}],"
                                   "\"isolators\":[{\"name\":\"resource/memory\",\"value\":{\"limit\":\"1G\"}}]}}";
        struct mf_run_config *config;

        (void) state;
        assert_int_equal(mf_manifest_parse(&config, json, strlen(json), NULL), 0);
        assert_string_equal(config->name, "example.com/a");
        assert_string_equal(config->exec[1], "-x");
        assert_null(config->exec[2]);
        assert_string_equal(config->env[0], "A=b=c");
        assert_string_equal(config->user, "www");
        assert_string_equal(config->group, "33");
        assert_string_equal(config->cwd, "/");
        assert_int_equal(config->n_extra_groups, 1);
        assert_int_equal(config->extra_groups[0], 4);
        assert_string_equal(config->unsupported[0], "isolators");
        assert_null(mf_run_config_free(config));
}

static void survives_any_cut(void **state)
{
        static const char json[] = APP(",\"environment\":[{\"name\":\"A\",\"value\":\"b\"}],\"supplementaryGIDs\":[1]");

        (void) state;
        for (size_t n = 0; n < strlen(json); n++) {
                struct mf_run_config *config = NULL;
                assert_true(mf_manifest_parse(&config, json, n, NULL) < 0);
                assert_null(config);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(agrees_with_the_table),
                cmocka_unit_test(agrees_with_actool),
                cmocka_unit_test(becomes_a_run_configuration),
                cmocka_unit_test(survives_any_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
