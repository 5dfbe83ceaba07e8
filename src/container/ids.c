/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

static atomic_int holder; /* the process of which a thread has the lock on what follows, or 0 */
static struct mf_id_range shared = { .lock = -1 }; /* of this program */
static unsigned users;                             /* of the shared range */

/* Takes the lock. A fork copies it as it is, perhaps as a thread of the parent has it: a lock of another process is nobody's
 * here, since that thread was not copied. */
static void lock(void)
{
        int self = getpid();

        for (;;) {
                int seen = atomic_load(&holder);
                if (seen != self && atomic_compare_exchange_strong(&holder, &seen, self))
                        return;
                usleep(100);
        }
}

static void unlock(void)
{
        atomic_store(&holder, 0);
}

int mf_ids_take(struct mf_id_range *ret, uint32_t size, struct mayfly_error *err)
{
        int r = mf_id_range_take(ret, size, NULL);

        if (r == -EAGAIN)
                return mf_error(err, r, MAYFLY_STAGE_START,
                                "no free range of %u IDs was found between %u and %u for the container's user "
                                "namespace; look for large ranges in /etc/subuid and /etc/subgid",
                                (unsigned) size, MF_ID_RANGE_FIRST, MF_ID_RANGE_LAST);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START,
                                      "looking for free IDs in /etc/passwd, /etc/group, /etc/subuid and /etc/subgid")
                     : 0;
}

int mf_ids_copy(struct mf_id_range *ret, const struct mf_id_range *ids, struct mayfly_error *err)
{
        int copy = fcntl(ids->lock, F_DUPFD_CLOEXEC, 3);

        if (copy < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "a descriptor for the container's IDs");
        *ret = (struct mf_id_range){ ids->base, ids->size, copy };
        return 0;
}

int mf_ids_can_map_tmpfs(void)
{
        struct utsname system;
        unsigned major = 0, minor = 0;

        /* An older kernel that learned it (a backport) does without: sharing a range works everywhere. */
        return uname(&system) == 0 && sscanf(system.release, "%u.%u", &major, &minor) == 2 &&
               (major > 6 || (major == 6 && minor >= 3));
}

int mf_ids_share(struct mf_id_range *ret, struct mayfly_error *err)
{
        int r = 0;

        lock();
        if (users == 0) {
                mf_ids_clear(&shared); /* what a fork copied that a thread of the parent had just taken */
                r = mf_ids_take(&shared, MF_ID_RANGE_SIZE, err);
        }
        if (r == 0)
                r = mf_ids_copy(ret, &shared, err);
        if (r == 0)
                users++;
        else if (users == 0)
                mf_ids_clear(&shared);
        unlock();
        return r;
}

void mf_ids_unshare(struct mf_id_range *ids)
{
        if (!ids->base)
                return;
        mf_ids_clear(ids);
        lock();
        if (--users == 0)
                mf_ids_clear(&shared);
        unlock();
}

void mf_ids_clear(struct mf_id_range *ids)
{
        if (ids->base)
                mf_close(ids->lock);
        *ids = (struct mf_id_range){ .lock = -1 };
}
