/* SPDX-License-Identifier: MIT */
#ifndef MF_TEXT_H
#define MF_TEXT_H

#include <string.h>

/* Returns where the ending begins in a text that has it, else NULL. */
static inline const char *mf_ending(const char *text, const char *ending)
{
        const size_t length = strlen(text), n = strlen(ending);

        return length >= n && strcmp(text + length - n, ending) == 0 ? text + length - n : NULL;
}

/* Whether a name is more than this ending, and has it. */
static inline int mf_has_ending(const char *name, const char *ending)
{
        const char *at = mf_ending(name, ending);

        return at && at > name;
}

#endif
