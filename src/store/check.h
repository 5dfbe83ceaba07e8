/* SPDX-License-Identifier: MIT */
#ifndef MF_CHECK_H
#define MF_CHECK_H

/* Compares an unpacked image with its record: everything in it, the content of all files included. */

#include <stdint.h>

#include <mayfly/error.h>

struct mf_check {
        /* Told of each difference: the path in the image ("\ooo" for what is not printable) and what is wrong with it.
         * Anything but 0 ends the check with -ECANCELED. */
        int (*difference)(void *userdata, const char *path, const char *what);
        void *userdata;
        uint64_t entries, bytes, differences; /* looked at, read, found */
};

/* `image_fd` is the image's directory, `id` its name, `path` for messages. 0 when it could be checked, whatever was
 * found; negative errno when it could not. */
int mf_check_image(int image_fd, const char *id, const char *path, struct mf_check *check, struct mayfly_error *err);

#endif
