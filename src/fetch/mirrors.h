/* SPDX-License-Identifier: MIT */
#ifndef MF_MIRRORS_H
#define MF_MIRRORS_H

/* Where a user wants images and discovery pages to be looked for first. Pairs of words:
 *
 *     https://example.com/   https://mirror.internal/example/          what is under the first is asked for under the
 * second example.com/tools      https://mirror.internal/{name}-{version}.{ext}    names that begin so, as an
 * ac-discovery tag
 *
 * From the option, else $MAYFLY_MIRRORS, else the files $XDG_CONFIG_HOME/mayfly/mirrors (~/.config/...) and
 * /etc/mayfly/mirrors, which have a pair a line, and comments from # on. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_mirror {
        char *prefix, *target;
        int is_template; /* of names; otherwise of URLs */
};

struct mf_mirrors {
        struct mf_mirror *list; /* in the order to try */
        size_t n, allocated;
};

/* On success *ret is for mf_mirrors_clear(). `option` may be NULL. */
int mf_mirrors_load(const char *option, struct mf_mirrors *ret, struct mayfly_error *err);
void mf_mirrors_clear(struct mf_mirrors *mirrors);

#endif
