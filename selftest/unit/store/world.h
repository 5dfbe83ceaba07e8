/* SPDX-License-Identifier: MIT */
#ifndef WORLD_H
#define WORLD_H

#include <stddef.h>
#include <sys/types.h>

#include <mayfly/image.h>

/* For tests of the store: a directory with an image, and a store that does not exist yet. */
struct world {
        char *directory, store[512], id[136], reference[1024], wrong[1024];
        struct mayfly_image_options options;
        struct mayfly_error err;
        int held; /* a lock that on_progress() lets go of */
        pid_t child;
        unsigned waits, dones;
};

int setup(void **state);
int teardown(void **state);
int open_image(struct world *w, struct mayfly_image **ret);
/* Opens, lets go, and returns what mayfly_image_was_fetched() said, or the error. */
int fetched(struct world *w);
void assert_error(const struct world *w, const char *fragment);
void assert_entries(const struct world *w, size_t images, size_t locks, size_t tmp);

#endif
