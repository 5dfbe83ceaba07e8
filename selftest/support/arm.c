/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "arm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a whole file, which the caller frees. */
static char *read_program(const char *path, size_t *ret_size)
{
        struct stat st;
        FILE *f = fopen(path, "re");

        if (!f || fstat(fileno(f), &st) < 0) {
                perror(path);
                exit(1);
        }
        *ret_size = (size_t) st.st_size;
        char *program = malloc(*ret_size);
        if (!program || fread(program, 1, *ret_size, f) != *ret_size)
                exit(1);
        fclose(f);
        return program;
}

void arm_program(const char *directory, const char *name, const char *mark, const char *text)
{
        char path[512], target[512];
        size_t size;

        snprintf(path, sizeof(path), "%s/%s.faulty", getenv("MAYFLY_LIBEXEC_FAULTY"), name);
        char *program = read_program(path, &size);
        /* The mark alone is also in what compares with it. */
        snprintf(target, sizeof(target), "%s0", mark);
        char *at = memmem(program, size, target, strlen(target));
        if (!at) {
                fprintf(stderr, "%s has no mark\n", path);
                exit(1);
        }
        memcpy(at + strlen(mark), text, strlen(text));
        snprintf(path, sizeof(path), "%s/new", directory);
        snprintf(target, sizeof(target), "%s/%s", directory, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (fd < 0 || write(fd, program, size) != (ssize_t) size || close(fd) < 0 || rename(path, target) < 0)
                exit(1);
        free(program);
}
