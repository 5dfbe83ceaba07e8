/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_H
#define MF_MANIFEST_H

/* An appc image manifest, checked whole, becomes a run configuration: what the container side needs, which knows
 * nothing of appc. Only user of jansson. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

struct mf_run_config {
        char *name;             /* the image's name */
        char **labels;          /* the image's, "NAME=value", NULL-terminated, never NULL */
        char **exec;            /* argv of the app, NULL-terminated; NULL when the image has no app */
        char **env;             /* "NAME=value", NULL-terminated, never NULL */
        char *user;             /* never NULL when exec is set */
        char *group;            /* likewise */
        uint32_t *extra_groups; /* supplementaryGIDs */
        size_t n_extra_groups;
        char *cwd;            /* working directory, "/" by default */
        char **unsupported;   /* what the manifest asks for that mayfly does not do yet (dependencies, hooks, isolator
                                 names, ...), NULL-terminated, never NULL */
        int has_dependencies; /* running without them would run something else */
};

/* Parses `size` bytes of JSON. *ret is set on success only; the caller owns it. -EBADMSG for a bad manifest, with the
 * JSON path and the offending value in the message. */
int mf_manifest_parse(struct mf_run_config **ret, const char *json, size_t size, struct mayfly_error *err);

/* NULL is fine; returns NULL. */
struct mf_run_config *mf_run_config_free(struct mf_run_config *config);

#endif
