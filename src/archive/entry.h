/* SPDX-License-Identifier: MIT */
#ifndef MF_ENTRY_H
#define MF_ENTRY_H

/* An archive's entry, and the rules for entries that every image format has. */

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <mayfly/error.h>

struct mf_tar;    /* tar.h */
struct mf_sparse; /* sparse.h */

/* An extended attribute. */
struct mf_xattr {
        const char *name;
        const void *value;
        size_t size;
};

/* One entry of a tar. What it points to is valid until the next entry is read. Names are the archive's bytes. */
struct mf_entry {
        const char *name;     /* as in the archive */
        const char *hardlink; /* target of a hard link, NULL otherwise */
        const char *symlink;  /* target of a symbolic link, NULL otherwise */
        mode_t mode;          /* type and permissions; no type: one that is not known */
        uid_t uid;
        gid_t gid;
        dev_t rdev;
        struct timespec mtime;
        uint64_t size;                  /* of a regular file's content, with its holes; 0 for all else */
        const struct mf_xattr *xattrs;  /* all that the archive has */
        size_t n_xattrs;                /* in `xattrs` */
        const struct mf_sparse *sparse; /* where a sparse file has data; NULL for any other */
        int has_acl;                    /* it has POSIX ACLs, which are not read */
        int is_v7;                      /* it is in the format of before POSIX */
        struct mf_tar *tar;             /* for mf_tar_data() */
};

/* Sets the error -EBADMSG `archive entry "NAME" WHY`, and returns -EBADMSG. */
int mf_entry_bad(struct mayfly_error *err, const struct mf_entry *entry, const char *why);

/* Reasons for mf_entry_bad(), which a check and a fetch of an image give in the same words. */
#define MF_ENTRY_IS_TWICE "is there twice; keep only one of the two"
#define MF_ENTRY_BEYOND_LINK \
        "lies beyond a symbolic link, which could lead out of the image; make that link a directory"
#define MF_ENTRY_BELOW_FILE "lies below an entry that is not a directory; rename one of the two"
#define MF_ENTRY_LINKS_TO_NONE \
        "is a hard link to a target that is not a file before it in the archive; put the target first"
#define MF_ENTRY_HAS_BAD_TYPE "has a type that an image cannot hold; leave it out"

/* Checks what no Linux system can store: the type, the target of a symbolic link, extended attributes. Returns 0, or
 * -EBADMSG, so that what one user cannot fetch nobody can. */
int mf_entry_check(const struct mf_entry *entry, struct mayfly_error *err);

/* The warning that ACLs are left out, for the name of the first file that has one. */
#define MF_WARNING_ACL "\"%.300s\" has a POSIX ACL, which is left out, as are all other ACLs of the image"

/* "./a//b/" becomes "a/b". NULL in *ret_why, or what is wrong with the name. */
void mf_entry_normalize(const char *name, char ret[PATH_MAX], const char **ret_why);

#endif
