/* SPDX-License-Identifier: MIT */

/* What mayfly up reads: all that a declaration may have, and what it may not. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/declaration.h"

static char path[] = "/tmp/mayfly-declaration-XXXXXX/declaration.json";
static const size_t directory_length = sizeof("/tmp/mayfly-declaration-XXXXXX") - 1;

static int make_directory(void **state)
{
        (void) state;
        path[directory_length] = '\0';
        int r = mkdtemp(path) ? 0 : -1;
        path[directory_length] = '/';
        return r;
}

static int remove_directory(void **state)
{
        (void) state;
        (void) unlink(path);
        path[directory_length] = '\0';
        return rmdir(path);
}

/* Reads a text as if it were a file. */
static int read_text(const char *text, struct declaration *ret, struct mayfly_error *err)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        return declaration_read(path, ret, err);
}

static const char all[] =
        "{\"networks\": [\"back\", \"front\"], \"containers\": {"
        "\"db\": {\"image\": \"aci:x\", \"argv\": [\"a\", \"\"], \"entrypoint\": [], \"user\": \"u\", \"cwd\": "
        "\"/w\","
        "  \"env\": {\"A\": \"1\", \"MAYFLY_TEST_HERE\": null, \"MAYFLY_TEST_NOWHERE\": null, \"B\": \"\"},"
        "  \"publish\": [\"6379\", \"127.0.0.1:8080:80/tcp\", \"53/udp\"], \"host_ports\": [\"90/udp\"],"
        "  \"volumes\": [\"/:/host:ro\", \".:/here\"], \"tmpfs\": [\"/t\"], \"networks\": [\"front\", "
        "\"back\"], \"aliases\": [\"d\"],"
        "  \"wait\": [], \"wait_timeout\": \"1m30s\", \"stop_timeout\": \"1.5s\", \"stop_signal\": \"SIGINT\","
        "  \"files\": [{\"path\": \"/a\", \"text\": \"\", \"mode\": \"0600\", \"uid\": 5, \"gid\": 6}, "
        "{\"path\": \"/b\", \"source\": \"b\"}],"
        "  \"labels\": {\"l\": \"v\"}, \"memory\": \"512M\", \"shm_size\": 4096, \"pids_limit\": 7, "
        "\"read_only\": true,"
        "  \"hostname\": \"h\", \"ulimits\": [\"nofile=1\"], \"sysctls\": [\"a=b\"], \"devices\": "
        "[\"/dev/null\"],"
        "  \"extra_hosts\": [\"a:1.2.3.4\"], \"capabilities\": [\"NET_ADMIN\", \"CAP_CHOWN\"], \"boot\": true, "
        "\"idle\": false,"
        "  \"engine\": \"direct\", \"network\": \"none\", \"userns\": \"keep-id\", \"snapshot_after\": "
        "[\"true\"]},"
        "\"web\": {\"image\": \"y\", \"after\": \"db\", \"wait\": [{\"port\": \"80\", \"timeout\": \"5s\"}, "
        "{\"log\": \"a\", \"log_count\": 2,"
        "  \"log_stream\": \"error\"}, {\"http\": \"/\"}, {\"https\": {\"path\": \"/s\", \"port\": \"443\", "
        "\"insecure\": true,"
        "  \"headers\": [\"A: b\"]}}, {\"any\": [{\"command\": [\"c\"]}, {\"file\": \"/f\"}]}, {\"exit\": 3}, "
        "{\"notify\": true}]},"
        "\"last\": {\"image\": \"z\", \"after\": [\"db\", \"web\"]}}}";

static struct declaration declaration;

static int read_all(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(setenv("MAYFLY_TEST_HERE", "here", 1), 0);
        int r = read_text(all, &declaration, &err);
        assert_string_equal(err.message, "");
        return r;
}

static int clear_all(void **state)
{
        (void) state;
        declaration_clear(&declaration);
        return 0;
}

