/* SPDX-License-Identifier: MIT */

/* What `docker compose config --format json` prints, as mayfly up takes it. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/declaration.h"

static char path[] = "/tmp/mayfly-compose-XXXXXX";

static int make_file(void **state)
{
        (void) state;
        int fd = mkstemp(path);
        return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
        (void) state;
        return unlink(path);
}

static int read_text(const char *text, struct declaration *ret, struct mayfly_error *err)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
        return declaration_read(path, ret, err);
}

#define DIGEST "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* As compose prints it, with all that it adds. */
static const char document[] =
        "{\"name\": \"shop\", \"networks\": {\"default\": {\"name\": \"shop_default\", \"ipam\": {}}}, \"volumes\": "
        "{\"data\": {\"name\": "
        "\"shop_data\"}},"
        " \"services\": {"
        "  \"db\": {\"command\": null, \"entrypoint\": null, \"image\": \"postgres:16" DIGEST "\","
        "   \"environment\": {\"PASSWORD\": \"a$$b$$$$c\", \"EMPTY\": \"\"}, \"networks\": {\"default\": {\"aliases\": "
        "[\"store\"]}},"
        "   \"volumes\": [{\"type\": \"volume\", \"source\": \"data\", \"target\": \"/data\", \"volume\": {}},"
        "    {\"type\": \"bind\", \"source\": \"/\", \"target\": \"/host\", \"read_only\": true, \"bind\": "
        "{\"create_host_path\": true}},"
        "    {\"type\": \"tmpfs\", \"target\": \"/run/x\"}],"
        "   \"healthcheck\": {\"test\": [\"CMD-SHELL\", \"pg_isready\"], \"interval\": \"1s\", \"retries\": 5},"
        "   \"shm_size\": \"67108864\", \"mem_limit\": \"536870912\", \"pids_limit\": 100, \"restart\": \"always\", "
        "\"init\": true},"
        "  \"migrate\": {\"image\": \"aci:x\", \"command\": [\"migrate\"], \"depends_on\": {\"db\": {\"condition\": "
        "\"service_healthy\","
        "   \"required\": true}}, \"networks\": {\"default\": null}},"
        "  \"web\": {\"image\": \"web" DIGEST
        "\", \"user\": \"1000:50\", \"deploy\": {\"resources\": {\"limits\": {\"memory\": \"1048576\", \"pids\": 9}}}, "
        "\"working_dir\": \"/app\", \"hostname\": \"shop\", \"read_only\": true,"
        "   \"ports\": [{\"mode\": \"ingress\", \"target\": 80, \"published\": \"8080\", \"protocol\": \"tcp\"},"
        "    {\"mode\": \"ingress\", \"target\": 53, \"protocol\": \"udp\", \"host_ip\": \"127.0.0.1\"}],"
        "   \"depends_on\": {\"migrate\": {\"condition\": \"service_completed_successfully\"}, \"cache\": "
        "{\"condition\": "
        "\"service_healthy\"}},"
        "   \"ulimits\": {\"nofile\": {\"soft\": 10, \"hard\": 20}, \"nproc\": 30}, \"sysctls\": "
        "{\"net.core.somaxconn\": \"99\"},"
        "   \"cap_add\": [\"NET_ADMIN\"], \"extra_hosts\": [\"a=10.0.0.1\", \"b:10.0.0.2\"], \"labels\": {\"x\": "
        "\"y\"},"
        "   \"devices\": [{\"source\": \"/dev/zero\", \"target\": \"/dev/z\", \"permissions\": \"rwm\"}], \"tmpfs\": "
        "[\"/tmp/t:size=1m\"],"
        "   \"volumes\": [{\"type\": \"volume\", \"target\": \"/cache\"}], \"stop_signal\": \"SIGINT\", "
        "\"stop_grace_period\": \"1m0s\","
        "   \"privileged\": false, \"secrets\": [], \"networks\": {\"default\": null}},"
        "  \"cache\": {\"image\": \"cache" DIGEST
        "\", \"network_mode\": \"none\", \"healthcheck\": {\"disable\": true}}}}";

static struct declaration declaration;

static int read_document(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        int r = read_text(document, &declaration, &err);
        assert_string_equal(err.message, "");
        return r;
}

static int clear_document(void **state)
{
        (void) state;
        declaration_clear(&declaration);
        return 0;
}

