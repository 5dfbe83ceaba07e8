/* SPDX-License-Identifier: MIT */
#ifndef WORK_H
#define WORK_H

/* A directory of the test program's own. Whatever fails here fails the running test. */

/* Defined by the test program: a template of mkdtemp(3) until make_work(). */
extern char work[];

/* Setup and teardown of the group. The directory must be empty at the end. */
int make_work(void **state);
int remove_work(void **state);

/* The path of a file in it. The last four stay valid. */
char *in_work(const char *name);

/* Runs a command line in it. */
__attribute__((format(printf, 1, 2))) void on_host(const char *format, ...);

#endif
