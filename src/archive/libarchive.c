/* SPDX-License-Identifier: MIT */
#include "archive/libarchive.h"

struct mf_libarchive mf_libarchive;

int mf_libarchive_load(struct mayfly_error *err)
{
        static struct mf_library_calls calls = MF_LIBRARY_CALLS(MF_LIBRARY_ARCHIVE, MF_LIBARCHIVE_LIST, mf_libarchive);

        return mf_library_load(&calls, MAYFLY_STAGE_ARCHIVE, err);
}
