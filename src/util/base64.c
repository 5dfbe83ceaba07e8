/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *mf_base64_encode(const void *data, size_t size)
{
        const unsigned char *in = data;
        char *ret = malloc((size + 2) / 3 * 4 + 1), *out = ret;

        if (!ret)
                return NULL;
        for (size_t i = 0; i < size; i += 3) {
                uint32_t bits = (uint32_t) in[i] << 16 | (i + 1 < size ? (uint32_t) in[i + 1] << 8 : 0) |
                                (i + 2 < size ? in[i + 2] : 0);
                *out++ = digits[bits >> 18];
                *out++ = digits[bits >> 12 & 63];
                *out++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
                *out++ = i + 2 < size ? digits[bits & 63] : '=';
        }
        *out = '\0';
        return ret;
}

int mf_base64_decode(const char *text, char **ret, size_t *ret_size)
{
        size_t n = strcspn(text, "="), size = 0, pad = strlen(text + n);

        /* Complete padding, or none. */
        if (n % 4 == 1 || (pad && (pad != (4 - n % 4) % 4 || strspn(text + n, "=") != pad)))
                return -EINVAL;
        char *data = malloc(n / 4 * 3 + 4);
        if (!data)
                return -ENOMEM;
        uint32_t bits = 0;
        for (size_t i = 0; i < n; i++) {
                const char *digit = strchr(digits, text[i]);
                if (!digit) {
                        free(data);
                        return -EINVAL;
                }
                bits = bits << 6 | (uint32_t) (digit - digits);
                if (i % 4 > 0)
                        data[size++] = (char) (bits >> (6 - 2 * (i % 4)) & 255);
        }
        data[size] = '\0';
        *ret = data;
        *ret_size = size;
        return 0;
}
