/* SPDX-License-Identifier: MIT */
#ifndef MF_OUTPUT_H
#define MF_OUTPUT_H

/* The file that an image is built into. A regular file, or none yet, is replaced by one rename when the image is whole.
 * Through a symbolic link the file is replaced that it leads to. To anything else, such as a device or a pipe, the image is
 * written when it is whole. */

#include <limits.h>

#include <mayfly/error.h>

struct mf_output {
        char *path;              /* of the file: where links lead to */
        int directory;           /* that the file is in; -1 when `through` */
        char base[NAME_MAX + 1]; /* its name there */
        char name[NAME_MAX + 1]; /* what it is called until it is whole; may be empty: it has no name then */
        int fd;                  /* what is written, and can be read */
        int through;             /* the image is copied to `path` at the end */
};

#define MF_OUTPUT_NONE ((struct mf_output){ .directory = -1, .fd = -1 })

/* Makes the file. *ret, which is MF_OUTPUT_NONE, is for mf_output_clear() in any case. */
int mf_output_open(struct mf_output *ret, const char *path, struct mayfly_error *err);
/* Gives the image to the path. */
int mf_output_publish(struct mf_output *output, struct mayfly_error *err);
void mf_output_clear(struct mf_output *output); /* and removes what was not published */
/* "file:///directory/name", encoded; allocated. NULL: out of memory. */
char *mf_output_url(const struct mf_output *output);

#endif
