/* SPDX-License-Identifier: MIT */
#include "archive/entry.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

int mf_entry_bad(struct mayfly_error *err, const struct mf_entry *entry, const char *why)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "archive entry \"%.300s\" %s", entry->name, why);
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
