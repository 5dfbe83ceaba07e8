/* SPDX-License-Identifier: MIT */
#ifndef CALLS_H
#define CALLS_H

/* Calls of the library that must work, or fail as they should: works(mayfly_container_pause(c, fresh())). Whatever does not fails the
 * running test. */

#include <mayfly/container.h>
#include <mayfly/life.h>

/* Where the next call puts its error. */
struct mayfly_error *fresh(void);
void works(int r);
/* The call returned `code`, and its message has these words. */
void is_error(int r, int code, const char *words);

struct mayfly_stats stats_of(struct mayfly_container *c);

/* Waits until the log has these words. */
void await_words(struct mayfly_container *c, const char *words);

#endif
