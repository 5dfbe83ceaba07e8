/* SPDX-License-Identifier: MIT */
#ifndef MF_VALGRIND_H
#define MF_VALGRIND_H

#include <stdlib.h>
#include <string.h>

/* Whether this process runs under valgrind, which answers ENOSYS, and warns, for system calls that its version does not know: 3.24
 * knows no seccomp(). The programs that this process executes run outside. */
static inline int mf_under_valgrind(void)
{
        const char *preloaded = getenv("LD_PRELOAD"); /* valgrind puts its own libraries there, and leaves them there */

        return preloaded && strstr(preloaded, "/vgpreload_core") != NULL;
}

#endif
