/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static int take_options(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                        struct mayfly_error *err)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;

        if (given && given->size != sizeof(options))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the image options' size is %zu, not %zu; start them with MAYFLY_IMAGE_OPTIONS_INIT, and build "
                        "with the headers of this library",
                        given->size, sizeof(options));
        if (given)
                options = *given;
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

static int load(struct mayfly_image *image, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_freep) char *text = NULL;
        mf_cleanup(mf_closep) int fd = -1;
        struct stat st;

        if (asprintf(&path, "%s/manifest", image->path) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno; /* -ENOENT: not in the store */
        if (fstat(fd, &st) < 0 || !(text = malloc((size_t) st.st_size + 1)) ||
            read(fd, text, (size_t) st.st_size) != st.st_size)
                return mf_error(err, -EIO, MAYFLY_STAGE_STORE, "reading %s; remove %s to have it fetched again", path,
                                image->path);
        return mf_manifest_parse(&image->config, text, (size_t) st.st_size, err);
}

/* Takes the lock as `mode` says, in at most one try when nonblocking. */
static int lock_image(int store, const char *id, int mode, int *ret)
{
        char name[MF_ID_LENGTH + 16];

        snprintf(name, sizeof(name), "locks/%s", id);
        int fd = openat(store, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == EROFS) /* what is there can still be used */
                fd = openat(store, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        if (flock(fd, mode | LOCK_NB) < 0) {
                int r = -errno;
                mf_close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

/* 0, -ENOENT when it must be fetched, -EWOULDBLOCK while it is being fetched. */
static int open_stored(int store, struct mayfly_image *image, struct mayfly_error *err)
{
        int r = lock_image(store, image->id, LOCK_SH, &image->lock_fd);

        if (r == -EROFS || r == -ENOENT) /* a read-only store, or one without a lock: as it is */
                return load(image, err);
        if (r == -EWOULDBLOCK)
                return r;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "locking image %s in the store", image->id);
        r = load(image, err);
        if (r < 0)
                image->lock_fd = mf_close(image->lock_fd);
        return r;
}

/* --- fetching one --------------------------------------------------------------------------------------------- */

/* Folders under tmp/ whose fetcher died hold no lock. */
static void sweep(int store)
{
        int fd = openat(store, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

/* A new folder under tmp/, locked; `name` is for renameat() and mf_remove_tree() in `store`. */
static int make_temporary(int store, const char *path, char name[32], int *ret, struct mayfly_error *err)
{
        for (unsigned tries = 0; tries < 100; tries++) {
                mf_cleanup(mf_freep) char *template = NULL;
                struct stat ours, there;

                if (asprintf(&template, "%s/tmp/XXXXXX", path) < 0) {
                        template = NULL;
                        return mf_error_oom(err, MAYFLY_STAGE_STORE);
                }
                if (!mkdtemp(template))
                        return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE,
                                              "making a folder in the image store %s; is it writable (MAYFLY_STORE)?",
                                              path);
                snprintf(name, 32, "tmp/%s", strrchr(template, '/') + 1);
                int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                /* A sweep may have come between: then it is gone, or about to be. */
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
                    fstatat(store, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == there.st_ino) {
                        *ret = fd;
                        return 0;
                }
                mf_close(fd);
        }
        return mf_error(err, -EAGAIN, MAYFLY_STAGE_STORE, "making a folder in the image store %s", path);
}

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
        /* All of it on disk before it has its name: a power cut must not leave a hollow image behind a good pin. */
        if (r == 0 && syncfs(dirfd) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "writing image %s to disk", reference->id);
        snprintf(target, sizeof(target), "images/%s", reference->id);
        if (r == 0 && fchmod(dirfd, 0755) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "publishing image %s", reference->id);
        if (r == 0 && renameat(store, name, store, target) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "publishing image %s", reference->id);
        if (r < 0)
                (void) mf_remove_tree(store, name);
        return r;
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

static int prepare_store(const char *path, int *ret, struct mayfly_error *err)
{
        static const char *const folders[] = { "images", "locks", "tmp" };
        struct stat st;

        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                int r = mf_mkdir_p(path);
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                              "making the image store %s; choose another with MAYFLY_STORE", path);
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0 || fstat(fd, &st) < 0) {
                int r = -errno;
                mf_close(fd);
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "opening the image store %s; choose another with MAYFLY_STORE", path);
        }
        if (st.st_uid != geteuid()) { /* what its owner puts there would run with our rights */
                mf_close(fd);
                return mf_error(
                        err, -EPERM, MAYFLY_STAGE_STORE,
                        "the image store %s belongs to user %u, and this is user %u; choose another with MAYFLY_STORE",
                        path, (unsigned) st.st_uid, (unsigned) geteuid());
        }
        for (size_t i = 0; i < MF_ELEMENTSOF(folders); i++)
                if (mkdirat(fd, folders[i], 0700) < 0 && errno != EEXIST && errno != EROFS) {
                        int r = -errno;
                        mf_close(fd);
                        return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "making %s/%s", path, folders[i]);
                }
        *ret = fd;
        return 0;
}

static int get(int store, const char *path, struct mayfly_image *image, const struct mf_reference *reference,
               const char *text, const struct mayfly_image_options *options, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), reported = 0;

        for (;;) {
                int r = open_stored(store, image, err);
                if (r != -ENOENT && r != -EWOULDBLOCK)
                        return r;
                mf_cleanup(mf_closep) int lock = -1;
                if (r == -ENOENT)
                        r = lock_image(store, image->id, LOCK_EX, &lock);
                if (r == 0) {
                        /* Somebody may have been done between our look and our lock. */
                        char target[MF_ID_LENGTH + 20];
                        snprintf(target, sizeof(target), "images/%s/manifest", image->id);
                        if (faccessat(store, target, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
                                *strrchr(target, '/') = '\0';
                                (void) mf_remove_tree(store, target); /* damaged, if it is there at all */
                                r = fetch(store, path, reference, text, options, err);
                                if (r < 0)
                                        return r;
                                image->fetched = 1;
                                (void) report(options, MAYFLY_PROGRESS_DONE, text, begin);
                        }
                        continue;
                }
                if (r != -EWOULDBLOCK)
                        return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                              "the image store %s lacks image %s and cannot take it", path, image->id);
                if (mf_now_us() - reported >= REPORT_US) {
                        reported = mf_now_us();
                        if (report(options, MAYFLY_PROGRESS_WAIT, text, begin) != 0)
                                return mf_error(err, -ECANCELED, MAYFLY_STAGE_STORE,
                                                "waiting for another process to fetch %s was cancelled", text);
                }
                usleep(WAIT_US);
        }
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
        if (r == 0 &&
            (!(image->id = strdup(reference.id)) || asprintf(&image->path, "%s/images/%s", path, reference.id) < 0 ||
             asprintf(&image->rootfs, "%s/rootfs", image->path) < 0))
                r = mf_error_oom(err, MAYFLY_STAGE_STORE);
        if (r == 0)
                r = prepare_store(path, &store, err);
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
