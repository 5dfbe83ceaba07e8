/* SPDX-License-Identifier: MIT */

/* A registry as a source of blobs, from servers that do what public ones do, and from servers that lie. */

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/oci-name.h"
#include "registry-client.h"
#include "registry/registry.h"
#include "support/server.h"

/* --- without credentials ----------------------------------------------------------------------------------------- */

static void documents_and_blobs_are_fetched(void **state)
{
        (void) state;
        ADD(.path = MANIFEST_PATH, .type = INDEX_TYPE "; charset=utf-8");
        ADD(.path = "/v2/team/redis/manifests/7.2");
        ADD(.path = "/v2/team/redis/manifests/latest");
        ADD(.path = BLOB_PATH);
        struct answer answer = manifest();
        assert_string_equal(answer.media_type, INDEX_TYPE);
        assert_answered(answer, MANIFEST, strlen(MANIFEST));
        answer = ask_manifest(world.name, "7.2");
        assert_null(answer.media_type);
        assert_answered(answer, MANIFEST, strlen(MANIFEST));
        assert_answered(ask_manifest(world.name, NULL), MANIFEST, strlen(MANIFEST));
        assert_answered(blob(), world.blob, SIZE);
        assert_int_equal(faulty_count(world.registry, MANIFEST_PATH), 1);
        assert_head(world.registry, MANIFEST_PATH, 0, "GET ", 1);
        assert_head(world.registry, MANIFEST_PATH, 0, "Accept: application/vnd.oci.image.index.v1+json, ", 1);
        assert_head(world.registry, MANIFEST_PATH, 0, "application/vnd.docker.distribution.manifest.v2+json", 1);
        assert_head(world.registry, MANIFEST_PATH, 0, "Authorization", 0);
}

static void cut_blobs_are_resumed(void **state)
{
        (void) state;
        home.options.retries = 1;
        ADD(.path = BLOB_PATH, .times = 1, .flags = FAULTY_CUT | FAULTY_NO_ETAG, .cut = 100000);
        assert_answered(blob(), world.blob, SIZE);
        assert_head(world.registry, BLOB_PATH, 1, "Range: bytes=100000-\r\n", 1);
        assert_head(world.registry, BLOB_PATH, 1, "If-Range", 0);
        home.options.retries = 0;
        ADD(.path = BLOB_PATH, .flags = FAULTY_CUT, .cut = 100000);
        assert_says(blob(), -EIO, "the registry 127.0.0.1:|cut off after 100000 of 300000 bytes");
}

static void pauses_are_kept(void **state)
{
        (void) state;
        home.options.retries = 2;
        ADD(.path = MANIFEST_PATH, .times = 1, .status = 429, .retry_after = "1");
        ADD(.path = BLOB_PATH, .times = 2, .status = 503);
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        assert_answered(blob(), world.blob, SIZE);
        home.options.retries = 1;
        ADD(.path = MANIFEST_PATH, .status = 429, .retry_after = "1",
            .page = "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate "
                    "limit.\"}]}");
        assert_says(manifest(), -EBUSY,
                    "limits how often it may be asked (429: TOOMANYREQUESTS: You have reached your pull rate limit.) "
                    "(tried 2 "
                    "times)|pause of 1|podman login 127.0.0.1:|or use a mirror");
        home.options.retries = 0;
        ADD(.path = BLOB_PATH, .status = 500);
        assert_says(blob(), -EIO,
                    "the registry 127.0.0.1:|answers 500 when asked for the blob sha256:0123|of team/redis|later");
}

static void what_is_missing_is_named(void **state)
{
        (void) state;
        ADD(.path = MANIFEST_PATH, .status = 404,
            .page = "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}");
        ADD(.path = "/v2/team/redis/manifests/7.2", .status = 404, .page = "<html>\n");
        assert_says(manifest(), -ENOENT,
                    "the registry 127.0.0.1:|has no manifest " DIGEST
                    " of team/redis (404: MANIFEST_UNKNOWN: manifest unknown)|"
                    "check the name and the digest");
        assert_says(ask_manifest(world.name, "7.2"), -ENOENT,
                    "has no manifest 7.2 of team/redis (404)|check the name and the tag");
        assert_says(blob(), -ENOENT, "has no blob " DIGEST " of team/redis (404)");
}

