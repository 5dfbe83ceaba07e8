/* SPDX-License-Identifier: MIT */

/* From an image's name to an image, over real servers: appc's discovery, rule by rule, with actool as oracle. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/discovery.h"
#include "named.h"

/* --- rule 1: GET NAME?ac-discovery=1, following redirects; simple discovery first */

static void appc_discovery_1_simple_discovery_comes_first(void **state)
{
        (void) state;
        serve_page(PAGE, TAG("localhost", "$other.aci"));
        serve_good_image(SIMPLE);
        finds(APP);
        assert_int_equal(asked(SIMPLE), 1);
        assert_int_equal(asked(PAGE), 0);
}

static void appc_discovery_1_a_version_is_latest_by_default(void **state)
{
        (void) state;
        serve_image("/tools/app-latest-linux-amd64.aci", NAME ",version=7.2," PLATFORM);
        finds(NAME "," PLATFORM);
        serve_image("/tools/new-latest-linux-amd64.aci", "localhost/tools/new,version=7.2," PLATFORM);
        assert_int_equal(open_name("localhost/tools/new:latest," PLATFORM), -EBADMSG);
        assert_non_null(strstr(world.err.message, "leave the version out"));
}

static void appc_discovery_1_meta_discovery_asks_with_the_query(void **state)
{
        (void) state;
        serve_page(PAGE, TAG("localhost", "$i/{os}/{arch}/{name}-{version}.{ext}"));
        serve_good_image("/i/linux/amd64/" NAME "-1.0.aci");
        finds(APP);
        assert_int_equal(asked(SIMPLE), 1);
        assert_int_equal(asked(PAGE), 1);
}

static void appc_discovery_1_redirects_are_followed(void **state)
{
        (void) state;
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .status = 302, .location = "/moved" });
        faulty_add(world.server, &(struct faulty_path){ .path = "/moved", .status = 308, .location = "/here" });
        serve_page("/here", TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds(APP);
}

static void appc_discovery_1_a_page_that_is_no_image_does_not_end_the_search(void **state)
{
        (void) state;
        serve_page(SIMPLE, "<html>Not found, says a server with status 200</html>");
        serve_page(PAGE, TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds(APP);
}

/* --- rule 2: the tags */

static void appc_discovery_2_tags_are_html(void **state)
{
        static const char *const pages[] = {
                "<html><head>" TAG("localhost", "$a.aci") "</head></html>",
                "<body><p>" TAG("localhost", "$a.aci"),
                "<META NAME='ac-discovery' CONTENT='localhost $a.aci'/>",
                "<meta content=\"localhost $a.aci\" name=ac-discovery>",
                "<meta\nname = ac-discovery\ncontent = 'localhost $a.aci' >",
                "<meta name=\"ac-discovery\" content=\" \t\n localhost \n\n $a.aci \t\">",
                "<meta name=\"ac&#45;discovery\" content=\"local&#x68;ost&#32;$a&#46;aci\">",
                ("<meta name=ac-discovery><meta content=x><meta><meta name=ac-discovery content><p <b></i>" TAG(
                        "localhost", "$a.aci")),
                "<!doctype html><p>\xff\xfe\xc3\x28<meta name=\"\xc3\x28\" "
                "content=\"\xf0\x90\">&nosuch;<![CDATA[<<>>]]>" TAG("localhost", "$a.aci"),
        };

        (void) state;
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
                char name[64], page[96];
                /* Each its own name: an image is fetched once. */
                snprintf(name, sizeof(name), "localhost/page%zu", i);
                snprintf(page, sizeof(page), "/page%zu?ac-discovery=1", i);
                serve_page(page, pages[i]);
                serve_image("/a.aci", name);
                finds(name);
        }
}

static void appc_discovery_2_comments_and_scripts_do_not_count(void **state)
{
        (void) state;
        serve_good_image("/a.aci");
        serve_page(
                PAGE,
                "<!-- " TAG("localhost", "$a.aci") " --><script>\"" TAG(
                        "localhost",
                        "$a.aci") "\"</script>"
                                  "<style>" TAG("localhost",
                                                "$a.aci") "</style>&lt;meta name=ac-discovery content=\"localhost "
                                                          "$a.aci\"&gt;<meta name=ac-discovery-pubkeys "
                                                          "content=\"localhost $a.aci\">"
                                                          "<meta name=AC-Discovery content=\"localhost $a.aci\">"
                                                          "<meta property=ac-discovery content=\"localhost $a.aci\">"
                                                          "<link name=ac-discovery content=\"localhost $a.aci\">"
                                                          "<meta name=ac-discovery content=\"localhost\">"
                                                          "<meta name=ac-discovery content=\"localhost $a.aci more\">");
        finds_nothing(APP, -ECONNREFUSED, PAGE " has no ac-discovery tag for " NAME);
        assert_int_equal(asked("/a.aci"), 0);
}

