/* SPDX-License-Identifier: MIT */
#include "util/options.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define SIZE_LIMIT 4096U /* more than any of the structs will ever have: a size above is no size */

int mf_options_take(void *ret, const void *given, const struct mf_option_kind *kind, struct mayfly_error *err)
{
        const unsigned char *bytes = given;
        size_t size;

        if (!given)
                return 0;
        memcpy(&size, given, sizeof(size));
        if (size < kind->size_min || size > SIZE_LIMIT)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s' size is %zu, which none ever had (it is %zu now); start them with %s", kind->what,
                                size, kind->size, kind->initializer);
        for (size_t i = kind->size; i < size; i++)
                if (bytes[i])
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "%s set something at byte %zu that this library does not know (it knows %zu "
                                        "bytes); start them with %s, or use the library that these headers belong to",
                                        kind->what, i, kind->size, kind->initializer);
        memcpy(ret, given, size < kind->size ? size : kind->size);
        memcpy(ret, &kind->size, sizeof(kind->size));
        return 0;
}
