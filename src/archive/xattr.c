/* SPDX-License-Identifier: MIT */
#include "archive/xattr.h"

#include <string.h>

int mf_xattr_is_kept(const char *name)
{
        /* What overlayfs writes would mean something to it where an ordinary user mounts it. */
        return (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0) ||
               strcmp(name, "security.capability") == 0;
}