static void reads_what_runs(void **state)
{
        (void) state;
        assert_int_equal(declaration.n, 3);
        assert_string_equal(declaration.networks[1], "front");

        const struct declared *db = &declaration.containers[0];
        const struct mayfly_spec *spec = &db->spec;
        assert_string_equal(db->name, "db");
        assert_string_equal(spec->name, "db");
        assert_string_equal(spec->image, "aci:x");
        assert_string_equal(spec->argv[1], "");
        assert_null(spec->argv[2]);
        assert_null(spec->entrypoint[0]);
        assert_string_equal(spec->user, "u");
        assert_string_equal(spec->cwd, "/w");
        assert_string_equal(spec->env[0], "A=1");
        assert_string_equal(spec->env[1], "MAYFLY_TEST_HERE=here");
        assert_string_equal(spec->env[2], "B=");
        assert_null(spec->env[3]);
        assert_int_equal(spec->publish[1].port, 6379);
        assert_int_equal(spec->publish[2].port, 80);
        assert_int_equal(spec->publish[2].host_port, 8080);
        assert_string_equal(spec->publish[3].protocol, "udp");
        assert_int_equal(spec->publish[4].size, 0);
        assert_int_equal(spec->host_ports[1].port, 90);
        assert_string_equal(spec->volumes[1].source, "/");
        assert_int_equal(spec->volumes[1].read_only, 1);
        assert_memory_equal(spec->volumes[2].source, path, directory_length);
        assert_int_equal(strlen(spec->volumes[2].source), directory_length);
        assert_string_equal(spec->volumes[3].path, "/t");
}

static void reads_the_rest(void **state)
{
        const struct declared *db = &declaration.containers[0];
        const struct mayfly_spec *spec = &db->spec;

        (void) state;
        assert_string_equal(db->networks[1], "back");
        assert_string_equal(spec->aliases[0], "d");
        assert_int_equal(spec->wait[0].size, sizeof(struct mayfly_wait));
        assert_int_equal(spec->wait[1].size, 0);
        assert_int_equal(spec->start_timeout_ms, 90000);
        assert_int_equal(spec->stop_timeout_ms, 1500);
        assert_int_equal(spec->stop_signal, 2);
        assert_string_equal(spec->files[1].text, "");
        assert_int_equal(spec->files[1].mode, 0600);
        assert_int_equal(spec->files[1].gid, 6);
        assert_memory_equal(spec->files[2].source, path, directory_length);
        assert_string_equal(spec->labels[0], "l=v");
        assert_int_equal(spec->memory_max, 512 << 20);
        assert_int_equal(spec->shm_size, 4096);
        assert_int_equal(spec->tasks_max, 7);
        assert_int_equal(spec->read_only, 1);
        assert_string_equal(spec->capabilities[0], "CAP_NET_ADMIN");
        assert_string_equal(spec->capabilities[1], "CAP_CHOWN");
        assert_int_equal(spec->engine, MAYFLY_ENGINE_DIRECT);
        assert_int_equal(spec->userns, MAYFLY_USERNS_KEEP_ID);
        assert_string_equal(db->snapshot_after[0], "true");
}

static void reads_conditions(void **state)
{
        const struct mayfly_wait *wait = declaration.containers[1].spec.wait;

        (void) state;
        assert_string_equal(declaration.containers[1].spec.after, "db");
        assert_string_equal(wait[1].port, "80");
        assert_int_equal(wait[1].timeout_ms, 5000);
        assert_int_equal(wait[2].log_count, 2);
        assert_int_equal(wait[2].log_stream, MAYFLY_STREAM_ERROR);
        assert_string_equal(wait[3].http, "/");
        assert_string_equal(wait[4].https, "/s");
        assert_string_equal(wait[4].port, "443");
        assert_int_equal(wait[4].http_insecure, 1);
        assert_string_equal(wait[5].any[1].command[0], "c");
        assert_string_equal(wait[5].any[2].file, "/f");
        assert_int_equal(wait[6].exit_status, 3);
        assert_int_equal(wait[7].notify, 1);
        assert_string_equal(declaration.containers[2].spec.after, "db,web");
        assert_null(declaration.containers[2].spec.wait);
}

