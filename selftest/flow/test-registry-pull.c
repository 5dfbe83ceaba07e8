/* SPDX-License-Identifier: MIT */

/* Images pulled from registries that lie, break or attack: one clear message, and nothing left. */

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

#include "registry-client.h"
#include "support/support.h"

#define LAYERS 2
#define ID_MAX 136
#define NAMED "/team/redis:7@sha512:"

/* An image of two plain layers, whose digests are of SHA-512. */
static struct {
        struct tar layers[LAYERS];
        char *config, *manifest;
        char digests[LAYERS][ID_MAX], config_digest[ID_MAX], digest[ID_MAX]; /* "sha512:..." */
        char layer_paths[LAYERS][256], config_path[256], manifest_path[256];
        char reference[400], store[300];
} image;

static void digest_of(const void *data, size_t size, char ret[ID_MAX])
{
        image_id(data, size, ret);
        ret[6] = ':';
}

static void make_image(void)
{
        for (size_t i = 0; i < LAYERS; i++) {
                char name[20];
                snprintf(name, sizeof(name), "etc/file%zu", i);
                tar_add(&image.layers[i], "etc/", '5', 0755, NULL, NULL, 0);
                tar_add(&image.layers[i], name, '0', 0644, NULL, world.blob, 100000);
                tar_end(&image.layers[i]);
                digest_of(image.layers[i].data, image.layers[i].size, image.digests[i]);
        }
        if (asprintf(&image.config,
                     "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/etc/"
                     "file0\"]},\"rootfs\":{\"type\":"
                     "\"layers\",\"diff_ids\":[\"%s\",\"%s\"]}}",
                     image.digests[0], image.digests[1]) < 0)
                abort();
        digest_of(image.config, strlen(image.config), image.config_digest);
        if (asprintf(&image.manifest,
                     "{\"schemaVersion\":2,\"mediaType\":\"application/"
                     "vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
                     "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":["
                     "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu},"
                     "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"%s\",\"size\":%zu}]}",
                     image.config_digest, strlen(image.config), image.digests[0], image.layers[0].size,
                     image.digests[1], image.layers[1].size) < 0)
                abort();
        digest_of(image.manifest, strlen(image.manifest), image.digest);
}

/* Serves the image as it should be. */
static void serve_image(void)
{
        for (size_t i = 0; i < LAYERS; i++) {
                snprintf(image.layer_paths[i], sizeof(image.layer_paths[i]), "/v2/team/redis/blobs/%s",
                         image.digests[i]);
                faulty_add(world.registry, &(struct faulty_path){ .path = image.layer_paths[i],
                                                                  .body = image.layers[i].data,
                                                                  .size = image.layers[i].size });
        }
        snprintf(image.config_path, sizeof(image.config_path), "/v2/team/redis/blobs/%s", image.config_digest);
        snprintf(image.manifest_path, sizeof(image.manifest_path), "/v2/team/redis/manifests/%s", image.digest);
        ADD(.path = image.config_path, .body = image.config);
        ADD(.path = image.manifest_path, .body = image.manifest);
}

static int setup(void **state)
{
        set_up_world(state);
        make_image();
        serve_image();
        snprintf(image.reference, sizeof(image.reference), "oci:%s:7@%s", world.name, image.digest);
        snprintf(image.store, sizeof(image.store), "%s/store", home.directory);
        home.options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        home.options.retries = UINT32_MAX;
        home.options.store = image.store;
        return 0;
}

static int teardown(void **state)
{
        for (size_t i = 0; i < LAYERS; i++)
                tar_free(&image.layers[i]);
        free(image.config);
        free(image.manifest);
        memset(&image, 0, sizeof(image));
        return tear_down_world(state);
}

/* Fails the test unless pulling fails so, and leaves nothing that is incomplete. `texts` are separated by "|". */
static void assert_pull_says(int code, const char *texts)
{
        struct answer answer = { .err = MAYFLY_ERROR_INIT };
        struct mayfly_image *opened = NULL;

        answer.result = mayfly_image_open(&opened, image.reference, &home.options, &answer.err);
        mayfly_image_close(opened);
        assert_int_equal(count_entries(image.store, "tmp"), 0);
        assert_says(answer, code, texts);
}

static void pull(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_image *opened = NULL;

        if (mayfly_image_open(&opened, image.reference, &home.options, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_image_close(opened);
}

/* --- the tests --------------------------------------------------------------------------------------------------- */

static void what_is_stored_is_not_asked_for(void **state)
{
        (void) state;
        home.options.fetch = MAYFLY_FETCH_NEVER;
        assert_pull_says(-ENOENT, "must not be fetched|mayfly pull 'oci:127.0.0.1:");
        assert_int_equal(faulty_count(world.registry, image.manifest_path) + faulty_count(world.registry, "/v2/"), 0);
        home.options.fetch = MAYFLY_FETCH_DEFAULT;
        pull();
        home.options.fetch = MAYFLY_FETCH_NEVER;
        assert_int_equal(faulty_count(world.registry, image.manifest_path), 1);
        assert_int_equal(faulty_count(world.registry, image.config_path), 1);
        assert_int_equal(faulty_count(world.registry, image.layer_paths[0]), 1);
        unsigned probes = faulty_count(world.registry, "/v2/");
        pull();
        assert_int_equal(faulty_count(world.registry, image.manifest_path), 1);
        assert_int_equal(faulty_count(world.registry, "/v2/"), probes);
}

static void other_documents_are_refused(void **state)
{
        (void) state;
        ADD(.path = image.manifest_path, .body = "{\"schemaVersion\":2}");
        assert_pull_says(-EBADMSG, NAMED "|gave another document|expected sha512:|actual sha512:|pin the new digest");
        serve_image();
        char *config = strdup(image.config);
        memcpy(strstr(config, "linux"), "hurdy", 5);
        ADD(.path = image.config_path, .body = config);
        assert_pull_says(-EBADMSG, NAMED "|gave another config|expected sha512:");
        free(config);
        serve_image();
        pull();
}

static void other_layers_are_refused(void **state)
{
        char *data = malloc(image.layers[1].size);

        (void) state;
        memcpy(data, image.layers[1].data, image.layers[1].size);
        data[2000] ^= 1;
        faulty_add(world.registry,
                   &(struct faulty_path){ .path = image.layer_paths[1], .body = data, .size = image.layers[1].size });
        assert_pull_says(-EBADMSG, "layer 2 of 2|"
                                   "127.0.0.1:|/team/redis:7|expected sha512:|actual sha512:");
        free(data);
        serve_image();
        pull();
        /* The layer that was right stayed. */
        assert_int_equal(faulty_count(world.registry, image.layer_paths[0]), 1);
}

static void mirrors_that_lie_are_named(void **state)
{
        char mirrors[200], *data = malloc(image.layers[1].size), *config = strdup(image.config);

        (void) state;
        snprintf(mirrors, sizeof(mirrors), "https://127.0.0.1:%d/ http://127.0.0.1:%d/", faulty_port(world.registry),
                 faulty_port(world.cdn));
        home.options.mirrors = mirrors;
        memcpy(strstr(config, "linux"), "hurdy", 5);
        memcpy(data, image.layers[1].data, image.layers[1].size);
        data[2000] ^= 1;
        /* The registry has another config than the mirror, and the mirror another layer. */
        ADD_CDN(.path = image.manifest_path, .body = image.manifest);
        ADD_CDN(.path = image.config_path, .body = config);
        faulty_add(world.cdn,
                   &(struct faulty_path){ .path = image.layer_paths[1], .body = data, .size = image.layers[1].size });
        char mirror[200];
        snprintf(mirror, sizeof(mirror), "layer 2 of 2|: the mirror 127.0.0.1:%d gave another blob than",
                 faulty_port(world.cdn));
        assert_pull_says(-EBADMSG, mirror);
        assert_int_equal(faulty_count(world.cdn, image.config_path), 1);
        assert_int_equal(faulty_count(world.registry, image.config_path), 1);
        faulty_add(world.cdn, &(struct faulty_path){ .path = image.layer_paths[1],
                                                     .body = data,
                                                     .size = image.layers[1].size,
                                                     .flags = FAULTY_CUT,
                                                     .cut = 5000 });
        snprintf(mirror, sizeof(mirror), "layer 2 of 2|: the mirror 127.0.0.1:%d and 127.0.0.1:%d/team/redis gave",
                 faulty_port(world.cdn), faulty_port(world.registry));
        home.options.retries = UINT32_MAX;
        assert_pull_says(-EBADMSG, mirror);
        ADD(.path = image.config_path, .status = 404);
        assert_pull_says(-EBADMSG, "the mirror 127.0.0.1:|gave another config of team/redis than|"
                                   "the registry 127.0.0.1:|has no config sha512:");
        home.options.mirrors = NULL;
        free(config);
        free(data);
}

static void wrong_sizes_are_refused(void **state)
{
        (void) state;
        faulty_add(world.registry,
                   &(struct faulty_path){ .path = image.layer_paths[1], .body = image.layers[1].data, .size = 5000 });
        assert_pull_says(-EBADMSG, "layer 2 of 2|/team/redis:7|sends 5000 bytes for the blob sha512:");
        /* Without a length it is the bytes that tell. */
        faulty_add(world.registry, &(struct faulty_path){ .path = image.layer_paths[1],
                                                          .body = image.layers[1].data,
                                                          .size = image.layers[1].size,
                                                          .status = 0,
                                                          .flags = FAULTY_ENDLESS_BODY | FAULTY_CHUNKED });
        serve_image();
        char *data = calloc(2, image.layers[1].size);
        memcpy(data, image.layers[1].data, image.layers[1].size);
        faulty_add(world.registry, &(struct faulty_path){ .path = image.layer_paths[1],
                                                          .body = data,
                                                          .size = 2 * image.layers[1].size,
                                                          .flags = FAULTY_CHUNKED });
        assert_pull_says(-EBADMSG, "layer 2 of 2|/team/redis:7");
        free(data);
}

static void bombs_are_refused(void **state)
{
        (void) state;
        home.options.max_unpacked = 150000;
        assert_pull_says(-EFBIG, "layer |of 2|/team/redis:7|max_unpacked = 150000");
        home.options.max_unpacked = 0;
        home.options.max_entries = 1;
        assert_pull_says(-EFBIG, "layer |of 2|/team/redis:7|max_entries = 1");
}

static void registries_go_away(void **state)
{
        (void) state;
        faulty_add(world.registry, &(struct faulty_path){ .path = image.layer_paths[0],
                                                          .body = image.layers[0].data,
                                                          .size = image.layers[0].size,
                                                          .flags = FAULTY_RESET,
                                                          .cut = 50000 });
        assert_pull_says(-EIO, "layer 1 of 2|/team/redis:7|the registry 127.0.0.1:|after 50000 of");
        serve_image();
        ADD(.path = image.layer_paths[0], .body = "", .status = 404);
        assert_pull_says(-ENOENT, "layer 1 of 2|/team/redis:7|has no blob sha512:");
        ADD(.path = image.layer_paths[0], .body = "", .status = 307, .location = "file:///etc/shadow");
        assert_pull_says(-EACCES, "layer 1 of 2|/team/redis:7|redirects to file:///etc/shadow, which is not https");
        ADD(.path = image.layer_paths[0], .body = "", .wants = "Bearer x",
            .challenge = "Bearer realm=\"http://192.0.2.1/t\"");
        assert_pull_says(-EACCES, "layer 1 of 2|/team/redis:7|names the token server \"http://192.0.2.1/t\"");
        serve_image();
        pull();
        faulty_stop(world.registry);
        world.registry = NULL;
        pull(); /* nothing is asked for what is stored */
        snprintf(image.store, sizeof(image.store), "%s/other", home.directory);
        assert_pull_says(-ECONNREFUSED, NAMED "|the registry 127.0.0.1:");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                TEST(what_is_stored_is_not_asked_for),
                TEST(other_documents_are_refused),
                TEST(other_layers_are_refused),
                TEST(mirrors_that_lie_are_named),
                TEST(wrong_sizes_are_refused),
                TEST(bombs_are_refused),
                TEST(registries_go_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
