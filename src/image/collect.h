/* SPDX-License-Identifier: MIT */
#ifndef MF_COLLECT_H
#define MF_COLLECT_H

/* Keeping the store from growing without end. */

#include "image/get.h"

/* After a fetch, while the image is open: removes images that nobody has used for long, and the longest unused ones while
 * the store is too large, by the limits in the request's options. Looks once a minute at most. Reports what was removed
 * as progress. A store that cannot be collected stays as it is: the fetch did what it was asked. */
void mf_collect(const struct mf_image_request *request);

#endif
