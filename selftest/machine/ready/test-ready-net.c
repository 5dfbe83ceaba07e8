/* SPDX-License-Identifier: MIT */

/* Waiting for what listens in a container: ports, Unix sockets, HTTP servers. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/certs.h"
#include "support/containers.h"
#include "support/server.h"
#include "support/small-image.h"
#include "waits.h"

static char *image, *with_ports;

/* --- ports ------------------------------------------------------------------------------------------------------ */

static void a_port_wherever_the_app_listens(void **state)
{
        static const char *const addresses[] = { "127.0.0.1", "0.0.0.0", "::", "::1", "127.0.0.2" };

        (void) state;
        for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
                starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "tcp", addresses[i], "6379"),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379/tcp"), MAYFLY_WAIT_PORT("6379"))));
                starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "udp", addresses[i], "53"),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("53/udp"))));
        }
        /* On the host's network, too. */
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "tcp", "127.0.0.1", "46379"),
                           .network = MAYFLY_NETWORK_HOST, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("46379/tcp"))));
}

static void what_listens_instead_is_said(void **state)
{
        (void) state;
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "tcp", "127.0.0.1", "6380"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379", .timeout_ms = 300))),
              -ETIMEDOUT, "not ready after 300 ms: port 6379: nothing listens; 127.0.0.1:6380 does;",
              "\n  | listener tcp 127.0.0.1 6380", NULL);
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "udp", "::1", "6379"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379", .timeout_ms = 300))),
              -ETIMEDOUT, "port 6379: nothing listens;", NULL);
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "udp", "::1", "54"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("53/udp", .timeout_ms = 300))),
              -ETIMEDOUT, "port 53/udp: nothing is bound; [::1]:54 does", NULL);
}

static void ports_have_the_images_names(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = with_ports, LISTENER_("50", "tcp", "0.0.0.0", "6379"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("redis"))));
        fails(MAYFLY_SPEC(.image = with_ports, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("postgres"))), -ENOENT,
              "no port \"postgres\"", "redis, odd", NULL);
        fails(MAYFLY_SPEC(.image = with_ports, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("odd"))), -EPROTONOSUPPORT, "sctp",
              NULL);
        fails(MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("1/icmp"))), -EPROTONOSUPPORT, "icmp",
              NULL);
        fails(MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("0"))), -EINVAL, "between 1 and 65535",
              NULL);
        fails(MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("65536/tcp"))), -EINVAL,
              "between 1 and 65535", NULL);
}

static void what_is_published_is_awaited(void **state)
{
        (void) state;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, LISTENER_("200", "tcp", "127.0.0.1", "6379"),
                                            .publish = MAYFLY_PORTS({ .port = 6379, .name = "redis" })));
        int fd = -1;
        assert_int_equal(mayfly_container_connect(c, "redis", &fd, NULL), 0);
        close(fd);
        mayfly_container_free(c);
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "udp", "127.0.0.1", "53"),
                           .publish = MAYFLY_PORTS({ .port = 53, .protocol = "udp" })));
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "unix", "/tmp/socket"),
                           .publish = MAYFLY_PORTS({ .path = "/tmp/socket", .name = "admin" })));
        fails(MAYFLY_SPEC(.image = image, SH("echo no server; sleep 1000"), .start_timeout_ms = 1500,
                          .publish = MAYFLY_PORTS({ .port = 6379 })),
              -ETIMEDOUT, "port 6379/tcp: nothing listens", "\n  | no server", NULL);
        /* Not at once: else the publishing may find the end first, and says that it was reaching a port. */
        fails(MAYFLY_SPEC(.image = image, SH("echo cannot bind; sleep 2; exit 1"),
                          .publish = MAYFLY_PORTS({ .port = 6379 })),
              -ESRCH, "waiting for port 6379/tcp", "exited with status 1", "\n  | cannot bind", NULL);
        /* Unless the spec has a wait of its own, or there is no app; ports that the image names are names only. */
        starts(MAYFLY_SPEC(.image = image, SH("sleep 1000"), .publish = MAYFLY_PORTS({ .port = 6379 }),
                           .wait = MAYFLY_WAIT_NONE));
        starts(MAYFLY_SPEC(.image = image, .idle = 1, .publish = MAYFLY_PORTS({ .port = 6379 })));
        starts(MAYFLY_SPEC(.image = with_ports, SH("sleep 1000")));
}

