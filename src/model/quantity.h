/* SPDX-License-Identifier: MIT */
#ifndef MF_QUANTITY_H
#define MF_QUANTITY_H

/* Quantities of resources as Kubernetes writes them, which appc's isolators use: [sign]digits[.digits][suffix], where the
 * suffix is one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or e and a power of ten. */

#include <stdint.h>

/* Sets *ret to the quantity times 10^decimals, rounded up, and at most INT64_MAX. Returns 0, -EINVAL when `text` is not a
 * quantity, or -ERANGE when it is below zero. */
int mf_quantity_parse(const char *text, int decimals, uint64_t *ret);

#endif
