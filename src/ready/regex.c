/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ready/regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"

/* regcomp(3) says what is wrong, but not where. */

static int compiles(const char *pattern)
{
        regex_t regex;

        if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
                return 0;
        regfree(&regex);
        return 1;
}

/* Whether the first n bytes compile, if `closers` parentheses are closed after them. `scratch` has room for all. */
static int prefix_compiles(const char *pattern, size_t n, size_t closers, char *scratch)
{
        memcpy(scratch, pattern, n);
        memset(scratch + n, ')', closers);
        scratch[n + closers] = '\0';
        return compiles(scratch);
}

/* Returns how many bytes come before the mistake. That is the longest beginning that can be made whole by closing its
 * parentheses; or, where all of the pattern can, the longest that is whole as it is. */
static size_t find_mistake(const char *pattern)
{
        size_t length = strlen(pattern);
        mf_cleanup(mf_freep) char *scratch = malloc(2 * length + 1);
        size_t open = 0, whole = 0, closable = 0;

        for (size_t n = 1; scratch && n <= length; n++) {
                int can_be_closed = 0;
                open += pattern[n - 1] == '(';
                if (prefix_compiles(pattern, n, 0, scratch))
                        whole = n;
                for (size_t closers = 0; !can_be_closed && closers <= open; closers++)
                        can_be_closed = prefix_compiles(pattern, n, closers, scratch);
                if (can_be_closed)
                        closable = n;
        }
        return closable == length ? whole : closable;
}

static size_t count_characters(const char *text, size_t size)
{
        size_t count = 0;
        int32_t code;

        for (size_t i = 0; i < size; i += mf_utf8_next(text + i, &code))
                count++;
        return count;
}

#define PATTERN_LOOKED_AT 200U /* finding the place takes the square of the length, or worse */

int mf_regex_compile(regex_t *ret, const char *pattern, struct mayfly_error *err)
{
        char why[128];

        int r = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);
        if (r == 0)
                return 0;
        regerror(r, ret, why, sizeof(why));
        if (r == REG_ESPACE)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        if (strlen(pattern) > PATTERN_LOOKED_AT)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the regular expression \"%.60s...\" does not compile: %s", pattern, why);
        size_t at = find_mistake(pattern);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the regular expression \"%s\" is wrong at character %zu, \"%s\": %s; for plain text there is "
                        "log_text",
                        pattern, count_characters(pattern, at) + 1, pattern + at, why);
}

int mf_regex_matches(const regex_t *regex, const char *text, size_t size)
{
        regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t) size };

        return regexec(regex, text, 1, &range, REG_STARTEND) == 0;
}