/* --- Unix sockets ----------------------------------------------------------------------------------------------- */

static void a_unix_socket(void **state)
{
        static const char *const names[] = { "/tmp/socket", "@abstract", "/tmp/link/socket" };

        (void) state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "unix", names[i]),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX(names[i]))));
                starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "dgram", names[i]),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX(names[i]))));
        }
        /* Bound by another name. */
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "unix", "/tmp/link/socket"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/srv/socket"))));
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "unix", "socket"), .cwd = "/tmp",
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp/socket"))));
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "unix", "/tmp/socket"), .network = MAYFLY_NETWORK_HOST,
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp/socket"))));

        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, LISTENER_("0", "unix", "/tmp/other/socket"),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp/other/socket"))));
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp/socket", .timeout_ms = 100)), -ETIMEDOUT,
                   "Unix socket /tmp/socket: a socket \"socket\" listens elsewhere");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp/none", .timeout_ms = 100)), -ETIMEDOUT, "it does not exist");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_UNIX("/tmp", .timeout_ms = 100)), -ETIMEDOUT, "it is no socket");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_UNIX("@none", .timeout_ms = 100)), -ETIMEDOUT, "it does not exist");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_UNIX("socket")), -EINVAL, "is not absolute");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_PORT("unix:/tmp/other/socket")), -EINVAL, "write MAYFLY_WAIT_UNIX(");
        mayfly_container_free(c);
}

/* --- HTTP ------------------------------------------------------------------------------------------------------- */

static void a_server_in_the_container(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image,
                            SH("sleep 0.2; echo it is up >/tmp/page; exec httpd -f -p 127.0.0.1:8080 -h /tmp"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/page", .port = "8080", .http_body = "is up"))));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/none", .port = "8080/tcp", .http_status = "400-403,404")));
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/none", .port = "8080", .timeout_ms = 200)), -ETIMEDOUT,
                   "http /none at port 8080: the last of ");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/page", .port = "8080", .http_body = "is down", .timeout_ms = 200)),
                   -ETIMEDOUT, "status 200, \"it is up\", without the wanted text");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/page", .timeout_ms = 200)), -ETIMEDOUT,
                   "http /page at port 80: nothing listens; 127.0.0.1:8080 does");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/page", .port = "8080", .timeout_ms = 200)), -ETIMEDOUT,
                   "https /page at port 8080: ");
        mayfly_container_free(c);
        /* Without IPv4, and one that accepts and closes. */
        starts(MAYFLY_SPEC(.image = image, SH("echo 6 >/tmp/page; exec httpd -f -p [::1]:80 -h /tmp"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/page", .http_body = "6"))));
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "closing", "80"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .timeout_ms = 300))),
              -ETIMEDOUT, "http / at port 80: the last of ", NULL);
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "tcp", "127.0.0.1", "80"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .timeout_ms = 300))),
              -ETIMEDOUT, "the server took the connection, but does not answer", NULL);
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "full", "/tmp/full"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .port = "unix:/tmp/full", .timeout_ms = 300))),
              -ETIMEDOUT, "http / at unix:/tmp/full: the server takes no connection; its queue is full", NULL);
        /* Its death while it is asked. */
        fails(MAYFLY_SPEC(.image = image, SH("listener 0 tcp 127.0.0.1 80 & sleep 0.5; exit 5"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/"))),
              -ESRCH, "exited with status 5", NULL);
}

/* The server is the test's, which a container on the host's network reaches: it can misbehave, and remembers what it was asked. */
static void what_a_server_is_asked(void **state)
{
        struct faulty_server *server = faulty_start();
        char port[16];

        (void) state;
        snprintf(port, sizeof(port), "%d", faulty_port(server));
        faulty_add(server, &(struct faulty_path){
                                   .path = "/ready?x=1", .body = "ready", .size = 5, .status = 503, .times = 3 });
        faulty_add(server,
                   &(struct faulty_path){
                           .path = "/garbage", .body = "ready", .size = 5, .flags = FAULTY_GARBAGE, .times = 1 });
        faulty_add(server, &(struct faulty_path){ .path = "/moved", .status = 302, .location = "/elsewhere" });
        faulty_add(server, &(struct faulty_path){ .path = "/silent", .flags = FAULTY_SILENT });
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, .idle = 1, .network = MAYFLY_NETWORK_HOST));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/ready?x=1", .port = port, .http_user = "abi", .http_password = "secret",
                                              .http_host = "service.example", .http_status = "200",
                                              .http_headers = MAYFLY_STRINGS("X-Probe: yes"))));
        assert_int_equal(faulty_count(server, "/ready?x=1"), 4);
        const char *head = faulty_head(server, "/ready?x=1", 3);
        assert_non_null(strstr(head, "Authorization: Basic YWJpOnNlY3JldA=="));
        assert_non_null(strstr(head, "X-Probe: yes"));
        assert_non_null(strstr(head, "Host: service.example"));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/garbage", .port = port)));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/moved", .port = port, .http_status = "302")));
        assert_int_equal(faulty_count(server, "/elsewhere"), 0);
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/silent", .port = port, .timeout_ms = 300)), -ETIMEDOUT,
                   "does not answer");
        mayfly_container_free(c);
        faulty_stop(server);
}

