/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_NAME_H
#define MF_OCI_NAME_H

/* The name of an image in a registry, "127.0.0.1:5000/team/redis:7.2": the registry, the repository in it, and a tag. Short names
 * are those of docker.io, as all tools for containers have it: "redis" is docker.io/library/redis. */

#include <mayfly/error.h>

struct mf_oci_name {
        char *registry;   /* host, or host:port; "docker.io" when the text has none */
        char *repository; /* "library/redis" */
        char *tag;        /* NULL when the text has none */
};

/* Parses a name without a digest. *ret is for mf_oci_name_clear(), set on success only. Returns 0, -EINVAL or -ENOMEM. */
int mf_oci_name_parse(struct mf_oci_name *ret, const char *text, struct mayfly_error *err);
void mf_oci_name_clear(struct mf_oci_name *name);

/* Returns the host whose API serves the images of a registry. It is another one for docker.io only. */
const char *mf_oci_api_host(const char *registry);

#endif
