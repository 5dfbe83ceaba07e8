/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* The layers, lowest first: the image's, and above them snapshots, of which each is a tmpfs with the layer in UPPER. */
struct layers {
        int *plain; /* descriptors: directories of the image, and copies of mounts */
        int *trees; /* the same with the container's IDs: copies of mounts that are attached nowhere yet */
        size_t n;
};

#define UPPER "/upper"

static int is_snapshot(const struct launch_options *options, size_t i)
{
        return i >= options->n_layers;
}

static const char *name_of(const struct launch_options *options, size_t i)
{
        return is_snapshot(options, i) ? "of a snapshot" : options->layers[i];
}

/* Sources are opened before anything is mounted, since they may well lie under a path that is about to be covered. */
static int open_sources(const struct launch_options *options, const struct launch_sources *sources, int *layers,
                        int *ret_init)
{
        for (size_t i = 0; i < options->n_layers; i++) {
                layers[i] = open(options->layers[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (layers[i] < 0)
                        return launch_error(-errno, "image layer %s", options->layers[i]);
        }
        for (size_t i = 0; i < sources->n_snapshots; i++) {
                int copy = layers[options->n_layers + i] = launch_scratch_copy(sources->snapshots[i]);
                if (copy < 0)
                        return launch_error(copy, "copying the mount of a snapshot");
        }
        *ret_init = open(options->init, O_PATH | O_CLOEXEC);
        if (*ret_init < 0)
                return launch_error(-errno, "%s, which is to be PID 1 of the container", options->init);
        return 0;
}

static void close_all(int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                fds[i] = mf_close(fds[i]);
}

/* Whether the answer to an idmapped mount means that the kernel, the file system, or what confines this program does not
 * allow one: Linux before 5.12 has no such call. */
static int cannot_idmap(int r)
{
        return r == -EINVAL || r == -ENOSYS || r == -EPERM || r == -EOPNOTSUPP;
}

/* Fills in `trees` with a copy of each layer that shows the container's IDs. Returns 1 if they cannot be shown so; then there
 * is no copy. */
static int idmap_layers(const struct launch_options *options, const struct launch_sources *sources, int userns,
                        const struct layers *layers)
{
        size_t n = 0;
        int r = 0;

        for (; r == 0 && n < layers->n; n++) {
                int tree = layers->trees[n] = is_snapshot(options, n)
                                                      ? launch_scratch_copy(sources->snapshots[n - options->n_layers])
                                                      : launch_clone_tree(layers->plain[n], 0);
                r = tree < 0 ? tree : launch_idmap(tree, userns, 0);
                if (r < 0 && !cannot_idmap(r))
                        launch_error(r,
                                     "showing image layer %s with the container's IDs; as a last resort set .userns = "
                                     "MAYFLY_USERNS_HOST",
                                     name_of(options, n));
        }
        if (r < 0)
                close_all(layers->trees, n);
        return cannot_idmap(r) ? 1 : r;
}

/* An overlay takes no layer that is attached nowhere. */
static int attach_layers(const struct launch_options *options, const int *trees, size_t first, size_t n)
{
        char path[64];

        for (size_t i = first; i < n; i++) {
                snprintf(path, sizeof(path), LAUNCH_LAYER, i);
                if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
                    syscall(SYS_move_mount, trees[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                        return launch_error(-errno, "mounting image layer %s", name_of(options, i));
        }
        return 0;
}

static void detach_layers(size_t n)
{
        char path[64];

        for (size_t i = 0; i < n; i++) {
                snprintf(path, sizeof(path), LAUNCH_LAYER, i);
                (void) umount2(path, MNT_DETACH);
        }
}

/* Mounts the overlay of these layers. Returns 0 or negative errno, and prints nothing. */
static int try_overlay(const struct launch_options *options, const int *layers, size_t n, const char *more)
{
        size_t size = 160 + n * 20, used;
        mf_cleanup(mf_freep) char *data = malloc(size);

        if (!data)
                return -ENOMEM;
        /* Descriptors instead of paths: nothing to escape. Relative ones, for all options must fit into a page, however
         * many layers there are. Topmost comes first. */
        if (chdir("/proc/self/fd") < 0)
                return -errno;
        used = (size_t) snprintf(data, size,
                                 "%s%supperdir=" LAUNCH_KEPT "/upper,workdir=" LAUNCH_KEPT "/work,lowerdir=",
                                 options->is_users ? "userxattr," : "", more);
        for (size_t i = n; i > 0; i--)
                used += (size_t) snprintf(data + used, size - used, "%d%s%s", layers[i - 1],
                                          is_snapshot(options, i - 1) ? UPPER : "", i > 1 ? ":" : "");
        /* No device that an image brings is opened; systemd-nspawn makes those of /dev. */
        int r = mount("mayfly", LAUNCH_ROOT, "overlay", MS_NODEV, data) < 0 ? -errno : 0;
        return chdir("/") < 0 && r == 0 ? -errno : r;
}

static int overlay_error(const struct launch_options *options, int r)
{
        return launch_error(r,
                            "mounting an overlay over %s; the kernel must have overlayfs, and the image store must not "
                            "be on an overlay itself (set MAYFLY_STORE)",
                            options->layers[0]);
}

/* Mounts the overlay of idmapped layers, which takes Linux 5.19. Returns 1 if the kernel refuses them. */
static int mount_idmapped(const struct launch_options *options, const struct layers *layers)
{
        int r = attach_layers(options, layers->trees, 0, layers->n);

        if (r < 0)
                return r;
        r = try_overlay(options, layers->trees, layers->n, "");
        if (r == -EINVAL)
                detach_layers(layers->n);
        else if (r < 0)
                overlay_error(options, r);
        return r == -EINVAL ? 1 : r;
}

/* Mounts the overlay of the layers as they are. With user namespaces the owners of all files in it are changed then, which an earlier
 * start has done. That copies metadata alone, which snapshots have then, too. */
static int mount_plain(const struct launch_options *options, const struct layers *layers, int is_new)
{
        int r = attach_layers(options, layers->plain, options->n_layers, layers->n);

        if (r < 0)
                return r;
        const int has_snapshots = layers->n > options->n_layers;
        r = try_overlay(options, layers->plain, layers->n,
                        options->ids || (has_snapshots && !options->is_users) ? "metacopy=on," : "");
        if (r < 0)
                return overlay_error(options, r);
        return options->ids && is_new ? launch_shift(LAUNCH_ROOT, options) : 0;
}

/* Mounts the container's root: of idmapped layers if it has a user namespace and the kernel can. */
static int mount_root(const struct launch_options *options, const struct layers *layers, int idmapped, int is_new)
{
        int r = idmapped ? mount_idmapped(options, layers) : 1;

        return r > 0 ? mount_plain(options, layers, is_new) : r;
}

/* What the root of the topmost layer is. */
static int stat_top(const struct launch_options *options, const struct layers *layers, struct stat *ret)
{
        size_t top = layers->n - 1;
        int r = is_snapshot(options, top) ? fstatat(layers->plain[top], &UPPER[1], ret, 0)
                                          : fstat(layers->plain[top], ret);

        return r < 0 ? launch_error(-errno, "the image's root") : 0;
}

/* overlayfs shows the root with the upper directory's mode and owner, whatever the layers have. */
static int copy_root(const struct stat *top, const struct launch_options *options, const char *to, int with_time)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, top->st_mtim };
        struct mf_keep_ids owner = { top->st_uid, top->st_gid };

        /* The layers of a user who keeps the ID have the right owners. */
        if (options->ids)
                owner = (struct mf_keep_ids){ launch_host_uid(owner.uid, options),
                                              launch_host_gid(owner.gid, options) };
        if (with_time ? utimensat(AT_FDCWD, to, times, 0) < 0
                      : chown(to, owner.uid, owner.gid) < 0 || chmod(to, top->st_mode & 07777) < 0)
                return launch_error(-errno, "giving the container's root the image's owner, mode and time");
        return 0;
}

static int bind_init(int init)
{
        char source[64];
        int fd = open(SCRATCH "/init", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);

        if (fd < 0)
                return launch_error(-errno, "making a mount point for mayfly-init");
        close(fd);
        snprintf(source, sizeof(source), "/proc/self/fd/%d", init);
        if (mount(source, SCRATCH "/init", NULL, MS_BIND, NULL) < 0)
                return launch_error(-errno, "binding mayfly-init");
        return 0;
}

/* systemd-nspawn leaves files under /run/systemd/nspawn when it is killed: let them die with the namespace. */
static int hide_nspawn_state(int registered)
{
        const char *path = registered ? "/run/systemd/nspawn" : "/run";

        if (registered && mkdir(path, 0755) < 0 && errno != EEXIST)
                return launch_error(-errno, "making %s", path);
        if (mount("mayfly-nspawn", path, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755") < 0)
                return launch_error(-errno, "mounting a tmpfs over %s", path);
        return 0;
}

/* systemd-nspawn makes the container's cgroup tree from what it finds here; show it the one that every version knows.
 */
static int unify_cgroups(void)
{
        struct statfs fs;

        if (access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0)
                return 0;
        /* Binding the one that a host with both versions has spares the wait for a grace period of RCU that
         * mounting it anew takes. */
        if (statfs("/sys/fs/cgroup/unified", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
            mount("/sys/fs/cgroup/unified", "/sys/fs/cgroup", NULL, MS_BIND, NULL) == 0)
                return 0;
        if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) < 0)
                return launch_error(-errno, "mounting the cgroup2 hierarchy over /sys/fs/cgroup");
        return 0;
}

static int enter_namespace(void)
{
        if (unshare(CLONE_NEWNS) < 0)
                return launch_error(-errno, "a mount namespace of its own; mayfly must run as root with CAP_SYS_ADMIN");
        /* Slave, not private: what the host unmounts must not stay busy because of us. */
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return launch_error(-errno, "making mounts private");
        return 0;
}

/* Mounts the scratch, the root over it, and the volumes. */
static int mount_all(const struct launch_options *options, const struct launch_sources *sources,
                     const struct layers *layers, int init, int idmapped)
{
        int is_new = sources->scratch < 0;
        struct stat top = { 0 };

        int r = stat_top(options, layers, &top);
        if (r == 0)
                r = launch_scratch_mount(options, sources->scratch);
        if (r == 0 && is_new)
                r = copy_root(&top, options, LAUNCH_KEPT "/upper", 0);
        if (r == 0)
                r = mount_root(options, layers, idmapped, is_new);
        if (r == 0)
                r = launch_root_complete(options, is_new);
        if (r == 0 && is_new)
                r = copy_root(&top, options, LAUNCH_ROOT, 1);
        if (r == 0)
                r = bind_init(init);
        if (r == 0 && !options->is_users)
                r = launch_devices_make(options);
        return r == 0 ? launch_volumes_mount(options, sources->n_snapshots, idmapped) : r;
}

int launch_mounts(const struct launch_options *options, const struct launch_sources *sources)
{
        const size_t n = options->n_layers + sources->n_snapshots;
        mf_cleanup(mf_freep) int *plain = calloc(n, sizeof(int));
        mf_cleanup(mf_freep) int *trees = calloc(n, sizeof(int));
        const struct layers layers = { plain, trees, n };
        const int keeps = options->ids && options->n_volumes > 0 && (options->kept.uid || options->kept.gid);
        int init = -1, userns = -1, cannot = 1;

        if (!plain || !trees)
                return launch_error(-ENOMEM, "layers");
        int r = enter_namespace();
        if (r == 0)
                r = open_sources(options, sources, plain, &init);
        if (r == 0 && options->ids)
                r = userns = launch_userns_open(options, 0);
        if (r >= 0 && options->ids)
                r = cannot = idmap_layers(options, sources, userns, &layers);
        if (r >= 0 && keeps)
                r = userns = launch_userns_open(options, 1);
        if (r >= 0)
                r = launch_volumes_open(options, sources->volumes, sources->n_volumes, userns);
        if (r == 0)
                r = mount_all(options, sources, &layers, init, !cannot);
        if (r < 0 || options->is_users)
                return r;
        r = hide_nspawn_state(options->registered);
        if (r == 0 && !options->registered)
                r = unify_cgroups();
        return r;
}
