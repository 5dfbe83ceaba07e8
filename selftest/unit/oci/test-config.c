/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "oci/config.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]}"
#define CONFIG(config) "{\"os\":\"linux\",\"architecture\":\"amd64\"," ROOTFS ",\"config\":" config "}"

static int parse(struct mf_oci_config *ret, const char *text, struct mayfly_error *err)
{
        return mf_oci_config_parse(ret, text, strlen(text), "redis:7", err);
}

/* Parses a config that must be right. */
static struct mf_oci_config good(const char *text)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_config config = { 0 };

        if (parse(&config, text, &err) < 0)
                fail_msg("%s: %s", text, err.message);
        return config;
}

static void all_of_an_app_is_read(void **state)
{
        (void) state;
        struct mf_oci_config config = good(CONFIG(
                "{\"Entrypoint\":[\"/entry\",\"-x\"],\"Cmd\":[\"redis-server\"],\"Env\":[\"A=b\",\"none\",\"=x\","
                "\"C=\"],\"User\":\"redis:999\",\"WorkingDir\":\"data\",\"ExposedPorts\":{\"6379\":{},"
                "\"8000-8010/udp\":{}},\"Volumes\":{\"/"
                "data\":{}},\"StopSignal\":\"SIGQUIT\",\"Labels\":{\"os\":\"mine\",\"k\":\"v=w\"}}"));
        const struct mf_image_config *image = config.image;
        assert_string_equal(image->name, "redis:7");
        assert_string_equal(image->entrypoint[1], "-x");
        assert_null(image->entrypoint[2]);
        assert_string_equal(image->argv[0], "redis-server");
        assert_string_equal(image->env[0], "A=b");
        assert_string_equal(image->env[1], "C=");
        assert_null(image->env[2]);
        assert_string_equal(image->user, "redis");
        assert_string_equal(image->group, "999");
        assert_string_equal(image->cwd, "/data");
        assert_int_equal(image->n_ports, 2);
        assert_string_equal(image->ports[0].name, "6379/tcp");
        assert_string_equal(image->ports[0].protocol, "tcp");
        assert_int_equal(image->ports[0].count, 1);
        assert_string_equal(image->ports[1].name, "8000-8010/udp");
        assert_int_equal(image->ports[1].port, 8000);
        assert_int_equal(image->ports[1].count, 11);
        assert_int_equal(image->n_mount_points, 1);
        assert_string_equal(image->mount_points[0].path, "/data");
        assert_int_equal(image->mount_points[0].begins_with_image, 1);
        assert_string_equal(image->labels[0], "os=linux"); /* the image's platform, whatever a label says */
        assert_string_equal(image->labels[1], "arch=amd64");
        assert_string_equal(image->labels[2], "k=v=w");
        assert_null(image->labels[3]);
        assert_int_equal(image->n_dependencies, 1);
        assert_string_equal(image->dependencies[0].id, "sha256-" HEX);
        assert_int_equal(image->is_layers_only, 1);
        assert_int_equal(image->stop_signal, SIGQUIT);
        assert_string_equal(image->directories[0], "/data"); /* of the working directory, then of the volume */
        assert_string_equal(image->directories[1], "/data");
        assert_null(image->directories[2]);
        mf_oci_config_clear(&config);
}

