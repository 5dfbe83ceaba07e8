/* SPDX-License-Identifier: MIT */
#ifndef MF_OUTPUT_H
#define MF_OUTPUT_H

/* The file that an image is built into. When the image is whole, one rename makes it or replaces it. Of a symbolic link, the file
 * that it leads to is replaced. If the file is no regular one, but a device or a pipe, the whole image is written to it.
 *
 * A layout of OCI images is a directory, which is made and replaced in the same way. */

#include <limits.h>

#include <mayfly/error.h>

struct mf_output {
        char *path;              /* of the file, behind symbolic links */
        int directory;           /* of the file; -1 when `through` is set */
        char base[NAME_MAX + 1]; /* its name there */
        char name[NAME_MAX + 1]; /* its name until the image is whole; empty when it has none */
        int fd;        /* of the image while it is built, for reading and writing; of a layout its directory */
        int is_layout; /* a directory is built */
        int through;   /* the image is copied to `path` at the end */
};

#define MF_OUTPUT_NONE ((struct mf_output){ .directory = -1, .fd = -1 })

/* Makes the file, or a directory if `may_be_layout` is set and the path ends in "/" or is one. *ret must be MF_OUTPUT_NONE; the caller clears it
 * in any case. Returns 0 or negative errno. */
int mf_output_open(struct mf_output *ret, const char *path, int may_be_layout, struct mayfly_error *err);
/* Gives the image its name, or writes it to a device or a pipe. Returns 0 or negative errno. */
int mf_output_publish(struct mf_output *output, struct mayfly_error *err);
void mf_output_clear(struct mf_output *output); /* and removes an image that was not published */
/* Returns the URL of the file, "file:///directory/name", which the caller frees. NULL when there is no memory. */
char *mf_output_url(const struct mf_output *output);

#endif
