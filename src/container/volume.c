/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/life.h"
#include "container/tmpfs.h"
#include "container/volumes.h"
#include "privilege/call.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/timeout.h"

/* Volumes that are mounted in a container that runs, by mayfly-mount. They go with the container's life: its mount namespace. */

#define MOUNT_MS 60000U /* a file system that does not answer by then hangs */

static int call_mount(const struct mayfly_container *container, enum mf_operation operation,
                      const struct mf_pack *arguments, int tmpfs, struct mf_call_result *result,
                      struct mayfly_error *err)
{
        const int fds[] = { container->leader_fd, tmpfs };
        const struct mf_call call = { .program = "mayfly-mount",
                                      .operation = operation,
                                      .arguments = arguments,
                                      .namespace = container->userns >= 0 ? &container->userns : NULL,
                                      .deadline_us = mf_timeout_end(MOUNT_MS),
                                      .fds = fds,
                                      .n_fds = tmpfs >= 0 ? 2 : 1 };

        return arguments->failed ? mf_error_oom(err, MAYFLY_STAGE_FILES) : mf_call(result, &call, err);
}

/* Copies the caller's struct, and checks it. *ret_target is to be freed in any case. */
static int check(const struct mayfly_container *container, const struct mayfly_volume *given, struct mayfly_volume *ret,
                 char **ret_target, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the volume to attach", "MAYFLY_VOLUME()", struct mayfly_volume, gid);

        int r = mf_options_take(ret, given, &kind, err);
        if (r < 0)
                return r;
        if (ret->name || !ret->path || (!ret->source && !ret->tmpfs))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a volume of a running container needs a path, no name, and a source or a tmpfs");
        if (ret->tmpfs && mf_tmpfs_lock(ret->tmpfs) >= 0)
                return mf_error(
                        err, -ENOTSUP, MAYFLY_STAGE_SPEC,
                        "the file system for %s is on disk, where it stays for those who have it from their start; put "
                        "it into the spec's volumes",
                        ret->path);
        const struct mf_id_range *ids = ret->tmpfs ? mf_tmpfs_ids(ret->tmpfs) : NULL;
        if (ids && ids->base != container->ids.base)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the tmpfs for %s has other IDs than container %s; before Linux 6.3 it can only be in the "
                        "spec's volumes",
                        ret->path, container->machine);
        r = mf_volume_check(&container->spec, ret, ret_target, err);
        return r == 0 && ret->tmpfs ? mf_volume_own_tmpfs(&container->kept, ret, err) : r;
}

/* Mounts it, and remembers its path without links. */
static int attach(struct mayfly_container *container, const struct mayfly_volume *volume, const char *target,
                  struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;

        mf_pack_string(&arguments, volume->source);
        mf_pack_string(&arguments, target);
        mf_pack_number(&arguments, volume->read_only != 0);
        mf_pack_number(&arguments, volume->tmpfs && mf_tmpfs_ids(volume->tmpfs));
        mf_pack_number(&arguments, container->ids.base);
        mf_pack_number(&arguments, container->spec.userns_ids);
        mf_pack_number(&arguments, container->kept.uid);
        mf_pack_number(&arguments, container->kept.gid);
        int r = call_mount(container, MF_OPERATION_VOLUME_ATTACH, &arguments,
                           volume->tmpfs ? mf_tmpfs_namespace(volume->tmpfs) : -1, &result, err);
        if (r == 0) {
                struct mf_unpack payload = mf_call_payload(&result);
                const char *place = mf_unpack_string(&payload);
                char *copy = place ? strdup(place) : NULL;
                if (mf_strv_add(&container->attached, copy) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_FILES);
        }
        mf_call_end(&result);
        return r;
}

MF_EXPORT int mayfly_container_attach_volume(struct mayfly_container *container, const struct mayfly_volume *volume,
                                             struct mayfly_error *err)
{
        struct mayfly_volume checked = { 0 };
        mf_cleanup(mf_freep) char *target = NULL;

        if (!container || !volume)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_attach_volume() needs a container and a volume");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_runs(container, "attaching a volume", err);
        if (r == 0)
                r = check(container, volume, &checked, &target, err);
        return r == 0 ? attach(container, &checked, target, err) : r;
}

/* Finds an attached volume. Returns its place in the list, or NULL. */
static char **find(const struct mayfly_container *container, const char *path)
{
        for (char **place = container->attached; place && *place; place++)
                if (strcmp(*place, path) == 0)
                        return place;
        return NULL;
}

/* Forgets it: the last of the list takes its place. */
static void forget(const struct mayfly_container *container, char **place)
{
        const size_t n = mf_strv_length((const char *const *) container->attached);

        free(*place);
        *place = container->attached[n - 1];
        container->attached[n - 1] = NULL;
}

static int detach(struct mayfly_container *container, const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        char **place = find(container, path);

        if (!place)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                                "no volume was attached to container %s at \"%.300s\"; give its path without links, as "
                                "mayfly_container_attach_volume() mounted it in this life of the container",
                                container->machine, path);
        mf_pack_string(&arguments, path);
        int r = call_mount(container, MF_OPERATION_VOLUME_DETACH, &arguments, -1, &result, err);
        mf_call_end(&result);
        if (r == 0 || r == -ENOENT)
                forget(container, place);
        return r;
}

MF_EXPORT int mayfly_container_detach_volume(struct mayfly_container *container, const char *path,
                                             struct mayfly_error *err)
{
        if (!container || !path)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_detach_volume() needs a container and the path of a volume");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_runs(container, "detaching a volume", err);
        return r == 0 ? detach(container, path, err) : r;
}
