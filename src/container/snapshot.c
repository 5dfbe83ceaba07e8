/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "container/life-calls.h"
#include "container/life.h"
#include "container/network.h"
#include "container/snapshot-copy.h"
#include "privilege/call.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"

/* Snapshots. One is a tmpfs in a mount namespace that only descriptors of this program keep, with a copy of what a container wrote:
 * UPPER, a layer for overlayfs, and a directory for each volume of the container's own. A container that began from a snapshot wrote
 * over it, so that a snapshot of it lies on that one. Only some can lie on each other: the next one has what all of them have. */

struct mayfly_snapshot {
        atomic_uint references;
        struct mayfly_snapshot *below; /* or NULL */
        unsigned depth;                /* of all, from 1 on */
        struct mf_tmpfs_place place;
        struct mf_keep_ids kept; /* of an ordinary user's container: whose its files are depends on it */
        char image[];            /* its ID */
};

struct mayfly_snapshot *mf_snapshot_hold(const struct mayfly_snapshot *snapshot)
{
        struct mayfly_snapshot *held = (struct mayfly_snapshot *) (uintptr_t) snapshot;

        if (held)
                atomic_fetch_add(&held->references, 1);
        return held;
}

MF_EXPORT struct mayfly_snapshot *mayfly_snapshot_free(struct mayfly_snapshot *snapshot)
{
        while (snapshot && atomic_fetch_sub(&snapshot->references, 1) == 1) {
                struct mayfly_snapshot *below = snapshot->below;
                mf_close(snapshot->place.namespace_fd);
                mf_close(snapshot->place.root);
                free(snapshot);
                snapshot = below;
        }
        return NULL;
}

size_t mf_snapshot_namespaces(const struct mayfly_snapshot *snapshot, int ret[MF_SNAPSHOTS_MAX])
{
        size_t n = snapshot ? snapshot->depth : 0;

        for (; snapshot; snapshot = snapshot->below)
                ret[snapshot->depth - 1] = snapshot->place.namespace_fd;
        return n;
}

/* Who the caller is inside, if files are stored with other owners because of that. */
static struct mf_keep_ids kept_of(const struct mayfly_container *container)
{
        const struct mf_keep_ids *kept = mf_keep_layers(container);

        return kept ? *kept : (struct mf_keep_ids){ 0 };
}

int mf_snapshot_check(const struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_snapshot *snapshot = container->snapshot;
        const char *image = mayfly_image_id(container->image);

        if (!snapshot)
                return 0;
        const struct mf_keep_ids kept = kept_of(container);
        if (memcmp(&kept, &snapshot->kept, sizeof(kept)) != 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the snapshot is of a container where the caller is user %u and group %u, not %u and "
                                "%u; give the "
                                "same userns, keep_uid and keep_gid",
                                (unsigned) snapshot->kept.uid, (unsigned) snapshot->kept.gid, (unsigned) kept.uid,
                                (unsigned) kept.gid);
        if (strcmp(snapshot->image, image) == 0)
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec's snapshot is of the image %.80s, but its image is %.80s; a snapshot is for "
                        "containers of its "
                        "own image",
                        snapshot->image, image);
}

/* --- making ----------------------------------------------------------------------------------------------------- */

/* Says what failed with which path. */
static int explain(int r, const char *failed, struct mayfly_error *err)
{
        if (r == -ENOSPC)
                return mf_error(err, r, MAYFLY_STAGE_START,
                                "a snapshot: %s: it takes more than half of the memory of this host; let the container "
                                "write less, "
                                "or use a volume for what the snapshot need not have",
                                failed);
        if (r == -ENAMETOOLONG)
                return mf_error(err, r, MAYFLY_STAGE_START,
                                "a snapshot: below %.200s... are paths of more than %d bytes, which cannot be copied; "
                                "let the container remove them, or use a volume with a source or a tmpfs for them",
                                failed, PATH_MAX - 1);
        if (r == -EXDEV)
                return mf_error(
                        err, -E2BIG, MAYFLY_STAGE_START,
                        "a snapshot: %.200s was renamed, so that the %u snapshots below cannot be merged, and no "
                        "more can lie on each other; begin from an earlier one",
                        failed, MF_SNAPSHOTS_MAX);
        return mf_error_errno(err, r, MAYFLY_STAGE_START, "a snapshot: copying %.1000s", failed);
}

