/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_NOTES_H
#define MF_MANIFEST_NOTES_H

/* Facts about a valid manifest that an image configuration does not have, for `mayfly inspect`, and warnings of values that
 * are valid but doubtful. */

#include <stddef.h>

#include <mayfly/error.h>

#include "util/strv.h"

struct mf_notes {
        struct mf_strings annotations; /* "NAME=value" */
        struct mf_strings isolators;   /* names */
        struct mf_strings values;      /* the values of the isolators, as JSON, in the same order */
        struct mf_strings warnings;
        char *pretty; /* the manifest, indented */
};

/* Fills *ret from a manifest that mf_manifest_parse() accepted. *ret is for mf_notes_clear() in any case. Returns 0 or
 * -ENOMEM. */
int mf_manifest_notes(struct mf_notes *ret, const char *json, size_t size, struct mayfly_error *err);
void mf_notes_clear(struct mf_notes *notes);

#endif
