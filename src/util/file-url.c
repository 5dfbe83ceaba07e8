/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/file-url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

char *mf_file_url(const char *path)
{
        static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/-._~+";
        char *url = malloc(3 * strlen(path) + 8), *p;

        if (!url)
                return NULL;
        p = stpcpy(url, "file://");
        for (; *path; path++)
                if (strchr(plain, *path))
                        *p++ = *path;
                else
                        p += sprintf(p, "%%%02X", (unsigned) (unsigned char) *path);
        *p = '\0';
        return url;
}

char *mf_file_url_of(const char *path)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        mf_cleanup(mf_freep) char *directory = slash ? strndup(path, (size_t) (name - path)) : strdup(".");
        mf_cleanup(mf_freep) char *absolute = directory ? realpath(directory, NULL) : NULL;
        char *whole;

        if (!absolute || asprintf(&whole, "%s/%s", strcmp(absolute, "/") == 0 ? "" : absolute, name) < 0)
                return NULL;
        char *url = mf_file_url(whole);
        free(whole);
        return url;
}
