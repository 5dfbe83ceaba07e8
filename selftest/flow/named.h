/* SPDX-License-Identifier: MIT */
#ifndef NAMED_H
#define NAMED_H

/* For tests that look for images by name: a server, a store, and the means to fill and ask them. */

#include <stddef.h>

#include <mayfly/mayfly.h>

#include "support/certs.h"
#include "support/server.h"
#include "support/support.h"

#define PLATFORM "os=linux,arch=amd64" /* asked for, so that the tests run on any */
/* Our server is this host's mirror. At its own port 443 nobody answers, or somebody who knows of none of this. */
#define NAME "localhost/tools/app"
#define APP NAME ":1.0," PLATFORM
#define SIMPLE "/tools/app-1.0-linux-amd64.aci"
#define PAGE "/tools/app?ac-discovery=1"
#define TAG(prefix, template) "<meta name=\"ac-discovery\" content=\"" prefix " " template "\">"

struct piece {
        struct piece *next;
        size_t size;
        char data[];
};

extern struct world {
        struct faulty_server *server;
        char *directory;           /* the store, and for other files */
        char base[40];             /* http://127.0.0.1:PORT/ */
        char mirrors[1024];        /* https://localhost/ is our server */
        char id[136];              /* of the last image that was made */
        const struct piece *image; /* its archive */
        struct piece *pieces;
        struct mayfly_error err;
        struct mayfly_image_options options;
} world;

int setup(void **state);
int teardown(void **state);
#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

const struct piece *serve(const char *path, const void *data, size_t size);
/* "$" in it is our server's URL. */
void serve_page(const char *path, const char *html);
/* `what` is "NAME,LABEL=VALUE,...", for the manifest. Makes world.id and world.image. */
void serve_image(const char *path, const char *what);
/* The one that APP asks for. */
void serve_good_image(const char *path);
/* How often `path` was asked for. */
unsigned asked(const char *path);
/* A TLS server for localhost, by an authority whose certificate is then in the file `ca`. */
struct faulty_server *start_tls(char ca[300]);

/* Opens "aci:NAME@" and the last image's ID; world.err tells why not. */
int open_name(const char *name);
void finds(const char *name);
/* With this error, of one line, and with nothing stored. */
void finds_nothing(const char *name, int code, const char *message);

#endif
