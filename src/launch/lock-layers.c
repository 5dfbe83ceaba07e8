/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

static int lock(const char *layer, int *ret)
{
        mf_cleanup(mf_freep) char *directory = NULL;
        struct stat ours, there;

        if (asprintf(&directory, "%s/..", layer) < 0) {
                directory = NULL;
                return launch_error(-ENOMEM, "layers");
        }
        mf_cleanup(mf_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return launch_error(-errno, "image layer %s", layer);
        if (flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &ours) < 0 || stat(directory, &there) < 0)
                return launch_error(-errno, "locking image layer %s; start again if it was just dropped from the store",
                                    layer);
        /* The owner has a lock, too, so this happens only when the owner is gone or the image was found to be damaged. */
        if (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
                return launch_error(-ESTALE, "image layer %s was dropped from the store; start again", layer);
        *ret = mf_take_fd(&fd);
        return 0;
}

int launch_lock_layers(struct launch_options *options)
{
        options->locks = calloc(options->n_layers, sizeof(int));
        if (!options->locks)
                return launch_error(-ENOMEM, "layers");
        for (size_t i = 0; i < options->n_layers; i++) {
                int r = lock(options->layers[i], &options->locks[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void launch_pass_locks(const struct launch_options *options)
{
        for (size_t i = 0; i < options->n_layers; i++)
                (void) fcntl(options->locks[i], F_SETFD, 0);
}
