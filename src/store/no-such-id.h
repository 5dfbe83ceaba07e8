/* SPDX-License-Identifier: MIT */
#ifndef MF_NO_SUCH_ID_H
#define MF_NO_SUCH_ID_H

#include "archive/entry.h"

/* Sets the error for an entry whose owner or group has no ID in the user namespace of this process, and says what
 * /etc/subuid or /etc/subgid needs. Returns its code. */
int mf_no_such_id(const struct mf_entry *entry, struct mayfly_error *err);

#endif