/* --- rule 3: prefixes and templates */

static void appc_discovery_3_a_prefix_is_a_plain_one(void **state)
{
        (void) state;
        serve_page(PAGE, TAG("localhost/tools/app/more", "$b.aci") TAG("localhost/tools/other", "$b.aci")
                                 TAG("ocalhost", "$b.aci") TAG("localhost/tool", "$a.aci"));
        serve_good_image("/a.aci");
        finds(APP);
        assert_int_equal(asked("/b.aci"), 0);
}

static void appc_discovery_3_labels_are_substituted(void **state)
{
        (void) state;
        serve_page(PAGE, TAG("localhost", "$none-{colour}.{ext}")
                                 TAG("localhost", "$x/{flavour}/{version}/{name}.{ext}?a={flavour}"));
        serve_image("/x/a%3Fb/1.0/" NAME ".aci?a=a%3Fb", NAME ",version=1.0,flavour=a?b," PLATFORM);
        finds_nothing(APP, -ECONNREFUSED, "{colour} has no value; give that label");
        finds(NAME ":1.0,flavour=a?b," PLATFORM);
}

static void appc_discovery_3_templates_are_tried_in_order(void **state)
{
        (void) state;
        serve_page(PAGE, TAG("localhost", "hdfs://storage.localhost/{name}.{ext}") TAG("localhost", "$gone.aci")
                                 TAG("localhost", "$wrong.aci") TAG("localhost", "$a.aci") TAG("localhost", "$b.aci"));
        serve_image("/wrong.aci", NAME ",version=0.9," PLATFORM);
        serve_good_image("/a.aci");
        finds(APP);
        assert_int_equal(asked("/gone.aci"), 1);
        assert_int_equal(asked("/wrong.aci"), 1); /* not what was pinned */
        assert_int_equal(asked("/a.aci"), 1);
        assert_int_equal(asked("/b.aci"), 0);
}

/* --- rule 4: up the name */

static void appc_discovery_4_parents_are_asked_down_to_the_host(void **state)
{
        (void) state;
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .status = 403 });
        serve_page("/tools?ac-discovery=1", "<html>" TAG("elsewhere.example", "$b.aci"));
        serve_page("/?ac-discovery=1", TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds(APP);
        assert_int_equal(asked(PAGE), 1);
        assert_int_equal(asked("/tools?ac-discovery=1"), 1);
}

static void appc_discovery_4_the_nearest_page_counts(void **state)
{
        (void) state;
        serve_page("/tools?ac-discovery=1", TAG("localhost", "$a.aci"));
        serve_page("/?ac-discovery=1", TAG("localhost", "$b.aci"));
        serve_good_image("/a.aci");
        finds(APP);
        assert_int_equal(asked("/?ac-discovery=1"), 0);
}

static void appc_discovery_4_a_host_alone_has_no_simple_discovery(void **state)
{
        (void) state;
        serve_image("/a.aci", "localhost,version=1.0," PLATFORM);
        finds_nothing("localhost:1.0," PLATFORM, -ECONNREFUSED, "/?ac-discovery=1 answers 404");
        assert_null(strstr(world.err.message, "localhost-1.0")); /* which would be another host */
        serve_page("/?ac-discovery=1", TAG("localhost", "$a.aci"));
        finds("localhost:1.0," PLATFORM);
}

static void appc_discovery_4_trouble_is_no_answer(void **state)
{
        (void) state;
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .status = 503 });
        serve_page("/tools?ac-discovery=1", TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds_nothing(APP, -ECONNREFUSED, PAGE " answers 503 (server error)");
        assert_int_equal(asked("/tools?ac-discovery=1"), 0);
}

static void appc_discovery_4_what_was_asked_is_told(void **state)
{
        (void) state;
        serve_good_image("/nowhere.aci");
        finds_nothing(APP, -ECONNREFUSED, "no image for " APP ": http://127.0.0.1:");
        static const char *const parts[] = { "/tools/app-1.0-linux-amd64.aci answers 404",
                                             "/tools/app?ac-discovery=1 answers 404",
                                             "/tools?ac-discovery=1 answers 404", "/?ac-discovery=1 answers 404",
                                             "https://localhost/tools/app-1.0-linux-amd64.aci" };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                if (!strstr(world.err.message, parts[i]))
                        fail_msg("no \"%s\" in \"%s\"", parts[i], world.err.message);
}

