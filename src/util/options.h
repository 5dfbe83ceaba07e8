/* SPDX-License-Identifier: MIT */
#ifndef MF_OPTIONS_H
#define MF_OPTIONS_H

/* Structs that cross the public interface, which caller and library may know in different sizes: see
 * <mayfly/struct.h>. Only these functions read or write a caller's struct as a whole. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_option_kind {
        const char *what;        /* "the image options" */
        const char *initializer; /* that they start with */
        size_t size_min, size;   /* of the first release's struct, of this library's */
};

/* A kind; `last` is the last field in the first release, whatever is appended later. */
#define MF_OPTION_KIND(what, initializer, type, last)                                              \
        {                                                                                          \
                what, initializer, offsetof(type, last) + sizeof(((type *) 0)->last), sizeof(type) \
        }

/* Copies the caller's options to `ret`, which holds the defaults. NULL is fine, and changes nothing. -EINVAL when the
 * size is wrong, or when something is set that this library does not know. */
int mf_options_take(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err);

/* Copies a caller's array, which has the form that <mayfly/struct.h> describes. *ret gets the entries, each of this
 * library's size and with its size set, and one more that is all zero; it is to be freed. NULL for none is fine. */
int mf_options_take_array(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err);

/* -EINVAL unless `ret`, a struct to be filled (NULL is fine), has a size that a release had. */
int mf_result_check(const void *ret, const struct mf_option_kind *kind, struct mayfly_error *err);

/* Fills the struct of a caller, which passed mf_result_check(): all but the size, and zero what this library does not
 * know. */
void mf_result_give(void *ret, const void *result, const struct mf_option_kind *kind);

#endif
