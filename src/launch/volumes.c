/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* appc specification, "Volume Setup". What a volume covers is only in the overlay's upper layer, so nothing of it is
 * lost. */

#define VOLUMES SCRATCH "/volumes"
#define OWN_VOLUMES LAUNCH_KEPT "/volumes"
#define OWN_WORK LAUNCH_KEPT "/volumes-work" /* of overlays */
#define PATH_SIZE 64
#define NAME_SIZE 17

/* Writes the name that a volume of the container's own has in the scratch and in snapshots, so that a later start finds it: the FNV hash
 * of its target, which may be longer than a name. */
static const char *own_name(const struct launch_volume *volume, char ret[NAME_SIZE])
{
        uint64_t hash = UINT64_C(14695981039346656037);

        for (const char *p = volume->target; *p; p++)
                hash = (hash ^ (unsigned char) *p) * UINT64_C(1099511628211);
        snprintf(ret, NAME_SIZE, "%016llx", (unsigned long long) hash);
        return ret;
}

/* Writes where a volume is outside of the root. */
static void write_path(const struct launch_options *options, size_t number, char ret[PATH_SIZE])
{
        const struct launch_volume *volume = &options->volumes[number];
        char name[NAME_SIZE];

        if (volume->fd < 0 && !volume->is_overlay)
                snprintf(ret, PATH_SIZE, OWN_VOLUMES "/%s", own_name(volume, name));
        else
                snprintf(ret, PATH_SIZE, VOLUMES "/%zu", number);
}

/* --- sources */

