/* SPDX-License-Identifier: MIT */
#ifndef MF_OPTIONS_H
#define MF_OPTIONS_H

#include <stddef.h>

#include <mayfly/error.h>

/* An option struct, as the caller knows it, becomes ours. Callers built with older headers give a shorter struct, ones
 * built with newer headers a longer one: what this library does not know must then be zero, the default. */
struct mf_option_kind {
        const char *what;        /* "the image options" */
        const char *initializer; /* that they start with */
        size_t size_min, size;   /* of the first release's struct, of this library's */
};

/* `given` (NULL is fine) begins with its size; `ret` holds the defaults and gets what was given. -EINVAL otherwise. */
int mf_options_take(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err);

#endif
