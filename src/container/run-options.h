/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_RUN_OPTIONS_H
#define MF_CONTAINER_RUN_OPTIONS_H

/* What a spec has as docker's and podman's "run" have it: ulimits, sysctls, the size of /dev/shm, host name, extra hosts, devices, a
 * read-only root, labels. */

#include <mayfly/container.h>

struct mf_exec_block;

/* The address of host.mayfly in a container. */
const char *mf_host_address(enum mayfly_network_mode network);

/* Checks them, once the arrays of the spec are copies. Returns 0 or negative errno. */
int mf_run_options_check(const struct mayfly_spec *spec, struct mayfly_error *err);
/* Adds what mayfly-launch does of them to its arguments. Returns 0 or -ENOMEM. */
int mf_run_options_add(const struct mayfly_spec *spec, char ***argv);
/* Adds what mayfly-init does of them to its first message. */
void mf_run_options_tell(const struct mayfly_spec *spec, struct mf_exec_block *block);

#endif
