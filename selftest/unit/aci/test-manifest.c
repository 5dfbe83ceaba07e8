/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
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
#include "support/support.h"
#include "unit/aci/manifests/cases.h"

#define HEAD "\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/a\""
#define APP(more) "{" HEAD ",\"app\":{\"exec\":[\"/bin/a\"],\"user\":\"0\",\"group\":\"0\"" more "}}"

/* manifests/KIND, beside this file. */
static void corpus(char path[4096], const char *kind)
{
        snprintf(path, 4096, SELFTEST "/unit/aci/manifests/%s", kind);
}

static char *read_json(const char *directory, const char *name, size_t *ret_size)
{
        char path[5000];
        char *text = malloc(1 << 20);

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "re");
        if (!f || !text)
                fail_msg("%s cannot be read", path);
        *ret_size = fread(text, 1, 1 << 20, f);
        fclose(f);
        return realloc(text, *ret_size + 1); /* so that a read past the end is one past the allocation, nearly */
}

static void accepts_what_is_valid(void **state)
{
        char directory[4096];
        size_t n = 0;

        (void) state;
        corpus(directory, "valid");
        DIR *dir = opendir(directory);
        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));) {
                struct mf_image_config *config = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                size_t size;
                if (entry->d_name[0] == '.')
                        continue;
                char *text = read_json(directory, entry->d_name, &size);
                if (mf_manifest_parse(&config, text, size, &err) < 0)
                        fail_msg("%s is valid, but: %s", entry->d_name, err.message);
                assert_non_null(config->name);
                assert_non_null(config->env);
                assert_non_null(config->labels);
                mf_image_config_free(config);
                free(text);
                n++;
        }
        closedir(dir);
        assert_true(n >= 20);
}

static void refuses_what_is_not(void **state)
{
        char directory[4096];

        (void) state;
        corpus(directory, "invalid");
        for (size_t i = 0; i < sizeof(manifest_cases) / sizeof(manifest_cases[0]); i++) {
                struct mf_image_config *config = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char name[128];
                size_t size;
                snprintf(name, sizeof(name), "%s.json", manifest_cases[i].name);
                char *text = read_json(directory, name, &size);
                int r = mf_manifest_parse(&config, text, size, &err);
                if (r != -EBADMSG || strncmp(err.message, "image manifest: ", 16) != 0 ||
                    strcmp(err.message + 16, manifest_cases[i].message) != 0)
                        fail_msg("%s gives %d, \"%s\", not \"%s\"", name, r, err.message, manifest_cases[i].message);
                assert_null(config);
                assert_int_equal(err.stage, MAYFLY_STAGE_MANIFEST);
                assert_null(strpbrk(err.message, "\n\r\t\x1b"));
                free(text);
        }
        assert_int_equal(count_entries(directory, "."), sizeof(manifest_cases) / sizeof(manifest_cases[0]));
}

