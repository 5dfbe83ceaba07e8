/* SPDX-License-Identifier: MIT */
#ifndef FAULTS_H
#define FAULTS_H

/* Fault injection. A program linked with the wrappers of faults.c (ld's --wrap, see selftest/CMakeLists.txt) calls the
 * C library through them, so that any one of its calls can be made to fail, as if memory, descriptors or the like had
 * run out. Calls of other libraries are left alone. */

/* Which call is to fail, counted from 1 from now on; 0 for none. */
void faults_arm(unsigned number);
/* Ends it. The name of the function that failed, NULL if there were not so many calls. */
const char *faults_disarm(void);

/* In the image of a program that is linked with faults.c there is this text, followed by eight digits: the number that
 * is armed from the start. A test makes a copy with other digits. What fails is told on standard error as "fault:
 * NAME". */
#define FAULTS_MARK "mayfly-fault:"

#endif
