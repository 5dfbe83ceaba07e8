/* SPDX-License-Identifier: MIT */
#ifndef MF_MACRO_H
#define MF_MACRO_H

/* Ownership in local variables: `mf_cleanup(f) T *p = NULL;` calls f(&p) at the end of the scope. mf_take(p) gives the
 * value of p away and leaves NULL in p; mf_take_fd() of fd.h does the same for a descriptor and leaves -1. */

#include <stdlib.h>

#define mf_cleanup(f) __attribute__((cleanup(f)))
#define MF_ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MF_EXPORT __attribute__((visibility("default")))

#define mf_take(p)                            \
        ({                                    \
                __typeof__(p) *mf_p_ = &(p);  \
                __typeof__(p) mf_v_ = *mf_p_; \
                *mf_p_ = NULL;                \
                mf_v_;                        \
        })

static inline void mf_freep(void *p)
{
        free(*(void **) p);
}

#endif
