/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/layer-rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

#define ROOTFS "rootfs" /* where the store has the files of a layer */
#define WHITEOUT ".wh."
#define AUFS ".wh..wh."
#define OPAQUE ".wh..wh..opq"

/* Sets *ret to "rootfs/NAME", or to "rootfs" for the root. Returns 0 or -EBADMSG. */
static int place_of(const struct mf_entry *entry, const char *name, char ret[PATH_MAX], struct mayfly_error *err)
{
        char clean[PATH_MAX];
        const char *why;

        mf_entry_normalize(name + strspn(name, "/"), clean, &why);
        if (!why && strlen(clean) + sizeof(ROOTFS) + 1 >= PATH_MAX)
                why = "has too long a name";
        if (why)
                return mf_entry_bad(err, entry, why);
        snprintf(ret, PATH_MAX, ROOTFS "%s%.*s", *clean ? "/" : "", (int) (PATH_MAX - sizeof(ROOTFS) - 1), clean);
        return 0;
}

/* Whether a directory on the way to the last component has a name that begins with `prefix`. */
static int is_below(const char *path, const char *prefix)
{
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
                if (strncmp(slash + 1, prefix, strlen(prefix)) == 0 && strchr(slash + 1, '/'))
                        return 1;
        return 0;
}

/* Tells what the name means. ret->path is then the path that it is about. Returns 0 or -EBADMSG. */
static int read_role(const struct mf_entry *entry, struct mf_oci_place *ret, struct mayfly_error *err)
{
        char *slash = strrchr(ret->path, '/'), *base = slash ? slash + 1 : ret->path;

        ret->role = MF_OCI_ENTRY;
        if (is_below(ret->path, AUFS)) {
                ret->role = MF_OCI_IGNORED;
                return 0;
        }
        if (is_below(ret->path, WHITEOUT))
                return mf_entry_bad(err, entry,
                                    "lies in a directory whose name begins with \".wh.\", which in a layer means that "
                                    "something is gone; rename the directory");
        if (strncmp(base, WHITEOUT, strlen(WHITEOUT)) != 0)
                return 0;
        if (slash && strcmp(base, OPAQUE) == 0) {
                ret->role = MF_OCI_OPAQUE;
                *slash = '\0';
                return 0;
        }
        if (strncmp(base, AUFS, strlen(AUFS)) == 0) {
                ret->role = MF_OCI_IGNORED;
                return 0;
        }
        const char *name = base + strlen(WHITEOUT);
        if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return mf_entry_bad(err, entry,
                                    "says that something is gone, but not what; a name must follow \".wh.\"");
        ret->role = MF_OCI_WHITEOUT;
        memmove(base, name, strlen(name) + 1);
        return 0;
}

int mf_oci_entry_place(const struct mf_entry *entry, struct mf_oci_place *ret, struct mayfly_error *err)
{
        ret->target[0] = '\0';
        int r = place_of(entry, entry->name, ret->path, err);
        if (r == 0)
                r = read_role(entry, ret, err);
        if (r < 0 || ret->role != MF_OCI_ENTRY)
                return r;
        if (strcmp(ret->path, ROOTFS) == 0 && (!S_ISDIR(entry->mode) || entry->hardlink))
                return mf_entry_bad(err, entry, "is the root of the image, but not a directory");
        if (!entry->hardlink)
                return 0;
        r = place_of(entry, entry->hardlink, ret->target, err);
        return r == 0 && strcmp(ret->target, ROOTFS) == 0 ? mf_entry_bad(err, entry, "is a hard link to nothing") : r;
}
