/* SPDX-License-Identifier: MIT */
#ifndef MF_TRACE_H
#define MF_TRACE_H

/* Tells, when MAYFLY_DEBUG asks for it, how long each stage took: see mayfly(7). */

#include <stdint.h>

#include "util/macro.h"

struct mf_trace {
        const char *stage; /* NULL: nothing is told */
        const char *detail;
        uint64_t begin_us;
};

/* Begins a stage. `detail` (may be NULL) says of what; both must stay until the stage ends. */
struct mf_trace mf_trace_begin(const char *stage, const char *detail);
/* Writes one event. */
void mf_trace_end(const struct mf_trace *trace);

/* The rest of the block is a stage. */
#define MF_TRACE(stage, detail) \
        mf_cleanup(mf_trace_end) __attribute__((unused)) const struct mf_trace mf_trace_ = mf_trace_begin(stage, detail)

#endif
