/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "keep/keep.h"
#include "privilege/serve.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* A directory on disk that containers share: its users have copies of a descriptor with an exclusive flock, which the kernel gives up when
 * the last of them has ended, however that was. If this process is killed as well, the store's next collection of garbage removes it. */

/* The library sends the directory of the store and, for an ordinary user, the user namespace, whose IDs own files. */
enum { STORE, USERNS, MOST };

int keep_scratch(const char *name)
{
        int fds[MOST] = { -1, -1 };
        size_t n = 0;

        if (keep_await(fds, MOST, &n) < 0)
                return EXIT_FAILURE;
        mf_cleanup(mf_closep) int directory = openat(fds[STORE], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (directory < 0 || (n > USERNS && mf_serve_join(fds[USERNS], NULL) < 0))
                return EXIT_FAILURE;
        while (flock(directory, LOCK_EX) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;
        return mf_remove_tree(fds[STORE], name) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
