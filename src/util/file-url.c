/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/file-url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* Returns the value of a hex digit, or -1. */
static int digit(char c)
{
        const char *digits = "0123456789abcdef";
        const char *at = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;

        return at ? (int) (at - digits) : -1;
}

char *mf_file_url_path(const char *url)
{
        char *path, *p;

        if (strncasecmp(url, "file://", 7) == 0)
                url += 7;
        if (strncasecmp(url, "localhost/", 10) == 0)
                url += 9;
        path = p = strdup(url);
        for (; path && *url; p++) {
                int high = *url == '%' ? digit(url[1]) : -1, low = high >= 0 ? digit(url[2]) : -1;
                *p = low >= 0 && (high || low) ? (char) (high * 16 + low) : *url;
                url += low >= 0 && (high || low) ? 3 : 1;
        }
        if (path)
                *p = '\0';
        return path;
}
