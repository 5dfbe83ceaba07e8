/* SPDX-License-Identifier: MIT */
#ifndef MF_ENTRY_H
#define MF_ENTRY_H

/* An archive's entry, and the rules for entries that every image format has. */

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include <mayfly/error.h>

/* One entry of a tar, valid during the call it is given to. */
struct mf_entry {
        const char *name;     /* as in the archive */
        const char *hardlink; /* target of a hard link, NULL otherwise */
        const char *symlink;  /* target of a symbolic link, NULL otherwise */
        mode_t mode;          /* type and permissions */
        uid_t uid;
        gid_t gid;
        dev_t rdev;
        struct timespec mtime;
        uint64_t size;
        void *archive, *entry; /* libarchive's, for the functions below */
};

/* The error -EBADMSG `archive entry "NAME" WHY`. */
int mf_entry_bad(struct mayfly_error *err, const struct mf_entry *entry, const char *why);

/* Such an entry, and what is below it, could not be told from not being there. */
#define MF_ENTRY_IS_WHITEOUT                                                                                       \
        "is the character device 0:0, which overlayfs takes for a file's absence: a container could not show it; " \
        "leave it out of the image"

/* "./a//b/" becomes "a/b". NULL in *ret_why, or what is wrong with the name. */
void mf_entry_normalize(const char *name, char ret[PATH_MAX], const char **ret_why);

#endif