/* Copies what a snapshot or a scratch has, over what is there already. */
static int copy_layer(const struct mf_tmpfs_place *place, int layer, int is_first, uint32_t ids, uint32_t n_ids,
                      struct mayfly_error *err)
{
        static const char *const names[] = { "upper", "volumes" };
        char failed[PATH_MAX] = "";
        int r = 0;

        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(names); i++)
                if (faccessat(layer, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        r = (is_first ? mf_snapshot_copy : mf_snapshot_merge)(layer, place->root, names[i], ids, n_ids,
                                                                              failed, sizeof(failed));
        return r < 0 ? explain(r, failed, err) : 0;
}

int mf_snapshot_make(struct mf_tmpfs_place *ret, const struct mf_snapshot_source *source, struct mayfly_error *err)
{
        struct mf_tmpfs_place place = MF_TMPFS_PLACE_INIT;

        int r = mf_tmpfs_make(&place, 0, 0, err);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < source->n_below; i++)
                r = copy_layer(&place, source->below[i], i == 0, 0, 0, err);
        if (r == 0)
                r = copy_layer(&place, source->scratch, source->n_below == 0, source->ids, source->n_ids, err);
        if (r < 0) {
                mf_close(place.namespace_fd);
                mf_close(place.root);
        } else {
                *ret = place;
        }
        return r;
}

struct job {
        const struct mf_snapshot_source *source;
        struct mf_tmpfs_place *place;
        struct mayfly_error *err;
        int result;
};

/* Runs in a new thread, which can unshare its mount namespace, working directory and umask from the program. */
static void *make(void *userdata)
{
        struct job *job = userdata;

        job->result = mf_snapshot_make(job->place, job->source, job->err);
        return NULL;
}

static int make_here(const struct mf_snapshot_source *source, struct mf_tmpfs_place *ret, struct mayfly_error *err)
{
        struct job job = { .source = source, .place = ret, .err = err };
        pthread_t thread;

        int r = mf_thread_start(&thread, make, &job);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "a snapshot: starting a thread");
        pthread_join(thread, NULL);
        return job.result;
}

/* Lets mayfly-helper make it: files have owners that this process cannot name. */
static int make_delegated(const struct mf_snapshot_source *source, struct mf_tmpfs_place *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        int fds[1 + MF_SNAPSHOTS_MAX] = { source->scratch };
        const struct mf_call call = {
                .operation = MF_OPERATION_SNAPSHOT, .arguments = &arguments, .fds = fds, .n_fds = 1 + source->n_below
        };

        for (size_t i = 0; i < source->n_below; i++)
                fds[1 + i] = source->below[i];
        int r = mf_call(&result, &call, err);
        if (r == 0) {
                ret->namespace_fd = mf_frame_take_fd(&result.frame, 0);
                ret->root = mf_frame_take_fd(&result.frame, 1);
                if (ret->root < 0)
                        r = mf_error(err, -EPROTO, MAYFLY_STAGE_START, "mayfly-helper returned no snapshot");
        }
        mf_call_end(&result);
        return r;
}

