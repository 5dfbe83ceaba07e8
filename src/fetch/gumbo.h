/* SPDX-License-Identifier: MIT */
#ifndef MF_GUMBO_H
#define MF_GUMBO_H

/* What tags.c uses of gumbo, which it loads at its first use (util/library.h). */

#include <gumbo.h>

#include "util/library.h"

#define MF_GUMBO_LIST(X)              \
        X(gumbo_, get_attribute)      \
        X(gumbo_, parse_with_options) \
        X(kGumbo, DefaultOptions)

struct mf_gumbo {
        MF_GUMBO_LIST(MF_LIBRARY_POINTER)
};

#endif