static void takes_a_database(void **state)
{
        const struct declared *db = &declaration.containers[0];

        (void) state;
        assert_int_equal(declaration.n, 4);
        assert_string_equal(declaration.networks[0], "default");
        assert_string_equal(db->spec.image, "oci:postgres:16" DIGEST);
        assert_null(db->spec.argv);
        assert_null(db->spec.entrypoint);
        assert_string_equal(db->spec.env[0], "PASSWORD=a$b$$c");
        assert_string_equal(db->spec.env[1], "EMPTY=");
        assert_string_equal(db->networks[0], "default");
        assert_string_equal(db->spec.aliases[0], "store");
        assert_string_equal(db->spec.volumes[1].path, "/host");
        assert_int_equal(db->spec.volumes[1].read_only, 1);
        assert_string_equal(db->spec.volumes[2].path, "/run/x");
        assert_int_equal(db->spec.volumes[3].size, 0);
        assert_string_equal(db->spec.wait[1].command[2], "pg_isready");
        assert_int_equal(db->spec.start_timeout_ms, 5 * (1000 + 30000)); /* what compose waits for it */
        assert_int_equal(db->spec.wait[2].size, 0);
        assert_int_equal(db->spec.shm_size, 64 << 20);
        assert_int_equal(db->spec.memory_max, 512 << 20);
        assert_int_equal(db->spec.tasks_max, 100);
}

static void takes_an_order(void **state)
{
        const struct declared *migrate = &declaration.containers[1];

        (void) state;
        assert_string_equal(migrate->spec.after, "db");
        assert_string_equal(migrate->spec.argv[0], "migrate");
        assert_int_equal(migrate->spec.wait[1].exit, 1);
        assert_string_equal(declaration.containers[2].spec.after, "migrate,cache");
        assert_int_equal(declaration.containers[3].spec.wait[1].healthy, 1);
        assert_int_equal(declaration.containers[3].spec.network, MAYFLY_NETWORK_PRIVATE);
}

static void takes_a_server(void **state)
{
        const struct mayfly_spec *web = &declaration.containers[2].spec;

        (void) state;
        assert_string_equal(web->user, "1000:50");
        assert_int_equal(web->memory_max, 1 << 20);
        assert_int_equal(web->tasks_max, 9);
        assert_string_equal(web->cwd, "/app");
        assert_string_equal(web->hostname, "shop");
        assert_int_equal(web->publish[1].host_port, 8080);
        assert_int_equal(web->publish[2].port, 53);
        assert_string_equal(web->publish[2].protocol, "udp");
        assert_string_equal(web->ulimits[0], "nofile=10:20");
        assert_string_equal(web->ulimits[1], "nproc=30:30");
        assert_string_equal(web->sysctls[0], "net.core.somaxconn=99");
        assert_string_equal(web->capabilities[0], "CAP_NET_ADMIN");
        assert_string_equal(web->extra_hosts[0], "a:10.0.0.1");
        assert_string_equal(web->extra_hosts[1], "b:10.0.0.2");
        assert_string_equal(web->labels[0], "x=y");
        assert_string_equal(web->devices[0], "/dev/zero:/dev/z");
        assert_string_equal(web->volumes[1].path, "/tmp/t");
        assert_string_equal(web->volumes[2].path, "/cache"); /* nothing else can be written to */
        assert_int_equal(web->stop_signal, 2);
        assert_int_equal(web->stop_timeout_ms, 60000);
}

