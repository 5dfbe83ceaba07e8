/* SPDX-License-Identifier: MIT */
#ifndef MF_IMPLIED_DIRS_H
#define MF_IMPLIED_DIRS_H

/* The directories that an archive has no entries for, and that are there only because something in them is. About their
 * modes, owners and times the image says nothing, so that, where images lie over each other, those of another image's
 * directory stay. They are in the file "implicit" beside rootfs, escaped as in the record, a line each; with none
 * there is no such file. */

#include "store/record.h"
#include "util/pathlist.h"

#define MF_IMPLIED_DIRS "implicit" /* the file of these */

/* Of the image or layer whose directory is open: the directories that the file `name` lists. They come sorted, as "rootfs/...". 0 or
 * -errno; *ret is to be cleared in any case. */
int mf_dirs_list_load(const char *name, struct mf_paths *ret, int dir_fd);
/* Writes the file, if there are any of whom `keep` (NULL is fine) returns non-zero, and records it. */
int mf_dirs_list_write(const char *name, struct mf_paths *list, int (*keep)(void *userdata, const char *path),
                       void *userdata, int dir_fd, struct mf_record *record);

/* Gives a file or directory the owner, mode and time of *as, and the extended attributes that `from` has. 0 or -errno. */
int mf_copy_metadata(int from, int to, const struct stat *as);
/* Gives a directory another's owner, mode, extended attributes and time. 0 or -errno. */
int mf_copy_dir_metadata(int from, int to);

#endif
