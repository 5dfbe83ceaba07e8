/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include "model/executable.h"

/* The beginnings of programs: all of a file, and a part of a longer one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t *copy = malloc(size + 1); /* of its own size but for a byte, so that reading past it is seen */

        for (uint64_t more = 0; copy && more < 2; more++) {
                struct mf_executable executable;
                memcpy(copy + 1, data, size);
                must(mf_executable_parse(&executable, copy + 1, size, size + more * 1000000) == 0);
                must(executable.kind != MF_EXECUTABLE_UNKNOWN || executable.problem);
                must(executable.kind != MF_EXECUTABLE_SCRIPT || executable.problem || *executable.interpreter);
                must(!mf_executable_arch(&executable) ||
                     mf_executable_is_for(&executable, mf_executable_arch(&executable)));
                mf_executable_clear(&executable);
        }
        free(copy);
        return 0;
}
