/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_NAME_H
#define MF_IMAGE_NAME_H

/* An image's name and labels as a reference gives them, "example.com/redis:7.2,os=linux": what is looked for, and what
 * the manifest of what was found must say. The form is the appc tools'. */

#include <stddef.h>

#include <mayfly/error.h>

struct mf_image_config;

struct mf_label {
        const char *name, *value;
};

struct mf_image_name {
        char *text;       /* as given */
        char *parts;      /* the same, cut into the strings below */
        char arch[65];    /* this host's */
        const char *name; /* an AC Identifier */
        /* Those that were asked for, then "os" and "arch" of this host and "version" latest, where they were not. */
        struct mf_label *labels;
        size_t n_labels, n_asked;
};

/* The caller owns *ret, which is set on success only. -EINVAL with a message. */
int mf_image_name_parse(struct mf_image_name **ret, const char *text, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_image_name *mf_image_name_free(struct mf_image_name *name);

/* The value of a label, given or by default; NULL without any. */
const char *mf_image_name_label(const struct mf_image_name *name, const char *label);

/* "{name}", "{LABEL}" and "{ext}" in a URL template become their values. *ret is allocated. -EINVAL when a variable has
 * no value: *ret is then the variable. -ENOMEM. */
int mf_image_name_render(const struct mf_image_name *name, const char *template, const char *ext, char **ret);

/* 0 when an image's manifest has the name, and every label that was asked for with its value; its os and arch, if it
 * has them, must be the host's where nothing was asked for. -EBADMSG with a message that names both. */
int mf_image_name_match(const struct mf_image_name *name, const struct mf_image_config *config,
                        struct mayfly_error *err);

#endif
