/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model/quantity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

#define DIGITS_MAX 20U     /* more than 2^64 has; such a number times 2^60 fits in 128 bits */
#define EXPONENT_MAX 1000L /* a larger exponent makes any number 0 or too large */

typedef unsigned __int128 wide;

/* Parses the number before the suffix: *ret_mantissa * 10^*ret_exponent. *ret_cut is 1 when digits were left out. Returns the
 * end of the number, or NULL when there is none. */
static const char *parse_number(const char *p, wide *ret_mantissa, long *ret_exponent, int *ret_cut)
{
        unsigned n_digits = 0, n_significant = 0;
        int point = 0;

        *ret_mantissa = 0;
        *ret_exponent = 0;
        *ret_cut = 0;
        for (; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
                if (*p == '.') {
                        point = 1;
                        continue;
                }
                n_digits++;
                if (*p != '0' || n_significant > 0)
                        n_significant++;
                if (n_significant > DIGITS_MAX) {
                        *ret_cut |= *p != '0';
                        *ret_exponent += !point;
                } else {
                        *ret_mantissa = *ret_mantissa * 10 + (unsigned) (*p - '0');
                        *ret_exponent -= point;
                }
        }
        return n_digits > 0 ? p : NULL;
}

/* Adds the power that the suffix stands for to the exponents of ten and two. Returns 0 or -EINVAL. */
static int parse_suffix(const char *suffix, long *ten, unsigned *two)
{
        static const struct {
                const char *suffix;
                int ten;
                unsigned two;
        } known[] = {
                { "", 0, 0 },    { "n", -9, 0 },  { "u", -6, 0 },  { "m", -3, 0 },  { "k", 3, 0 },   { "M", 6, 0 },
                { "G", 9, 0 },   { "T", 12, 0 },  { "P", 15, 0 },  { "E", 18, 0 },  { "Ki", 0, 10 }, { "Mi", 0, 20 },
                { "Gi", 0, 30 }, { "Ti", 0, 40 }, { "Pi", 0, 50 }, { "Ei", 0, 60 },
        };
        char *end;

        for (size_t i = 0; i < MF_ELEMENTSOF(known); i++)
                if (strcmp(suffix, known[i].suffix) == 0) {
                        *ten += known[i].ten;
                        *two = known[i].two;
                        return 0;
                }
        if ((*suffix != 'e' && *suffix != 'E') || !strchr("+-0123456789", suffix[1]) || !suffix[1])
                return -EINVAL;
        errno = 0;
        long exponent = strtol(suffix + 1, &end, 10);
        if (*end || end == suffix + 1)
                return -EINVAL;
        *ten += exponent > EXPONENT_MAX ? EXPONENT_MAX : exponent < -EXPONENT_MAX ? -EXPONENT_MAX : exponent;
        return 0;
}

int mf_quantity_parse(const char *text, int decimals, uint64_t *ret)
{
        int negative = *text == '-', cut;
        unsigned two = 0;
        wide value;
        long ten;

        const char *suffix = parse_number(text + (*text == '-' || *text == '+'), &value, &ten, &cut);
        if (!suffix || parse_suffix(suffix, &ten, &two) < 0)
                return -EINVAL;
        if (negative && (value > 0 || cut))
                return -ERANGE;
        value <<= two;
        ten += decimals;
        for (; ten < 0 && value > 0; ten++) {
                cut |= value % 10 != 0;
                value /= 10;
        }
        for (; ten > 0 && value > 0 && value <= INT64_MAX; ten--)
                value *= 10;
        value += cut != 0;
        *ret = value > INT64_MAX ? INT64_MAX : (uint64_t) value;
        return 0;
}
