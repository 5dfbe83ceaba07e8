/* SPDX-License-Identifier: MIT */
#include "util/strv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/error.h"

int mf_strv_has(const char *const *strings, const char *string)
{
        for (; strings && *strings; strings++)
                if (strcmp(*strings, string) == 0)
                        return 1;
        return 0;
}

void mf_strv_free(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

int mf_strv_add(char ***list, char *string)
{
        size_t n = mf_strv_length((const char *const *) *list);
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

int mf_strings_add(struct mf_strings *strings, char *string)
{
        char **grown = string ? mf_grow(strings->list, strings->n + 1, &strings->allocated, sizeof(char *)) : NULL;

        if (!grown) {
                free(string);
                return -ENOMEM;
        }
        strings->list = grown;
        grown[strings->n++] = string;
        grown[strings->n] = NULL;
        return 0;
}

void mf_strings_clear(struct mf_strings *strings)
{
        mf_strv_free(strings->list);
        *strings = (struct mf_strings){ 0 };
}

int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err)
{
        for (; env && *env; env++)
                if (!strchr(*env, '=') || **env == '=')
                        return mf_error(err, -EINVAL, stage, "%s has \"%.200s\", which is not of the form NAME=value",
                                        what, *env);
        return 0;
}
