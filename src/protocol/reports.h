/* SPDX-License-Identifier: MIT */
#ifndef MF_REPORTS_H
#define MF_REPORTS_H

/* What a container reports over the control socket. Each report is taken once and in its order: an attacker may hold the
 * other end of the socket. */

#include <signal.h>
#include <stddef.h>

#include "protocol/message.h"
#include "protocol/usage.h"

enum mf_app_state {
        MF_APP_NONE = 0, /* not heard of yet */
        MF_APP_FAILED,   /* could not be started */
        MF_APP_STARTED,
        MF_APP_ENDED
};

/* Starts as zero, with what is expected set as needed. */
struct mf_reports {
        int expects_app;    /* without it, HOOK, APP and EXIT are errors */
        int expects_hosts;  /* without it, HOSTS is an error */
        int expects_notify; /* without it, NOTIFIED is an error */
        int has_scratch;    /* SCRATCH came */
        int ready;
        int hook_started;
        int notified;       /* READY=1 came */
        int missing_limits; /* of enum mf_limit */
        enum mf_app_state app;
        int app_error;         /* MF_APP_FAILED: negative errno, */
        char app_failure[232]; /* and why, for a human; may be empty */
        siginfo_t app_end;     /* MF_APP_ENDED: si_code and si_status */
        int app_was_late;      /* MF_APP_ENDED: it outlived its time after a stop and was killed */
        int has_usage;
        struct mf_usage usage; /* of the container when its app had ended */
};

/* Whether the app was killed because the container's memory was used up, as far as its cgroup told. */
int mf_reports_have_oom(const struct mf_reports *reports);

/* Takes one message. Returns 0, or -EPROTO, with nothing changed, for one that may not come (now, again, with these
 * values or with so many descriptors). */
int mf_reports_take(struct mf_reports *reports, const struct mf_message *message, size_t n_fds);

#endif
