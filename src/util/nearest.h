/* SPDX-License-Identifier: MIT */
#ifndef MF_NEAREST_H
#define MF_NEAREST_H

/* What somebody who mistyped a name probably meant. */

/* The longest name that is compared, in bytes. A longer one is near nothing. */
#define MF_NEAREST_MAX 64U

/* What a slip of the fingers does to a word of usual length. */
#define MF_MOST_EDITS 2U

/* How many edits make `b` of `a`, each of which inserts, removes or replaces a byte or swaps two neighbours (the
 * optimal string alignment distance of Damerau and Levenshtein). UINT_MAX when one of them is too long. */
unsigned mf_edits(const char *a, const char *b);

/* The first of those names of a NULL-terminated list that are nearest to `word`, if one is at most `most` edits away,
 * else NULL. */
const char *mf_nearest(const char *word, const char *const *names, unsigned most);

#define MF_MEANT_MAX (MF_NEAREST_MAX + 24U)
/* Returns how a message goes on that begins with "there is no ...": "; did you mean \"NAME\"?", which is written to `ret`, or `otherwise`
 * where nothing is near. */
const char *mf_meant(const char *word, const char *const *names, unsigned most, const char *otherwise,
                     char ret[MF_MEANT_MAX]);

#endif
