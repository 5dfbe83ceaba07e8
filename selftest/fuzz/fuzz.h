/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

/* What each fuzz-NAME.c has. With the preset "fuzz" libFuzzer calls it, else replay.c, with the files of corpus/NAME.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, for libFuzzer and the replay alike, when `condition` does not hold. */
#define must(condition)                                                                         \
        do {                                                                                    \
                if (!(condition)) {                                                             \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                                \
                }                                                                               \
        } while (0)

/* A string of its own size, so that reading past it is seen. NULL when there are NUL characters in it. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
        char *text = memchr(data, '\0', size) ? NULL : malloc(size + 1);

        if (text) {
                memcpy(text, data, size);
                text[size] = '\0';
        }
        return text;
}

/* What every failed call must have left. */
#define must_have_failed(r, err)                                                                \
        do {                                                                                    \
                must((r) < 0 && (err).code == (r) && (err).message[0]);                         \
                must(!strpbrk((err).message, "\n\r\t\x1b") || strstr((err).message, "\n  | ")); \
        } while (0)

#endif