/* What a service says, and what is said of it. */
static const struct {
        const char *service, *message;
} bad[] = {
        { "5", "services.s: 5 is not an object" },
        { "{}", "services.s: \"image\" is missing; an image that compose builds" },
        { "{\"image\": \"redis:7\"}", "services.s.image: \"redis:7\" has no digest" },
        { "{\"image\": \"redis:7\"}", "docker compose config --resolve-image-digests" },
        { "{\"image\": 7}", "services.s.image: 7 is not a string" },
        { "{\"image\": \"aci:x\", \"privileged\": true, \"secrets\": [{}], \"logging\": {\"a\": \"b\"}}",
          "services.s: mayfly cannot do what is said in: privileged, secrets; take that out" },
        { "{\"image\": \"aci:x\", \"network_mode\": \"bridge\"}",
          "services.s.network_mode: \"bridge\" is not \"host\" or" },
        { "{\"image\": \"aci:x\", \"ports\": [{\"published\": \"5\"}]}", "services.s.ports[0]" },
        { "{\"image\": \"aci:x\", \"ports\": [{\"target\": 5, \"host_ip\": \"10.0.0.1\"}]}",
          "published on 127.0.0.1 alone" },
        { "{\"image\": \"aci:x\", \"ports\": [{\"target\": 5, \"published\": \"8000-8010\"}]}",
          "8000-8010:5/tcp is no port" },
        { "{\"image\": \"aci:x\", \"volumes\": [{\"type\": \"npipe\", \"source\": \"a\", \"target\": \"/b\"}]}",
          "services.s.volumes[0]: the type \"npipe\" is not known" },
        { "{\"image\": \"aci:x\", \"volumes\": [\"a:/b\"]}", "services.s.volumes[0]: \"a:/b\" is not a volume" },
        { "{\"image\": \"aci:x\", \"depends_on\": {\"t\": {\"condition\": \"service_started\"}}}",
          "services.s.depends_on.t: there is no service \"t\"" },
        { "{\"image\": \"aci:x\", \"depends_on\": {\"s\": {\"condition\": \"service_odd\"}}}",
          "the condition \"service_odd\" is not known" },
        { "{\"image\": \"aci:x\", \"depends_on\": [\"s\"]}", "services.s.depends_on: [\"s\"] is not an object" },
        { "{\"image\": \"aci:x\", \"healthcheck\": {\"test\": \"x\"}}", "services.s.healthcheck" },
        { "{\"image\": \"aci:x\", \"healthcheck\": {\"interval\": \"x\"}}",
          "services.s.healthcheck.interval: \"x\" is not a time" },
        { "{\"image\": \"aci:x\", \"healthcheck\": {\"start_perod\": \"1s\"}}", "said in: start_perod" },
        { "{\"image\": \"aci:x\", \"deploy\": {\"replicas\": 2}}", "services.s.deploy: replicas: mayfly starts one" },
        { "{\"image\": \"aci:x\", \"networks\": {\"front\": null}}", "there is no network \"front\"" },
        { "{\"image\": \"aci:x\", \"ulimits\": []}", "services.s.ulimits: [] is not an object" },
        { "{\"image\": \"aci:x\", \"ulimits\": {\"nofile\": \"many\"}}",
          "services.s.ulimits.nofile: \"many\" is not a number, or an object" },
        { "{\"image\": \"aci:x\", \"ulimits\": {\"nofile\": {\"soft\": 5}}}",
          "services.s.ulimits.nofile: {\"soft\":5} is not a number, or an object" },
        { "{\"image\": \"aci:x\", \"sysctls\": {\"net.x\": true}}", "services.s.sysctls.net.x: true is not a string" },
        { "{\"image\": \"aci:x\", \"pids_limit\": \"ten\"}", "services.s.pids_limit: \"ten\" is not a number" },
        { "{\"image\": \"aci:x\", \"extra_hosts\": {\"a\": 5}}", "services.s.extra_hosts.a: 5 is not an address" },
        { "{\"image\": \"aci:x\", \"extra_hosts\": {\"a\": [\"::1\", null]}}",
          "services.s.extra_hosts.a: null is not" },
        { "{\"image\": \"aci:x\", \"ports\": [\"80:80\"]}",
          "\"target\"; docker compose config --format json prints it so" },
        { "{\"image\": \"aci:x\", \"ports\": [{\"target\": 5, \"published\": 70000}]}", "70000:5/tcp is no port" },
        { "{\"image\": \"aci:x\", \"extra_hosts\": [\"a\"]}", "services.s.extra_hosts[0]: \"a\" is not" },
        { "{\"image\": \"aci:x\", \"command\": \"a b\"}", "argv: \"a b\" is not a list of strings" },
};

static int refuses(const char *text, const char *message)
{
        struct declaration read = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = read_text(text, &read, &err);
        declaration_clear(&read);
        if (r == -EINVAL && strstr(err.message, message))
                return 1;
        print_error("%s gives %d: %s\n", text, r, err.message);
        return 0;
}

static void refuses_what_cannot_be_done(void **state)
{
        char text[512];

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                snprintf(text, sizeof(text), "{\"networks\": {\"back\": {}}, \"services\": {\"s\": %s}}",
                         bad[i].service);
                assert_true(refuses(text, bad[i].message));
        }
        assert_true(refuses("{\"services\": []}", "services: [] is not an object"));
        assert_true(refuses("{\"services\": {}}", "containers: it has no container"));
        assert_true(
                refuses("{\"networks\": {\"n\": {\"external\": true}}, \"services\": {\"s\": {\"image\": \"aci:x\"}}}",
                        "networks.n: mayfly cannot use networks that others made"));
        assert_true(refuses("{\"services\": {\"a\": {\"image\": \"aci:x\", \"volumes\": [{\"type\": \"volume\", "
                            "\"source\": \"v\", \"target\": "
                            "\"/v\"}]}, \"b\": {\"image\": \"aci:x\", \"volumes\": [{\"type\": \"volume\", \"source\": "
                            "\"v\", \"target\": "
                            "\"/v\"}]}}}",
                            "services.b.volumes[0]: the volume \"v\" is that of service \"a\", too"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(takes_a_database, read_document, clear_document),
                cmocka_unit_test_setup_teardown(takes_an_order, read_document, clear_document),
                cmocka_unit_test_setup_teardown(takes_a_server, read_document, clear_document),
                cmocka_unit_test(refuses_what_cannot_be_done),
        };

        return cmocka_run_group_tests_name("compose", tests, make_file, remove_file);
}