static void users_come_in_all_forms(void **state)
{
        static const struct {
                const char *text, *user, *group;
        } cases[] = {
                { "{}", "0", NULL },
                { "{\"User\":null}", "0", NULL },
                { "{\"User\":\"\"}", "0", NULL },
                { "{\"User\":\"www\"}", "www", NULL },
                { "{\"User\":\"1000\"}", "1000", NULL },
                { "{\"User\":\"www:staff\"}", "www", "staff" },
                { "{\"User\":\"1000:1001\"}", "1000", "1001" },
                { "{\"User\":\":1001\"}", "0", "1001" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[1000];
                snprintf(text, sizeof(text), CONFIG("%s"), cases[i].text);
                struct mf_oci_config config = good(text);
                assert_string_equal(config.image->user, cases[i].user);
                assert_int_equal(config.image->only_groups, cases[i].group != NULL);
                if (cases[i].group)
                        assert_string_equal(config.image->group, cases[i].group);
                else
                        assert_null(config.image->group);
                mf_oci_config_clear(&config);
        }
}

static void stop_signals_come_in_all_forms(void **state)
{
        const struct {
                const char *text;
                int signal;
        } cases[] = { { "SIGTERM", SIGTERM },
                      { "QUIT", SIGQUIT },
                      { "sigusr1", SIGUSR1 },
                      { "9", 9 },
                      { "SIGRTMIN+3", SIGRTMIN + 3 },
                      { "RTMAX-1", SIGRTMAX - 1 },
                      { "", 0 } };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[1000];
                snprintf(text, sizeof(text), CONFIG("{\"StopSignal\":\"%s\"}"), cases[i].text);
                struct mf_oci_config config = good(text);
                assert_int_equal(config.image->stop_signal, cases[i].signal);
                mf_oci_config_clear(&config);
        }
}

static void health_checks_have_dockers_defaults(void **state)
{
        static const struct {
                const char *text, *words; /* with "|" between them; NULL: none */
                uint64_t interval_us, timeout_us, start_period_us;
                unsigned retries;
        } cases[] = {
                { "{\"Healthcheck\":{\"Test\":[\"CMD\",\"/"
                  "check\",\"-q\"],\"Interval\":1000000000,\"Timeout\":1,\"StartPeriod\":5000,"
                  "\"Retries\":7}}",
                  "/check|-q|", 1000000, 1, 5, 7 },
                { "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a && b\"]}}", "/bin/sh|-c|a && b|", 30000000, 30000000,
                  0, 3 },
                { "{\"Shell\":[\"/bin/"
                  "ash\",\"-ec\"],\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"a\"],\"Retries\":99999999999}}",
                  "/bin/ash|-ec|a|", 30000000, 30000000, 0, UINT_MAX },
                { "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}", NULL, 30000000, 30000000, 0, 3 },
                { "{\"Healthcheck\":{\"Test\":[]}}", NULL, 30000000, 30000000, 0, 3 },
                { "{\"Healthcheck\":{}}", NULL, 30000000, 30000000, 0, 3 },
                { "{\"Healthcheck\":null}", NULL, 0, 0, 0, 0 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[1000], words[200] = "";
                snprintf(text, sizeof(text), CONFIG("%s"), cases[i].text);
                struct mf_oci_config config = good(text);
                const struct mf_health *health = &config.image->health;
                for (char **word = health->command; word && *word; word++)
                        snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s|", *word);
                assert_int_equal(health->command != NULL, cases[i].words != NULL);
                assert_null(health->fault);
                assert_string_equal(words, cases[i].words ? cases[i].words : "");
                assert_int_equal(health->interval_us, cases[i].interval_us);
                assert_int_equal(health->timeout_us, cases[i].timeout_us);
                assert_int_equal(health->start_period_us, cases[i].start_period_us);
                assert_int_equal(health->retries, cases[i].retries);
                mf_oci_config_clear(&config);
        }
}

static void an_image_need_not_have_an_app(void **state)
{
        (void) state;
        struct mf_oci_config config = good("{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"," ROOTFS "}");
        assert_int_equal(mf_image_config_has_app(config.image), 0);
        assert_string_equal(config.image->labels[1], "arch=armv7l");
        mf_oci_config_clear(&config);
}

static const struct {
        const char *text, *message;
} bad[] = {
        { "no", "it must be JSON" },
        { "{" ROOTFS ",\"architecture\":\"amd64\"}", "config: os: it is missing" },
        { "{" ROOTFS ",\"os\":\"linux\"}", "config: architecture: it is missing" },
        { "{" ROOTFS ",\"os\":\"windows\",\"architecture\":\"amd64\"}", "mayfly runs images for linux" },
        { "{\"os\":\"linux\",\"architecture\":\"amd64\"}", "rootfs: it is missing" },
        { "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"x\"}}", "\"x\" is not \"layers\"" },
        { "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}",
          "rootfs.diff_ids[0]: \"x\" is not a digest" },
        { CONFIG("[]"), "config: [] is not an object" },
        { CONFIG("{\"Cmd\":\"sh\"}"), "config.Cmd: \"sh\" is not a list" },
        { CONFIG("{\"Env\":[1]}"), "config.Env[0]: 1 is not a string" },
        { CONFIG("{\"User\":\"a:b:c\"}"), "\"a:b:c\" is neither a user nor USER:GROUP" },
        { CONFIG("{\"User\":\"a:\"}"), "\"a:\" is neither a user nor USER:GROUP" },
        { CONFIG("{\"User\":\"/bin\"}"), "\"/bin\" is neither a user nor USER:GROUP" },
        { CONFIG("{\"ExposedPorts\":{\"x\":{}}}"), "\"x\" is not a port" },
        { CONFIG("{\"ExposedPorts\":{\"0\":{}}}"), "\"0\" is not a port" },
        { CONFIG("{\"ExposedPorts\":{\"65536/tcp\":{}}}"), "is not a port" },
        { CONFIG("{\"ExposedPorts\":{\"80/\":{}}}"), "is not a port" },
        { CONFIG("{\"ExposedPorts\":{\"90-80/tcp\":{}}}"), "is not a port" },
        { CONFIG("{\"StopSignal\":\"SIGNONE\"}"), "\"SIGNONE\" is not a signal" },
        { CONFIG("{\"StopSignal\":\"99\"}"), "\"99\" is not a signal" },
        { CONFIG("{\"StopSignal\":\"-1\"}"), "\"-1\" is not a signal" },
        { CONFIG("{\"Labels\":{\"a\":1}}"), "config.Labels: 1 is not a string" },
        { CONFIG("{\"Env\":[\"A=\\u0000\"]}"), "it must be JSON" },
};

static void what_is_wrong_is_said(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_config config;
                if (parse(&config, bad[i].text, &err) != -EBADMSG || !strstr(err.message, bad[i].message))
                        fail_msg("%s: no \"%s\" in \"%s\"", bad[i].text, bad[i].message, err.message);
        }
}

