/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/tmpfs.h"
#include "image/open.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/id-range.h"
#include "util/macro.h"
#include "util/strv.h"

#define VOLUMES_MAX 100U

/* The plan so far, and the targets in it. */
struct plan {
        const struct mayfly_spec *spec;
        const struct mf_image_config *config;
        struct mf_keep_ids kept;
        struct mf_volumes *volumes;
        char *targets[VOLUMES_MAX];
        size_t n_targets;
};

static __attribute__((format(printf, 2, 3))) int add_option(struct plan *plan, const char *format, ...)
{
        char *option;
        va_list args;

        va_start(args, format);
        if (vasprintf(&option, format, args) < 0)
                option = NULL;
        va_end(args);
        return mf_strv_add(&plan->volumes->argv, option);
}

/* Whether `path` is `directory` or below it. */
static int is_below(const char *path, const char *directory)
{
        size_t length = strlen(directory);

        return strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* Copies the path without superfluous slashes, and checks it. *ret is to be freed in any case. */
static int clean_target(const char *path, const char *what, char **ret, struct mayfly_error *err)
{
        static const char *const reserved[] = { "/dev", "/proc", "/sys", "/run/mayfly" };
        size_t n = 0;

        *ret = NULL;
        if (path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%s is \"%.200s\"; give an absolute path", what, path);
        *ret = calloc(strlen(path) + 2, 1);
        if (!*ret)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        for (const char *p = path; *p;) {
                size_t length = strcspn(p, "/");
                if ((length == 1 && p[0] == '.') || (length == 2 && p[0] == '.' && p[1] == '.'))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "%s is \"%.200s\"; give a path without \".\" and \"..\"", what, path);
                if (length > 0) {
                        (*ret)[n++] = '/';
                        memcpy(*ret + n, p, length);
                        n += length;
                }
                p += length + (p[length] == '/');
        }
        if (n == 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s is \"%.200s\", the container's root; choose a directory below it", what, path);
        for (size_t i = 0; i < MF_ELEMENTSOF(reserved); i++)
                if (is_below(*ret, reserved[i]))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "%s is \"%.200s\", but %s belongs to the container itself; choose another path",
                                        what, path, reserved[i]);
        return 0;
}

/* Adds the target of a volume, which must be neither below nor above another target. */
static int add_target(struct plan *plan, const char *path, const char *what, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *target = NULL;

        int r = clean_target(path, what, &target, err);
        if (r < 0)
                return r;
        if (plan->n_targets == VOLUMES_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                "%s is one over %u volumes; mount a directory that contains several of them", what,
                                VOLUMES_MAX);
        for (size_t i = 0; i < plan->n_targets; i++)
                if (is_below(target, plan->targets[i]) || is_below(plan->targets[i], target))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "%s is \"%.200s\", which overlaps \"%.200s\", where another volume goes; mount "
                                        "them beside each other",
                                        what, target, plan->targets[i]);
        if (add_option(plan, "--volume") < 0 || add_option(plan, "%s", target) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        plan->targets[plan->n_targets++] = mf_take(target);
        return 0;
}

static const struct mf_mount_point *find_mount_point(const struct mf_image_config *config, const char *name,
                                                     struct mayfly_error *err)
{
        char known[300] = "";
        size_t used = 0;

        for (size_t i = 0; i < config->n_mount_points; i++) {
                if (strcmp(config->mount_points[i].name, name) == 0)
                        return &config->mount_points[i];
                if (used < sizeof(known))
                        used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                                  config->mount_points[i].name);
        }
        mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                 "the spec has a volume for the mount point \"%.100s\", but image %s has %s%s", name, config->name,
                 config->n_mount_points > 0 ? "only these: " : "none; give the volume a path instead", known);
        return NULL;
}

