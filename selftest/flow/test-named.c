/* SPDX-License-Identifier: MIT */

/* Images by name: bad pages, mirrors of the user's, pins. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/discovery.h"
#include "fetch/tags.h"
#include "named.h"

/* --- bad input gets one clear error */

static void a_huge_page_is_refused(void **state)
{
        static char page[600 * 1024];

        (void) state;
        memset(page, ' ', sizeof(page));
        serve_good_image("/nowhere.aci");
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .body = page, .size = sizeof(page) });
        finds_nothing(APP, -ECONNREFUSED, PAGE " has more than 524288 bytes");
        faulty_add(world.server,
                   &(struct faulty_path){
                           .path = PAGE, .body = page, .size = 1024, .status = 404, .flags = FAULTY_ENDLESS_BODY });
        finds_nothing(APP, -ECONNREFUSED, PAGE " answers 404");
}

static void a_deep_page_is_read(void **state)
{
        char page[8000] = "";

        (void) state;
        serve_good_image("/a.aci");
        for (size_t i = 0; i + 200 < sizeof(page); i += 5)
                memcpy(page + i, "<div>", 6);
        strcat(page, TAG("localhost", "$a.aci"));
        serve_page(PAGE, page);
        finds(APP);
}

static void endless_redirects_are_refused(void **state)
{
        (void) state;
        serve_good_image("/nowhere.aci");
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .status = 302, .location = PAGE });
        finds_nothing(APP, -ECONNREFUSED, PAGE " redirects more than 10 times");
}

static void rubbish_is_no_page(void **state)
{
        char page[20000];
        unsigned seed = 7;

        (void) state;
        for (unsigned round = 0; round < 300; round++) {
                static const char *const bits[] = {
                        "<",     ">",        "\"",           "'",    "=",   " ",        "&",  "&#", ";", "<meta ",
                        "name=", "content=", "ac-discovery", "<!--", "-->", "<script>", "</", "{",  "}", "x",
                        "\xff",  "\xc3",     "<![CDATA[",    "<?",   "\r\n"
                };
                size_t n = 0;
                while (n + 16 < sizeof(page)) {
                        seed = seed * 1103515245U + 12345U;
                        const char *bit = bits[(seed >> 16) % (sizeof(bits) / sizeof(bits[0]))];
                        memcpy(page + n, bit, strlen(bit));
                        n += strlen(bit);
                        if (round % 10 == 0 && n % 97 == 0)
                                page[n++] = '\0';
                }
                struct mf_tags tags = { 0 };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mf_tags_parse(&tags, page, n, &err) < 0)
                        assert_int_equal(err.code, -EBADMSG);
                for (size_t i = 0; i < tags.n; i++)
                        assert_true(*tags.list[i].prefix && *tags.list[i].template);
                mf_tags_clear(&tags);
        }
}

static int cancel(const struct mayfly_progress *progress, void *userdata)
{
        (void) progress;
        return faulty_count(world.server, PAGE) > 0 && ++*(unsigned *) userdata > 0;
}

static void it_can_be_cancelled(void **state)
{
        unsigned n = 0;

        (void) state;
        serve_good_image("/nowhere.aci");
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .flags = FAULTY_SILENT });
        world.options.stall_timeout_ms = 60000;
        world.options.progress = cancel;
        world.options.progress_userdata = &n;
        finds_nothing(APP, -ECANCELED, "was cancelled");
        assert_int_equal(asked("/tools?ac-discovery=1"), 0);
}

