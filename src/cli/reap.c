/* SPDX-License-Identifier: MIT */
#include "cli/reap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void reap_all(void)
{
        while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
                ;
}

void tool_reap_orphans(void)
{
        siginfo_t info;

        /* Children from before this program was executed may never end. */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
                return;
        if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0)
                (void) atexit(reap_all);
}