static int share(struct plan *plan, const struct mayfly_tmpfs *tmpfs, struct mayfly_error *err)
{
        struct mf_volumes *volumes = plan->volumes;

        const int lock = mf_tmpfs_lock(tmpfs);
        if (volumes->n_namespaces + (lock >= 0) >= MF_SHARED_VOLUMES_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                "the spec has more than %u volumes with a tmpfs; use directories in one of them",
                                (unsigned) MF_SHARED_VOLUMES_MAX);
        const struct mf_id_range *ids = mf_tmpfs_ids(tmpfs);
        if (ids) {
                volumes->ids = ids;
                if (add_option(plan, "--has-ids") < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        volumes->namespaces[volumes->n_namespaces] = mf_tmpfs_namespace(tmpfs);
        if (add_option(plan, "--shared") < 0 || add_option(plan, "%zu", volumes->n_namespaces) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        volumes->n_namespaces++;
        if (lock >= 0) /* mayfly-launch has it from now on, and no option names it */
                volumes->namespaces[volumes->n_namespaces++] = lock;
        return 0;
}

/* Checks that no field of the volume excludes another. */
static int check_fields(const struct mayfly_spec *spec, const struct mayfly_volume *volume, struct mayfly_error *err)
{
        if (volume->name && volume->path)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "a volume of the spec has both the name \"%.100s\" and the path \"%.100s\"; give one of them",
                        volume->name, volume->path);
        if (!volume->name && !volume->path)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a volume of the spec has neither a name nor a path; name one of the image's mount "
                                "points, or give a path in the container");
        uint32_t largest = volume->uid > volume->gid ? volume->uid : volume->gid;
        if (spec->userns == MAYFLY_USERNS_PRIVATE && !mf_privilege_is_delegated() && largest >= spec->userns_ids)
                return mf_error(
                        err, -EOVERFLOW, MAYFLY_STAGE_SPEC,
                        "the volume \"%.200s\" belongs to %u:%u, but the container has only the IDs 0 to %u; set "
                        "userns_ids = %u",
                        volume->name ? volume->name : volume->path, (unsigned) volume->uid, (unsigned) volume->gid,
                        (unsigned) spec->userns_ids - 1, (largest / MF_ID_RANGE_SIZE + 1) * MF_ID_RANGE_SIZE);
        if (volume->source && volume->tmpfs)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a volume of the spec has both the source \"%.200s\" and a tmpfs; give one of them",
                                volume->source);
        return 0;
}

/* Checks that the source can be mounted, before anything starts. */
static int check_source(const char *source, const char *target, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int root = -1, fd = -1;

        if (source[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the source of a volume is \"%.200s\"; give an absolute path", source);
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "opening /");
        const char *path = source + strspn(source, "/");
        fd = mf_open_beneath(root, *path ? path : ".", O_PATH);
        if (fd >= 0)
                return 0;
        if (fd == -ELOOP)
                return mf_error(err, fd, MAYFLY_STAGE_SPEC,
                                "the source \"%.300s\" of the volume for %.100s is, or leads through, a symbolic link; "
                                "give the path without it (realpath prints it)",
                                source, target);
        return mf_error(err, fd, MAYFLY_STAGE_SPEC,
                        "the source \"%.300s\" of the volume for %.100s cannot be opened: %s; create it first", source,
                        target, strerrordesc_np(-fd));
}

/* Where the volume goes. *ret_point is the image's mount point, or NULL for a path; `what` names it in messages. */
static int find_target(const struct plan *plan, const struct mayfly_volume *volume,
                       const struct mf_mount_point **ret_point, char *what, size_t size, struct mayfly_error *err)
{
        *ret_point = NULL;
        snprintf(what, size, "the path of a volume");
        if (!volume->name)
                return 0;
        *ret_point = find_mount_point(plan->config, volume->name, err);
        snprintf(what, size, "the path of the image's mount point \"%.100s\"", volume->name);
        return *ret_point ? 0 : -ENOENT;
}

static int add_source(struct plan *plan, const char *source, struct mayfly_error *err)
{
        if (add_option(plan, "--source") < 0 || add_option(plan, "%s", source) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        return 0;
}

int mf_volume_own_tmpfs(const struct mf_keep_ids *container, const struct mayfly_volume *volume,
                        struct mayfly_error *err)
{
        /* Where it has the IDs of its containers, it is shown with them. */
        const struct mf_keep_ids none = { 0 }, kept = mf_tmpfs_ids(volume->tmpfs) ? none : *container;
        int r = 0;

        if (volume->mode || volume->uid || volume->gid)
                r = mf_tmpfs_own(volume->tmpfs, volume->mode ? volume->mode & 07777U : 0755U,
                                 mf_keep_id_outside(volume->uid, kept.uid), mf_keep_id_outside(volume->gid, kept.gid));
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "giving a shared tmpfs mode %o and owner %u:%u",
                                      (unsigned) volume->mode, (unsigned) volume->uid, (unsigned) volume->gid)
                     : 0;
}

