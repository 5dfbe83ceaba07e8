/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTENTS_H
#define MF_CONTENTS_H

/* What a root file system has in it, seen while it is written into an image's archive: each entry, and of a file what is needed to
 * tell whether a container could execute it. */

#include <limits.h>

#include "archive/write.h"
#include "model/executable.h"
#include "model/image-config.h"

struct mf_content {
        const char *path; /* "rootfs/..." */
        mode_t mode;      /* type and permissions */
        uid_t uid;
        gid_t gid;
        char *symlink;                    /* target of a symbolic link, or NULL */
        struct mf_content *same;          /* the file that a hard link is another name of, or NULL */
        struct mf_executable *executable; /* of a regular file that somebody may execute; NULL: not known */
        char *text;                       /* content of a file called "passwd" or "group"; NULL: not known */
};

struct mf_contents;

/* For an image of this configuration, which must stay. Returns 0 or negative errno. */
int mf_contents_new(struct mf_contents **ret, const struct mf_image_config *config, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_contents *mf_contents_free(struct mf_contents *contents);

/* What mf_writer_new() needs to show all entries to `contents`. */
const struct mf_watch *mf_contents_watch(const struct mf_contents *contents);
/* Takes in the last entry. To be called before the contents are looked at. Returns 0 or negative errno. */
int mf_contents_finish(struct mf_contents *contents, struct mayfly_error *err);

enum mf_found {
        MF_FOUND,
        MF_FOUND_NONE,     /* it is not there */
        MF_FOUND_LOOP,     /* there are too many symbolic links on the way */
        MF_FOUND_ELSEWHERE /* it may be there: in a dependency, in a volume, or in what a container has in any case */
};

/* Looks for `path` as a program in the container would find it whose working directory is `cwd`: through symbolic links. Sets
 * `where` to the absolute path at which the search ended, and *ret for MF_FOUND only. */
enum mf_found mf_contents_find(const struct mf_contents *contents, const char *cwd, const char *path,
                               char where[PATH_MAX], const struct mf_content **ret);

#endif
