/* SPDX-License-Identifier: MIT */
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

#include "named.h"

struct world world;

int setup(void **state)
{
        (void) state;
        memset(&world, 0, sizeof(world));
        world.server = faulty_start();
        world.directory = make_directory();
        snprintf(world.base, sizeof(world.base), "http://127.0.0.1:%d/", faulty_port(world.server));
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ %s", world.base);
        world.options = (struct mayfly_image_options) MAYFLY_IMAGE_OPTIONS_INIT;
        world.options.store = world.directory;
        world.options.mirrors = world.mirrors;
        world.options.retries = UINT32_MAX;
        world.options.stall_timeout_ms = 2000;
        return 0;
}

int teardown(void **state)
{
        (void) state;
        faulty_stop(world.server);
        for (struct piece *next; world.pieces; world.pieces = next) {
                next = world.pieces->next;
                free(world.pieces);
        }
        remove_directory(world.directory);
        return 0;
}

static const struct piece *keep(const void *data, size_t size)
{
        struct piece *piece = malloc(sizeof(*piece) + size);

        assert_non_null(piece);
        piece->next = world.pieces;
        piece->size = size;
        memcpy(piece->data, data, size);
        world.pieces = piece;
        return piece;
}

static const char *keep_text(const char *text)
{
        return keep(text, strlen(text) + 1)->data;
}

const struct piece *serve(const char *path, const void *data, size_t size)
{
        const struct piece *piece = keep(data, size);

        faulty_add(world.server,
                   &(struct faulty_path){ .path = keep_text(path), .body = piece->data, .size = piece->size });
        return piece;
}

void serve_page(const char *path, const char *html)
{
        char text[8192] = "";
        size_t n = 0;

        for (const char *p = html; *p && n + sizeof(world.base) < sizeof(text); p++) {
                if (*p == '$')
                        n += (size_t) sprintf(text + n, "%s", world.base);
                else
                        text[n++] = *p;
        }
        serve(path, text, n);
}

void serve_image(const char *path, const char *what)
{
        char manifest[2048], copy[512], *rest;
        struct tar tar = { 0 };

        snprintf(copy, sizeof(copy), "%s", what);
        int n = snprintf(manifest, sizeof(manifest),
                         "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"%s\",\"labels\":[",
                         strtok_r(copy, ",", &rest));
        for (char *label, *comma = ""; (label = strtok_r(NULL, ",", &rest)); comma = ",") {
                char *value = strchr(label, '=');
                *value++ = '\0';
                n += snprintf(manifest + n, sizeof(manifest) - (size_t) n, "%s{\"name\":\"%s\",\"value\":\"%s\"}",
                              comma, label, value);
        }
        n += snprintf(manifest + n, sizeof(manifest) - (size_t) n, "]}");
        tar_add(&tar, "manifest", '0', 0644, NULL, manifest, (size_t) n);
        tar_add(&tar, "rootfs/", '5', 0755, NULL, NULL, 0);
        tar_end(&tar);
        image_id(tar.data, tar.size, world.id);
        world.image = serve(path, tar.data, tar.size);
        tar_free(&tar);
}

void serve_good_image(const char *path)
{
        serve_image(path, NAME ",version=1.0," PLATFORM);
}

int open_name(const char *name)
{
        struct mayfly_image *image = NULL;
        char reference[1024];

        snprintf(reference, sizeof(reference), "aci:%s@%s", name, world.id);
        world.err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mayfly_image_open(&image, reference, &world.options, &world.err);
        assert_true((r == 0) == (image != NULL));
        if (image)
                assert_string_equal(mayfly_image_id(image), world.id);
        mayfly_image_close(image);
        assert_int_equal(count_entries(world.directory, "tmp"), 0);
        return r;
}

void finds(const char *name)
{
        if (open_name(name) < 0)
                fail_msg("%s: %s", name, world.err.message);
}

void finds_nothing(const char *name, int code, const char *message)
{
        int r = open_name(name);

        if (r != code || world.err.code != code || !strstr(world.err.message, message) ||
            strpbrk(world.err.message, "\n\r"))
                fail_msg("%s: %d \"%s\", not %d \"%s\"", name, r, world.err.message, code, message);
        assert_int_equal(count_entries(world.directory, "images"), 0);
}

unsigned asked(const char *path)
{
        return faulty_count(world.server, path);
}

struct faulty_server *start_tls(char ca[300])
{
        char certificate[300];

        snprintf(ca, 300, "%s/ca.pem", world.directory);
        snprintf(certificate, sizeof(certificate), "%s/server.pem", world.directory);
        struct authority *authority = authority_new(ca);
        authority_sign(authority, "DNS:localhost,IP:127.0.0.1", 86400L * 9, certificate);
        authority_free(authority);
        return faulty_start_tls(certificate);
}
