/* SPDX-License-Identifier: MIT */
#ifndef MF_OPTIONS_H
#define MF_OPTIONS_H

/* Structs that cross the public interface, which caller and library may know in different sizes: see
 * <mayfly/struct.h>. Only these functions read or write a caller's struct as a whole. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_option_kind {
        const char *what;        /* "the image options" */
        const char *initializer; /* the macro that initializes them */
        size_t size_min, size;   /* of the struct in the first release and in this library */
};

/* Defines a kind. `last` is the last field that the struct had in the first release. */
#define MF_OPTION_KIND(what, initializer, type, last)                                              \
        {                                                                                          \
                what, initializer, offsetof(type, last) + sizeof(((type *) 0)->last), sizeof(type) \
        }

/* Copies the caller's options to `ret`, which holds the defaults. NULL is fine and changes nothing. Returns 0, or
 * -EINVAL when the size is wrong or a field is set that this library does not know. */
int mf_options_take(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err);

/* Copies a caller's array, which has the form that <mayfly/struct.h> describes. *ret gets the entries, each of this
 * library's size and with its size set, and one more that is all zero; the caller frees it. `given` may be NULL. Returns 0 or negative errno. */
int mf_options_take_array(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err);

/* Returns -EINVAL unless the struct to be filled, `ret` (NULL is fine), has a size that a release had. */
int mf_result_check(const void *ret, const struct mf_option_kind *kind, struct mayfly_error *err);

/* Fills a caller's struct that passed mf_result_check(): keeps its size, and zeroes the fields that this library does
 * not know. */
void mf_result_give(void *ret, const void *result, const struct mf_option_kind *kind);

#endif
