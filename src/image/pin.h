/* SPDX-License-Identifier: MIT */
#ifndef MF_PIN_H
#define MF_PIN_H

#include <mayfly/image.h>

#include "image/pull.h"

/* A pin of what was looked at, which it takes, and is found at `url`. */
int mf_pin_make(struct mayfly_pin **ret, struct mf_examined *image, const char *url, struct mayfly_error *err);

#endif