/* --- rule 5: https; credentials */

static void appc_discovery_5_https_is_verified(void **state)
{
        char ca[300], page[256];

        (void) state;
        struct faulty_server *tls = start_tls(ca);
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ https://127.0.0.1:%d/", faulty_port(tls));
        snprintf(page, sizeof(page), TAG("localhost", "https://localhost/a.aci"));
        faulty_add(tls, &(struct faulty_path){ .path = PAGE, .body = page, .size = strlen(page) });
        serve_good_image("/kept");
        faulty_add(tls,
                   &(struct faulty_path){ .path = "/a.aci", .body = world.image->data, .size = world.image->size });
        int untrusted = open_name(APP);
        unsigned n = faulty_count(tls, PAGE);
        world.options.ca_file = ca;
        int trusted = open_name(APP);
        faulty_stop(tls);
        assert_true(untrusted < 0);
        assert_int_equal(n, 0);
        if (trusted < 0)
                fail_msg("%s", world.err.message);
}

static void appc_discovery_5_plain_http_needs_permission(void **state)
{
        (void) state;
        serve_good_image("/nowhere.aci");
        /* From a mirror that is not this host: refused without a packet sent (the address is for documentation). */
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ http://192.0.2.1/");
        finds_nothing(APP, -ECONNREFUSED, "is plain http to 192.0.2.1; use https, or allow it with allow_http = 1");
        /* From a page. */
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ %s", world.base);
        serve_page(PAGE, TAG("localhost", "http://192.0.2.1/a.aci"));
        finds_nothing(APP, -ECONNREFUSED, "plain http to 192.0.2.1");
        /* A page may be asked for so only when that is allowed, and then after https. */
        snprintf(world.mirrors, sizeof(world.mirrors), "http://localhost/ %s", world.base);
        serve_page(PAGE, TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds_nothing(APP, -ECONNREFUSED, "https://localhost/");
        assert_int_equal(asked(PAGE), 1); /* above */
        world.options.allow_http = 1;
        finds(APP);
        assert_int_equal(asked(PAGE), 2);
}

static void appc_discovery_5_an_https_page_does_not_lead_to_plain_http(void **state)
{
        char ca[300], page[256];

        (void) state;
        struct faulty_server *tls = start_tls(ca);
        world.options.ca_file = ca;
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ https://127.0.0.1:%d/", faulty_port(tls));
        snprintf(page, sizeof(page), TAG("localhost", "%sa.aci"), world.base);
        faulty_add(tls, &(struct faulty_path){ .path = PAGE, .body = page, .size = strlen(page) });
        serve_good_image("/a.aci");
        int r = open_name(APP);
        unsigned n = faulty_count(tls, PAGE);
        faulty_stop(tls);
        assert_true(r < 0);
        assert_int_equal(n, 1);
        assert_int_equal(asked("/a.aci"), 0);
        assert_non_null(strstr(world.err.message, "it leads to plain http"));
}

static void appc_discovery_5_a_page_does_not_lead_to_files(void **state)
{
        (void) state;
        serve_good_image("/nowhere.aci");
        serve_page(PAGE, TAG("localhost", "file:///etc/hostname"));
        finds_nothing(APP, -ECONNREFUSED, "it leads to a file of this host");
        faulty_add(world.server,
                   &(struct faulty_path){ .path = PAGE, .status = 302, .location = "file:///etc/hostname" });
        finds_nothing(APP, -ECONNREFUSED, "redirects to file:///etc/hostname, which is not https");
}

static void appc_discovery_5_credentials_stay_with_their_host(void **state)
{
        char location[128], shown[128];

        (void) state;
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ http://me:s3cret@127.0.0.1:%d/",
                 faulty_port(world.server));
        snprintf(location, sizeof(location), "http://localhost:%d/elsewhere", faulty_port(world.server));
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .status = 302, .location = location });
        serve_page("/elsewhere", TAG("localhost", "$a.aci"));
        serve_good_image("/a.aci");
        finds(APP);
        assert_non_null(strstr(faulty_head(world.server, PAGE, 0), "\r\nAuthorization: Basic"));
        assert_int_equal(asked("/elsewhere"), 1);
        assert_null(strstr(faulty_head(world.server, "/elsewhere", 0), "Authorization"));
        assert_null(strstr(faulty_head(world.server, "/a.aci", 0), "Authorization"));
        world.options.allow_http = 1;
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ http://me:s3cret@192.0.2.1/");
        snprintf(shown, sizeof(shown), "would send its user and password to 192.0.2.1 in the clear");
        assert_true(open_name("localhost/tools/other:1.0," PLATFORM) < 0); /* the stored one is another */
        serve_image("/nowhere.aci", "localhost/tools/other,version=1.0," PLATFORM);
        assert_true(open_name("localhost/tools/other:1.0," PLATFORM) < 0);
        if (!strstr(world.err.message, shown))
                fail_msg("%s", world.err.message);
        assert_null(strstr(world.err.message, "s3cret"));
}

