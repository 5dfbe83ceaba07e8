/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/unpack-errors.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/no-such-id.h"
#include "util/error.h"

/* The end of a message about an entry that another file system might store. */
#define OTHER_STORE "; choose a store on another file system with MAYFLY_STORE"

/* Sets the error `archive entry "NAME" cannot be WHAT`, with the reason. Returns `code`. */
int mf_cannot_be(struct mayfly_error *err, int code, const struct mf_entry *entry, const char *what)
{
        if (code == -EMLINK || code == -ENAMETOOLONG)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" cannot be %s, because the store's file system has a lower "
                                "limit: %s" OTHER_STORE,
                                entry->name, what, strerrordesc_np(-code));
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE, "archive entry \"%.300s\" cannot be %s", entry->name,
                              what);
}

/* Sets the error of an entry that cannot be made. Returns a negative errno. */
int mf_cannot_make(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return code == -EEXIST ? mf_entry_bad(err, entry, MF_ENTRY_IS_TWICE) : mf_cannot_be(err, code, entry, "made");
}

/* Sets the error of an entry that cannot get its owner, mode or time. Returns a negative errno. An owner that the user namespace
 * of this process does not have is an invalid argument. */
int mf_cannot_finish(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return code == -EINVAL ? mf_no_such_id(entry, err)
                               : mf_cannot_be(err, code, entry, "given its owner, mode and time");
}

/* Sets the error of a hard link that cannot be made. Returns a negative errno. */
int mf_cannot_link(struct mayfly_error *err, int code, int is_partial, const struct mf_entry *entry, const char *target)
{
        if (code == -ENOENT && is_partial)
                return mf_error(
                        err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                        "archive entry \"%.300s\" is a hard link to \"%.300s\", which this layer does not have "
                        "before it; a hard link into a lower layer cannot be stored: copy the file in the image",
                        entry->name, entry->hardlink);
        if (code == -ENOENT || code == -EPERM || code == -ELOOP || code == -ENOTDIR)
                return mf_entry_bad(err, entry, MF_ENTRY_LINKS_TO_NONE);
        if (code == -EMLINK)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" is one hard link to \"%.300s\" more than the store's file "
                                "system can have" OTHER_STORE,
                                entry->name, target);
        return mf_cannot_make(err, code, entry);
}

/* Sets the error of an extended attribute that cannot be set. Returns a negative errno. Some file systems answer "no space"
 * to an attribute that is too long. */
int mf_cannot_set_xattr(struct mayfly_error *err, int code, int fd, const struct mf_entry *entry,
                        const struct mf_xattr *xattr)
{
        struct statvfs fs;

        if (code == -ENOSPC && fstatvfs(fd, &fs) == 0 && fs.f_bavail > 0)
                code = -E2BIG;
        if (code == -E2BIG)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" has an extended attribute \"%.255s\" of %zu bytes, which is "
                                "more than the store's file system can keep" OTHER_STORE,
                                entry->name, xattr->name, xattr->size);
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE,
                              "the extended attribute \"%.255s\" of archive entry \"%.300s\" cannot be set",
                              xattr->name, entry->name);
}

/* Sets the error of a file that cannot be as long as it is with its holes. Returns a negative errno. */
int mf_cannot_have_size(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        if (code == -EFBIG || code == -EINVAL)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" is %llu bytes long with its holes, which is more than the "
                                "store's file system or `ulimit -f` allows" OTHER_STORE,
                                entry->name, (unsigned long long) entry->size);
        return mf_cannot_be(err, code, entry, "made as long as it is");
}

int mf_too_many_entries(struct mayfly_error *err, uint64_t max)
{
        return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                        "the image has more than max_entries = %llu entries; raise max_entries if the image is meant "
                        "to have so many",
                        (unsigned long long) max);
}

int mf_too_long_lists(struct mayfly_error *err, size_t max)
{
        return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                        "the names of the directories that have no entry, or a late one, and of what the layer hides "
                        "have more than %zu MiB; give each directory an entry before the files in it",
                        max / 1024 / 1024);
}
