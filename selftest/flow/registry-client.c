/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry-client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/oci-name.h"
#include "registry/registry.h"
#include "support/support.h"

struct home home;
struct world world;

int set_up_home(void **state)
{
        static const char *const unset[] = { "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "MAYFLY_MIRRORS",
                                             "MAYFLY_CA_FILE" };
        char runtime[300];

        (void) state;
        home.directory = make_directory();
        for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
                unsetenv(unset[i]);
        setenv("HOME", home.directory, 1);
        snprintf(runtime, sizeof(runtime), "%s/run", home.directory);
        setenv("XDG_RUNTIME_DIR", runtime, 1);
        home.options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        home.cancel_after = 0;
        home.options.stall_timeout_ms = 1000;
        home.options.connect_timeout_ms = 5000;
        return 0;
}

int tear_down_home(void **state)
{
        (void) state;
        remove_directory(home.directory);
        return 0;
}

void write_home(const char *path, const char *text)
{
        char whole[512];

        snprintf(whole, sizeof(whole), "%s/%s", home.directory, path);
        for (char *p = whole + strlen(home.directory) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                mkdir(whole, 0755);
                *p = '/';
        }
        write_file(whole, text, strlen(text));
}

void remove_home(const char *path)
{
        char whole[512];

        snprintf(whole, sizeof(whole), "%s/%s", home.directory, path);
        assert_int_equal(unlink(whole), 0);
}

static struct mf_oci_source *open_source(const char *text)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_oci_source *source = NULL;
        struct mf_oci_name name = { 0 };

        int r = mf_oci_name_parse(&name, text, &err);
        if (r == 0)
                r = mf_registry_open(&source, &name, &home.options, &err);
        mf_oci_name_clear(&name);
        if (r < 0)
                fail_msg("%s", err.message);
        return source;
}

static int cancel(void *userdata)
{
        struct answer *answer = userdata;

        return home.cancel_after > 0 && ++answer->polls > home.cancel_after;
}

static int keep(void *userdata, const void *data, size_t size)
{
        struct answer *answer = userdata;
        char *grown = realloc(answer->data, answer->size + size + 1);

        if (!grown)
                return -ENOMEM;
        answer->data = grown;
        memcpy(answer->data + answer->size, data, size);
        answer->size += size;
        return 0;
}

struct answer ask_manifest(const char *name, const char *which)
{
        struct mf_oci_source *source = open_source(name);
        struct answer answer = { .err = MAYFLY_ERROR_INIT };
        struct mf_buffer buffer = { 0 };

        answer.result =
                source->type->get_manifest(source, which, &buffer, &answer.media_type, cancel, &answer, &answer.err);
        answer.data = buffer.data;
        answer.size = buffer.size;
        mf_oci_source_free(source);
        return answer;
}

struct answer ask_blob(const char *name, const char *digest, size_t size, const char *const *urls)
{
        struct mf_oci_source *source = open_source(name);
        struct answer answer = { .err = MAYFLY_ERROR_INIT };
        const struct mf_oci_sink sink = { keep, cancel, &answer, NULL };
        const struct mf_oci_blob blob = { digest, size, urls, 0 };

        answer.result = source->type->get_blob(source, &blob, &sink, &answer.err);
        mf_oci_source_free(source);
        return answer;
}

void clear_answer(struct answer *answer)
{
        free(answer->data);
        free(answer->media_type);
        *answer = (struct answer){ .err = MAYFLY_ERROR_INIT };
}

void assert_answered(struct answer answer, const void *data, size_t size)
{
        if (answer.result < 0)
                fail_msg("%d: %s", answer.result, answer.err.message);
        assert_int_equal(answer.err.code, 0);
        assert_int_equal(answer.size, size);
        assert_memory_equal(answer.data, data, size);
        clear_answer(&answer);
}

void assert_says(struct answer answer, int code, const char *texts)
{
        char copy[2000], *rest = copy, *text;

        snprintf(copy, sizeof(copy), "%s", texts);
        if (answer.result != code || answer.err.code != code)
                fail_msg("%d (%d), not %d: %s", answer.result, answer.err.code, code, answer.err.message);
        while ((text = strsep(&rest, "|")))
                if (!strstr(answer.err.message, text))
                        fail_msg("no \"%s\" in \"%s\"", text, answer.err.message);
        if (strstr(answer.err.message, "secret"))
                fail_msg("a secret in \"%s\"", answer.err.message);
        clear_answer(&answer);
}

/* --- scripted servers -------------------------------------------------------------------------------------------- */

int set_up_world(void **state)
{
        set_up_home(state);
        world.registry = faulty_start();
        world.cdn = faulty_start();
        snprintf(world.name, sizeof(world.name), "127.0.0.1:%d/team/redis", faulty_port(world.registry));
        snprintf(world.challenge, sizeof(world.challenge),
                 "Bearer realm=\"http://127.0.0.1:%d/token\",service=\"reg,istry\"", faulty_port(world.registry));
        for (size_t i = 0; i < SIZE; i++)
                world.blob[i] = (char) (i * 7 + i / 251);
        return 0;
}

int tear_down_world(void **state)
{
        faulty_stop(world.registry);
        faulty_stop(world.cdn);
        return tear_down_home(state);
}

void add_to(struct faulty_server *server, struct faulty_path path)
{
        if (!path.body && strstr(path.path, "/blobs/")) {
                path.body = world.blob;
                path.size = SIZE;
        } else if (!path.body) {
                path.body = MANIFEST;
                path.size = strlen(MANIFEST);
        } else {
                path.size = strlen(path.body);
        }
        faulty_add(server, &path);
}

void assert_head(struct faulty_server *server, const char *path, unsigned n, const char *header, int has)
{
        const char *head = faulty_head(server, path, n);

        if (!*head || !strcasestr(head, header) != !has)
                fail_msg("request %u for %s %s \"%s\": %s", n, path, has ? "lacks" : "is missing or has", header, head);
}

struct answer manifest(void)
{
        return ask_manifest(world.name, DIGEST);
}

struct answer blob(void)
{
        return ask_blob(world.name, DIGEST, SIZE, NULL);
}
