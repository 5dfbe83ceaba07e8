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
        char **signatures; /* where those of the images are */
        size_t n, allocated;
};

/* Takes over both, allocated, or NULL for out of memory. 0 or -ENOMEM. */
int mf_urls_add(struct mf_urls *urls, char *url, char *signature);
void mf_urls_clear(struct mf_urls *urls);

/* The signature of an image at a URL that says nothing of it: ".asc" after its path. NULL: out of memory. */
char *mf_url_of_signature(const char *url);

/* Likewise of one that a template became: what the template becomes with the signature's {ext}, if it has that. */
char *mf_url_of_template_signature(const struct mf_image_name *name, const char *template, const char *url);

/* `url`, as the mirrors have it and then as it is; its signature from the same place. 0 or -ENOMEM. */
int mf_urls_add_mirrored(struct mf_urls *urls, const struct mf_mirrors *mirrors, const char *url,
                         const char *signature);

/* Asks the name's own page, then those of its parents, for the URLs of images, in the order to try. *ret is for
 * mf_urls_clear(), set on success only, and then has some. -ENOENT when no page knows any, with all that was asked in
 * the message, and others. `text` is the reference, for progress; `options` has final values. */
int mf_discover(struct mf_urls *ret, const struct mf_image_name *name, const struct mf_mirrors *mirrors,
                const char *text, const struct mayfly_image_options *options, struct mayfly_error *err);

/* Likewise for the URLs of the keys that sign what is called `prefix`, or begins so: pages without a tag of keys are
 * passed over, whatever they say of images. */
int mf_discover_keys(struct mf_urls *ret, const char *prefix, const struct mf_mirrors *mirrors,
                     const struct mayfly_image_options *options, struct mayfly_error *err);

#endif
