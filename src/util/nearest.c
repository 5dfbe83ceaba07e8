/* SPDX-License-Identifier: MIT */
#include "util/nearest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static unsigned smaller(unsigned a, unsigned b)
{
        return a < b ? a : b;
}

unsigned mf_edits(const char *a, const char *b)
{
        size_t m = strlen(a), n = strlen(b);
        /* Row i has the distances of the first i bytes of `a`; only the last three rows are needed. */
        unsigned rows[3][MF_NEAREST_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];

        if (m > MF_NEAREST_MAX || n > MF_NEAREST_MAX)
                return UINT_MAX;
        memset(rows, 0, sizeof(rows));
        for (size_t j = 0; j <= n; j++)
                above[j] = (unsigned) j;
        for (size_t i = 1; i <= m; i++) {
                row[0] = (unsigned) i;
                for (size_t j = 1; j <= n; j++) {
                        row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = smaller(row[j], before[j - 2] + 1);
                }
                unsigned *oldest = before;
                before = above;
                above = row;
                row = oldest;
        }
        return above[n];
}

/* Whether half of the longer word is left after so many edits: between two words of two letters there are never more than two. */
static int is_alike(const char *a, const char *b, unsigned edits)
{
        const size_t m = strlen(a), n = strlen(b);

        return 2 * (size_t) edits <= (m > n ? m : n);
}

const char *mf_nearest(const char *word, const char *const *names, unsigned most)
{
        const char *found = NULL;

        for (; *names; names++) {
                unsigned edits = mf_edits(word, *names);
                if (edits > most || !is_alike(word, *names, edits) || (found && edits == most))
                        continue;
                found = *names;
                most = edits;
        }
        return found;
}

const char *mf_meant(const char *word, const char *const *names, unsigned most, const char *otherwise,
                     char ret[MF_MEANT_MAX])
{
        const char *name = mf_nearest(word, names, most);

        if (!name)
                return otherwise;
        snprintf(ret, MF_MEANT_MAX, "; did you mean \"%s\"?", name);
        return ret;
}