/* Shares a tmpfs, whose root gets the mode and the owner that the volume asks for. */
static int add_tmpfs(struct plan *plan, const struct mayfly_volume *volume, struct mayfly_error *err)
{
        int r = mf_volume_own_tmpfs(&plan->kept, volume, err);

        return r < 0 ? r : share(plan, volume->tmpfs, err);
}

static int add_empty(struct plan *plan, const struct mayfly_volume *volume, struct mayfly_error *err)
{
        if (add_option(plan, "--owner") < 0 ||
            add_option(plan, "%u:%u:%o", (unsigned) volume->uid, (unsigned) volume->gid,
                       volume->mode ? (unsigned) volume->mode & 07777U : 0755U) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        return 0;
}

static int add_volume(struct plan *plan, const struct mayfly_volume *volume, struct mayfly_error *err)
{
        const struct mf_mount_point *point;
        char what[200];

        int r = check_fields(plan->spec, volume, err);
        if (r == 0)
                r = find_target(plan, volume, &point, what, sizeof(what), err);
        if (r < 0)
                return r;
        const char *target = point ? point->path : volume->path;
        if (volume->source)
                r = check_source(volume->source, target, err);
        if (r == 0)
                r = add_target(plan, target, what, err);
        if (r < 0)
                return r;
        if (volume->source)
                r = add_source(plan, volume->source, err);
        else if (volume->tmpfs)
                r = add_tmpfs(plan, volume, err);
        else
                r = add_empty(plan, volume, err);
        if (r == 0 && (volume->read_only || (point && point->read_only)) && add_option(plan, "--read-only") < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
        return r;
}

/* Adds an empty volume for each mount point of the image that the spec has no volume for. One that begins with what the image has there
 * needs none: all that the container writes is thrown away. */
static int add_implicit(struct plan *plan, struct mayfly_error *err)
{
        for (size_t i = 0; i < plan->config->n_mount_points; i++) {
                const struct mf_mount_point *point = &plan->config->mount_points[i];
                const struct mayfly_volume *v = plan->spec->volumes;
                char what[200];
                while (v && v->size && (!v->name || strcmp(v->name, point->name) != 0))
                        v++;
                if ((v && v->size) || point->begins_with_image)
                        continue;
                snprintf(what, sizeof(what), "the path of the image's mount point \"%.100s\"", point->name);
                int r = add_target(plan, point->path, what, err);
                if (r == 0 && point->read_only && add_option(plan, "--read-only") < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
                if (r < 0)
                        return r;
        }
        return 0;
}

int mf_volumes_plan(const struct mayfly_container *container, struct mf_volumes *ret, struct mayfly_error *err)
{
        struct plan plan = {
                .spec = &container->spec, .config = container->image->config, .kept = container->kept, .volumes = ret
        };
        int r = 0;

        for (const struct mayfly_volume *v = plan.spec->volumes; r == 0 && v && v->size; v++)
                r = add_volume(&plan, v, err);
        if (r == 0)
                r = add_implicit(&plan, err);
        for (size_t i = 0; i < plan.n_targets; i++)
                free(plan.targets[i]);
        return r;
}

int mf_volume_check(const struct mayfly_spec *spec, const struct mayfly_volume *volume, char **ret_target,
                    struct mayfly_error *err)
{
        int r = check_fields(spec, volume, err);

        if (r == 0)
                r = clean_target(volume->path, "the path of a volume", ret_target, err);
        return r == 0 && volume->source ? check_source(volume->source, *ret_target, err) : r;
}

void mf_volumes_clear(struct mf_volumes *volumes)
{
        mf_strv_free(volumes->argv);
        *volumes = (struct mf_volumes){ 0 };
}

void mf_volumes_hold(struct mayfly_volume *volumes)
{
        for (struct mayfly_volume *volume = volumes; volume && volume->size; volume++)
                mf_tmpfs_hold(volume->tmpfs);
}

void mf_volumes_release(struct mayfly_volume *volumes)
{
        for (struct mayfly_volume *volume = volumes; volume && volume->size; volume++) {
                mf_tmpfs_release(volume->tmpfs);
                volume->tmpfs = NULL;
        }
}
