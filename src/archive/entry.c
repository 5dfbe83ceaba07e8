/* SPDX-License-Identifier: MIT */
#include "archive/entry.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

#include "archive/xattr.h"
#include "util/error.h"

int mf_entry_bad(struct mayfly_error *err, const struct mf_entry *entry, const char *why)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "archive entry \"%.300s\" %s", entry->name, why);
}

/* Whether Linux accepts the value of a security.capability: the size must be that of the version, and no flag but
 * "effective" may be set. Version 3 has the ID of a user namespace's root at its end, which cannot be the highest number. */
static int is_capability(const struct mf_xattr *xattr)
{
        const unsigned char *v = xattr->value;

        if (xattr->size < 4 || v[0] > 1 || v[1] || v[2])
                return 0;
        return (xattr->size == 20 && v[3] == 2) ||
               (xattr->size == 24 && v[3] == 3 && memcmp(v + 20, "\xff\xff\xff\xff", 4) != 0);
}

/* Checks an extended attribute that images keep. Returns 0 or -EBADMSG. */
static int check_xattr(const struct mf_entry *entry, const struct mf_xattr *xattr, struct mayfly_error *err)
{
        const size_t length = strlen(xattr->name);
        char why[XATTR_NAME_MAX + 200];

        if (strcmp(xattr->name, "security.capability") == 0)
                return is_capability(xattr)
                               ? 0
                               : mf_entry_bad(err, entry,
                                              "has a malformed file capability, which Linux refuses; set it "
                                              "anew with setcap");
        if (length > XATTR_NAME_MAX || xattr->name[strcspn(xattr->name, ".") + 1] == '\0')
                snprintf(why, sizeof(why),
                         "has an extended attribute \"%.*s\", a name that Linux refuses; use 1 to %d bytes after the "
                         "dot",
                         XATTR_NAME_MAX, xattr->name, XATTR_NAME_MAX - 5);
        else if (xattr->size > XATTR_SIZE_MAX)
                snprintf(why, sizeof(why),
                         "has an extended attribute \"%s\" of %zu bytes, and Linux keeps up to %d; make it shorter",
                         xattr->name, xattr->size, XATTR_SIZE_MAX);
        else
                return 0;
        return mf_entry_bad(err, entry, why);
}

int mf_entry_check(const struct mf_entry *entry, struct mayfly_error *err)
{
        int r = 0;

        if (entry->hardlink)
                return 0;
        if (!S_ISREG(entry->mode) && !S_ISDIR(entry->mode) && !S_ISLNK(entry->mode) && !S_ISFIFO(entry->mode) &&
            !S_ISCHR(entry->mode) && !S_ISBLK(entry->mode))
                return mf_entry_bad(err, entry, MF_ENTRY_HAS_BAD_TYPE);
        if (S_ISLNK(entry->mode) && (!entry->symlink || !*entry->symlink))
                return mf_entry_bad(err, entry, "is a symbolic link without a target; give it one");
        if (S_ISLNK(entry->mode) && strlen(entry->symlink) >= PATH_MAX)
                return mf_entry_bad(err, entry,
                                    "is a symbolic link whose target is too long; Linux has up to 4,095 bytes");
        if (S_ISCHR(entry->mode) && entry->rdev == 0)
                return mf_entry_bad(err, entry,
                                    "is the character device 0:0, which overlayfs takes for a file's absence: a "
                                    "container could not show it; leave it out of the image");
        for (size_t i = 0; i < entry->n_xattrs && r == 0; i++)
                if (mf_xattr_is_kept(entry->xattrs[i].name))
                        r = check_xattr(entry, &entry->xattrs[i], err);
        return r;
}

void mf_entry_normalize(const char *name, char ret[PATH_MAX], const char **ret_why)
{
        size_t n = 0;

        *ret_why = NULL;
        if (name[0] == '/') {
                *ret_why = "has an absolute name";
                return;
        }
        while (*name) {
                size_t length = strcspn(name, "/");
                if (length == 2 && name[0] == '.' && name[1] == '.') {
                        *ret_why = "has \"..\" in its name";
                        return;
                }
                if (length > 0 && !(length == 1 && name[0] == '.')) {
                        if (n + length + 2 > PATH_MAX || length > NAME_MAX) {
                                *ret_why = "has too long a name";
                                return;
                        }
                        if (n)
                                ret[n++] = '/';
                        memcpy(ret + n, name, length);
                        n += length;
                }
                name += length + (name[length] == '/');
        }
        ret[n] = '\0';
}
