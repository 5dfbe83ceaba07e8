/* SPDX-License-Identifier: MIT */
#ifndef MF_DISCOVERY_H
#define MF_DISCOVERY_H

/* Meta discovery (appc specification, "App Container Image Discovery"): the pages of a name's host say where its images
 * are. */

#include <stddef.h>

#include <mayfly/image.h>

#include "fetch/mirrors.h"
#include "model/image-name.h"

struct mf_urls {
        char **list;
        char **signatures; /* the URL of the signature of each image */
        size_t n, allocated;
};

/* Adds a pair, and takes over both strings. NULL counts as short memory. Returns 0 or -ENOMEM. */
int mf_urls_add(struct mf_urls *urls, char *url, char *signature);
void mf_urls_clear(struct mf_urls *urls);

/* Returns the URL of the signature for the URL of an image: ".asc" is added to the path. Allocated; NULL when memory is
 * short. */
char *mf_url_of_signature(const char *url);

/* Returns the URL of the signature for a URL from a template: the template with the {ext} of signatures, or, if it has no
 * {ext}, mf_url_of_signature(). Allocated; NULL when memory is short. */
char *mf_url_of_template_signature(const struct mf_image_name *name, const char *template, const char *url);

/* Adds the URL on each mirror that has it, then the URL itself, each with the signature at the same place. Returns 0 or
 * -ENOMEM. */
int mf_urls_add_mirrored(struct mf_urls *urls, const struct mf_mirrors *mirrors, const char *url,
                         const char *signature);

/* Asks the page of the name, then the pages of its parents, for the URLs of images, in the order to try. *ret is for
 * mf_urls_clear(); it is set on success only, and not empty then. Returns 0, -ENOENT when no page has a URL (the message lists
 * all pages), or another negative errno. `text` is the reference, for progress; `options` has final values. */
int mf_discover(struct mf_urls *ret, const struct mf_image_name *name, const struct mf_mirrors *mirrors,
                const char *text, const struct mayfly_image_options *options, struct mayfly_error *err);

/* Does the same for the URLs of the keys that sign images whose names are, or begin with, `prefix`. Passes over pages without
 * a tag for keys, even when they have tags for images. */
int mf_discover_keys(struct mf_urls *ret, const char *prefix, const struct mf_mirrors *mirrors,
                     const struct mayfly_image_options *options, struct mayfly_error *err);

#endif
