/* SPDX-License-Identifier: MIT */
#ifndef MF_PIN_H
#define MF_PIN_H

#include <mayfly/image.h>

#include "image/pull.h"

/* Makes a pin for an image that was examined, and can be fetched from `url`. Takes over *image. Returns 0 or -ENOMEM. */
int mf_pin_make(struct mayfly_pin **ret, struct mf_examined *image, const char *url, struct mayfly_error *err);

#endif
