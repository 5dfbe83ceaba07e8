/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_COMPOSE_H
#define MF_CLI_COMPOSE_H

/* What `docker compose config --format json` prints, as a declaration. */

#include "cli/reader.h"

/* Whether a document is one of compose: it has services. */
int compose_is(const json_t *document);

/* Translates a document, which it changes. What has no effect here is named in a warning, what cannot be done in an error. *ret is for
 * json_decref(). Returns 0 or negative errno with an error. */
int compose_translate(const struct reader *reader, json_t *document, json_t **ret);

#endif
