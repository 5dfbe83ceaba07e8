/* SPDX-License-Identifier: MIT */
#ifndef MF_GPG_HOME_H
#define MF_GPG_HOME_H

/* A folder for GnuPG, in the store's tmp/: when this process is killed, the next one that fetches something removes it.
 */

#include "store/directory.h"

struct mf_gpg_home {
        char *folder; /* absolute, of mode 0700 */
        char name[MF_TMP_NAME_MAX];
        int store, fd;
};

/* `store` is the option. On success *ret is for mf_gpg_home_remove(). */
int mf_gpg_home_make(const char *store, struct mf_gpg_home *ret, struct mayfly_error *err);
void mf_gpg_home_remove(struct mf_gpg_home *home);

#endif
