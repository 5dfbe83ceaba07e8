/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct world world;

static int on_body(void *userdata, const void *data, size_t size)
{
        struct got *got = userdata;

        if (got->size >= got->refuse_at)
                return -EDOM;
        if (got->sleep_ms) {
                nanosleep(&(struct timespec){ got->sleep_ms / 1000, got->sleep_ms % 1000 * 1000000L }, NULL);
                got->sleep_ms = 0;
        }
        char *grown = realloc(got->data, got->size + size);
        if (!grown)
                return -ENOMEM;
        got->data = grown;
        memcpy(got->data + got->size, data, size);
        got->size += size;
        return 0;
}

static void on_total(void *userdata, uint64_t size)
{
        struct got *got = userdata;

        got->total = size;
}

static int on_cancelled(void *userdata)
{
        struct got *got = userdata;

        if (got->cancel_path && faulty_count(world.server, got->cancel_path) > 0)
                got->asked++;
        return got->size >= got->cancel_at || (got->cancel_path && got->asked >= got->cancel_asks);
}

const struct got nothing = { .cancel_at = SIZE_MAX, .refuse_at = SIZE_MAX };

struct got fetch(const char *url, unsigned retries, struct got got)
{
        const struct mf_http_request request = {
                .url = url,
                .retries = retries,
                .stall_timeout_ms = STALL_MS,
                .connect_timeout_ms = 5000,
                .body = on_body,
                .total = on_total,
                .cancelled = on_cancelled,
                .userdata = &got,
        };

        got.result = mf_http_get(&request, &got.err);
        return got;
}

struct got get(const char *path, unsigned retries)
{
        char url[512];

        snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", faulty_port(world.server), path);
        return fetch(url, retries, nothing);
}

void add(struct faulty_path path)
{
        if (!path.body) {
                path.body = world.body;
                path.size = SIZE;
        }
        faulty_add(world.server, &path);
}

void assert_whole(struct got got)
{
        if (got.result < 0)
                fail_msg("%d: %s", got.result, got.err.message);
        assert_int_equal(got.err.code, 0);
        assert_int_equal(got.size, SIZE);
        assert_memory_equal(got.data, world.body, SIZE);
        free(got.data);
}

void assert_failed(struct got got, int code, const char *message)
{
        if (got.result != code || got.err.code != code || got.err.stage != MAYFLY_STAGE_HTTP ||
            !strstr(got.err.message, message))
                fail_msg("%d [%s] \"%s\", not %d \"%s\"", got.result, mayfly_stage_name(got.err.stage), got.err.message,
                         code, message);
        free(got.data);
}

void assert_asked(const char *path, unsigned n, const char *header)
{
        const char *head = faulty_head(world.server, path, n);

        if (!strcasestr(head, header))
                fail_msg("request %u for %s lacks \"%s\": %s", n, path, header, head);
}

void assert_not_asked(const char *path, unsigned n, const char *header)
{
        const char *head = faulty_head(world.server, path, n);

        if (!*head || strcasestr(head, header))
                fail_msg("request %u for %s is missing or has \"%s\": %s", n, path, header, head);
}

int set_up(void **state)
{
        uint32_t noise = 1;

        (void) state;
        for (size_t i = 0; i < SIZE; i++) {
                noise = noise * 1664525U + 1013904223U;
                world.body[i] = (char) (noise >> 24);
        }
        world.server = faulty_start();
        return 0;
}

int tear_down(void **state)
{
        (void) state;
        faulty_stop(world.server);
        return 0;
}
