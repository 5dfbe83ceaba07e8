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
 * is armed from the start. A test makes a copy with other digits. What fails is told as "fault: NAME": in the file
 * "faults" beside the program if there is one, else on standard error. */
#define FAULTS_MARK "mayfly-fault:"

/* In the same way this text is followed by "NUMBER ERROR KIND": each call of the system call with that number (four digits)
 * fails with that errno (three digits), as on a kernel that lacks it. Kinds: '-' all calls; 'i' mount_setattr(2) with
 * MOUNT_ATTR_IDMAP only. Number 9999 is mount(2): 'o' of an overlay, 'p' of an overlay without metacopy=on (which has
 * idmapped layers), 't' of a tmpfs. Number 0000 is none. */
#define FAULTS_LACK "mayfly-lack:"

/* Whether this call of a function is the one that fails; sets errno then. */
int faults_fails(const char *name, int error);

#define WRAP(type, name, error, failure, parameters, ...) \
        type __real_##name parameters;                    \
        type __wrap_##name parameters;                    \
        type __wrap_##name parameters                     \
        {                                                 \
                if (faults_fails(#name, error))           \
                        return failure;                   \
                return __real_##name(__VA_ARGS__);        \
        }

#endif