static int open_host(struct launch_volume *volume)
{
        volume->fd = launch_open_how(AT_FDCWD, volume->source, O_PATH, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        if (volume->fd == -ELOOP)
                return launch_error(-ELOOP,
                                    "the volume for %s: its source %s is, or leads through, a symbolic link; give "
                                    "the path without (realpath prints it)",
                                    volume->target, volume->source);
        if (volume->fd < 0)
                return launch_error(volume->fd, "the volume for %s: its source %s; make it first", volume->target,
                                    volume->source);
        return 0;
}

static int open_shared(struct launch_volume *volume, int namespace_fd)
{
        volume->fd = launch_scratch_copy(namespace_fd);
        return volume->fd < 0 ? launch_error(volume->fd, "the volume for %s: its tmpfs", volume->target) : 0;
}

/* Replaces the source by a copy of its mount that shows the container's IDs. */
static int idmap_source(struct launch_volume *volume, int userns)
{
        int tree = volume->shared >= 0 ? volume->fd : launch_clone_tree(volume->fd, 1);
        int r = tree < 0 ? tree : launch_idmap(tree, userns, 1);

        if (r < 0)
                return launch_error(
                        r,
                        "the volume for %s: showing %s with the container's IDs, which its file system, or one "
                        "that is mounted in it, cannot do; take another directory, or set .userns = "
                        "MAYFLY_USERNS_HOST",
                        volume->target, volume->source ? volume->source : "the tmpfs");
        if (tree != volume->fd)
                close(volume->fd);
        volume->fd = tree;
        return 0;
}

int launch_volumes_open(const struct launch_options *options, const int *namespaces, size_t n_namespaces, int userns)
{
        for (size_t i = 0; i < options->n_volumes; i++) {
                struct launch_volume *volume = &options->volumes[i];
                int r = 0;
                if (volume->source)
                        r = open_host(volume);
                else if (volume->shared >= 0)
                        r = (size_t) volume->shared < n_namespaces
                                    ? open_shared(volume, namespaces[volume->shared])
                                    : launch_error(-ESTALE, "the tmpfs for %s is gone", volume->target);
                if (r == 0 && volume->fd >= 0 && userns >= 0 && !volume->has_ids)
                        r = idmap_source(volume, userns);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- targets */

/* The directory above a target, made with all above it, 0755 root. No link of the image's leads out of `root`. */
static int open_parent(int root, const struct launch_volume *volume, const struct launch_options *options, char *path)
{
        int parent = fcntl(root, F_DUPFD_CLOEXEC, 3);
        char *name = path;

        if (parent < 0)
                return launch_error(-errno, "the volume for %s", volume->target);
        for (char *slash; (slash = strchr(name, '/')); name = slash + 1) {
                *slash = '\0';
                int fd = launch_open_how(root, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
                if (fd == -ENOENT && mkdirat(parent, name, 0755) == 0 && launch_give_root(parent, name, options) == 0)
                        fd = launch_open_how(root, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
                *slash = '/';
                mf_close(parent);
                if (fd < 0)
                        return launch_error(fd, "the volume for %s: a directory above it in the container",
                                            volume->target);
                parent = fd;
        }
        return parent;
}

/* Removes what cannot be mounted over: a file where a directory is needed, or the reverse, or a link to such. 1 when
 * something that can stays, and *ret is what it is. */
static int clear_target(int root, int parent, const char *path, const char *name, int directory, struct stat *ret)
{
        if (fstatat(parent, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        int link = S_ISLNK(ret->st_mode);
        if (link) {
                mf_cleanup(mf_closep) int fd = launch_open_how(root, path, O_PATH, RESOLVE_IN_ROOT);
                if (fd >= 0 && fstat(fd, ret) == 0 && (S_ISDIR(ret->st_mode) != 0) == directory)
                        return 1;
        } else if ((S_ISDIR(ret->st_mode) != 0) == directory) {
                return 1;
        }
        return unlinkat(parent, name, !link && S_ISDIR(ret->st_mode) ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

/* *ret is what the volume covers. */
static int make_target(int root, const struct launch_volume *volume, const struct launch_options *options,
                       int directory, struct stat *ret)
{
        mf_cleanup(mf_freep) char *path = strdup(volume->target + 1);
        mf_cleanup(mf_closep) int parent = -1;

        if (!path)
                return launch_error(-ENOMEM, "the volume for %s", volume->target);
        parent = open_parent(root, volume, options, path);
        if (parent < 0)
                return parent;
        const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
        int r = clear_target(root, parent, path, name, directory, ret);
        if (r < 0)
                return launch_error(r, "the volume for %s: what the image has there cannot be removed", volume->target);
        if (r > 0)
                return 0;
        if ((directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0)) < 0 ||
            launch_give_root(parent, name, options) < 0)
                return launch_error(-errno, "the volume for %s: making its target", volume->target);
        *ret = (struct stat){ .st_mode = S_IFDIR | 0755,
                              .st_uid = launch_host_uid(0, options),
                              .st_gid = launch_host_gid(0, options) };
        return 0;
}

/* --- mounting */

static int make_own(const struct launch_volume *volume, const struct launch_options *options, const char *path,
                    const struct stat *covered)
{
        unsigned uid = covered->st_uid, gid = covered->st_gid, mode = covered->st_mode & 07777;

        if (volume->owner) {
                if (sscanf(volume->owner, "%u:%u:%o", &uid, &gid, &mode) != 3)
                        return launch_error(-EINVAL, "the volume for %s: the owner %s", volume->target, volume->owner);
                uid = launch_host_uid(uid, options);
                gid = launch_host_gid(gid, options);
                if (uid == (unsigned) -1 || gid == (unsigned) -1)
                        return launch_error(-EOVERFLOW, "the volume for %s: its owner %s; set userns_ids",
                                            volume->target, volume->owner);
        }
        /* What is there already is the container's, from an earlier start. */
        int is_new = mkdir(path, 0700) == 0;
        if ((!is_new && errno != EEXIST) || (is_new && (chown(path, uid, gid) < 0 || chmod(path, (mode_t) mode) < 0)))
                return launch_error(-errno, "the volume for %s: its directory", volume->target);
        /* On itself, so that it can be read-only for the container. */
        if (volume->read_only && mount(path, path, NULL, MS_BIND, NULL) < 0)
                return launch_error(-errno, "the volume for %s: binding its directory", volume->target);
        return 0;
}

static int bind_source(const struct launch_volume *volume, const char *path, int directory, int idmapped)
{
        char source[64];
        int r;

        if (directory) {
                r = mkdir(path, 0755);
        } else {
                int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                r = fd < 0 ? -1 : 0;
                mf_close(fd);
        }
        if (r < 0)
                return launch_error(-errno, "the volume for %s: a place to mount it", volume->target);
        snprintf(source, sizeof(source), "/proc/self/fd/%d", volume->fd);
        if (volume->shared >= 0 || idmapped)
                r = (int) syscall(SYS_move_mount, volume->fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
        else
                r = mount(source, path, NULL, MS_BIND | MS_REC, NULL);
        return r < 0 ? launch_error(-errno, "the volume for %s: mounting its source", volume->target) : 0;
}

/* Looks for what snapshots have of the volume. Appends each directory, the topmost first, to `lower`, and sets *ret to the topmost's
 * owner and mode. Returns how many there are. */
static unsigned find_in_snapshots(const struct launch_options *options, const struct launch_volume *volume,
                                  size_t n_snapshots, char *lower, size_t size, struct stat *ret)
{
        char layer[64], path[PATH_SIZE + 32], name[NAME_SIZE];
        struct stat st;
        size_t used = 0;
        unsigned n = 0;

        for (size_t i = options->n_layers + n_snapshots; i > options->n_layers; i--) {
                snprintf(layer, sizeof(layer), LAUNCH_LAYER, i - 1);
                snprintf(path, sizeof(path), "%s/volumes/%s", layer, own_name(volume, name));
                if (stat(path, &st) < 0)
                        continue;
                if (n++ == 0)
                        *ret = st;
                used += (size_t) snprintf(lower + used, size - used, "%s%s", used ? ":" : "", path);
        }
        return n;
}

/* Mounts an overlay of what snapshots have of a volume of the container's own; what the container writes goes to `upper`. */
static int mount_over(const struct launch_options *options, struct launch_volume *volume, const char *lower,
                      const char *upper, const char *path)
{
        char data[2048], work[PATH_SIZE], name[NAME_SIZE];

        snprintf(work, sizeof(work), OWN_WORK "/%s", own_name(volume, name));
        if ((mkdir(OWN_WORK, 0700) < 0 && errno != EEXIST) || (mkdir(work, 0700) < 0 && errno != EEXIST) ||
            launch_give_root(AT_FDCWD, work, options) < 0 || mkdir(path, 0755) < 0)
                return launch_error(-errno, "the volume for %s: its directories", volume->target);
        snprintf(data, sizeof(data), "%supperdir=%s,workdir=%s,lowerdir=%s", options->is_users ? "userxattr," : "",
                 upper, work, lower);
        if (mount("mayfly-volume", path, "overlay", MS_NODEV | MS_NOSUID, data) < 0)
                return launch_error(-errno, "the volume for %s: an overlay over what the snapshot has of it",
                                    volume->target);
        return 0;
}

/* Makes a volume of the container's own, over what snapshots have of it. */
static int make_over_snapshots(const struct launch_options *options, size_t number, const struct stat *covered,
                               size_t n_snapshots, int idmapped)
{
        struct launch_volume *volume = &options->volumes[number];
        char path[PATH_SIZE], upper[PATH_SIZE], lower[1024];
        struct stat st = *covered;

        write_path(options, number, upper);
        unsigned n = find_in_snapshots(options, volume, n_snapshots, lower, sizeof(lower), &st);
        if (n > 0 && options->ids && !idmapped)
                return launch_error(
                        -ENOTSUP,
                        "the volume for %s: showing a snapshot of it with the container's IDs, which takes Linux "
                        "6.3 and a store that can be idmapped; set .userns = MAYFLY_USERNS_HOST",
                        volume->target);
        /* What the snapshot has of it says more than the spec, and the overlay can be read-only without this. */
        const struct launch_volume plain = { .target = volume->target, .shared = -1, .fd = -1 };
        int r = make_own(n > 0 ? &plain : volume, options, upper, &st);
        if (r < 0 || n == 0)
                return r;
        volume->is_overlay = 1;
        write_path(options, number, path);
        return mount_over(options, volume, lower, upper, path);
}

/* systemd-nspawn copies the attributes when it binds. */
static int protect(const struct launch_volume *volume, const char *path)
{
        if (volume->fd < 0 && !volume->read_only)
                return 0;
        int r = launch_protect(AT_FDCWD, path, volume->read_only);
        return r < 0 ? launch_error(r, "the volume for %s: its mount's attributes", volume->target) : 0;
}

static int mount_volume(int root, const struct launch_options *options, size_t number, size_t n_snapshots, int idmapped)
{
        const struct launch_volume *volume = &options->volumes[number];
        char path[PATH_SIZE];
        struct stat covered = { 0 }, st = { .st_mode = S_IFDIR };

        if (volume->fd >= 0 && fstat(volume->fd, &st) < 0)
                return launch_error(-errno, "the volume for %s", volume->target);
        int directory = S_ISDIR(st.st_mode) != 0;
        int r = make_target(root, volume, options, directory, &covered);
        if (r == 0 && volume->fd < 0)
                r = make_over_snapshots(options, number, &covered, n_snapshots, idmapped);
        write_path(options, number, path);
        if (r == 0 && volume->fd >= 0)
                r = bind_source(volume, path, directory, options->ids != 0);
        return r == 0 ? protect(volume, path) : r;
}

int launch_volumes_mount(const struct launch_options *options, size_t n_snapshots, int idmapped)
{
        int r = 0;

        if (options->n_volumes == 0)
                return 0;
        mf_cleanup(mf_closep) int root = open(SCRATCH "/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || mkdir(VOLUMES, 0755) < 0 || (mkdir(OWN_VOLUMES, 0755) < 0 && errno != EEXIST))
                return launch_error(-errno, "volumes");
        for (size_t i = 0; r == 0 && i < options->n_volumes; i++)
                r = mount_volume(root, options, i, n_snapshots, idmapped);
        return r;
}

/* A volume comes after those that it may lie in. */
static int compare_targets(const void *a, const void *b)
{
        const struct launch_volume *const *one = a, *const *other = b;

        return strcmp((*one)->target, (*other)->target);
}

/* The mount point is made again where another volume has covered the first one. */
static int bind_volume(int root, const struct launch_options *options, const struct launch_volume *volume)
{
        char source[PATH_SIZE], target[64];
        struct stat st;

        write_path(options, (size_t) (volume - options->volumes), source);
        if (stat(source, &st) < 0)
                return launch_error(-errno, "the volume for %s", volume->target);
        int r = make_target(root, volume, options, S_ISDIR(st.st_mode) != 0, &st);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int place = launch_open_how(root, volume->target, O_PATH, RESOLVE_IN_ROOT);
        if (place < 0)
                return launch_error(place, "the volume for %s: its target", volume->target);
        snprintf(target, sizeof(target), "/proc/self/fd/%d", place);
        return mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0
                       ? launch_error(-errno, "the volume for %s: mounting it", volume->target)
                       : 0;
}

int launch_volumes_bind(const struct launch_options *options)
{
        mf_cleanup(mf_freep) const struct launch_volume **sorted = calloc(options->n_volumes + 1, sizeof(*sorted));
        mf_cleanup(mf_closep) int root = open(SCRATCH "/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = 0;

        if (!sorted || root < 0)
                return launch_error(sorted ? -errno : -ENOMEM, "volumes");
        for (size_t i = 0; i < options->n_volumes; i++)
                sorted[i] = &options->volumes[i];
        qsort(sorted, options->n_volumes, sizeof(*sorted), compare_targets);
        for (size_t i = 0; r == 0 && i < options->n_volumes; i++)
                r = bind_volume(root, options, sorted[i]);
        return r;
}

char *launch_bind_option(const char *option, const char *source, const char *target)
{
        char *word = malloc(strlen(option) + strlen(source) + 16 + 2 * strlen(target));

        if (!word)
                return NULL;
        size_t size = (size_t) sprintf(word, "%s=%s:", option, source);
        for (; *target; target++) {
                if (*target == ':' || *target == '\\')
                        word[size++] = '\\';
                word[size++] = *target;
        }
        word[size] = '\0';
        return word;
}

char *launch_volume_option(const struct launch_options *options, size_t n)
{
        char source[PATH_SIZE];

        write_path(options, n, source);
        return launch_bind_option("--bind", source, options->volumes[n].target);
}
