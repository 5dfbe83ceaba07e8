/* SPDX-License-Identifier: MIT */
#ifndef SMALL_IMAGE_H
#define SMALL_IMAGE_H

/* Makes an image of a busybox and what the shell commands `prepare` (may be NULL) add in the root's directory. `app` is
 * the manifest's JSON, or NULL for an image without an app. Returns the reference, in a buffer that lives as long as
 * the program; the image goes with it. */
const char *small_image(const char *name, const char *app, const char *prepare);
/* The same with the label "arch"; the other's is amd64. */
const char *small_image_for(const char *arch, const char *name, const char *app, const char *prepare);

#endif
