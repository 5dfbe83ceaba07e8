/* SPDX-License-Identifier: MIT */
#ifndef WAITS_H
#define WAITS_H

/* What the tests of waits have in common. Whatever fails here fails the running test. */

#include <mayfly/cmocka.h>

/* Apps: a command line, or listener.c. */
#define SH(line) .argv = MAYFLY_STRINGS("sh", "-c", line)
#define LISTENER_(...) .argv = MAYFLY_STRINGS("listener", __VA_ARGS__)

/* The container must start, and is stopped. */
void starts(const struct mayfly_spec *spec);

/* The start must fail with this code and each of the words (up to NULL) in its message. */
void fails(const struct mayfly_spec *spec, int code, ...);

void waits(struct mayfly_container *c, const struct mayfly_wait *wait);
void wait_fails(struct mayfly_container *c, const struct mayfly_wait *wait, int code, const char *words);

#endif
