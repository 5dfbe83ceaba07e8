/* SPDX-License-Identifier: MIT */
#ifndef HOST_H
#define HOST_H

/* What machine tests find on the host: the images of support/make-images, and the process itself. */

/* The reference of an image, by its name in lower case; the program ends with a message where it is not in the environment. */
const char *test_image(const char *name);

/* The number of open file descriptors. */
unsigned count_descriptors(void);

#endif