static void a_server_with_tls(void **state)
{
        char directory[] = "/tmp/mayfly-ready-XXXXXX", authority[64], certificate[64], line[128], port[16];

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(authority, sizeof(authority), "%s/authority.pem", directory);
        snprintf(certificate, sizeof(certificate), "%s/server.pem", directory);
        struct authority *signer = authority_new(authority);
        authority_sign(signer, "DNS:localhost,DNS:service.example", 1000000, certificate);
        struct faulty_server *server = faulty_start_tls(certificate);
        faulty_add(server, &(struct faulty_path){ .path = "/ready", .body = "ready", .size = 5 });
        snprintf(port, sizeof(port), "%d", faulty_port(server));

        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, .idle = 1, .network = MAYFLY_NETWORK_HOST));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .port = port, .http_ca_file = authority)));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .port = port, .http_ca_file = authority,
                                               .http_host = "service.example")));
        waits(c,
              MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .port = port, .http_insecure = 1, .http_host = "other.example")));
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .port = port, .timeout_ms = 300)), -ETIMEDOUT,
                   "certificate");
        wait_fails(c,
                   MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .port = port, .http_ca_file = authority,
                                                 .http_host = "other.example", .timeout_ms = 300)),
                   -ETIMEDOUT, "other.example");
        mayfly_container_free(c);
        faulty_stop(server);
        authority_free(signer);
        snprintf(line, sizeof(line), "rm -rf %s", directory);
        assert_int_equal(system(line), 0);
}

static void wrong_waits_are_named(void **state)
{
        (void) state;
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("health"))), -EINVAL,
              "condition 1 of the wait: the path \"health\" does not begin with a slash", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/a b"))), -EINVAL, "write %20",
              NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .http_status = "200-"))),
              -EINVAL, "\"200-\" is no set of status codes", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere",
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .http_headers = MAYFLY_STRINGS("no header")))),
              -EINVAL, "\"no header\" in http_headers is no header", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere",
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/", .http_ca_file = "/none.pem"))),
              -ENOENT, "http_ca_file /none.pem cannot be read", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere",
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .http_ca_file = "/none.pem"))),
              -EINVAL, "has http_ca_file, but no https", NULL);
        fails(MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTP("/", .port = "53/udp"))), -EINVAL,
              "\"53/udp\", which is udp", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_port_wherever_the_app_listens),
                cmocka_unit_test(what_listens_instead_is_said),
                cmocka_unit_test(ports_have_the_images_names),
                cmocka_unit_test(what_is_published_is_awaited),
                cmocka_unit_test(a_unix_socket),
                cmocka_unit_test(a_server_in_the_container),
                cmocka_unit_test(what_a_server_is_asked),
                cmocka_unit_test(a_server_with_tls),
                cmocka_unit_test(wrong_waits_are_named),
        };
        static const char prepare[] =
                "cp '" LISTENER "' bin/listener; mkdir -p -m 1777 tmp tmp/other; ln -s . tmp/link; ln -s tmp srv";

        image = strdup(small_image("ready-net", NULL, prepare));
        with_ports = strdup(
                small_image("ready-ports",
                            "{\"exec\":[\"listener\",\"0\",\"tcp\",\"::\",\"6379\"],\"user\":\"0\",\"group\":\"0\","
                            "\"ports\":[{\"name\":\"redis\",\"protocol\":\"tcp\",\"port\":6379},{\"name\":\"odd\","
                            "\"protocol\":\"sctp\",\"port\":5}]}",
                            prepare));
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        free(image);
        free(with_ports);
        return r;
}
