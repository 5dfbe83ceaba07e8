/* SPDX-License-Identifier: MIT */
/* An nginx with TLS. The certificate is of this run; the start waits until the server proves that it has it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/cmocka.h>

#include "services-image.h"

static char directory[] = "/tmp/mayfly-https-XXXXXX", authority[64];

static int make_certificate(void **state)
{
        char line[512];

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(authority, sizeof(authority), "%s/cert.pem", directory);
        snprintf(line, sizeof(line),
                 "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "
                 "/CN=shop.example "
                 "-addext subjectAltName=DNS:shop.example -keyout key.pem -out cert.pem 2>log && "
                 "echo 'events {} http { server { listen 443 ssl; ssl_certificate /tls/cert.pem; ssl_certificate_key "
                 "/tls/key.pem; location = /ready { return 200 \"in stock\\n\"; } } }' >nginx.conf",
                 directory);
        return system(line);
}

static int remove_certificate(void **state)
{
        char line[128];

        (void) state;
        snprintf(line, sizeof(line), "rm -r %s", directory);
        return system(line);
}

static void nginx_is_ready_when_its_certificate_is_trusted(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        if (mayfly_container_start(
                    &c,
                    MAYFLY_SPEC(.image = SERVICES_IMAGE,
                                .entrypoint = MAYFLY_STRINGS("nginx", "-c", "/tls/nginx.conf", "-g", "daemon off;"),
                                .volumes = MAYFLY_VOLUMES({ .path = "/tls", .source = directory, .read_only = 1 }),
                                .wait = MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .http_ca_file = authority,
                                                                      .http_host = "shop.example",
                                                                      .http_body = "in stock"))),
                    &err) < 0)
                fail_msg("%s", err.message);
        /* With an authority that did not sign it, or for another name, it is not; unless nobody asks. */
        assert_int_equal(
                mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .timeout_ms = 300)), &err),
                -ETIMEDOUT);
        assert_non_null(strstr(err.message, "certificate"));
        assert_int_equal(
                mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_HTTPS("/ready", .http_insecure = 1)), NULL), 0);
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(nginx_is_ready_when_its_certificate_is_trusted) };

        return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
