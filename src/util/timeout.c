/* SPDX-License-Identifier: MIT */
#include "util/timeout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/time.h"

#define NAME "MAYFLY_TIMEOUT_FACTOR"
#define DIGITS "0123456789"
#define FACTOR_MAX 1000U

/* Reads a factor in thousandths. Not strtod(3), which reads what the locale wants. Returns 0 for anything else than a number from 1 to
 * 1000 with up to three digits after a point. */
static unsigned read_factor(const char *text)
{
        const size_t whole = strspn(text, DIGITS);
        const char *rest = text + whole;
        unsigned thousandths = 0;

        if (whole == 0 || whole > 4)
                return 0;
        if (*rest == '.') {
                const size_t n = strspn(++rest, DIGITS);
                unsigned unit = 100;
                if (n == 0 || n > 3)
                        return 0;
                for (size_t i = 0; i < n; i++, unit /= 10)
                        thousandths += (unsigned) (*rest++ - '0') * unit;
        }
        thousandths += (unsigned) strtoul(text, NULL, 10) * 1000;
        return *rest || thousandths < 1000 || thousandths > FACTOR_MAX * 1000 ? 0 : thousandths;
}

int mf_timeout_check(struct mayfly_error *err)
{
        const char *text = getenv(NAME);

        if (!text || !*text || read_factor(text))
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        NAME " is \"%.100s\"; give a number from 1 to %u, such as 2.5, or unset it", text, FACTOR_MAX);
}

unsigned mf_timeout_ms(unsigned ms)
{
        const char *text = getenv(NAME);
        const unsigned factor = text ? read_factor(text) : 0;
        const uint64_t scaled = (uint64_t) ms * factor / 1000;

        if (!factor || ms == UINT32_MAX)
                return ms;
        return scaled < UINT32_MAX ? (unsigned) scaled : UINT32_MAX;
}

uint64_t mf_timeout_end_from(uint64_t begin_us, unsigned ms)
{
        return begin_us + (uint64_t) mf_timeout_ms(ms) * 1000;
}

uint64_t mf_timeout_end(unsigned ms)
{
        return mf_timeout_end_from(mf_now_us(), ms);
}
