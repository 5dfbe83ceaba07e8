/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_H
#define CLIENT_H

/* For tests of mf_http_get(): a server with faults, one body, and what came of a fetch. */

#include <stddef.h>
#include <stdint.h>

#include "fetch/http.h"
#include "support/server.h"

#define SIZE 300000U
#define STALL_MS 500U

extern struct world {
        struct faulty_server *server;
        char body[SIZE];
} world;

/* What came of one fetch. */
struct got {
        char *data;
        size_t size;
        uint64_t total;
        size_t cancel_at;        /* cancel once so many bytes are there; SIZE_MAX: never */
        size_t refuse_at;        /* likewise, body() fails */
        unsigned sleep_ms;       /* body() blocks once for so long */
        unsigned asked;          /* calls of cancelled() since the server got a request for cancel_path */
        unsigned cancel_asks;    /* cancel at that call */
        const char *cancel_path; /* NULL: never */
        int result;
        struct mayfly_error err;
};

extern const struct got nothing; /* to start from */

struct got fetch(const char *url, unsigned retries, struct got got);
struct got get(const char *path, unsigned retries);
void add(struct faulty_path path);
void assert_whole(struct got got);
void assert_failed(struct got got, int code, const char *message);
void assert_asked(const char *path, unsigned n, const char *header);
void assert_not_asked(const char *path, unsigned n, const char *header);
int set_up(void **state);
int tear_down(void **state);

#define ADD(...) add((struct faulty_path){ __VA_ARGS__ })

#endif
