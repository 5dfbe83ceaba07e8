/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "pull.h"
#include "util.h"

#define WAIT_US 20000U
#define REPORT_US 100000U

/* --- options -------------------------------------------------------------------------------------------------- */

#define OPTIONS_MAX 4096U /* more than the struct will ever have: a size above is no size */

/* Callers built with older headers give a shorter struct, ones built with newer headers a longer one: what this library
 * does not know must then be zero, the default. */
static int take_options(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                        struct mayfly_error *err)
{
        /* The first release's last field; stays as it is when fields are appended. */
        static const size_t size_min = offsetof(struct mayfly_image_options, progress_userdata) + sizeof(void *);
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;

        if (given && (given->size < size_min || given->size > OPTIONS_MAX))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the image options' size is %zu, which none ever had (it is %zu now); start them with "
                                "MAYFLY_IMAGE_OPTIONS_INIT",
                                given->size, sizeof(options));
        if (given) {
                const unsigned char *bytes = (const unsigned char *) given;
                for (size_t i = sizeof(options); i < given->size; i++)
                        if (bytes[i])
                                return mf_error(
                                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "the image options set something at byte %zu that this library does not "
                                        "know (it knows %zu bytes); start them with MAYFLY_IMAGE_OPTIONS_INIT, "
                                        "or use the library that these headers belong to",
                                        i, sizeof(options));
                memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
                options.size = sizeof(options);
        }
        if (options.retries == 0)
                options.retries = 4;
        else if (options.retries == UINT32_MAX)
                options.retries = 0;
        if (!options.stall_timeout_ms)
                options.stall_timeout_ms = 30000;
        if (!options.connect_timeout_ms)
                options.connect_timeout_ms = 10000;
        if (!options.max_unpacked)
                options.max_unpacked = UINT64_C(64) << 30;
        if (!options.max_entries)
                options.max_entries = 4000000;
        *ret = options;
        return 0;
}

static int store_path(const char *option, char **ret, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_STORE"), *cache = secure_getenv("XDG_CACHE_HOME");
        const char *home = secure_getenv("HOME"), *from;
        int n;

        if (option) {
                from = "the option store";
                n = asprintf(ret, "%s", option);
        } else if (env && *env) {
                from = "MAYFLY_STORE";
                n = asprintf(ret, "%s", env);
        } else if (geteuid() == 0) {
                from = "the default";
                n = asprintf(ret, "/var/cache/mayfly");
        } else if (cache && *cache) {
                from = "XDG_CACHE_HOME";
                n = asprintf(ret, "%s/mayfly", cache);
        } else if (home && *home) {
                from = "HOME";
                n = asprintf(ret, "%s/.cache/mayfly", home);
        } else {
                return mf_error(err, -EINVAL, MAYFLY_STAGE_STORE,
                                "there is no place for the image store; set MAYFLY_STORE");
        }
        if (n < 0) {
                *ret = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        if ((*ret)[0] != '/') {
                int r = mf_error(err, -EINVAL, MAYFLY_STAGE_STORE,
                                 "the image store \"%.300s\" (from %s) must be an absolute path", *ret, from);
                free(mf_take(*ret));
                return r;
        }
        return 0;
}

/* --- an image that is there ----------------------------------------------------------------------------------- */

#define MANIFEST_MAX (1 << 20) /* as when it was unpacked */

static int damaged(const struct mayfly_image *image, const char *why, struct mayfly_error *err)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE,
                        "the stored image %s is damaged: %.1500s; remove it to have it fetched again", image->path,
                        why);
}

static int read_all(int fd, char *text, size_t size)
{
        for (size_t n = 0; n < size;) {
                ssize_t got = read(fd, text + n, size - n);
                if (got < 0 && errno != EINTR)
                        return -errno;
                if (got == 0)
                        return -EIO;
                n += got > 0 ? (size_t) got : 0;
        }
        return 0;
}