static void wrong_sizes_are_seen_at_once(void **state)
{
        (void) state;
        ADD(.path = BLOB_PATH);
        struct answer answer = ask_blob(world.name, DIGEST, SIZE - 1, NULL);
        assert_int_equal(answer.size, 0);
        assert_says(answer, -EBADMSG, "sends 300000 bytes for the blob sha256:0123|which has 299999; ask the operator");
}

static void endless_manifests_end(void **state)
{
        static char page[1 << 20];

        (void) state;
        memset(page, ' ', sizeof(page) - 1);
        ADD(.path = MANIFEST_PATH, .body = page, .flags = FAULTY_CHUNKED);
        assert_answered(manifest(), page, sizeof(page) - 1);
        char *huge = calloc(1, (5 << 20) + 1);
        memset(huge, ' ', 5 << 20);
        ADD(.path = MANIFEST_PATH, .body = huge, .flags = FAULTY_CHUNKED);
        assert_says(manifest(), -EFBIG, "the manifest sha256:0123|of 127.0.0.1:|has more than 4194304 bytes");
        ADD(.path = MANIFEST_PATH);
        free(huge);
}

static void silent_registries_are_given_up(void **state)
{
        (void) state;
        ADD(.path = BLOB_PATH, .flags = FAULTY_SILENT);
        home.options.stall_timeout_ms = 300;
        assert_says(blob(), -ETIMEDOUT, "the registry 127.0.0.1:|sent nothing for stall_timeout_ms = 300");
}

/* A server that begins to listen when it has been asked. */
static void *serve_late(void *userdata)
{
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\nConnection: close\r\n\r\n" MANIFEST;
        const int *fd = userdata;
        char request[4096];
        int peer;

        nanosleep(&(struct timespec){ .tv_nsec = 600000000L }, NULL);
        if (listen(*fd, 16) < 0)
                return NULL;
        while ((peer = accept4(*fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                if (read(peer, request, sizeof(request)) > 0)
                        (void) !write(peer, answer, sizeof(answer) - 1);
                shutdown(peer, SHUT_WR);
                while (read(peer, request, sizeof(request)) > 0)
                        ;
                close(peer);
        }
        return NULL;
}

static void registries_may_start_late(void **state)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        pthread_t thread;
        char name[64];

        (void) state;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, size), 0);
        const struct timeval patience = { .tv_sec = 10 }; /* of accept(2), in case nobody comes */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        snprintf(name, sizeof(name), "127.0.0.1:%d/team/redis", ntohs(address.sin_port));
        home.options.retries = 0;
        assert_says(ask_manifest(name, DIGEST), -ECONNREFUSED, "the registry 127.0.0.1:");
        home.options.retries = 6;
        assert_int_equal(pthread_create(&thread, NULL, serve_late, &fd), 0);
        struct answer answer = ask_manifest(name, DIGEST);
        shutdown(fd, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(fd);
        assert_answered(answer, MANIFEST, strlen(MANIFEST));
}

static void users_can_cancel(void **state)
{
        (void) state;
        ADD(.path = BLOB_PATH, .flags = FAULTY_SILENT);
        home.cancel_after = 5;
        home.options.stall_timeout_ms = 60000;
        assert_says(blob(), -ECANCELED, "was cancelled");
}

/* --- redirects --------------------------------------------------------------------------------------------------- */

