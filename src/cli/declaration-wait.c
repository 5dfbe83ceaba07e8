/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "cli/declaration-keys.h"
#include "util/macro.h"

/* The conditions of `wait`, see mayfly_container_wait_for(3). */

#define FIELD(name_, take_, field)                                                      \
        {                                                                               \
                .name = name_, .take = take_, .at = offsetof(struct mayfly_wait, field) \
        }

static int take_stream(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        static const char *const streams[] = { "output", "error", NULL };

        return reader_word(reader, place, value, streams, MAYFLY_STREAM_OUTPUT, to);
}

static const struct reader_key http_keys[] = {
        FIELD("port", reader_text, port),
        FIELD("status", reader_text, http_status),
        FIELD("body", reader_text, http_body),
        FIELD("headers", reader_texts, http_headers),
        FIELD("user", reader_text, http_user),
        FIELD("password", reader_content, http_password),
        FIELD("host", reader_text, http_host),
        FIELD("ca_file", reader_path, http_ca_file),
        FIELD("insecure", reader_flag, http_insecure),
        { .name = NULL },
};

/* "/health", or an object with the path and more. `is_tls` says which of the fields has the path. */
static int take_request(const struct reader *reader, const struct place *place, json_t *value, int is_tls,
                        struct mayfly_wait *wait)
{
        const struct reader_key path = { .name = "path",
                                         .take = reader_text,
                                         .at = is_tls ? offsetof(struct mayfly_wait, https)
                                                      : offsetof(struct mayfly_wait, http),
                                         .is_required = 1 };
        struct reader_key keys[MF_ELEMENTSOF(http_keys) + 1] = { path };

        for (size_t i = 0; i < MF_ELEMENTSOF(http_keys); i++)
                keys[i + 1] = http_keys[i];
        return json_is_string(value) ? reader_text(reader, place, value, (char *) wait + path.at)
                                     : reader_object(reader, place, value, keys, wait);
}

static int take_http(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return take_request(reader, place, value, 0, to);
}

static int take_https(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return take_request(reader, place, value, 1, to);
}

static int take_exit(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        struct mayfly_wait *wait = to;

        wait->exit = 1;
        return reader_status(reader, place, value, &wait->exit_status);
}

static const struct reader_key keys[] = {
        FIELD("timeout", reader_duration, timeout_ms),
        FIELD("all", declaration_take_wait, all),
        FIELD("any", declaration_take_wait, any),
        FIELD("log", reader_text, log),
        FIELD("log_text", reader_text, log_text),
        FIELD("log_count", reader_number, log_count),
        FIELD("log_stream", take_stream, log_stream),
        FIELD("port", reader_text, port),
        FIELD("unix_socket", reader_text, unix_socket),
        { .name = "http", .take = take_http },
        { .name = "https", .take = take_https },
        FIELD("command", reader_texts, command),
        FIELD("file", reader_text, file),
        FIELD("notify", reader_flag, notify),
        { .name = "exit", .take = take_exit },
        FIELD("healthy", reader_flag, healthy),
        { .name = NULL },
};

static int take_condition(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_object(reader, place, value, keys, to);
}

/* NOLINTNEXTLINE(misc-no-recursion): conditions can have conditions; jansson limits the depth */
int declaration_take_wait(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return reader_array(reader, place, value, take_condition, sizeof(struct mayfly_wait), to);
}
