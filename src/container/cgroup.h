/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_CGROUP_H
#define MF_CONTAINER_CGROUP_H

/* The cgroups of a running container. */

#include <mayfly/container.h>

enum mf_cgroup_part {
        MF_CGROUP_WHOLE,  /* what mayfly-launch or systemd made for the container: the limits are there */
        MF_CGROUP_INSIDE, /* all processes inside are there, without mayfly-launch and systemd-nspawn */
};

/* Opens the directory of a cgroup of the container, in the hierarchy of cgroup v1 that has this controller or, with NULL, in that of
 * cgroup2. Returns a descriptor, or -ENOENT when the container has none of its own there. */
int mf_cgroup_open(const struct mayfly_container *container, const char *controller, enum mf_cgroup_part part);

/* Writes a file of a cgroup. Returns 0 or negative errno. */
int mf_cgroup_write(int directory, const char *file, const char *value);

#endif
