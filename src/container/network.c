/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/network.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "privilege/call.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* The memory of this many networks that have ended is kept, so that a handle that was freed is told from a new one. */
#define GONE_MAX 1024U

static struct {
        pthread_mutex_t mutex;
        int survives_fork;
        struct mayfly_network *first; /* the newest */
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* --- which there are ------------------------------------------------------------------------------------------ */

void mf_networks_lock(void)
{
        pthread_mutex_lock(&all.mutex);
}

void mf_networks_unlock(void)
{
        pthread_mutex_unlock(&all.mutex);
}

/* A child of fork(2) has the mutex as another thread had it. */
static void free_mutex(void)
{
        pthread_mutex_init(&all.mutex, NULL);
}

static struct mayfly_network *find(const struct mayfly_network *handle)
{
        struct mayfly_network *network = all.first;

        while (network && network != handle)
                network = network->next;
        return network;
}

struct mayfly_network *mf_network_take(const struct mayfly_network *handle, const char *what, struct mayfly_error *err)
{
        mf_networks_lock();
        struct mayfly_network *network = find(handle);
        if (!network)
                (void) mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s was not made by mayfly_network_create(), or was freed long ago", what);
        else if (network->is_freed)
                (void) mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s was freed; call mayfly_network_free() after the last use of the handle", what);
        else if (network->owner != getpid())
                (void) mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                                "%s belongs to process %d; a forked child (this is %d) cannot use it", what,
                                (int) network->owner, (int) getpid());
        else
                network->references++;
        int is_usable = network && !network->is_freed && network->owner == getpid();
        mf_networks_unlock();
        return is_usable ? network : NULL;
}

/* Removes the memory of networks that ended too long ago. */
static void forget_old(void)
{
        unsigned n = 0;

        for (struct mayfly_network **at = &all.first; *at;) {
                struct mayfly_network *network = *at;
                if (network->references > 0 || ++n <= GONE_MAX) {
                        at = &network->next;
                        continue;
                }
                *at = network->next;
                pthread_mutex_destroy(&network->working);
                free(network);
        }
}

int mf_network_drop_locked(struct mayfly_network *network)
{
        if (--network->references > 0)
                return -1;
        free(network->members);
        network->members = NULL;
        forget_old();
        return mf_take_fd(&network->hub);
}

void mf_network_drop(struct mayfly_network *network)
{
        mf_networks_lock();
        int hub = mf_network_drop_locked(network);
        mf_networks_unlock();
        mf_close(hub);
}

/* Gives the network the smallest number that no other has which still exists. Returns 0 or negative errno. */
static int choose_number(struct mayfly_network *network)
{
        for (unsigned number = 1; number <= MF_NETWORKS_MAX; number++) {
                const struct mayfly_network *other = all.first;
                while (other && (other->references == 0 || other->number != number))
                        other = other->next;
                if (!other) {
                        network->number = number;
                        return 0;
                }
        }
        return -EMFILE;
}

/* --- the hub -------------------------------------------------------------------------------------------------- */

int mf_network_call(const struct mayfly_network *network, int operation, struct mf_pack *arguments, int more,
                    int *ret_value, struct mayfly_error *err)
{
        const int fds[] = { network->hub, more };
        const struct mf_call call = { .program = "mayfly-network",
                                      .operation = (enum mf_operation) operation,
                                      .arguments = arguments,
                                      .fds = fds,
                                      .n_fds = more >= 0 ? 2 : 1 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;

        int r = arguments->failed ? mf_error_oom(err, MAYFLY_STAGE_START) : mf_call(&result, &call, err);
        if (r == 0 && ret_value)
                *ret_value = result.frame.value;
        mf_call_end(&result);
        return r;
}

static int make_hub(struct mayfly_network *network, struct mayfly_error *err)
{
        const struct mf_call call = { .program = "mayfly-network", .operation = MF_OPERATION_NETWORK_CREATE };
        struct mf_call_result result = MF_CALL_RESULT_INIT;

        int r = mf_call(&result, &call, err);
        if (r == 0) {
                network->hub = mf_frame_take_fd(&result.frame, 0);
                if (network->hub < 0)
                        r = mf_error(err, -EPROTO, MAYFLY_STAGE_START, "mayfly-network returned no network");
        }
        mf_call_end(&result);
        return r;
}

static void destroy(struct mayfly_network *network)
{
        mf_close(network->hub);
        pthread_mutex_destroy(&network->working);
        free(network->members);
        free(network);
}

/* Lets the network be found. Returns 0 or negative errno. */
static int enter(struct mayfly_network *network)
{
        mf_networks_lock();
        if (!all.survives_fork)
                all.survives_fork = pthread_atfork(NULL, NULL, free_mutex) == 0;
        int r = choose_number(network);
        if (r == 0) {
                network->next = all.first;
                all.first = network;
        }
        mf_networks_unlock();
        return r;
}

MF_EXPORT int mayfly_network_create(struct mayfly_network **ret, struct mayfly_error *err)
{
        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_network_create() needs a place for its result");
        struct mayfly_network *network = calloc(1, sizeof(*network));
        if (!network)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *network = (struct mayfly_network){ .owner = getpid(),
                                            .references = 1,
                                            .hub = -1,
                                            .working = PTHREAD_MUTEX_INITIALIZER,
                                            .members = calloc(MF_MEMBERS_MAX + 1, sizeof(*network->members)) };
        int r = network->members ? make_hub(network, err) : mf_error_oom(err, MAYFLY_STAGE_START);
        if (r == 0 && (r = enter(network)) < 0)
                (void) mf_error(err, r, MAYFLY_STAGE_START, "this process has %u networks; free some",
                                (unsigned) MF_NETWORKS_MAX);
        if (r < 0)
                destroy(network);
        else
                *ret = network;
        return r;
}

MF_EXPORT struct mayfly_network *mayfly_network_free(struct mayfly_network *network)
{
        int hub = -1;

        mf_networks_lock();
        if (network && find(network) && !network->is_freed) {
                network->is_freed = 1;
                if (network->owner == getpid())
                        mf_members_prune(network);
                hub = mf_network_drop_locked(network);
        }
        mf_networks_unlock();
        mf_close(hub);
        return NULL;
}
