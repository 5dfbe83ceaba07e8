/* SPDX-License-Identifier: MIT */
#ifndef CONTAINERS_H
#define CONTAINERS_H

/* What the machine tests do with containers. Whatever fails here fails the running test. */

#include <mayfly/container.h>

struct mayfly_container *start_container(const struct mayfly_spec *spec);

/* Waits until the app has written something. */
void await_output(struct mayfly_container *c);

/* The command line, run by the container's sh as this user, must print exactly this. */
void prints_as(struct mayfly_container *c, const char *user, const char *line, const char *expected);

#endif
