/* SPDX-License-Identifier: MIT */
#include "archive/xattr.h"

#include <string.h>

int mf_xattr_is_kept(const char *name)
{
        return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}
