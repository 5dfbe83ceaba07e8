/* SPDX-License-Identifier: MIT */
#include "util/strv.h"

#include <errno.h>
#include <stdlib.h>

void mf_strv_free(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

int mf_strv_add(char ***list, char *string)
{
        size_t n = 0;

        while (*list && (*list)[n])
                n++;
        char **grown = string ? realloc(*list, (n + 2) * sizeof(char *)) : NULL;
        if (!grown) {
                free(string);
                return -ENOMEM;
        }
        *list = grown;
        grown[n] = string;
        grown[n + 1] = NULL;
        return 0;
}
