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

static int hold(const char *layer, int *ret)
{
        mf_cleanup(mf_freep) char *folder = NULL;
        struct stat ours, there;

        if (asprintf(&folder, "%s/..", layer) < 0) {
                folder = NULL;
                return launch_error(-ENOMEM, "layers");
        }
        mf_cleanup(mf_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return launch_error(-errno, "image layer %s", layer);
        if (flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &ours) < 0 || stat(folder, &there) < 0)
                return launch_error(-errno, "locking image layer %s; start again if it was just dropped from the store",
                                    layer);
        /* Our owner holds it too, so this is only so when the owner is gone, or the image was found to be damaged. */
        if (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
                return launch_error(-ESTALE, "image layer %s was dropped from the store; start again", layer);
        *ret = mf_take_fd(&fd);
        return 0;
}

int launch_hold(struct launch_options *options)
{
        options->holds = calloc(options->n_layers, sizeof(int));
        if (!options->holds)
                return launch_error(-ENOMEM, "layers");
        for (size_t i = 0; i < options->n_layers; i++) {
                int r = hold(options->layers[i], &options->holds[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void launch_hand_on_holds(const struct launch_options *options)
{
        for (size_t i = 0; i < options->n_layers; i++)
                (void) fcntl(options->holds[i], F_SETFD, 0);
}
