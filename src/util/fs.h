/* SPDX-License-Identifier: MIT */
#ifndef MF_FS_H
#define MF_FS_H

/* Files and directory trees. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Removes the tree `name` in the directory `dirfd`. Follows no symbolic link and stays on the file system. Returns 0,
 * also when the tree is missing, or negative errno. */
int mf_remove_tree(int dirfd, const char *name);

/* Returns how many bytes the tree `name` takes on disk, without entries that cannot be read or lie very deep. */
uint64_t mf_tree_bytes(int dirfd, const char *name);

/* Opens `path` below the directory `dirfd`; nothing on the way there, nor `path` itself, may be a symbolic link.
 * `flags` are those of open(2). Returns a descriptor or negative errno: -ELOOP or -EXDEV when the path has a symbolic link
 * or leaves the directory. */
int mf_open_beneath(int dirfd, const char *path, int flags);

/* Opens `path` as a process would whose root is the directory `root`, but follows no magic link. `flags` are those of open(2). Returns a
 * descriptor or negative errno: -EAGAIN when others rename directories on the way all the time. */
int mf_open_in_root(int root, const char *path, int flags);

/* Reads the regular file `name` in the directory `dirfd`, without following a symbolic link; *ret is allocated and ends
 * with a NUL that *ret_size does not count. Returns 0 or negative errno: -ELOOP for a symbolic link, -EINVAL for
 * anything else that is not a regular file, -EFBIG when it has more than `max` bytes. */
int mf_read_file_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size);

/* Makes the directory `name` with mode 0700, whatever the umask is. Returns 0 or negative errno. */
int mf_mkdir_private(int dirfd, const char *name);

/* Sets the mode of the open file that was just made, in case the umask took bits of it. Returns 0 or negative errno. */
int mf_ensure_mode(int fd, mode_t mode);

/* Makes the directory `path` and its missing parents, with mode 0700. Returns 0 or negative errno. */
int mf_mkdir_p(const char *path);

#endif