static int check(struct mayfly_container *container, struct mayfly_error *err)
{
        (void) mf_container_poll(container, NULL, 0, 0, NULL); /* it may have ended by itself */
        if (!mf_container_is_down(container) && !container->is_paused)
                return mf_error(err, -EBUSY, MAYFLY_STAGE_EXEC,
                                "a snapshot: container %s runs, and its files may change meanwhile; call "
                                "mayfly_container_pause() "
                                "or mayfly_container_halt() first",
                                container->machine);
        if (container->scratch < 0)
                return mf_error(err, -ESRCH, MAYFLY_STAGE_EXEC,
                                "a snapshot: what container %s wrote is not there: it was stopped, where "
                                "mayfly_container_halt() would "
                                "have kept it, or the system call open_tree(2) is not allowed here",
                                container->machine);
        return 0;
}

/* Makes the handle of a snapshot that lies on `below`, which may be NULL. Returns NULL when there is no memory. */
static struct mayfly_snapshot *make_handle(const struct mayfly_container *container, struct mayfly_snapshot *below)
{
        const char *image = mayfly_image_id(container->image);
        struct mayfly_snapshot *snapshot = calloc(1, sizeof(*snapshot) + strlen(image) + 1);

        if (!snapshot)
                return NULL;
        *snapshot = (struct mayfly_snapshot){ .references = 1,
                                              .below = mf_snapshot_hold(below),
                                              .depth = below ? below->depth + 1 : 1,
                                              .place = MF_TMPFS_PLACE_INIT,
                                              .kept = kept_of(container) };
        memcpy(snapshot->image, image, strlen(image) + 1);
        return snapshot;
}

/* Makes a snapshot over those that the container began from. When as many lie on each other as can, it has what they have, too. */
static int make_snapshot(const struct mayfly_container *container, struct mayfly_snapshot **ret,
                         struct mayfly_error *err)
{
        struct mayfly_snapshot *below = container->snapshot;
        int roots[MF_SNAPSHOTS_MAX] = { 0 };
        struct mf_snapshot_source source = {
                .scratch = container->scratch, .ids = container->ids.base, .n_ids = container->ids.size, .below = roots
        };

        if (below && below->depth == MF_SNAPSHOTS_MAX) {
                source.n_below = below->depth;
                for (; below; below = below->below)
                        roots[below->depth - 1] = below->place.root;
        }
        struct mayfly_snapshot *snapshot = make_handle(container, below);
        if (!snapshot)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        int r = mf_privilege_is_delegated() ? make_delegated(&source, &snapshot->place, err)
                                            : make_here(&source, &snapshot->place, err);
        if (r < 0)
                mayfly_snapshot_free(snapshot);
        else
                *ret = snapshot;
        return r;
}

MF_EXPORT int mayfly_container_snapshot(struct mayfly_container *container, struct mayfly_snapshot **ret,
                                        struct mayfly_error *err)
{
        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_snapshot() needs a container and a place for its result");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        struct mayfly_snapshot *snapshot = NULL;
        r = check(container, err);
        if (r == 0)
                r = make_snapshot(container, &snapshot, err);
        if (r < 0)
                return r;
        mayfly_snapshot_free(container->taken);
        container->taken = mf_snapshot_hold(snapshot);
        *ret = snapshot;
        return 0;
}

/* --- going back ------------------------------------------------------------------------------------------------- */

int mf_container_check_reset(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->taken || container->snapshot)
                return 0;
        return mf_error(
                err, -EINVAL, MAYFLY_STAGE_EXEC,
                "container %s has no snapshot to go back to; take one by mayfly_container_snapshot(), or set snapshot "
                "in its spec",
                container->machine);
}

int mf_container_reset(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const int called = mf_call_before_stop(container, &why);

        if (container->is_paused)
                (void) mayfly_container_resume(container, NULL);
        mf_container_abandon(container);
        int r = mf_call_result(mf_container_end(container, err), called, &why, err);
        if (r < 0)
                return r;
        container->scratch = mf_close(container->scratch);
        if (container->taken) {
                mayfly_snapshot_free(container->snapshot);
                container->snapshot = mf_take(container->taken);
                container->is_own = 1;
        }
        container->has_files = container->is_own;
        return mf_container_revive(container, err);
}
