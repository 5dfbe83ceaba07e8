/* SPDX-License-Identifier: MIT */

/* https, from a real TLS server with certificates made for it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/image.h>

#include "support/certs.h"
#include "support/proxy.h"
#include "support/server.h"
#include "support/support.h"

#define DAY 86400L
#define GOOD_FOR (10 * DAY)

static struct {
        char *directory;
        char ca[256], other_ca[256], store[256];
        struct authority *authority;
        struct tar tar;
        char id[136];
} fixture;

static void path(char ret[256], const char *name)
{
        snprintf(ret, 256, "%s/%s", fixture.directory, name);
}

static int setup(void **state)
{
        (void) state;
        fixture.directory = make_directory();
        path(fixture.ca, "ca.pem");
        path(fixture.other_ca, "other.pem");
        fixture.authority = authority_new(fixture.ca);
        authority_free(authority_new(fixture.other_ca));
        tar_add_basics(&fixture.tar);
        tar_end(&fixture.tar);
        image_id(fixture.tar.data, fixture.tar.size, fixture.id);
        return unsetenv("MAYFLY_CA_FILE");
}

static int teardown(void **state)
{
        (void) state;
        authority_free(fixture.authority);
        tar_free(&fixture.tar);
        remove_directory(fixture.directory);
        return 0;
}

/* A server with a certificate for these names. */
static struct faulty_server *serve(const char *names, long seconds)
{
        char certificate[256];

        path(certificate, "server.pem");
        authority_sign(fixture.authority, names, seconds, certificate);
        struct faulty_server *server = faulty_start_tls(certificate);
        faulty_add(server,
                   &(struct faulty_path){ .path = "/x.aci", .body = fixture.tar.data, .size = fixture.tar.size });
        return server;
}

/* Into a new store; what it says when it fails. */
static int fetch_from(const char *scheme, const char *host, const struct faulty_server *server, const char *name,
                      const char *ca, struct mayfly_error *err)
{
        static unsigned n;
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        char reference[512], store[300];

        snprintf(reference, sizeof(reference), "aci:%s://%s:%d/%s@%s", scheme, host, faulty_port(server), name,
                 fixture.id);
        snprintf(store, sizeof(store), "%s/store%u", fixture.directory, n++);
        options.store = store;
        options.ca_file = ca;
        options.retries = UINT32_MAX;
        options.allow_http = strcmp(scheme, "http") == 0;
        *err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mayfly_image_open(&image, reference, &options, err);
        assert_true((r == 0) == (image != NULL));
        mayfly_image_close(image);
        assert_int_equal(count_entries(store, "tmp"), 0);
        return r;
}

static int fetch(const char *scheme, const struct faulty_server *server, const char *name, const char *ca,
                 struct mayfly_error *err)
{
        return fetch_from(scheme, "127.0.0.1", server, name, ca, err);
}

static void says(const struct mayfly_error *err, const char *text)
{
        if (!strstr(err->message, text))
                fail_msg("no \"%s\" in \"%s\"", text, err->message);
}

