/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_NOTES_H
#define MF_MANIFEST_NOTES_H

/* What a valid manifest has that a run configuration does not, for those who look at it; and what in it is valid but
 * doubtful. */

#include <stddef.h>

#include <mayfly/error.h>

#include "util/strv.h"

struct mf_notes {
        struct mf_strings annotations; /* "NAME=value" */
        struct mf_strings isolators;   /* their names */
        struct mf_strings values;      /* of the isolators, as JSON */
        struct mf_strings warnings;
        char *pretty; /* the manifest, indented */
};

/* Of a manifest that mf_manifest_parse() took. *ret is for mf_notes_clear() in any case. -ENOMEM. */
int mf_manifest_notes(struct mf_notes *ret, const char *json, size_t size, struct mayfly_error *err);
void mf_notes_clear(struct mf_notes *notes);

#endif
