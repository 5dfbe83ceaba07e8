/* SPDX-License-Identifier: MIT */
#ifndef MF_RAW_START_H
#define MF_RAW_START_H

/*
 * Starts a program of mayfly (mayfly-launch, mayfly-helper) so that the calling program does not notice: no SIGCHLD, and nothing that its wait(2) calls
 * could find. Between the clone and the execution there are only raw system calls, since the program may have other
 * threads, and a copy of it has their locks as they happened to be.
 */

#include <sys/types.h>

struct mf_raw_start {
        char *const *argv; /* argv[0] is a path */
        char *const *env;  /* NULL for a PATH alone */
        int control;       /* becomes standard input */
        int boot_log;      /* becomes standard output and error */
        int report;        /* becomes descriptor 3; the pidfd of the new process is sent there in an MF_MESSAGE_READY */
        int is_tied;       /* SIGKILL ends it once nobody has the other end of `control`, a pipe's for reading */
};

/*
 * Starts it. Processes of ours that end must be reaped, or they stay as zombies. Where PID 1 reaps, the child that
 * starts the program ends at once, so that the program belongs to PID 1, and *ret_reaper is -1. Elsewhere (`sleep
 * infinity` or the test itself as PID 1 of a job's container), or when the caller is a subreaper, the child stays as a
 * copy of the program that executes nothing, for a child that executes a program becomes visible to wait(2). Then
 * *ret_reaper is a pidfd of the child. It ends after the program and all its descendants have ended; the caller then
 * calls mf_raw_start_reap(). Returns 0 or negative errno.
 */
int mf_raw_start(const struct mf_raw_start *request, int *ret_reaper);

/*
 * Waits for the pidfd of the started program on `report`, the other end of the request's, which nobody else may have.
 * `reaper` is what mf_raw_start() gave. Returns 0, or the negative errno that kept the program from being started.
 */
int mf_raw_start_hear(int report, int reaper, int *ret_pidfd);

/*
 * Does both for a program that reports nothing itself: the request's `report` is not used. `ret_reaper` is as mf_raw_start() gives it, also
 * after a failure. Returns 0 or negative errno.
 */
int mf_raw_start_program(const struct mf_raw_start *request, int *ret_pidfd, int *ret_reaper);

/* Reaps what `reaper` refers to. Returns 1 if it is reaped, 0 if it has not ended yet. */
int mf_raw_start_reap(int reaper);

/* Waits for the end of what `reaper` refers to, and reaps it. */
void mf_raw_start_await(int reaper);

#endif