static void blobs_come_from_elsewhere_without_credentials(void **state)
{
        char location[100];

        (void) state;
        char config[200];
        snprintf(config, sizeof(config), "{\"auths\":{\"127.0.0.1:%d\":" AUTH "}}", faulty_port(world.registry));
        write_home(".docker/config.json", config);
        snprintf(location, sizeof(location), "http://localhost:%d/cdn/blobs/x?Signature=secret",
                 faulty_port(world.cdn));
        ADD(.path = BLOB_PATH, .status = 307, .location = location, .wants = BASIC, .challenge = "Basic realm=\"r\"");
        ADD_CDN(.path = "/cdn/blobs/x?Signature=secret", .spurns = 1);
        assert_answered(blob(), world.blob, SIZE);
        assert_head(world.registry, BLOB_PATH, 1, "Authorization: " BASIC, 1);
        assert_head(world.cdn, "/cdn/blobs/x?Signature=secret", 0, "Authorization", 0);
        /* A challenge of the other host is not answered. */
        ADD_CDN(.path = "/cdn/blobs/x?Signature=secret", .wants = BASIC, .challenge = "Basic realm=\"r\"");
        assert_says(blob(), -EACCES, "denies access to team/redis");
        assert_head(world.cdn, "/cdn/blobs/x?Signature=secret", 1, "Authorization", 0);
        assert_int_equal(faulty_count(world.cdn, "/cdn/blobs/x?Signature=secret"), 2);
}

static void bad_redirects_are_refused(void **state)
{
        (void) state;
        ADD(.path = BLOB_PATH, .status = 307, .location = "file:///etc/passwd");
        assert_says(blob(), -EACCES, "redirects to file:///etc/passwd, which is not https; give another URL");
        ADD(.path = BLOB_PATH, .status = 307, .location = "http://192.0.2.1/blob");
        assert_says(blob(), -EACCES, "redirects to http://192.0.2.1/blob, which is not https; allow plain http");
        ADD(.path = BLOB_PATH, .status = 307, .location = "/v2/team/redis/blobs/" DIGEST);
        assert_says(blob(), -ELOOP, "redirects more than 10 times");
}

#define OF_MANIFEST "sha256:bafebd36189ad3688b7b3915ea55d461e0bfcfbdde11e54b0a123999fb6be50f"

/* --- other places ------------------------------------------------------------------------------------------------ */

static void mirrors_come_first(void **state)
{
        char mirrors[300];

        (void) state;
        snprintf(mirrors, sizeof(mirrors), "https://127.0.0.1:%d/ http://127.0.0.1:%d/proxy/",
                 faulty_port(world.registry), faulty_port(world.cdn));
        home.options.mirrors = mirrors;
        ADD_CDN(.path = "/proxy/v2/team/redis/manifests/" OF_MANIFEST);
        ADD(.path = "/v2/team/redis/manifests/" OF_MANIFEST);
        assert_answered(ask_manifest(world.name, OF_MANIFEST), MANIFEST, strlen(MANIFEST));
        assert_int_equal(faulty_count(world.registry, "/v2/team/redis/manifests/" OF_MANIFEST), 0);
        /* A mirror that lies is passed over. */
        ADD_CDN(.path = "/proxy/v2/team/redis/manifests/" OF_MANIFEST, .body = "{}");
        assert_answered(ask_manifest(world.name, OF_MANIFEST), MANIFEST, strlen(MANIFEST));
        ADD(.path = "/v2/team/redis/manifests/" OF_MANIFEST, .body = "", .status = 404);
        assert_says(ask_manifest(world.name, OF_MANIFEST), -EBADMSG,
                    "the mirror 127.0.0.1:|gave another manifest of team/redis than it was asked for: "
                    "expected " OF_MANIFEST "|the registry 127.0.0.1:|404");
        /* The registry begins anew with a document that a mirror has cut off. */
        ADD_CDN(.path = "/proxy/v2/team/redis/manifests/" OF_MANIFEST, .flags = FAULTY_CUT, .cut = 7);
        ADD(.path = "/v2/team/redis/manifests/" OF_MANIFEST);
        unsigned before = faulty_count(world.registry, "/v2/team/redis/manifests/" OF_MANIFEST);
        assert_answered(ask_manifest(world.name, OF_MANIFEST), MANIFEST, strlen(MANIFEST));
        assert_head(world.registry, "/v2/team/redis/manifests/" OF_MANIFEST, before, "Range:", 0);
        ADD(.path = "/v2/team/redis/manifests/7", .body = "{\"of\":\"the registry\"}");
        ADD_CDN(.path = "/proxy/v2/team/redis/manifests/7", .flags = FAULTY_CUT, .cut = 7);
        assert_answered(ask_manifest(world.name, "7"), "{\"of\":\"the registry\"}", 21);
        /* What the mirror lacks, the registry has; a blob that a mirror began it ends. */
        ADD(.path = BLOB_PATH);
        assert_answered(blob(), world.blob, SIZE);
        ADD_CDN(.path = "/proxy/v2/team/redis/blobs/" DIGEST, .flags = FAULTY_CUT, .cut = 70000);
        assert_answered(blob(), world.blob, SIZE);
        assert_head(world.registry, BLOB_PATH, 1, "Range: bytes=70000-\r\n", 1);
        ADD(.path = BLOB_PATH, .status = 404);
        ADD_CDN(.path = "/proxy/v2/team/redis/blobs/" DIGEST, .status = 404);
        assert_says(blob(), -ENOENT, "the mirror 127.0.0.1:|has no blob|the registry 127.0.0.1:");
        home.options.mirrors = NULL;
}