/* The image, whose lock is held. -ENOENT, with no error filled: it must be fetched. */
static int load(int store, struct mayfly_image *image, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_freep) char *text = NULL;
        mf_cleanup(mf_closep) int fd = -1;
        char name[MF_ID_LENGTH + 24];
        struct stat st;

        snprintf(name, sizeof(name), "images/%s/rootfs", image->id);
        if (fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT
                               ? -ENOENT
                               : mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "looking at %s", image->rootfs);
        if (!S_ISDIR(st.st_mode))
                return damaged(image, "its rootfs is no folder", err);
        snprintf(name, sizeof(name), "images/%s/manifest", image->id);
        fd = openat(store, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "opening %s/manifest", image->path);
        if (!S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX)
                return damaged(image, "its manifest is no file of at most 1 MiB", err);
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        int r = read_all(fd, text, (size_t) st.st_size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading %s/manifest", image->path);
        r = mf_manifest_parse(&image->config, text, (size_t) st.st_size, &why);
        if (r == -EBADMSG)
                return damaged(image, why.message, err);
        return r < 0 ? mf_error(err, r, why.stage, "%s", why.message) : 0;
}

/* Takes an image's lock without waiting: 0, -EWOULDBLOCK (also when the file was removed under us: try again), or
 * another -errno. A lock counts only while its file has its name: a failed fetch removes the file it holds. */
static int lock_image(int store, const char *id, int mode, int *ret)
{
        char name[MF_ID_LENGTH + 16];
        struct stat ours = { 0 }, there;

        snprintf(name, sizeof(name), "locks/%s", id);
        mf_cleanup(mf_closep) int fd = openat(store, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r = fd < 0 ? -errno : 0;
        if (r == -EROFS || r == -EACCES) /* what is there can still be used */
                fd = openat(store, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return r;
        if (flock(fd, mode | LOCK_NB) < 0)
                return -errno;
        if (fstat(fd, &ours) < 0)
                return -errno;
        if (fstatat(store, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_ino != there.st_ino) {
                (void) flock(fd, LOCK_UN);
                return -EWOULDBLOCK;
        }
        *ret = mf_take_fd(&fd);
        return 0;
}

static int has_image(int store, const char *id)
{
        char name[MF_ID_LENGTH + 24];

        snprintf(name, sizeof(name), "images/%s/manifest", id);
        return faccessat(store, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* 0, -ENOENT when it must be fetched, -EWOULDBLOCK while somebody is about it. Looks before it locks, so that the many
 * who wait for a fetch do not keep each other from starting it. */
static int open_stored(int store, struct mayfly_image *image, struct mayfly_error *err)
{
        if (!has_image(store, image->id))
                return -ENOENT;
        int r = lock_image(store, image->id, LOCK_SH, &image->lock_fd);
        if (r == -EROFS || r == -EACCES || r == -ENOENT) /* a store not to be written, without a lock: as it is */
                return load(store, image, err);
        if (r == -EWOULDBLOCK)
                return r;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "locking the stored image %s", image->path);
        r = load(store, image, err);
        if (r < 0)
                image->lock_fd = mf_close(image->lock_fd);
        return r;
}

/* --- fetching one --------------------------------------------------------------------------------------------- */

/* Folders under tmp/ whose fetcher died hold no lock. */
static void sweep(int store)
{
        int fd = openat(store, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                mf_close(fd);
                return;
        }
        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                mf_cleanup(mf_closep) int stale =
                        openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (stale >= 0 && flock(stale, LOCK_EX | LOCK_NB) == 0)
                        (void) mf_remove_tree(fd, entry->d_name);
        }
        closedir(dir);
}

/* Makes and locks "tmp/XXXXXX". 0, -EAGAIN when a sweep came between, or another -errno. */
static int try_temporary(int store, const char *path, char name[32], int *ret)
{
        mf_cleanup(mf_freep) char *template = NULL;
        mf_cleanup(mf_closep) int fd = -1;
        struct stat ours = { 0 }, there;

        if (asprintf(&template, "%s/tmp/XXXXXX", path) < 0) {
                template = NULL;
                return -ENOMEM;
        }
        if (!mkdtemp(template))
                return -errno;
        snprintf(name, 32, "tmp/%s", strrchr(template, '/') + 1);
        fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &ours) < 0 ? -errno : 0;
        if (r == -ENOENT || r == -EWOULDBLOCK)
                return -EAGAIN;
        if (r < 0) {
                (void) unlinkat(store, name, AT_REMOVEDIR);
                return r;
        }
        if (fstatat(store, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || ours.st_ino != there.st_ino)
                return -EAGAIN;
        *ret = mf_take_fd(&fd);
        return 0;
}

/* A new folder under tmp/, locked; `name` is for renameat() and mf_remove_tree() in `store`. */
static int make_temporary(int store, const char *path, char name[32], int *ret, struct mayfly_error *err)
{
        int r = -EAGAIN;

        for (unsigned tries = 0; tries < 100 && r == -EAGAIN; tries++)
                r = try_temporary(store, path, name, ret);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "the image is not in the store %s and cannot be put there (choose another store "
                                      "with MAYFLY_STORE): making a folder in %s/tmp",
                                      path, path);
        return 0;
}

/* With the image's lock held, and a damaged one out of the way. */
static int fetch(int store, const char *path, const struct mf_reference *reference, const char *text,
                 const struct mayfly_image_options *options, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int dirfd = -1;
        char name[32], target[MF_ID_LENGTH + 16];

        sweep(store);
        int r = make_temporary(store, path, name, &dirfd, err);
        if (r < 0)
                return r;
        r = mf_pull(reference, text, dirfd, options, err);
        /* All of it on disk before it has its name: a power cut must not leave a hollow image behind a good pin. One
         * syncfs() for the whole tree: an fsync() a file would cost a disk flush each. The rename itself is not
         * flushed: losing it only means another fetch. */
        if (r == 0 && syncfs(dirfd) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "writing image %s to disk", reference->id);
        snprintf(target, sizeof(target), "images/%s", reference->id);
        if (r == 0 && (fchmod(dirfd, 0755) < 0 || renameat(store, name, store, target) < 0))
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "publishing %s/%s", path, target);
        if (r < 0)
                (void) mf_remove_tree(store, name);
        (void) flock(dirfd, LOCK_UN); /* a child forked meanwhile has the descriptor too, and would hold the lock */
        return r;
}

/* With the exclusive lock `lock` held. 0 when the image is there, fetched or put there since we looked. */
static int fetch_locked(int store, const char *path, struct mayfly_image *image, const struct mf_reference *reference,
                        const char *text, const struct mayfly_image_options *options, int lock,
                        struct mayfly_error *err)
{
        char name[MF_ID_LENGTH + 16];
        struct stat st;

        snprintf(name, sizeof(name), "images/%s/rootfs", image->id);
        int r = has_image(store, image->id) && fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (r == 0) {
                snprintf(name, sizeof(name), "images/%s", image->id);
                r = mf_remove_tree(store, name); /* half of one, if anything */
                if (r < 0)
                        mf_error_set_errno(err, r, MAYFLY_STAGE_STORE, "removing the damaged image %s", image->path);
                else
                        r = fetch(store, path, reference, text, options, err);
                image->fetched = r == 0;
                if (r < 0) {
                        snprintf(name, sizeof(name), "locks/%s", image->id);
                        (void) unlinkat(store, name, 0); /* before it is unlocked: see lock_image() */
                }
        }
        (void) flock(lock, LOCK_UN); /* as in fetch() */
        return r < 0 ? r : 0;
}

static int report(const struct mayfly_image_options *options, enum mayfly_progress_phase phase, const char *text,
                  uint64_t begin_us)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = phase,
                                                  .reference = text,
                                                  .elapsed_ms = (mf_now_us() - begin_us) / 1000 };

        return options->progress ? options->progress(&progress, options->progress_userdata) : 0;
}

