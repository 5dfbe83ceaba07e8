/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "privilege/userns.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege/call.h"
#include "util/error.h"
#include "util/fd.h"

/* The one of this process. Programs that close all descriptors at times, or change their user, get another. */
static struct {
        pthread_mutex_t mutex;
        int fd, survives_fork;
        dev_t device;
        ino_t inode;
        uid_t uid;
        gid_t gid;
} own = { .mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

int mf_privilege_is_delegated(void)
{
        return geteuid() != 0;
}

/* A child of fork(2) has the mutex as another thread had it. The descriptor is written last, so that it is valid. */
static void free_mutex(void)
{
        pthread_mutex_init(&own.mutex, NULL);
}

/* Whether the descriptor still is the namespace, and of the user who this process is now. */
static int is_usable(void)
{
        struct stat st;

        return own.fd >= 0 && own.uid == geteuid() && own.gid == getegid() && fstat(own.fd, &st) == 0 &&
               st.st_dev == own.device && st.st_ino == own.inode && ioctl(own.fd, NS_GET_NSTYPE) == CLONE_NEWUSER;
}

/* Lets the helper make a namespace. Returns a descriptor or negative errno. */
static int make(struct mayfly_error *err)
{
        const struct mf_call call = { .operation = MF_OPERATION_NAMESPACE, .without_namespace = 1 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        int fd = -1;

        int r = mf_call(&result, &call, err);
        if (r == 0) {
                fd = mf_frame_take_fd(&result.frame, 0);
                if (fd < 0)
                        r = mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper returned no user namespace");
        }
        mf_call_end(&result);
        return r < 0 ? r : fd;
}

/* Keeps the descriptor. An old one is closed if it is still what it was. */
static int keep(int fd, struct mayfly_error *err)
{
        struct stat st, old;

        if (fstat(fd, &st) < 0) {
                int r = -errno;
                mf_close(fd);
                return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "the user namespace cannot be examined");
        }
        if (own.fd >= 0 && fstat(own.fd, &old) == 0 && old.st_dev == own.device && old.st_ino == own.inode)
                mf_close(own.fd);
        own.device = st.st_dev;
        own.inode = st.st_ino;
        own.uid = geteuid();
        own.gid = getegid();
        own.fd = fd;
        return 0;
}

int mf_userns_get(int *ret_fd, struct mayfly_error *err)
{
        int r = 0;

        pthread_mutex_lock(&own.mutex);
        if (!own.survives_fork)
                own.survives_fork = pthread_atfork(NULL, NULL, free_mutex) == 0;
        if (!is_usable()) {
                int fd = make(err);
                r = fd < 0 ? fd : keep(fd, err);
        }
        if (r == 0)
                *ret_fd = own.fd;
        pthread_mutex_unlock(&own.mutex);
        return r;
}
