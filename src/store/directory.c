/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* --- which directory ------------------------------------------------------------------------------------------ */

int mf_store_path(const char *option, char **ret, struct mayfly_error *err)
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

int mf_store_open(const char *path, int create, int *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0 && errno == ENOENT) {
                if (!create)
                        return -ENOENT;
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

int mf_store_is_id(const char *name)
{
        return mf_image_id_is_canonical(name);
}

/* --- locks ---------------------------------------------------------------------------------------------------- */

static int leads_to(int store, const char *name, int fd)
{
        struct stat ours, there;

        return fstat(fd, &ours) == 0 && fstatat(store, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

int mf_store_lock(int store, const char *id, int *ret)
{
        char name[MF_ID_LENGTH + 16];

        snprintf(name, sizeof(name), "locks/%s", id);
        mf_cleanup(mf_closep) int fd = openat(store, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        if (!leads_to(store, name, fd)) {
                mf_unlock(fd);
                return -EWOULDBLOCK;
        }
        int r = mf_ensure_mode(fd, 0600);
        if (r < 0)
                return r;
        *ret = mf_take_fd(&fd);
        return 0;
}

void mf_store_remove_lock(int store, const char *id)
{
        char name[MF_ID_LENGTH + 16];

        snprintf(name, sizeof(name), "locks/%s", id);
        (void) unlinkat(store, name, 0);
}

int mf_store_is_current(int store, const char *directory, const char *id, int fd)
{
        char name[MF_ID_LENGTH + 16];

        snprintf(name, sizeof(name), "%s/%s", directory, id);
        return leads_to(store, name, fd);
}

int mf_store_open_locked(int store, const char *directory, const char *id, int operation, int *ret)
{
        char name[MF_ID_LENGTH + 16];

        snprintf(name, sizeof(name), "%s/%s", directory, id);
        mf_cleanup(mf_closep) int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || flock(fd, operation | LOCK_NB) < 0)
                return -errno;
        if (!leads_to(store, name, fd)) {
                mf_unlock(fd);
                return -EWOULDBLOCK; /* removed meanwhile: look again */
        }
        *ret = mf_take_fd(&fd);
        return 0;
}

/* Once a second is enough. A store that cannot be written need not know. */
void mf_store_touch(int fd)
{
        struct timespec now;
        struct stat st;

        clock_gettime(CLOCK_REALTIME, &now);
        if (fstat(fd, &st) < 0 || st.st_mtim.tv_sec != now.tv_sec)
                (void) futimens(fd, NULL);
}

/* --- tmp/ ----------------------------------------------------------------------------------------------------- */

/* A name that nobody else has had: were one used again, a sweep could remove what it did not look at. */
static int choose_name(char name[MF_TMP_NAME_MAX], const char *kind)
{
        uint64_t number[2];

        if (getrandom(number, sizeof(number), 0) != (ssize_t) sizeof(number))
                return -errno;
        snprintf(name, MF_TMP_NAME_MAX, "tmp/%s-%016llx%08llx", kind, (unsigned long long) number[0],
                 (unsigned long long) (number[1] & 0xffffffffU));
        return 0;
}

/* Returns 0, -EAGAIN or -ENOENT when a sweep came between, or another negative errno. */
static int try_temporary(int store, char name[MF_TMP_NAME_MAX], int *ret)
{
        mf_cleanup(mf_closep) int fd = -1;

        int r = choose_name(name, "new");
        if (r < 0)
                return r;
        r = mf_mkdir_private(store, name);
        if (r < 0)
                return r == -EEXIST ? -EAGAIN : r;
        fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
        if (r == -ENOENT || r == -EWOULDBLOCK)
                return -EAGAIN;
        if (r < 0) {
                (void) unlinkat(store, name, AT_REMOVEDIR);
                return r;
        }
        if (!leads_to(store, name, fd))
                return -EAGAIN;
        *ret = mf_take_fd(&fd);
        return 0;
}

int mf_store_make_temporary(int store, char name[MF_TMP_NAME_MAX], int *ret)
{
        int r = -EAGAIN;

        for (unsigned tries = 0; tries < 100 && (r == -EAGAIN || r == -ENOENT); tries++)
                r = try_temporary(store, name, ret);
        return r;
}

int mf_store_move_to_tmp(int store, const char *directory, const char *id, char name[MF_TMP_NAME_MAX])
{
        char from[MF_ID_LENGTH + 16];

        snprintf(from, sizeof(from), "%s/%s", directory, id);
        int r = choose_name(name, "old");
        if (r < 0)
                return r;
        return renameat(store, from, store, name) < 0 && errno != ENOENT ? -errno : 0;
}

void mf_store_remove_if_unused(int store, const char *name, int given_fd)
{
        mf_cleanup(mf_closep) int own_fd = -1;

        if (given_fd < 0)
                own_fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int fd = given_fd < 0 ? own_fd : given_fd;
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return; /* in use: a sweep's, once it is not */
        if (leads_to(store, name, fd))
                (void) mf_remove_tree(store, name);
        mf_unlock(fd);
}

int mf_store_sweep(int store, int (*each)(void *userdata, const char *name, uint64_t bytes), void *userdata)
{
        int fd = openat(store, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), result = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                int r = errno == ENOENT ? 0 : -errno;
                mf_close(fd);
                return r;
        }
        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                mf_cleanup(mf_closep) int stale =
                        openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (stale < 0 || flock(stale, LOCK_EX | LOCK_NB) < 0)
                        continue;
                if (leads_to(fd, entry->d_name, stale) &&
                    (!each || each(userdata, entry->d_name, mf_tree_bytes(fd, entry->d_name)) == 0)) {
                        int r = mf_remove_tree(fd, entry->d_name);
                        if (r < 0 && result == 0)
                                result = r;
                }
                mf_unlock(stale);
        }
        closedir(dir);
        return result;
}
