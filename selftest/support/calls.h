/* SPDX-License-Identifier: MIT */
#ifndef CALLS_H
#define CALLS_H

/* Calls of the library that must work, or fail as they should: works(mayfly_container_pause(c, fresh())). Whatever does not fails the
 * running test. */

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <mayfly/container.h>
#include <mayfly/life.h>

/* Where the next call puts its error, and the message of the last one. */
struct mayfly_error *fresh(void);
const char *last_message(void);
void works(int r);
/* The call returned `code`, and its message has these words. */
void is_error(int r, int code, const char *words);

/* For a forked child, where an assertion of cmocka's would go on with the next test. */
#define CHECK(condition)                                                                                    \
        do {                                                                                                \
                if (!(condition)) {                                                                         \
                        fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, last_message()); \
                        _exit(1);                                                                           \
                }                                                                                           \
        } while (0)

/* The child exits with status 0. */
void ends_well(pid_t pid);

/* Runs a command line. Returns its exit status, or negative errno. */
int run_line(struct mayfly_container *c, const char *line);

struct mayfly_stats stats_of(struct mayfly_container *c);

/* Waits until the log has these words. */
void await_words(struct mayfly_container *c, const char *words);

#endif
