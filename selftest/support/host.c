/* SPDX-License-Identifier: MIT */
#include "support/host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *test_image(const char *name)
{
        char variable[100] = "MAYFLY_TEST_";
        size_t n = strlen(variable);

        for (; *name && n + 1 < sizeof(variable); name++)
                variable[n++] = (char) (*name == '-' ? '_' : *name >= 'a' && *name <= 'z' ? *name - 32 : *name);
        variable[n] = '\0';
        const char *reference = getenv(variable);
        if (!reference) {
                fprintf(stderr, "%s is not set; run selftest/support/make-images and source its images.env\n",
                        variable);
                exit(1);
        }
        return reference;
}

unsigned count_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        while (dir && readdir(dir))
                n++;
        if (dir)
                closedir(dir);
        return n;
}
