/* SPDX-License-Identifier: MIT */
#ifndef MF_BASE64_H
#define MF_BASE64_H

/* Base64 with the usual alphabet (RFC 4648, 4). */

#include <stddef.h>

/* Returns the text for `size` bytes, with padding. Allocated; NULL when memory is short. */
char *mf_base64_encode(const void *data, size_t size);

/* Decodes a text, whose padding may be missing. *ret is allocated and ends with a NUL that *ret_size does not count; both are set
 * on success only. Returns 0, -EINVAL when the text is not base64, or -ENOMEM. */
int mf_base64_decode(const char *text, char **ret, size_t *ret_size);

#endif
