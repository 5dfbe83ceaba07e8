/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_REAP_H
#define MF_CLI_REAP_H

/* Reaps, at the end of this command, the orphans that it makes: GPGME leaves gpg to PID 1, which may not reap. */
void tool_reap_orphans(void);

#endif
