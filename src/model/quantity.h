/* SPDX-License-Identifier: MIT */
#ifndef MF_QUANTITY_H
#define MF_QUANTITY_H

/* Quantities of resources as Kubernetes writes them, which appc's isolators refer to: [sign]digits[.digits][suffix],
 * suffix being one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or e and a power of ten. */

#include <stdint.h>

/* *ret is the quantity times 10^decimals, rounded up, and INT64_MAX when it is more. -EINVAL when `text` is none,
 * -ERANGE when it is below zero. */
int mf_quantity_parse(const char *text, int decimals, uint64_t *ret);

#endif
