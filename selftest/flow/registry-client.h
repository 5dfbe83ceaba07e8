/* SPDX-License-Identifier: MIT */
#ifndef REGISTRY_CLIENT_H
#define REGISTRY_CLIENT_H

/* For tests of registries: a home directory of their own, servers that are scripted, and what came of asking a registry. */

#include <stddef.h>

#include <mayfly/error.h>
#include <mayfly/image.h>

#include "support/server.h"

extern struct home {
        char *directory;
        struct mayfly_image_options options; /* with final values; tests may change them */
        unsigned cancel_after;               /* cancel when asked so often; 0: never */
} home;

/* What came of one question. */
struct answer {
        int result;
        char *data; /* NULL when it failed */
        size_t size;
        char *media_type;
        struct mayfly_error err;
        unsigned polls; /* how often it was asked whether to go on */
};

/* A home without credentials, mirrors and certificates. For cmocka. */
int set_up_home(void **state);
int tear_down_home(void **state);
/* Writes a file below the home, and makes its directories. */
void write_home(const char *path, const char *text);
/* Removes a file below the home. */
void remove_home(const char *path);

/* Asks the repository `name` for a manifest, or for a blob. The caller clears the answer. */
struct answer ask_manifest(const char *name, const char *which);
struct answer ask_blob(const char *name, const char *digest, size_t size, const char *const *urls);
void clear_answer(struct answer *answer);

/* Fails the test unless the question was answered with these bytes; clears the answer. */
void assert_answered(struct answer answer, const void *data, size_t size);
/* Fails the test unless the question failed so; clears the answer. `texts` are separated by "|". */
void assert_says(struct answer answer, int code, const char *texts);

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MANIFEST "{\"schemaVersion\":2}"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define SIZE 300000U
#define MANIFEST_PATH "/v2/team/redis/manifests/" DIGEST
#define BLOB_PATH "/v2/team/redis/blobs/" DIGEST
#define TOKEN_PATH "/token?service=reg%2Cistry&scope=repository%3Ateam%2Fredis%3Apull"

/* The credentials of "me:secret". */
#define BASIC "Basic bWU6c2VjcmV0"
#define AUTH "{\"auth\":\"bWU6c2VjcmV0\"}"

extern struct world {
        struct faulty_server *registry, *cdn;
        char name[64];       /* "127.0.0.1:PORT/team/redis" */
        char challenge[200]; /* Bearer, with the registry itself as token server */
        char blob[SIZE];
} world;

/* A registry and another host, without paths. For cmocka. */
int set_up_world(void **state);
int tear_down_world(void **state);
#define REGISTRY_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_world, tear_down_world)

/* Adds a path. A body that is not given is the manifest or the blob, after the path. */
void add_to(struct faulty_server *server, struct faulty_path path);
#define ADD(...) add_to(world.registry, (struct faulty_path){ __VA_ARGS__ })
#define ADD_CDN(...) add_to(world.cdn, (struct faulty_path){ __VA_ARGS__ })

/* Fails the test unless request number `n` for the path has the header or, with `has` 0, lacks it. */
void assert_head(struct faulty_server *server, const char *path, unsigned n, const char *header, int has);
/* Ask for the manifest and the blob. */
struct answer manifest(void);
struct answer blob(void);

#endif