static void a_wrong_health_check_is_kept_for_those_who_wait(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "{\"Test\":[\"CMD\"]}", "config.Healthcheck.Test: it is neither \"CMD\" and a command" },
                { "{\"Test\":[\"CMD-SHELL\",\"a\",\"b\"]}", "config.Healthcheck.Test: it is neither" },
                { "{\"Test\":[\"curl\",\"x\"]}", "config.Healthcheck.Test: it is neither" },
                { "{\"Test\":\"a\"}", "config.Healthcheck.Test" },
                { "{\"Test\":[\"CMD\",\"a\"],\"Interval\":-1}",
                  "config.Healthcheck.Interval: -1 is not a whole number" },
                { "[]", "config.Healthcheck" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[1000];
                snprintf(text, sizeof(text), CONFIG("{\"Cmd\":[\"it\"],\"Healthcheck\":%s}"), cases[i].text);
                struct mf_oci_config config = good(text);
                assert_string_equal(config.image->argv[0], "it");
                assert_null(config.image->health.command);
                assert_non_null(config.image->health.fault);
                assert_non_null(strstr(config.image->health.fault, cases[i].message));
                mf_oci_config_clear(&config);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_of_an_app_is_read),
                cmocka_unit_test(users_come_in_all_forms),
                cmocka_unit_test(stop_signals_come_in_all_forms),
                cmocka_unit_test(health_checks_have_dockers_defaults),
                cmocka_unit_test(an_image_need_not_have_an_app),
                cmocka_unit_test(what_is_wrong_is_said),
                cmocka_unit_test(a_wrong_health_check_is_kept_for_those_who_wait),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
