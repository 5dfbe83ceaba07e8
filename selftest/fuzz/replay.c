/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>

#include "fuzz.h"

/* Without libFuzzer: `fuzz-NAME DIRECTORY...` runs on every file of the directories, and on what each is when it is cut. */

static size_t replay(const char *path)
{
        FILE *file = fopen(path, "re");
        uint8_t *data = malloc(1 << 20);
        size_t size, step;

        must(file && data);
        size = fread(data, 1, 1 << 20, file);
        must(feof(file));
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
        step = size / 64 + 1;
        for (size_t cut = 0; cut < size; cut += step) {
                uint8_t *part = malloc(cut + 1); /* so that what is read past the end is not ours */
                must(part);
                memcpy(part, data, cut);
                LLVMFuzzerTestOneInput(part, cut);
                free(part);
        }
        free(data);
        return 1;
}

int main(int argc, char **argv)
{
        size_t n = 0;

        for (int i = 1; i < argc; i++) {
                struct dirent **list;
                int entries = scandir(argv[i], &list, NULL, alphasort);
                must(entries >= 0);
                for (int j = 0; j < entries; j++) {
                        char path[4096];
                        snprintf(path, sizeof(path), "%s/%s", argv[i], list[j]->d_name);
                        if (list[j]->d_name[0] != '.')
                                n += replay(path);
                        free(list[j]);
                }
                free(list);
        }
        printf("%zu inputs\n", n);
        return n > 0 ? 0 : 1;
}
