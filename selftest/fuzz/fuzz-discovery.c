/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "fetch/tags.h"

/* A page that may have ac-discovery tags. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_tags tags;

        int r = mf_tags_parse(&tags, (const char *) data, size, &err);
        if (r < 0) {
                must_have_failed(r, err);
                return 0;
        }
        for (size_t i = 0; i < tags.n; i++)
                must(*tags.list[i].prefix && *tags.list[i].template && !strpbrk(tags.list[i].prefix, " \t\n"));
        mf_tags_clear(&tags);
        return 0;
}