/* What stands for a container, and what is said of it. */
static const struct {
        const char *container, *message;
} bad_containers[] = {
        { "5", "containers.c: 5 is not an object" },
        { "{}", "containers.c: it has none of \"image\" and \"image_file\"; give one of them" },
        { "{\"image\": \"x\", \"image_file\": \"y\"}", "containers.c: it has both of \"image\" and \"image_file\"" },
        { "{\"image_file\": \"/none\"}", "containers.c.image_file: /none: No such file or directory; build the image" },
        { "{\"image\": \"\"}", "containers.c.image: \"\" is not a string of one character or more" },
        { "{\"image\": 5}", "containers.c.image: 5 is not a string" },
        { "{\"imgae\": \"x\"}", "containers.c.imgae: there is no such key; did you mean \"image\"?" },
        { "{\"zzzzzzzz\": 1}", "containers.c.zzzzzzzz: there is no such key; the keys are image, image_file, argv, " },
        { "{\"argv\": \"sh\"}", "containers.c.argv: \"sh\" is not a list of strings" },
        { "{\"argv\": [\"a\", 1]}", "containers.c.argv[1]: 1 is not a string" },
        { "{\"env\": [\"A=b\"]}", "containers.c.env: [\"A=b\"] is not an object of names and values" },
        { "{\"env\": {\"A\": 5}}", "containers.c.env.A: 5 is not a string, or null" },
        { "{\"env\": {\"A=B\": \"x\"}}", "\"A=B\" is no name" },
        { "{\"env\": {\"\": \"x\"}}", "\"\" is no name" },
        { "{\"labels\": {\"A\": null}}", "containers.c.labels.A: null is not a string" },
        { "{\"publish\": [\"0\"]}", "containers.c.publish: 0 is no port; write PORT" },
        { "{\"publish\": [\"0.0.0.0:80:80\"]}", "ports are published on 127.0.0.1 alone" },
        { "{\"publish\": [6379]}", "containers.c.publish[0]: 6379 is not a string" },
        { "{\"host_ports\": [\"x\"]}", "containers.c.host_ports: x is no port" },
        { "{\"volumes\": [\"data:/data\"]}", "containers.c.volumes: data:/data: the source data cannot be found" },
        { "{\"volumes\": [\"/\"]}", "containers.c.volumes: / is no volume" },
        { "{\"networks\": [\"bacc\"]}", "there is no network \"bacc\"; did you mean \"back\"?" },
        { "{\"networks\": [\"elsewhere\"]}",
          "containers.c.networks: there is no network \"elsewhere\" in this declaration" },
        { "{\"after\": [\"cc\"]}", "containers.c.after: there is no container \"cc\"; did you mean \"c\"?" },
        { "{\"wait\": {}}", "containers.c.wait: {} is not a list" },
        { "{\"wait\": [{\"prot\": \"1\"}]}",
          "containers.c.wait[0].prot: there is no such key; did you mean \"port\"?" },
        { "{\"wait\": [{\"any\": [{\"log_count\": 0}]}]}",
          "containers.c.wait[0].any[0].log_count: 0 is not a whole number from 1" },
        { "{\"wait\": [{\"http\": {\"port\": \"1\"}}]}", "containers.c.wait[0].http: \"path\" is missing" },
        { "{\"wait\": [{\"http\": 1}]}", "containers.c.wait[0].http: 1 is not an object" },
        { "{\"wait\": [{\"exit\": 256}]}", "256 is not a whole number from 0 to 255" },
        { "{\"wait\": [{\"log_stream\": \"both\"}]}", "\"both\" is not \"output\" or \"error\"" },
        { "{\"wait_timeout\": 60}", "containers.c.wait_timeout: 60 is not a time" },
        { "{\"wait_timeout\": \"60\"}", "\"60\" is not a time" },
        { "{\"wait_timeout\": \"0s\"}", "\"0s\" is not a time" },
        { "{\"after\": [\"b,b\"]}", "containers.c.after: \"b,b\" is no name of a container" },
        { "{\"after\": [\"xy\"]}", "containers.c.after: there is no container \"xy\" in this declaration" },
        { "{\"argv\": [], \"argv\": []}", "duplicate object key near '\"argv\"'; give each key once" },
        { "{\"wait_timeout\": \"0x10s\"}", "\"0x10s\" is not a time" },
        { "{\"wait_timeout\": \"1e3s\"}", "\"1e3s\" is not a time" },
        { "{\"wait_timeout\": \"1s-\"}", "\"1s-\" is not a time" },
        { "{\"wait_timeout\": \"infs\"}", "\"infs\" is not a time" },
        { "{\"wait_timeout\": \"99999h\"}", "\"99999h\" is not a time" },
        { "{\"files\": [{\"text\": \"\"}]}", "containers.c.files[0]: \"path\" is missing" },
        { "{\"files\": [{\"path\": \"/a\"}]}", "it has none of \"text\" and \"source\"" },
        { "{\"files\": [{\"path\": \"/a\", \"text\": \"\", \"source\": \"b\"}]}",
          "it has both of \"text\" and \"source\"" },
        { "{\"files\": [{\"path\": \"/a\", \"text\": \"\", \"mode\": 644}]}", "644 is not a mode" },
        { "{\"files\": [{\"path\": \"/a\", \"text\": \"\", \"mode\": \"0888\"}]}", "\"0888\" is not a mode" },
        { "{\"memory\": \"512\"}", "containers.c.memory: \"512\" is not a number of bytes" },
        { "{\"memory\": 0}", "0 is not a number of bytes" },
        { "{\"memory\": \"99999999999T\"}", "is not a number of bytes" },
        { "{\"pids_limit\": -1}", "-1 is not a whole number" },
        { "{\"read_only\": 1}", "containers.c.read_only: 1 is not true or false" },
        { "{\"engine\": \"docker\"}", "containers.c.engine: \"docker\" is not \"systemd\" or \"direct\"" },
        { "{\"userns\": null}", "null is not \"private\", \"host\" or \"keep-id\"" },
        { "{\"stop_signal\": \"TREM\"}", "\"TREM\" is not the name of a signal" },
        { "{\"stop_signal\": \"RTMIN+99\"}", "is not the name of a signal" },
        { "{\"image\": \"a\", \"image\": \"b\"}", "duplicate object key" },
};