static void signals_are_as_they_were(void **state)
{
        sigset_t before, after, pending;

        (void) state;
        serve_good_image("/nowhere.aci");
        faulty_add(world.server, &(struct faulty_path){ .path = PAGE, .flags = FAULTY_GARBAGE });
        sigemptyset(&before);
        sigaddset(&before, SIGPIPE);
        pthread_sigmask(SIG_UNBLOCK, &before, NULL);
        pthread_sigmask(SIG_BLOCK, NULL, &before);
        assert_true(open_name(APP) < 0);
        pthread_sigmask(SIG_BLOCK, NULL, &after);
        sigpending(&pending);
        assert_int_equal(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
        assert_int_equal(sigismember(&pending, SIGPIPE), 0);
}

/* --- mirrors */

static void a_stored_image_needs_no_network(void **state)
{
        (void) state;
        serve_good_image(SIMPLE);
        finds(APP);
        world.mirrors[0] = '\0';
        finds(APP);
        assert_int_equal(asked(SIMPLE), 1);
}

static void mirrors_have_urls_as_well(void **state)
{
        (void) state;
        snprintf(world.mirrors, sizeof(world.mirrors),
                 "https://localhost/images/ %sgone/ https://localhost/images/ %swrong/ https://localhost/images/ %sm/",
                 world.base, world.base, world.base);
        serve_image("/wrong/a.aci", "localhost/other");
        serve_good_image("/m/a.aci");
        finds("https://localhost/images/a.aci"); /* the pin makes the wrong one harmless */
        assert_int_equal(asked("/gone/a.aci"), 1);
        assert_int_equal(asked("/wrong/a.aci"), 1);
        serve_image("/nowhere.aci", "localhost/third");
        assert_int_equal(open_name("https://localhost/images/a.aci"), -EBADMSG);
        assert_int_equal(world.err.stage, MAYFLY_STAGE_DIGEST);
        assert_non_null(strstr(world.err.message, "/gone/a.aci answers 404"));
        assert_non_null(strstr(world.err.message, "/m/a.aci is not the pinned image"));
        assert_non_null(strstr(world.err.message, "https://localhost/images/a.aci: "));
}

static void a_template_of_the_users_comes_before_discovery(void **state)
{
        char path[300], file[400];

        (void) state;
        serve_good_image("/kept");
        snprintf(path, sizeof(path), "%s/app-1.0.aci", world.directory);
        write_file(path, world.image->data, world.image->size);
        snprintf(file, sizeof(file), "localhost/tools/ap file://%s/app-{version}.{ext}", world.directory);
        snprintf(world.mirrors, sizeof(world.mirrors), "localhost/tool/ %sno/{name} %s https://localhost/ %s",
                 world.base, file, world.base);
        finds(APP);
        assert_int_equal(asked(SIMPLE), 0);
        serve_image("/nowhere.aci", NAME);
        snprintf(world.mirrors, sizeof(world.mirrors), "localhost %s{colour}/{name}", world.base);
        assert_int_equal(open_name(APP), -EINVAL);
        assert_non_null(strstr(world.err.message, "has {colour}, which has no value for " APP));
}

/* --- pinning */

static void a_name_is_pinned(void **state)
{
        struct mayfly_pin *pin = NULL;
        char expected[512];

        (void) state;
        serve_page("/tools?ac-discovery=1", TAG("localhost", "$wrong.aci") TAG("localhost", "$a.aci"));
        serve_image("/wrong.aci", "localhost/wrong");
        serve_image("/a.aci", NAME ",version=1.0,os=linux");
        if (mayfly_image_pin(&pin, NAME ":1.0", &world.options, &world.err) < 0)
                fail_msg("%s", world.err.message);
        snprintf(expected, sizeof(expected), "aci:" NAME ":1.0,os=linux@%s", world.id);
        assert_string_equal(pin->reference, expected);
        assert_string_equal(pin->id, world.id);
        assert_string_equal(pin->name, NAME);
        assert_string_equal(pin->labels[0], "version=1.0");
        assert_string_equal(pin->labels[1], "os=linux");
        assert_null(pin->labels[2]);
        assert_non_null(strstr(pin->url, "/a.aci"));
        assert_int_equal(pin->blob_size, pin->archive_size);
        assert_int_equal(pin->archive_size % 512, 0);
        assert_int_equal(count_entries(world.directory, "images"), 0); /* nothing is stored */
        struct mayfly_image *image = NULL;
        assert_int_equal(mayfly_image_open(&image, pin->reference, &world.options, NULL), 0);
        assert_string_equal(mayfly_image_labels(image)[0], "version=1.0");
        mayfly_image_close(image);
        assert_null(mayfly_pin_free(pin));
        assert_null(mayfly_pin_free(NULL));
}

static void a_url_is_pinned_and_pinned_anew(void **state)
{
        struct mayfly_pin *pin = NULL;
        char url[200], expected[512];

        (void) state;
        snprintf(url, sizeof(url), "%sx.aci", world.base);
        for (int round = 0; round < 2; round++) {
                serve_image("/x.aci", round ? "localhost/new" : "localhost/old");
                if (mayfly_image_pin(&pin, url, &world.options, &world.err) < 0)
                        fail_msg("%s", world.err.message);
                snprintf(expected, sizeof(expected), "aci:%sx.aci@%s", world.base, world.id);
                assert_string_equal(pin->reference, expected);
                assert_string_equal(pin->name, round ? "localhost/new" : "localhost/old");
                mayfly_pin_free(pin);
        }
}

/* What `mayfly pull` would refuse has no reference. */
static void what_cannot_be_unpacked_is_not_pinned(void **state)
{
        static const struct {
                const char *name, *link, *message;
                char type;
        } cases[] = {
                { "rootfs/../../evil", NULL, "has \"..\" in its name", '0' },
                { "other", NULL, "other", '0' },
                { "rootfs/file", NULL, "is there twice", '0' },
                { "rootfs/out/evil", NULL, "beyond a symbolic link", '0' },
                { "rootfs/h", "/etc/passwd", "hard link", '1' },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_pin *pin = NULL;
                struct tar tar = { 0 };
                char path[32], url[200];

                tar_add_basics(&tar);
                tar_add(&tar, "rootfs/out", '2', 0777, "/tmp", NULL, 0);
                tar_add(&tar, "rootfs/file", '0', 0644, NULL, "x", 1);
                tar_add(&tar, cases[i].name, cases[i].type, 0644, cases[i].link, NULL, 0);
                tar_end(&tar);
                snprintf(path, sizeof(path), "/bad%zu", i);
                serve(path, tar.data, tar.size);
                tar_free(&tar);
                snprintf(url, sizeof(url), "%sbad%zu", world.base, i);
                assert_int_equal(mayfly_image_pin(&pin, url, &world.options, &err), -EBADMSG);
                if (!strstr(err.message, cases[i].message))
                        fail_msg("%s: \"%s\"", cases[i].name, err.message);
        }
}

/* An archive whose rootfs has no entry of its own can be pulled, and so pinned. */
static void what_can_be_unpacked_is_pinned(void **state)
{
        struct mayfly_image *image = NULL;
        struct mayfly_pin *pin = NULL;
        struct tar tar = { 0 };
        char url[200];

        (void) state;
        tar_add(&tar, "manifest", '0', 0644, NULL, GOOD_MANIFEST, strlen(GOOD_MANIFEST));
        tar_add(&tar, "rootfs/file", '0', 0644, NULL, "x", 1);
        tar_end(&tar);
        serve("/implied", tar.data, tar.size);
        tar_free(&tar);
        snprintf(url, sizeof(url), "%simplied", world.base);
        if (mayfly_image_pin(&pin, url, &world.options, &world.err) < 0)
                fail_msg("%s", world.err.message);
        assert_int_equal(mayfly_image_open(&image, pin->reference, &world.options, NULL), 0);
        mayfly_image_close(image);
        mayfly_pin_free(pin);
}

/* The image and its signature are fetched at the same time: whichever fails first, the image's failure is told. */
static void the_message_does_not_depend_on_what_fails_first(void **state)
{
        static char page[2000];

        (void) state;
        memset(page, ' ', sizeof(page));
        for (int slow_image = 0; slow_image < 2; slow_image++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_pin *pin = NULL;
                char url[200];
                struct faulty_path slow = { .body = page, .size = 500, .status = 403, .chunk = 100, .delay_ms = 100 };
                struct faulty_path fast = { .body = page, .size = 500, .status = 503 };

                struct faulty_path image = slow_image ? slow : fast, signature = slow_image ? fast : slow;
                image.path = "/both.aci";
                image.status = 403;
                signature.path = "/both.aci.asc";
                signature.status = 503;
                faulty_add(world.server, &image);
                faulty_add(world.server, &signature);
                world.options.retries = UINT32_MAX;
                world.options.signatures = MAYFLY_SIGNATURES_IF_PRESENT;
                snprintf(url, sizeof(url), "%sboth.aci", world.base);
                assert_int_equal(mayfly_image_pin(&pin, url, &world.options, &err), -EACCES);
                if (!strstr(err.message, "/both.aci answers 403"))
                        fail_msg("%s", err.message);
        }
}

static void what_cannot_be_pinned_is_told(void **state)
{
        static const char html[] = "<html>what did you think?</html>";
        struct tar tar = { 0 };
        char url[200];

        (void) state;
        serve("/page", html, strlen(html));
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_end(&tar);
        serve("/nomanifest", tar.data, tar.size);
        tar_free(&tar);
        tar_add(&tar, "manifest", '0', 0644, NULL, "{}", 2);
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_end(&tar);
        serve("/badmanifest", tar.data, tar.size);
        tar_free(&tar);
        tar_add_basics(&tar);
        tar_add(&tar, "./manifest", '0', 0644, NULL, "{}", 2);
        tar_end(&tar);
        serve("/twomanifests", tar.data, tar.size);
        tar_free(&tar);
        static const struct {
                const char *path, *message;
                int code;
        } cases[] = { { "nothing", "answers 404 (no such image)", -ENOENT },
                      { "page", "/page: ", -EBADMSG },
                      { "nomanifest", "has no manifest", -EBADMSG },
                      { "badmanifest", "acKind: is missing", -EBADMSG },
                      { "twomanifests", "\"./manifest\" is there twice", -EBADMSG } };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_pin *pin = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                snprintf(url, sizeof(url), "%s%s", world.base, cases[i].path);
                int r = mayfly_image_pin(&pin, url, &world.options, &err);
                if (r != cases[i].code || pin || !strstr(err.message, cases[i].message))
                        fail_msg("%s: %d \"%s\"", cases[i].path, r, err.message);
        }
        assert_int_equal(mayfly_image_pin(NULL, url, &world.options, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                world_test(a_huge_page_is_refused),
                world_test(a_deep_page_is_read),
                world_test(endless_redirects_are_refused),
                world_test(rubbish_is_no_page),
                world_test(it_can_be_cancelled),
                world_test(signals_are_as_they_were),
                world_test(a_stored_image_needs_no_network),
                world_test(mirrors_have_urls_as_well),
                world_test(a_template_of_the_users_comes_before_discovery),
                world_test(a_name_is_pinned),
                world_test(a_url_is_pinned_and_pinned_anew),
                world_test(what_cannot_be_unpacked_is_not_pinned),
                world_test(what_can_be_unpacked_is_pinned),
                world_test(the_message_does_not_depend_on_what_fails_first),
                world_test(what_cannot_be_pinned_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
