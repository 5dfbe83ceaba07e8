/* SPDX-License-Identifier: MIT */
#ifndef MF_RANGE_H
#define MF_RANGE_H

/* Parses the header Content-Range (RFC 9110, 14.4) in bytes. `text` may be NULL. Each function returns 1, or 0 when the text
 * is malformed. */

#include <stdint.h>

/* The header of an answer 206: "bytes 5-9/10". *total is 0 when the text has a star for it. */
int mf_parse_range(const char *text, uint64_t *start, uint64_t *total);

/* The header of an answer 416: "bytes", a star, "/10". */
int mf_parse_range_beyond(const char *text, uint64_t *total);

#endif