static void reads_the_image_of_a_file(void **state)
{
        struct declaration read = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        /* Relative to the directory of the declaration: the declaration itself. */
        const char *text = "{\"containers\":\n{\"c\": {\"image_file\": \"declaration.json\"}}}";
        assert_int_equal(read_text(text, &read, &err), 0);
        assert_string_equal(read.containers[0].spec.image, "{\"containers\":");
        declaration_clear(&read);
}

static void reads_signals_in_all_forms(void **state)
{
        const struct {
                const char *text;
                int number;
        } signals[] = {
                { "SIGUSR1", SIGUSR1 }, { "usr1", SIGUSR1 }, { "15", SIGTERM }, { "SIGRTMAX-1", SIGRTMAX - 1 }
        };

        (void) state;
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                struct declaration read = { 0 };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char text[128];
                snprintf(text, sizeof(text), "{\"containers\": {\"c\": {\"image\": \"x\", \"stop_signal\": \"%s\"}}}",
                         signals[i].text);
                assert_int_equal(read_text(text, &read, &err), 0);
                assert_int_equal(read.containers[0].spec.stop_signal, signals[i].number);
                declaration_clear(&read);
        }
}

static void refuses_containers(void **state)
{
        char text[512];

        (void) state;
        for (size_t i = 0; i < sizeof(bad_containers) / sizeof(bad_containers[0]); i++) {
                struct declaration read = { 0 };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                /* What is not about the image has one. */
                int has_image = strstr(bad_containers[i].message, "image") || bad_containers[i].container[0] != '{';
                snprintf(text, sizeof(text), "{\"networks\": [\"back\"], \"containers\": {\"c\": %s%s}}",
                         has_image ? "" : "{\"image\": \"x\", ", bad_containers[i].container + (has_image ? 0 : 1));
                assert_int_equal(read_text(text, &read, &err), -EINVAL);
                if (!strstr(err.message, bad_containers[i].message) || strncmp(err.message, path, strlen(path)) != 0)
                        fail_msg("%s says: %s", text, err.message);
                declaration_clear(&read);
        }
}

