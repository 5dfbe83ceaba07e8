/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_NAME_H
#define MF_IMAGE_NAME_H

/* The name and labels of an image in a reference, "example.com/redis:7.2,os=linux". mayfly looks for an image with them, and
 * compares them with the manifest of the image that it found. The appc tools write names in the same form. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_image_config;

struct mf_label {
        const char *name, *value;
};

struct mf_image_name {
        char *text;       /* as given */
        char *parts;      /* a copy, split into the strings below */
        char arch[65];    /* of this host */
        const char *name; /* an AC Identifier */
        /* The labels that the text has, then defaults for those it lacks: "os" and "arch" of this host, "version" latest. */
        struct mf_label *labels;
        size_t n_labels, n_asked;
};

/* Parses `text`. The caller owns *ret, which is set on success only. Returns 0, -EINVAL or -ENOMEM. */
int mf_image_name_parse(struct mf_image_name **ret, const char *text, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_image_name *mf_image_name_free(struct mf_image_name *name);

/* Returns the value of a label, given or by default; NULL when there is none. */
const char *mf_image_name_label(const struct mf_image_name *name, const char *label);

/* Replaces "{name}", "{LABEL}" and "{ext}" in a URL template by their values. *ret is allocated. Returns 0, -ENOMEM, or -EINVAL
 * when a variable has no value: *ret is then the variable. */
int mf_image_name_render(const struct mf_image_name *name, const char *template, const char *ext, char **ret);

/* Compares the name with the manifest of an image. The manifest must have the same name, and every label that was asked for.
 * Where no os or arch was asked for, those of the manifest, if it has any, must be the host's. Returns 0, or -EBADMSG with a
 * message that shows both. */
int mf_image_name_match(const struct mf_image_name *name, const struct mf_image_config *config,
                        struct mayfly_error *err);

/* Sets *ret to the architecture of this host. The name is appc's, or that of uname(2) where appc has no other. */
void mf_host_arch(char ret[65]);

#endif