/* --- rule 6: the manifest */

static void appc_discovery_6_name_and_labels_must_be_those_asked_for(void **state)
{
        static const char *const wrong[] = { "localhost/tools/other,version=1.0," PLATFORM,
                                             NAME ",version=1.1," PLATFORM, NAME "," PLATFORM,
                                             NAME ",version=1.0,os=linux,arch=s390x" };

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                serve_image(SIMPLE, wrong[i]);
                assert_int_equal(open_name(APP), -EBADMSG);
                assert_int_equal(world.err.stage, MAYFLY_STAGE_MANIFEST);
                char message[512];
                snprintf(message, sizeof(message),
                         "expected " NAME ",version=1.0," PLATFORM ", but its manifest says %s", wrong[i]);
                if (!strstr(world.err.message, message))
                        fail_msg("\"%s\" does not say \"%s\"", world.err.message, message);
                assert_int_equal(open_name(APP), -EBADMSG); /* now that it is stored, too */
        }
        serve_image(SIMPLE, NAME ",version=1.0,colour=red," PLATFORM);
        finds(APP); /* labels that were not asked for are free */
}

/* --- the oracle: actool, the appc specification's own tool (Debian 12: appc-spec) */

/* What it finds for localhost/NAME: URLs, each on a line. */
static void ask_actool(const struct faulty_server *tls, const char *name, char *ret, size_t size)
{
        char command[256], line[1024];

        snprintf(command, sizeof(command),
                 "/usr/bin/actool discover --insecure --port %d localhost/%s:1.0," PLATFORM ",x=y 2>&1",
                 faulty_port(tls), name);
        FILE *p = popen(command, "re");
        assert_non_null(p);
        *ret = '\0';
        while (fgets(line, sizeof(line), p)) {
                char *end = strstr(line, ", ASC: ");
                assert_null(strstr(line, "not found"));
                if (strncmp(line, "ACI: ", 5) == 0 && end)
                        snprintf(ret + strlen(ret), size - strlen(ret), "%.*s\n", (int) (end - line - 5), line + 5);
        }
        pclose(p);
}