static const struct {
        const char *text, *message;
} bad_documents[] = {
        { "", "it must be JSON" },
        { "{\"containers\": {}", "line 1" },
        { "[]", "declaration.json: [] is not an object" },
        { "{}", "declaration.json: \"containers\" is missing" },
        { "{\"containers\": {}}", "containers: it has no container" },
        { "{\"containers\": []}", "containers: [] is not an object" },
        { "{\"container\": {}}", "container: there is no such key; did you mean \"containers\"?" },
        { "{\"containers\": {\"a/b\": {}}}", "\"a/b\" is no name of a container; write 1 to 47" },
        { "{\"containers\": {\"-a\": {}}}", "\"-a\" is no name of a container" },
        { "{\"containers\": {\"\": {}}}", "\"\" is no name of a container" },
        { "{\"networks\": \"a\", \"containers\": {}}", "networks: \"a\" is not a list" },
        { "{\"containers\": {\"a\": {\"image\": \"x\", \"publish\": [\"80:1\", \"81:1/udp\"]}, \"b\": {\"image\": "
          "\"x\", \"publish\": "
          "[\"81:2\", \"80:2\"]}}}",
          "containers.b.publish: port 80/tcp of the host is that of container \"a\", too" },
        { "{\"containers\": {\"a\": {\"image\": \"x\", \"publish\": [\"80:1\", \"80:2/udp\", \"1\", \"2\", "
          "\"80:2\"]}}}",
          "containers.a.publish: port 80/tcp of the host is that of another port of container \"a\", too" },
};

static void refuses_documents(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(bad_documents) / sizeof(bad_documents[0]); i++) {
                struct declaration read = { 0 };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(read_text(bad_documents[i].text, &read, &err), -EINVAL);
                if (!strstr(err.message, bad_documents[i].message))
                        fail_msg("%s says: %s", bad_documents[i].text, err.message);
                declaration_clear(&read);
        }
        struct declaration read = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        assert_int_equal(declaration_read("/nowhere/x.json", &read, &err), -ENOENT);
        assert_string_equal(err.message,
                            "/nowhere/x.json cannot be read: No such file or directory; give the path of a "
                            "declaration");
        declaration_clear(&read);
}

static void chooses(void **state)
{
        static const char *const names[] = { "c", "b", NULL }, *const unknown[] = { "bb", NULL };
        struct declaration read = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(
                read_text("{\"containers\": {\"a\": {\"image\": \"x\"}, \"b\": {\"image\": \"x\", \"after\": [\"a\", "
                          "\"c\"]}, "
                          "\"c\": {\"image\": \"x\", \"after\": \"b\"}, \"d\": {\"image\": \"x\", \"after\": \"a\"}}}",
                          &read, &err),
                0);
        assert_int_equal(declaration_choose(&read, NULL, &err), 0);
        assert_int_equal(read.n, 4);
        assert_int_equal(declaration_choose(&read, unknown, &err), -ENOENT);
        assert_string_equal(err.message, "there is no container \"bb\" in the declaration; did you mean \"b\"?");
        assert_int_equal(declaration_choose(&read, names, &err), 0);
        assert_int_equal(read.n, 3);
        assert_string_equal(read.containers[0].name, "a");
        assert_string_equal(read.containers[2].name, "c");
        declaration_clear(&read);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(reads_what_runs, read_all, clear_all),
                cmocka_unit_test_setup_teardown(reads_the_rest, read_all, clear_all),
                cmocka_unit_test_setup_teardown(reads_conditions, read_all, clear_all),
                cmocka_unit_test(reads_the_image_of_a_file),
                cmocka_unit_test(reads_signals_in_all_forms),
                cmocka_unit_test(refuses_containers),
                cmocka_unit_test(refuses_documents),
                cmocka_unit_test(chooses),
        };

        return cmocka_run_group_tests_name("declaration", tests, make_directory, remove_directory);
}
