/* SPDX-License-Identifier: MIT */
#ifndef MF_POSTMORTEM_H
#define MF_POSTMORTEM_H

/* Words for a container that died or does not answer, made of facts alone. */

#include <mayfly/error.h>

#include "protocol/reports.h"

struct mf_log;

/* All borrowed. */
struct mf_facts {
        const char *machine;
        const struct mf_reports *reports;
        int was_stopped;    /* by its owner */
        pid_t owner;        /* another process than this one, or 0 */
        int broke_protocol; /* it sent what may not come, so mayfly closed the connection */
        const struct mf_log *log;
        int boot_log; /* descriptor */
};

/* Sets an error that says how the container died, with the end of its log. `what` says what failed because of that.
 * Returns code. */
int mf_explain_death(const struct mf_facts *facts, int code, enum mayfly_stage stage, const char *what,
                     struct mayfly_error *err);

/* Sets an error with `text` and the end of the log. Returns code. */
int mf_explain_wait(const struct mf_facts *facts, int code, enum mayfly_stage stage, const char *text,
                    struct mayfly_error *err);

/* Sets an error that says that the container did not answer in time. Returns -ETIMEDOUT. */
int mf_explain_unresponsive(const struct mf_facts *facts, unsigned timeout_ms, const char *what,
                            struct mayfly_error *err);

#endif