static void becomes_a_run_configuration(void **state)
{
        static const char json[] =
                "{" HEAD ",\"app\":{\"exec\":[\"/bin/a\",\"-x\"],\"user\":\"www\",\"group\":\"33\","
                "\"supplementaryGids\":[4],\"environment\":[{\"name\":\"A\",\"value\":\"b=c\"}],"
                "\"eventHandlers\":[{\"name\":\"post-stop\",\"exec\":[\"z\"]},{\"name\":\"pre-start\",\"exec\":[\"y\","
                "\"1\"]}],"
                "\"mountPoints\":[{\"name\":\"db\",\"path\":\"/var/db\",\"readOnly\":true},{\"name\":\"x\",\"path\":\"/"
                "x\"}],"
                "\"ports\":[{\"name\":\"web\",\"protocol\":\"tcp\",\"port\":80,\"count\":2,\"socketActivated\":true}],"
                "\"isolators\":[{\"name\":\"resource/memory\",\"value\":{\"limit\":\"1G\"}}]},"
                "\"dependencies\":[{\"imageName\":\"example.com/base\",\"imageID\":\"sha512-0f\",\"size\":7,"
                "\"labels\":[{\"name\":\"version\",\"value\":\"2\"}]},{\"imageName\":\"other\"}],"
                "\"pathWhitelist\":[\"/bin/a\"]}";
        struct mf_image_config *config;

        (void) state;
        assert_int_equal(mf_manifest_parse(&config, json, strlen(json), NULL), 0);
        assert_string_equal(config->name, "example.com/a");
        assert_string_equal(config->argv[1], "-x");
        assert_null(config->argv[2]);
        assert_string_equal(config->env[0], "A=b=c");
        assert_string_equal(config->user, "www");
        assert_string_equal(config->group, "33");
        assert_string_equal(config->cwd, "/");
        assert_int_equal(config->n_extra_groups, 1);
        assert_int_equal(config->extra_groups[0], 4);
        assert_string_equal(config->pre_start[1], "1");
        assert_string_equal(config->post_stop[0], "z");
        assert_int_equal(config->n_mount_points, 2);
        assert_string_equal(config->mount_points[0].name, "db");
        assert_string_equal(config->mount_points[0].path, "/var/db");
        assert_true(config->mount_points[0].read_only && !config->mount_points[1].read_only);
        assert_int_equal(config->n_ports, 1);
        assert_string_equal(config->ports[0].name, "web");
        assert_string_equal(config->ports[0].protocol, "tcp");
        assert_int_equal(config->ports[0].port, 80);
        assert_int_equal(config->ports[0].count, 2);
        assert_true(config->ports[0].socket_activated);
        assert_int_equal(config->n_dependencies, 2);
        assert_string_equal(config->dependencies[0].name, "example.com/base");
        assert_string_equal(config->dependencies[0].id, "sha512-0f");
        assert_int_equal(config->dependencies[0].size, 7);
        assert_string_equal(config->dependencies[0].labels[0], "version=2");
        assert_null(config->dependencies[1].id);
        assert_null(config->dependencies[1].labels[0]);
        assert_string_equal(config->whitelist[0], "/bin/a");
        assert_null(config->whitelist[1]);
        assert_null(mf_image_config_free(config));
}

static void survives_any_cut(void **state)
{
        static const char json[] = APP(",\"environment\":[{\"name\":\"A\",\"value\":\"b\"}],\"supplementaryGIDs\":[1]");

        (void) state;
        for (size_t n = 0; n < strlen(json); n++) {
                struct mf_image_config *config = NULL;
                assert_true(mf_manifest_parse(&config, json, n, NULL) < 0);
                assert_null(config);
        }
}

static void refuses_bytes_that_are_not_text(void **state)
{
        static const struct {
                const char *bytes;
                size_t size;
        } cases[] = {
                { "\0", 1 }, { "{}\0", 3 }, { "\xff\xfe", 2 }, { "{\"a\\u0000\":1}", 12 }, { "{\"\x80\":1}", 7 }
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_image_config *config = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(mf_manifest_parse(&config, cases[i].bytes, cases[i].size, &err), -EBADMSG);
                assert_null(config);
                assert_true(err.message[0]);
        }
}

/* Names are looked for in a set, so that a megabyte of them is no denial of service; and lists end somewhere. */
static void stays_quick_with_many_names(void **state)
{
        static char json[1 << 20];

        (void) state;
        for (unsigned n = 9999; n <= 10001; n += 2) {
                struct mf_image_config *config = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                int used = snprintf(json, sizeof(json), "{" HEAD ",\"labels\":[");
                for (unsigned i = 0; i < n; i++)
                        used += snprintf(json + used, sizeof(json) - (size_t) used,
                                         "%s{\"name\":\"l%u\",\"value\":\"\"}", i ? "," : "", i);
                used += snprintf(json + used, sizeof(json) - (size_t) used, "]}");
                int r = mf_manifest_parse(&config, json, (size_t) used, &err);
                assert_int_equal(r, n <= 10000 ? 0 : -EBADMSG);
                mf_image_config_free(config);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(accepts_what_is_valid),           cmocka_unit_test(refuses_what_is_not),
                cmocka_unit_test(refuses_bytes_that_are_not_text), cmocka_unit_test(stays_quick_with_many_names),
                cmocka_unit_test(becomes_a_run_configuration),     cmocka_unit_test(survives_any_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
