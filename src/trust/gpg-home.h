/* SPDX-License-Identifier: MIT */
#ifndef MF_GPG_HOME_H
#define MF_GPG_HOME_H

/* A directory for GnuPG in the store's tmp/. If this process is killed, the next process that fetches an image removes it. */

#include "store/directory.h"

struct mf_gpg_home {
        char *path; /* absolute; the mode is 0700 */
        char name[MF_TMP_NAME_MAX];
        int store, fd;
};

/* Makes the directory. `store` is the option. On success *ret is for mf_gpg_home_remove(). Returns 0 or negative errno. */
int mf_gpg_home_make(const char *store, struct mf_gpg_home *ret, struct mayfly_error *err);
void mf_gpg_home_remove(struct mf_gpg_home *home);

#endif