static void docker_io_has_mirrors_by_both_names(void **state)
{
        static const char *const names[] = { "docker.io", "registry-1.docker.io" };

        (void) state;
        ADD_CDN(.path = "/v2/library/redis/manifests/" OF_MANIFEST);
        for (size_t i = 0; i < 2; i++) {
                char mirrors[300];
                snprintf(mirrors, sizeof(mirrors), "https://%s/ http://127.0.0.1:%d/", names[i],
                         faulty_port(world.cdn));
                home.options.mirrors = mirrors;
                assert_answered(ask_manifest("redis:7.2", OF_MANIFEST), MANIFEST, strlen(MANIFEST));
        }
        home.options.mirrors = NULL;
}

static void blobs_come_from_urls_of_the_manifest(void **state)
{
        char url[200];
        const char *urls[] = { "file:///etc/passwd", "ftp://h/x", url, NULL };

        (void) state;
        snprintf(url, sizeof(url), "http://127.0.0.1:%d/blobs/foreign", faulty_port(world.cdn));
        ADD_CDN(.path = "/blobs/foreign", .spurns = 1);
        assert_answered(ask_blob(world.name, DIGEST, SIZE, urls), world.blob, SIZE);
        /* The second URL goes on where the first one broke off, and so does the first one after the registry. */
        char cut[200];
        snprintf(cut, sizeof(cut), "http://127.0.0.1:%d/blobs/cut", faulty_port(world.cdn));
        ADD_CDN(.path = "/blobs/cut", .flags = FAULTY_CUT, .cut = 70000);
        urls[1] = cut;
        assert_answered(ask_blob(world.name, DIGEST, SIZE, urls), world.blob, SIZE);
        assert_head(world.cdn, "/blobs/foreign", 1, "Range: bytes=70000-\r\n", 1);
        ADD(.path = BLOB_PATH, .flags = FAULTY_CUT, .cut = 50000);
        assert_answered(ask_blob(world.name, DIGEST, SIZE, urls), world.blob, SIZE);
        assert_head(world.cdn, "/blobs/cut", 1, "Range: bytes=50000-\r\n", 1);
        ADD(.path = BLOB_PATH, .status = 404);
        urls[1] = "ftp://h/x";
        urls[2] = NULL;
        assert_says(
                ask_blob(world.name, DIGEST, SIZE, urls), -EINVAL,
                "has no blob|the file \"file:///etc/passwd\" for the blob|may not read files|\"ftp://h/x\" is none of");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                REGISTRY_TEST(documents_and_blobs_are_fetched),
                REGISTRY_TEST(cut_blobs_are_resumed),
                REGISTRY_TEST(pauses_are_kept),
                REGISTRY_TEST(what_is_missing_is_named),
                REGISTRY_TEST(wrong_sizes_are_seen_at_once),
                REGISTRY_TEST(endless_manifests_end),
                REGISTRY_TEST(silent_registries_are_given_up),
                REGISTRY_TEST(registries_may_start_late),
                REGISTRY_TEST(users_can_cancel),
                REGISTRY_TEST(blobs_come_from_elsewhere_without_credentials),
                REGISTRY_TEST(bad_redirects_are_refused),
                REGISTRY_TEST(mirrors_come_first),
                REGISTRY_TEST(docker_io_has_mirrors_by_both_names),
                REGISTRY_TEST(blobs_come_from_urls_of_the_manifest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
