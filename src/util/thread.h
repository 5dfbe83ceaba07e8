/* SPDX-License-Identifier: MIT */
#ifndef MF_THREAD_H
#define MF_THREAD_H

#include <pthread.h>

/* Starts a thread of the library's, which takes no signals: they are for the program's own threads. Returns 0 or negative errno. */
int mf_thread_start(pthread_t *ret, void *(*run)(void *argument), void *argument);

#endif