static void ask_us(const struct faulty_server *tls, const char *name, char *ret, size_t size)
{
        struct mf_mirror mirror = { (char[]){ "https://localhost/" }, world.mirrors, 0 };
        struct mf_mirrors mirrors = { .list = &mirror, .n = 1 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_image_name *parsed = NULL;
        struct mf_urls urls = { 0 };
        char text[128];

        snprintf(world.mirrors, sizeof(world.mirrors), "https://127.0.0.1:%d/", faulty_port(tls));
        snprintf(text, sizeof(text), "localhost/%s:1.0," PLATFORM ",x=y", name);
        assert_int_equal(mf_image_name_parse(&parsed, text, NULL), 0);
        world.options.retries = 0;
        world.options.connect_timeout_ms = 5000;
        *ret = '\0';
        if (mf_discover(&urls, parsed, &mirrors, text, &world.options, &err) < 0 && err.stage != MAYFLY_STAGE_HTTP)
                assert_non_null(strstr(err.message, "ac-discovery"));
        for (size_t i = 0; i < urls.n; i++)
                snprintf(ret + strlen(ret), size - strlen(ret), "%s\n", urls.list[i]);
        mf_urls_clear(&urls);
        mf_image_name_free(parsed);
}

static void actool_finds_the_same(void **state)
{
#define T(content) "<meta name=\"ac-discovery\" content=\"" content "\">"
        static const struct {
                const char *page;
                int found; /* so that both finding nothing everywhere is not taken for agreement */
        } cases[] = {
                { T("localhost https://a/{os}/{arch}/{name}-{version}.{ext}"), 1 },
                { T("localhost https://a/1.{ext}") T("localhost https://a/2.{ext}") T("localhost https://a/3"), 3 },
                { T("local https://a/{ext}") T("localhost/p https://b/{ext}") T("localhost/q https://c/{ext}"), 2 },
                { T("localhosts https://a/{ext}"), 0 },
                { T("LOCALHOST https://a/{ext}"), 0 },
                { T("localhost https://a/{x}-{y}.{ext}") T("localhost https://b/{x}.{ext}"), 1 },
                { T("localhost https://a/{}") T("localhost https://b/{NAME}") T("localhost https://c/{name"), 1 },
                { T("localhost https://a/{a{name}}") T("localhost https://b/{{x}}"), 0 },
                { T("localhost"), 0 },
                { T(""), 0 },
                { T("  localhost \t  https://a/{ext}  "), 1 },
                { "<META NAME='ac-discovery' CONTENT='localhost https://a/{ext}'/>", 1 },
                { "<meta content=\"localhost https://a/{ext}\" name=ac-discovery>", 1 },
                { "<meta name=AC-DISCOVERY content=\"localhost https://a/{ext}\">", 0 },
                { "<meta property=ac-discovery content=\"localhost https://a/{ext}\">", 0 },
                { "<meta name=ac-discovery-pubkeys content=\"localhost https://a/{ext}\">", 0 },
                { "<meta name=ac-discovery content=\"localhost https://a/&amp;&#123;ext&#x7d;\">", 1 },
                { "<!-- " T("localhost https://a/{ext}") " -->" T("localhost https://b/{ext}"), 1 },
                { "<script>" T("localhost https://a/{ext}") "</script>" T("localhost https://b/{ext}"), 1 },
                { "<style>" T("localhost https://a/{ext}") "</style>", 0 },
                { "<p><b><i></p>" T("localhost https://a/{ext}") "</html>" T("localhost https://b/{ext}"), 2 },
                { "&lt;meta name=ac-discovery content=\"localhost https://a/{ext}\"&gt;", 0 },
                { "<?xml version=\"1.0\"?><!DOCTYPE html><html><head>" T("localhost https://a/{ext}"), 1 },
                { "plain text", 0 },
                { "", 0 },
        };
        char ca[300], page[64][64], actool[4096], ours[4096];

        (void) state;
        struct faulty_server *tls = start_tls(ca);
        world.options.ca_file = ca;
        /* It says nothing of images when it finds no keys, which it looks for by themselves. */
        static const char keys[] = "<meta name=ac-discovery-pubkeys content=\"localhost https://k/\">";
        faulty_add(tls, &(struct faulty_path){ .path = "/?ac-discovery=1", .body = keys, .size = strlen(keys) });
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char name[16];
                int n = 0;
                snprintf(name, sizeof(name), "p%zu", i);
                snprintf(page[i], sizeof(page[i]), "/%s?ac-discovery=1", name);
                faulty_add(tls, &(struct faulty_path){
                                        .path = page[i], .body = cases[i].page, .size = strlen(cases[i].page) });
                ask_actool(tls, name, actool, sizeof(actool));
                ask_us(tls, name, ours, sizeof(ours));
                for (const char *p = ours; *p; p++)
                        n += *p == '\n';
                if (strcmp(actool, ours) != 0 || n != cases[i].found)
                        fail_msg("%s\nactool finds:\n%sand we (%d, not %d):\n%s", cases[i].page, actool, n,
                                 cases[i].found, ours);
        }
        faulty_stop(tls);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                world_test(appc_discovery_1_simple_discovery_comes_first),
                world_test(appc_discovery_1_a_version_is_latest_by_default),
                world_test(appc_discovery_1_meta_discovery_asks_with_the_query),
                world_test(appc_discovery_1_redirects_are_followed),
                world_test(appc_discovery_1_a_page_that_is_no_image_does_not_end_the_search),
                world_test(appc_discovery_2_tags_are_html),
                world_test(appc_discovery_2_comments_and_scripts_do_not_count),
                world_test(appc_discovery_3_a_prefix_is_a_plain_one),
                world_test(appc_discovery_3_labels_are_substituted),
                world_test(appc_discovery_3_templates_are_tried_in_order),
                world_test(appc_discovery_4_parents_are_asked_down_to_the_host),
                world_test(appc_discovery_4_the_nearest_page_counts),
                world_test(appc_discovery_4_a_host_alone_has_no_simple_discovery),
                world_test(appc_discovery_4_trouble_is_no_answer),
                world_test(appc_discovery_4_what_was_asked_is_told),
                world_test(appc_discovery_5_https_is_verified),
                world_test(appc_discovery_5_plain_http_needs_permission),
                world_test(appc_discovery_5_an_https_page_does_not_lead_to_plain_http),
                world_test(appc_discovery_5_a_page_does_not_lead_to_files),
                world_test(appc_discovery_5_credentials_stay_with_their_host),
                world_test(appc_discovery_6_name_and_labels_must_be_those_asked_for),
                world_test(actool_finds_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
