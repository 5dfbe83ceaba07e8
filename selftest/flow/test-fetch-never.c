/* SPDX-License-Identifier: MIT */

/* With MAYFLY_FETCH=never no server is asked for anything; what is stored, and what is a file, is used. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mayfly/image.h>

#include "support/server.h"
#include "support/support.h"

static struct {
        struct faulty_server *server;
        struct tar tar;
        char *store, *directory;
        char by_url[400], by_name[200], by_path[400];
} world;

static int set_up(void **state)
{
        char id[136], path[200];

        (void) state;
        world.server = faulty_start();
        world.store = make_directory();
        world.directory = make_directory();
        tar_add_basics(&world.tar);
        tar_end(&world.tar);
        image_id(world.tar.data, world.tar.size, id);
        faulty_add(world.server,
                   &(struct faulty_path){ .path = "/x.aci", .body = world.tar.data, .size = world.tar.size });
        snprintf(path, sizeof(path), "%s/x.aci", world.directory);
        write_file(path, world.tar.data, world.tar.size);
        snprintf(world.by_url, sizeof(world.by_url), "aci:http://127.0.0.1:%d/x.aci@%s", faulty_port(world.server), id);
        snprintf(world.by_name, sizeof(world.by_name), "aci:example.com/test@%s", id);
        snprintf(world.by_path, sizeof(world.by_path), "aci:file://%s@%s", path, id);
        setenv("MAYFLY_FETCH", "never", 1);
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        unsetenv("MAYFLY_FETCH");
        faulty_stop(world.server);
        tar_free(&world.tar);
        remove_directory(world.store);
        remove_directory(world.directory);
        return 0;
}

static void opens(const char *reference, enum mayfly_fetch fetch, int is_fetched)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_image *image = NULL;

        options.store = world.store;
        options.fetch = fetch;
        if (mayfly_image_open(&image, reference, &options, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_image_was_fetched(image), is_fetched);
        mayfly_image_close(image);
}

static void fails(const char *reference, enum mayfly_fetch fetch, int code, const char *words)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_image *image = NULL;

        options.store = world.store;
        options.fetch = fetch;
        assert_int_equal(mayfly_image_open(&image, reference, &options, &err), code);
        if (!strstr(err.message, words))
                fail_msg("no \"%s\" in \"%s\"", words, err.message);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
}

static void nothing_is_downloaded(void **state)
{
        (void) state;
        fails(world.by_url, MAYFLY_FETCH_DEFAULT, -ENOENT,
              "must not be fetched (MAYFLY_FETCH is \"never\"); fetch it before the tests run: mayfly pull 'aci:http:");
        fails(world.by_name, MAYFLY_FETCH_DEFAULT, -ENOENT, "must not be fetched");
        assert_int_equal(faulty_count(world.server, "/x.aci"), 0);
        assert_int_equal(count_entries(world.store, "images"), 0);
}

static void the_store_and_files_are_used(void **state)
{
        (void) state;
        opens(world.by_path, MAYFLY_FETCH_DEFAULT, 1);
        opens(world.by_url, MAYFLY_FETCH_DEFAULT, 0);
        opens(world.by_name, MAYFLY_FETCH_NEVER, 0);
        assert_int_equal(faulty_count(world.server, "/x.aci"), 0);
}

static void the_option_says_more_than_the_environment(void **state)
{
        (void) state;
        opens(world.by_url, MAYFLY_FETCH_MISSING, 1);
        setenv("MAYFLY_FETCH", "missing", 1);
        fails("aci:http://127.0.0.1:1/y.aci@sha512-"
              "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
              "000000000000000000000000",
              MAYFLY_FETCH_NEVER, -ENOENT, "must not be fetched");
}

static void wrong_words_are_named(void **state)
{
        (void) state;
        setenv("MAYFLY_FETCH", "nevr", 1);
        fails(world.by_path, MAYFLY_FETCH_DEFAULT, -EINVAL, "MAYFLY_FETCH is \"nevr\"; write missing or never");
        fails(world.by_path, (enum mayfly_fetch) 3, -EINVAL, "the option fetch is 3; use a value of enum mayfly_fetch");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(nothing_is_downloaded),
                TEST(the_store_and_files_are_used),
                TEST(the_option_says_more_than_the_environment),
                TEST(wrong_words_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
