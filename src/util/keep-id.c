/* SPDX-License-Identifier: MIT */
#include "util/keep-id.h"

uint32_t mf_keep_id_outside(uint32_t inside, uint32_t kept)
{
        if (inside == kept)
                return 0;
        return inside < kept ? inside + 1 : inside;
}

uint32_t mf_keep_id_inside(uint32_t outside, uint32_t kept)
{
        if (outside == 0)
                return kept;
        return outside <= kept ? outside - 1 : outside;
}

size_t mf_keep_id_lines(struct mf_keep_id_line ret[MF_KEEP_ID_LINES], uint32_t first, uint32_t count, uint32_t kept)
{
        /* Within each of these parts the difference of both sides is the same. */
        const uint64_t ends[MF_KEEP_ID_LINES] = { 1, (uint64_t) kept + 1, UINT64_MAX };
        uint64_t at = first, end = at + count;
        size_t n = 0;

        for (size_t i = 0; i < MF_KEEP_ID_LINES && at < end; i++) {
                uint64_t stop = ends[i] < end ? ends[i] : end;
                if (stop <= at)
                        continue;
                ret[n++] = (struct mf_keep_id_line){ .outside = (uint32_t) at,
                                                     .inside = mf_keep_id_inside((uint32_t) at, kept),
                                                     .count = (uint32_t) (stop - at) };
                at = stop;
        }
        return n;
}
