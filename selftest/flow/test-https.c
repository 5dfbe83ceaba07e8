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
#include "support/server.h"
#include "support/support.h"

#define DAY 86400L
#define GOOD_FOR (10 * DAY)

static struct {
        char *folder;
        char ca[256], other_ca[256], store[256];
        struct authority *authority;
        struct tar tar;
        char id[136];
} fixture;

static void path(char ret[256], const char *name)
{
        snprintf(ret, 256, "%s/%s", fixture.folder, name);
}

static int setup(void **state)
{
        (void) state;
        fixture.folder = make_folder();
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
        remove_folder(fixture.folder);
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
static int fetch(const char *scheme, const struct faulty_server *server, const char *name, const char *ca,
                 struct mayfly_error *err)
{
        static unsigned n;
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        char reference[512], store[300];

        snprintf(reference, sizeof(reference), "aci:%s://127.0.0.1:%d/%s@%s", scheme, faulty_port(server), name,
                 fixture.id);
        snprintf(store, sizeof(store), "%s/store%u", fixture.folder, n++);
        options.store = store;
        options.ca_file = ca;
        options.retries = UINT32_MAX;
        *err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mayfly_image_open(&image, reference, &options, err);
        assert_true((r == 0) == (image != NULL));
        mayfly_image_close(image);
        assert_int_equal(count_entries(store, "tmp"), 0);
        return r;
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
        says(&err, "name the file of that one's in MAYFLY_CA_FILE");
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
        assert_true(fetch("https", server, "x.aci", fixture.folder, &err) < 0);
        says(&err, fixture.folder);
        path(file, "rubbish.pem");
        write_file(file, "0\202\001\n", 4);
        assert_int_equal(fetch("https", server, "x.aci", file, &err), -EINVAL);
        says(&err, "has no certificate in PEM; convert one in DER");
        static const char broken[] = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
        write_file(file, broken, sizeof(broken) - 1);
        assert_int_equal(fetch("https", server, "x.aci", file, &err), -EINVAL);
        says(&err, "the CA file must have certificates in PEM");
        assert_int_equal(faulty_count(server, "/x.aci"), 0);
        faulty_stop(server);
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
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
