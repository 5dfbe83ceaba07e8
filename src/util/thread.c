/* SPDX-License-Identifier: MIT */
#include "util/thread.h"

#include <signal.h>

int mf_thread_start(pthread_t *ret, void *(*run)(void *argument), void *argument)
{
        sigset_t all, old;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        int r = -pthread_create(ret, NULL, run, argument);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return r;
}