static void a_trusted_certificate_is_fine(void **state)
{
        struct faulty_server *server = serve("DNS:localhost,IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;

        (void) state;
        if (fetch("https", server, "x.aci", fixture.ca, &err) < 0)
                fail_msg("%s", err.message);
        setenv("MAYFLY_CA_FILE", fixture.ca, 1);
        int r = fetch("https", server, "x.aci", NULL, &err);
        assert_int_equal(fetch("https", server, "x.aci", fixture.other_ca, &err), -EKEYREJECTED); /* the option wins */
        unsetenv("MAYFLY_CA_FILE");
        assert_int_equal(r, 0);
        assert_int_equal(faulty_count(server, "/x.aci"), 2);
        faulty_stop(server);
}

static void a_bundle_is_searched(void **state)
{
        struct faulty_server *server = serve("IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;
        char bundle[256], command[1024];

        (void) state;
        path(bundle, "bundle.pem");
        snprintf(command, sizeof(command), "(echo '# mine'; cat %s %s) >%s", fixture.other_ca, fixture.ca, bundle);
        assert_int_equal(system(command), 0);
        assert_int_equal(fetch("https", server, "x.aci", bundle, &err), 0);
        faulty_stop(server);
}

static void others_are_refused(void **state)
{
        struct faulty_server *server = serve("IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;

        (void) state;
        assert_true(fetch("https", server, "x.aci", NULL, &err) < 0); /* the system does not know it, if it knows any */
        says(&err, "in MAYFLY_CA_FILE");
        assert_int_equal(fetch("https", server, "x.aci", fixture.other_ca, &err), -EKEYREJECTED);
        says(&err, "name the file with that authority's certificate in MAYFLY_CA_FILE");
        assert_int_equal(faulty_count(server, "/x.aci"), 0);
        faulty_stop(server);

        server = serve("DNS:elsewhere.example,IP:127.0.0.2", GOOD_FOR);
        assert_int_equal(fetch("https", server, "x.aci", fixture.ca, &err), -EKEYREJECTED);
        says(&err, "127.0.0.1");
        faulty_stop(server);

        server = serve("IP:127.0.0.1", DAY); /* it ended yesterday */
        assert_int_equal(fetch("https", server, "x.aci", fixture.ca, &err), -EKEYREJECTED);
        says(&err, "expired");
        faulty_stop(server);
}

static void plain_http_is_told_apart(void **state)
{
        struct faulty_server *server = faulty_start(), *tls = serve("IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;

        (void) state;
        assert_true(fetch("https", server, "x.aci", fixture.ca, &err) < 0);
        says(&err, "https://127.0.0.1");
        assert_true(fetch("http", tls, "x.aci", fixture.ca, &err) < 0);
        says(&err, "http://127.0.0.1");
        faulty_stop(server);
        faulty_stop(tls);
}

static void redirects_only_go_up(void **state)
{
        struct faulty_server *plain = faulty_start(), *tls = serve("IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;
        char up[128], down[128];

        (void) state;
        snprintf(up, sizeof(up), "https://127.0.0.1:%d/x.aci", faulty_port(tls));
        snprintf(down, sizeof(down), "http://127.0.0.1:%d/x.aci", faulty_port(plain));
        faulty_add(plain, &(struct faulty_path){ .path = "/up", .status = 302, .location = up });
        faulty_add(plain,
                   &(struct faulty_path){ .path = "/x.aci", .body = fixture.tar.data, .size = fixture.tar.size });
        faulty_add(tls, &(struct faulty_path){ .path = "/down", .status = 302, .location = down });
        if (fetch("http", plain, "up", fixture.ca, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(fetch("https", tls, "down", fixture.ca, &err) < 0);
        says(&err, down);
        assert_int_equal(faulty_count(plain, "/x.aci"), 0);
        faulty_stop(plain);
        faulty_stop(tls);
}

static void bad_ca_files_are_named(void **state)
{
        struct faulty_server *server = serve("IP:127.0.0.1", GOOD_FOR);
        struct mayfly_error err;
        char file[256];

        (void) state;
        assert_int_equal(fetch("https", server, "x.aci", "/no/such.pem", &err), -ENOENT);
        says(&err, "the CA file \"/no/such.pem\" (MAYFLY_CA_FILE, or the option ca_file) cannot be read: No such file");
        assert_true(fetch("https", server, "x.aci", fixture.directory, &err) < 0);
        says(&err, fixture.directory);
        path(file, "rubbish.pem");
        write_file(file, "0\202\001\n", 4);
        assert_int_equal(fetch("https", server, "x.aci", file, &err), -EINVAL);
        says(&err, "has no certificate in PEM; convert a certificate in DER");
        static const char broken[] = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
        write_file(file, broken, sizeof(broken) - 1);
        assert_int_equal(fetch("https", server, "x.aci", file, &err), -EINVAL);
        says(&err, "the CA file must have certificates in PEM");
        assert_int_equal(faulty_count(server, "/x.aci"), 0);
        faulty_stop(server);
}

/* --- proxies in the environment. Names below localhost are looked up nowhere, but are not taken for this host. */

#define FAR "images.localhost"

static void set_proxy(const char *variable, int port)
{
        char url[64];

        snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
        assert_int_equal(setenv(variable, url, 1), 0);
}

static void other_hosts_are_reached_through_the_proxy(void **state)
{
        static const struct {
                const char *variable, *scheme, *line;
        } cases[] = {
                { "https_proxy", "https", "CONNECT " FAR ":%d HTTP/1.1\n" },
                { "HTTPS_PROXY", "https", "CONNECT " FAR ":%d HTTP/1.1\n" },
                { "all_proxy", "https", "CONNECT " FAR ":%d HTTP/1.1\n" },
                { "http_proxy", "http", "GET http://" FAR ":%d/x.aci HTTP/1.1\n" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int tls = strcmp(cases[i].scheme, "https") == 0;
                struct faulty_server *server = tls ? serve("DNS:" FAR, GOOD_FOR) : faulty_start();
                struct proxy *proxy = proxy_start();
                struct mayfly_error err;
                char line[128];

                faulty_add(server, &(struct faulty_path){
                                           .path = "/x.aci", .body = fixture.tar.data, .size = fixture.tar.size });
                set_proxy(cases[i].variable, proxy_port(proxy));
                int r = fetch_from(cases[i].scheme, FAR, server, "x.aci", tls ? fixture.ca : NULL, &err);
                unsetenv(cases[i].variable);
                if (r < 0)
                        fail_msg("%s: %s", cases[i].variable, err.message);
                snprintf(line, sizeof(line), cases[i].line, faulty_port(server));
                assert_string_equal(proxy_asked(proxy), line);
                proxy_stop(proxy);
                faulty_stop(server);
        }
}

static void loopback_and_no_proxy_are_reached_directly(void **state)
{
        static const char *const hosts[] = { "127.0.0.1", "localhost", FAR };
        struct faulty_server *server = serve("DNS:localhost,DNS:" FAR ",IP:127.0.0.1", GOOD_FOR);
        struct proxy *proxy = proxy_start();
        struct mayfly_error err;

        (void) state;
        set_proxy("https_proxy", proxy_port(proxy));
        set_proxy("ALL_PROXY", proxy_port(proxy));
        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
                if (strcmp(hosts[i], FAR) == 0)
                        setenv("no_proxy", "other.example," FAR, 1);
                if (fetch_from("https", hosts[i], server, "x.aci", fixture.ca, &err) < 0)
                        fail_msg("%s: %s", hosts[i], err.message);
        }
        unsetenv("https_proxy");
        unsetenv("ALL_PROXY");
        unsetenv("no_proxy");
        assert_string_equal(proxy_asked(proxy), "");
        proxy_stop(proxy);
        faulty_stop(server);
}

static void a_proxy_that_is_not_there_is_named(void **state)
{
        static const struct {
                const char *variable, *value, *said;
        } cases[] = {
                { "https_proxy", "http://127.0.0.1:1", "https_proxy, 127.0.0.1 port 1: check it" },
                { "ALL_PROXY", "user:secret@127.0.0.1:1/", "ALL_PROXY, 127.0.0.1 port 1: check it" },
                { "HTTPS_PROXY", "http://user:secret@localhost:1", "HTTPS_PROXY, localhost port 1: check it" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct faulty_server *server = serve("DNS:" FAR, GOOD_FOR);
                struct mayfly_error err;
                setenv(cases[i].variable, cases[i].value, 1);
                int r = fetch_from("https", FAR, server, "x.aci", fixture.ca, &err);
                unsetenv(cases[i].variable);
                assert_int_equal(r, -ECONNREFUSED);
                says(&err, cases[i].said);
                assert_null(strstr(err.message, "secret"));
                faulty_stop(server);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_trusted_certificate_is_fine),
                cmocka_unit_test(a_bundle_is_searched),
                cmocka_unit_test(others_are_refused),
                cmocka_unit_test(plain_http_is_told_apart),
                cmocka_unit_test(redirects_only_go_up),
                cmocka_unit_test(bad_ca_files_are_named),
                cmocka_unit_test(other_hosts_are_reached_through_the_proxy),
                cmocka_unit_test(loopback_and_no_proxy_are_reached_directly),
                cmocka_unit_test(a_proxy_that_is_not_there_is_named),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
