/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/snapshot-xattr.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "util/macro.h"

#define CAPABILITY "security.capability"
#define ACL "system.posix_acl_"
#define METADATA_ALONE "trusted.overlay.metacopy" /* the content is that of the layers below */
#define NAMES_MAX 65536U
#define PATH_SIZE (64 + NAME_MAX)

uint32_t mf_shift_id(const struct mf_shift *shift, uint32_t id)
{
        if (!shift->ids)
                return id;
        return id >= shift->ids && id - shift->ids < shift->n_ids ? id - shift->ids : 0;
}

static int begins(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

/* What overlayfs says of a file, after "trusted.overlay." or "user.overlay."; NULL for other attributes. */
static const char *overlay_name(const char *name)
{
        if (begins(name, "trusted.overlay."))
                return name + strlen("trusted.overlay.");
        return begins(name, "user.overlay.") ? name + strlen("user.overlay.") : NULL;
}

/* Whether the attribute goes along. Of overlayfs's own these say what is hidden and what was renamed; the others are about the file
 * system that they are on. */
static int is_wanted(const char *name)
{
        static const char *const of_overlay[] = { "opaque", "redirect", "whiteout", "whiteouts" };
        const char *overlay = overlay_name(name);

        for (size_t i = 0; overlay && i < MF_ELEMENTSOF(of_overlay); i++)
                if (strcmp(overlay, of_overlay[i]) == 0)
                        return 1;
        if (strcmp(name, METADATA_ALONE) == 0)
                return 1;
        return !overlay && (begins(name, "user.") || begins(name, "trusted.") || begins(name, ACL) ||
                            strcmp(name, CAPABILITY) == 0);
}

/* Makes capabilities of the container's root those of any namespace that the file is shown in. Returns the new size. */
static size_t shift_capability(const struct mf_shift *shift, void *value, size_t size)
{
        struct vfs_ns_cap_data *data = value;

        if (size != XATTR_CAPS_SZ_3 || mf_shift_id(shift, le32toh(data->rootid)) != 0)
                return size;
        data->magic_etc = htole32(VFS_CAP_REVISION_2 | (le32toh(data->magic_etc) & VFS_CAP_FLAGS_EFFECTIVE));
        return XATTR_CAPS_SZ_2;
}

static void shift_acl(const struct mf_shift *shift, void *value, size_t size)
{
        struct posix_acl_xattr_entry *entry = (void *) ((char *) value + sizeof(struct posix_acl_xattr_header));

        if (size < sizeof(struct posix_acl_xattr_header))
                return;
        for (size_t n = (size - sizeof(struct posix_acl_xattr_header)) / sizeof(*entry); n > 0; n--, entry++)
                if (le16toh(entry->e_tag) == ACL_USER || le16toh(entry->e_tag) == ACL_GROUP)
                        entry->e_id = htole32(mf_shift_id(shift, le32toh(entry->e_id)));
}

static int copy_one(const struct mf_shift *shift, const char *from, const char *to, const char *name)
{
        mf_cleanup(mf_freep) char *value = malloc(XATTR_SIZE_MAX);

        if (!value)
                return -ENOMEM;
        ssize_t n = lgetxattr(from, name, value, XATTR_SIZE_MAX);
        if (n < 0)
                return -errno;
        size_t size = (size_t) n;
        if (strcmp(name, CAPABILITY) == 0)
                size = shift_capability(shift, value, size);
        else if (begins(name, ACL))
                shift_acl(shift, value, size);
        return lsetxattr(to, name, value, size, 0) < 0 ? -errno : 0;
}

/* For the calls that take no directory. */
static void write_path(int directory, const char *name, char ret[PATH_SIZE])
{
        snprintf(ret, PATH_SIZE, "/proc/self/fd/%d/%s", directory, name);
}

/* Reads what overlayfs says of an entry. Returns the size, or negative errno when it says nothing. */
static ssize_t read_overlay(int directory, const char *name, const char *what, char *ret, size_t size)
{
        static const char *const prefixes[] = { "trusted.overlay.", "user.overlay." };
        char path[PATH_SIZE], attribute[64];
        ssize_t n = -ENODATA;

        write_path(directory, name, path);
        for (size_t i = 0; n < 0 && i < MF_ELEMENTSOF(prefixes); i++) {
                snprintf(attribute, sizeof(attribute), "%s%s", prefixes[i], what);
                n = lgetxattr(path, attribute, ret, size);
        }
        return n;
}

int mf_snapshot_is_opaque(int directory, const char *name)
{
        char value = '\0';

        return read_overlay(directory, name, "opaque", &value, 1) == 1 && value == 'y';
}

int mf_snapshot_is_redirected(int directory, const char *name)
{
        return read_overlay(directory, name, "redirect", NULL, 0) > 0;
}

int mf_snapshot_has_metadata_alone(int directory, const char *name)
{
        char path[PATH_SIZE];

        write_path(directory, name, path);
        return lgetxattr(path, METADATA_ALONE, NULL, 0) >= 0;
}

/* Lists the attributes of a file into `ret`, which has NAMES_MAX bytes. Returns their size, 0 where there can be none, or negative errno. */
static ssize_t list(const char *path, char *ret)
{
        ssize_t n = llistxattr(path, ret, NAMES_MAX);

        return n < 0 && errno != ENOTSUP ? -errno : n < 0 ? 0 : n;
}

int mf_snapshot_clear_xattrs(int directory, const char *name)
{
        mf_cleanup(mf_freep) char *names = malloc(NAMES_MAX);
        char path[PATH_SIZE];

        if (!names)
                return -ENOMEM;
        write_path(directory, name, path);
        ssize_t n = list(path, names);
        for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
                if (!overlay_name(p) && is_wanted(p) && lremovexattr(path, p) < 0)
                        return -errno;
        return n < 0 ? (int) n : 0;
}

int mf_snapshot_copy_xattrs(const struct mf_shift *shift, int from, int to, const char *name, int keeps_content)
{
        mf_cleanup(mf_freep) char *names = malloc(NAMES_MAX);
        char source[PATH_SIZE], copy[PATH_SIZE];
        int r = 0;

        if (!names)
                return -ENOMEM;
        write_path(from, name, source);
        write_path(to, name, copy);
        ssize_t n = list(source, names);
        if (n < 0)
                return (int) n;
        for (const char *p = names; r == 0 && p < names + n; p += strlen(p) + 1) {
                if (strcmp(p, "user.overlay.metacopy") == 0)
                        return -ENOTSUP; /* no overlay of ours makes it */
                if (is_wanted(p) && !(keeps_content && overlay_name(p)))
                        r = copy_one(shift, source, copy, p);
        }
        return r;
}