/* Makes what is missing of the folders; a store that cannot be written may still have the image. */
static int make_folders(int store, const char *path, struct mayfly_error *err)
{
        static const char *const folders[] = { "images", "locks", "tmp" };

        for (size_t i = 0; i < MF_ELEMENTSOF(folders); i++)
                if (mkdirat(store, folders[i], 0700) < 0 && errno != EEXIST)
                        return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE,
                                              "the image is not in the store %s and cannot be put there (choose "
                                              "another store with MAYFLY_STORE): making %s/%s",
                                              path, path, folders[i]);
        return 0;
}

static int check_store(int fd, const char *path, struct mayfly_error *err)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "looking at the image store %s", path);
        if (st.st_uid != geteuid()) /* what its owner puts there would run with our rights */
                return mf_error(
                        err, -EPERM, MAYFLY_STAGE_STORE,
                        "the image store %s belongs to user %u, and this is user %u; choose another with MAYFLY_STORE",
                        path, (unsigned) st.st_uid, (unsigned) geteuid());
        if (st.st_mode & 022)
                return mf_error(err, -EPERM, MAYFLY_STAGE_STORE,
                                "the image store %s can be written by others (mode %04o); run chmod go-w on it", path,
                                (unsigned) st.st_mode & 07777U);
        return 0;
}

