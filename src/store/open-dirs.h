/* SPDX-License-Identifier: MIT */
#ifndef MF_OPEN_DIRS_H
#define MF_OPEN_DIRS_H

/* Opens directories below one directory by their paths, without following links. It keeps some of them open: the way to
 * the next one then begins at a directory that is near, and time does not grow with the depth of all directories. */

struct mf_open_dirs;

/* Makes the directory `name` in `fd`, unless it is there; `path` is its whole path. Returns 0 or negative errno. */
typedef int mf_open_dirs_make(void *userdata, int fd, const char *name, const char *path);

/* `top` is borrowed. Returns NULL when memory is short. */
struct mf_open_dirs *mf_open_dirs_new(int top);
struct mf_open_dirs *mf_open_dirs_free(struct mf_open_dirs *dirs);

/* Returns a descriptor (O_PATH) of the directory `path`, a normalized name or "." for the top, or negative errno. The
 * descriptor is borrowed, and stays open during the next six calls. `make`, unless it is NULL, is called for each missing
 * level, from the top. */
int mf_open_dirs_get(struct mf_open_dirs *dirs, const char *path, mf_open_dirs_make *make, void *userdata);

/* Closes the directory `path` and those below it, before it is removed. */
void mf_open_dirs_drop(struct mf_open_dirs *dirs, const char *path);

#endif
