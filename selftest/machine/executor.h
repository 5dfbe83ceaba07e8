/* SPDX-License-Identifier: MIT */
#ifndef EXECUTOR_H
#define EXECUTOR_H

/* For tests of what apps get: containers of the apps in machine/apps, and what these print. */

#include <mayfly/cmocka.h>

const char *app(const char *name);
struct mayfly_container *start_spec(struct mayfly_spec spec, const char *name);
struct mayfly_container *start(const char *name);
/* The start must fail, with each of the words (up to NULL) in its message. */
void start_fails(struct mayfly_spec spec, const char *name, int code, ...);
/* The app's output, once it has all of the text, within 5 s. */
char *await_log(struct mayfly_container *c, const char *text);
void expect_log(const char *name, const char *text);
/* A shell command's output. */
void expect_output(struct mayfly_container *c, const char *line, const char *output);

#endif