static int open_store(const char *path, int *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0 && errno == ENOENT) {
                r = mf_mkdir_p(path);
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                              "making the image store %s; choose another with MAYFLY_STORE", path);
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE,
                                      "opening the image store %s; choose another with MAYFLY_STORE", path);
        r = check_store(fd, path, err);
        if (r == 0)
                *ret = mf_take_fd(&fd);
        return r;
}

/* One try: 0 when the image is open, -EWOULDBLOCK while somebody else is about it. */
static int try_get(int store, const char *path, struct mayfly_image *image, const struct mf_reference *reference,
                   const char *text, const struct mayfly_image_options *options, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int lock = -1;

        int r = open_stored(store, image, err);
        if (r != -ENOENT)
                return r;
        r = make_folders(store, path, err);
        if (r < 0)
                return r;
        r = lock_image(store, image->id, LOCK_EX, &lock);
        if (r < 0 && r != -EWOULDBLOCK)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "the image is not in the store %s and cannot be put there (choose another store "
                                      "with MAYFLY_STORE): locking it",
                                      path);
        if (r == 0)
                r = fetch_locked(store, path, image, reference, text, options, lock, err);
        if (r < 0)
                return r;
        r = open_stored(store, image, err);
        return r == -ENOENT ? -EWOULDBLOCK : r; /* removed again meanwhile: once more */
}

static int get(int store, const char *path, struct mayfly_image *image, const struct mf_reference *reference,
               const char *text, const struct mayfly_image_options *options, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), reported = 0;

        for (;;) {
                int r = try_get(store, path, image, reference, text, options, err);
                if (r == 0 && (image->fetched || reported))
                        (void) report(options, MAYFLY_PROGRESS_DONE, text, begin);
                if (r != -EWOULDBLOCK)
                        return r;
                if (mf_now_us() - reported >= REPORT_US) {
                        reported = mf_now_us();
                        if (report(options, MAYFLY_PROGRESS_WAIT, text, begin) != 0)
                                return mf_error(err, -ECANCELED, MAYFLY_STAGE_STORE,
                                                "waiting for another process to fetch %s was cancelled", image->id);
                }
                usleep(WAIT_US);
        }
}

static int name_image(struct mayfly_image *image, const char *path, const char *id, struct mayfly_error *err)
{
        image->id = strdup(id);
        if (asprintf(&image->path, "%s/images/%s", path, id) < 0)
                image->path = NULL;
        if (asprintf(&image->rootfs, "%s/images/%s/rootfs", path, id) < 0)
                image->rootfs = NULL;
        return image->id && image->path && image->rootfs ? 0 : mf_error_oom(err, MAYFLY_STAGE_STORE);
}

MF_EXPORT int mayfly_image_open(struct mayfly_image **ret, const char *reference_text,
                                const struct mayfly_image_options *given, struct mayfly_error *err)
{
        struct mayfly_image_options options;
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int store = -1;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_image_open() needs a place for its result");
        int r = take_options(given, &options, err);
        if (r == 0)
                r = mf_reference_parse(&reference, reference_text, options.allow_http, err);
        if (r < 0)
                return r;

        struct mayfly_image *image = calloc(1, sizeof(*image));
        if (image)
                image->lock_fd = -1;
        r = image ? store_path(options.store, &path, err) : mf_error_oom(err, MAYFLY_STAGE_STORE);
        if (r == 0)
                r = name_image(image, path, reference.id, err);
        if (r == 0)
                r = open_store(path, &store, err);
        if (r == 0)
                r = get(store, path, image, &reference, reference_text, &options, err);
        mf_reference_clear(&reference);
        if (r < 0) {
                mayfly_image_close(image);
                return r;
        }
        *ret = image;
        return 0;
}

MF_EXPORT struct mayfly_image *mayfly_image_close(struct mayfly_image *image)
{
        if (image) {
                mf_run_config_free(image->config);
                mf_close(image->lock_fd);
                free(image->id);
                free(image->path);
                free(image->rootfs);
                free(image);
        }
        return NULL;
}

MF_EXPORT const char *mayfly_image_id(const struct mayfly_image *image)
{
        return image->id;
}

MF_EXPORT const char *mayfly_image_name(const struct mayfly_image *image)
{
        return image->config->name;
}

MF_EXPORT const char *mayfly_image_rootfs(const struct mayfly_image *image)
{
        return image->rootfs;
}

MF_EXPORT int mayfly_image_was_fetched(const struct mayfly_image *image)
{
        return image->fetched;
}
