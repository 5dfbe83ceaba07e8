/* SPDX-License-Identifier: MIT */
#ifndef MF_MIRRORS_H
#define MF_MIRRORS_H

/* The places where mayfly looks first for images and discovery pages. A mirror is a pair of words. URLs below the first
 * word are asked for below the second:
 *
 *     https://example.com/ https://mirror.internal/example/
 *
 * Or the second word is a template, as in an ac-discovery tag, for the names that begin with the first:
 *
 *     example.com/tools https://mirror.internal/{name}-{version}.{ext}
 *
 * The pairs are in the option, else in $MAYFLY_MIRRORS, else in the files $XDG_CONFIG_HOME/mayfly/mirrors (~/.config/...) and
 * /etc/mayfly/mirrors. These files have a pair on each line, and comments after #. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_mirror {
        char *prefix, *target;
        int is_template; /* for names; else for URLs */
};

struct mf_mirrors {
        struct mf_mirror *list; /* in the order to try */
        size_t n, allocated;
};

/* Reads the pairs. On success *ret is for mf_mirrors_clear(). `option` may be NULL. Returns 0 or negative errno. */
int mf_mirrors_load(const char *option, struct mf_mirrors *ret, struct mayfly_error *err);
void mf_mirrors_clear(struct mf_mirrors *mirrors);

#endif
