/* SPDX-License-Identifier: MIT */
#ifndef CONTAINERS_H
#define CONTAINERS_H

/* What the machine tests do with containers. Whatever fails here fails the running test. */

#include <mayfly/container.h>

struct mayfly_container *start_container(const struct mayfly_spec *spec);

/* The start must fail with this code and a message that has these words. */
void start_fails(const struct mayfly_spec *spec, int code, const char *words);

/* Waits until the app has written something. */
void await_output(struct mayfly_container *c);

/* The command line, run by the container's sh as this user, must print exactly this. */
void prints_as(struct mayfly_container *c, const char *user, const char *line, const char *expected);

/* For __attribute__((cleanup)). */
void free_result(struct mayfly_result **r);

/* For what must end long before: a wait that goes on until then runs into ctest's own limit. */
#define FOREVER_MS 600000U

/* Runs a command line in the container's sh. Returns its exit status, or minus the signal that ended it. */
int sh(struct mayfly_container *c, const char *line);

/* Waits for the app, which must exit with `status` and have written `output`, and frees the container. */
void ends(struct mayfly_container *c, int status, const char *output);

/* Stops and frees the container, whose app must have been killed for its lateness or not. */
void stops(struct mayfly_container *c, int timed_out);

#endif
