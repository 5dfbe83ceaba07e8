/* SPDX-License-Identifier: MIT */
#ifndef MF_RANGE_H
#define MF_RANGE_H

/* The header Content-Range (RFC 9110, 14.4) in bytes. `text` may be NULL; 0 when it is not as it must be. */

#include <stdint.h>

/* Of an answer 206: "bytes 5-9/10"; *total is 0 when it is unknown, a star. */
int mf_parse_range(const char *text, uint64_t *start, uint64_t *total);

/* Of an answer 416: "bytes", a star, "/10". */
int mf_parse_range_beyond(const char *text, uint64_t *total);

#endif
