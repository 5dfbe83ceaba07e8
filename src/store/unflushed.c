/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/unflushed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/list.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/pathlist.h"

#define FAILED "failed\n"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LENGTH 37 /* with its newline */

/* The kernel writes back by itself what is older than 30 s. */
#define DUE_S 60
/* A disk writes so much in a moment. */
#define DIRTY_MAX_KIB 16384U

/* --- the mark -------------------------------------------------------------------------------------------------- */

/* Reads the ID of this boot, with its newline. Returns 0 or -ENOSYS. */
static int read_boot_id(char ret[BOOT_ID_LENGTH + 1])
{
        mf_cleanup(mf_closep) int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : mf_read_full(fd, ret, BOOT_ID_LENGTH);

        if (n != BOOT_ID_LENGTH)
                return -ENOSYS;
        ret[n] = '\0';
        return 0;
}

int mf_unflushed_mark(int dir_fd)
{
        char id[BOOT_ID_LENGTH + 1];

        int r = read_boot_id(id);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int fd =
                openat(dir_fd, MF_UNFLUSHED_MARK, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = mf_ensure_mode(fd, 0600);
        return r < 0 ? r : mf_write_full(fd, id, BOOT_ID_LENGTH);
}

int mf_unflushed_or_flush(int dir_fd)
{
        if (mf_unflushed_look(dir_fd) == MF_UNFLUSHED)
                return 0;
        /* One syncfs() for the whole tree: an fsync() a file would cost a disk flush each. */
        return syncfs(dir_fd) < 0 ? -errno : 0;
}

enum mf_unflushed mf_unflushed_look(int dir_fd)
{
        mf_cleanup(mf_closep) int fd =
                openat(dir_fd, MF_UNFLUSHED_MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char text[BOOT_ID_LENGTH + 2], id[BOOT_ID_LENGTH + 1];

        if (fd < 0)
                return errno == ENOENT ? MF_FLUSHED : MF_UNFLUSHED_BEFORE;
        ssize_t n = mf_read_full(fd, text, sizeof(text) - 1);
        text[n < 0 ? 0 : n] = '\0';
        if (strcmp(text, FAILED) == 0)
                return MF_FLUSH_FAILED;
        return read_boot_id(id) == 0 && strcmp(text, id) == 0 ? MF_UNFLUSHED : MF_UNFLUSHED_BEFORE;
}

/* The directory's time is that of its last use, and this is none. */
void mf_unflushed_remove(int dir_fd)
{
        struct stat st;

        if (fstat(dir_fd, &st) < 0 || unlinkat(dir_fd, MF_UNFLUSHED_MARK, 0) < 0)
                return;
        (void) futimens(dir_fd, (const struct timespec[]){ st.st_atim, st.st_mtim });
}

/* Whoever sees the error must not be the only one who knows of it. */
static void note_failure(int dir_fd)
{
        mf_cleanup(mf_closep) int fd = openat(dir_fd, MF_UNFLUSHED_MARK, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0)
                (void) mf_write_full(fd, FAILED, strlen(FAILED));
}

/* --- when ------------------------------------------------------------------------------------------------------ */

/* Returns how much the machine's disks have still to be given, in KiB. */
static unsigned long dirty_kib(void)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/meminfo", "re");
        unsigned long sum = 0, value;
        char line[256];
        int found = 0;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Dirty: %lu", &value) == 1 || sscanf(line, "Writeback: %lu", &value) == 1) {
                        sum += value;
                        found++;
                }
        return found == 2 ? sum : DIRTY_MAX_KIB;
}

int mf_unflushed_is_due(int dir_fd)
{
        const time_t now = time(NULL);
        struct stat st;

        if (fstatat(dir_fd, MF_UNFLUSHED_MARK, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        /* A time in the future is from before the clock was set back. */
        return (st.st_mtim.tv_sec > now || now - st.st_mtim.tv_sec >= DUE_S) && dirty_kib() < DIRTY_MAX_KIB;
}

/* --- flushing -------------------------------------------------------------------------------------------------- */

struct search {
        int dir_fd;
        int own_only;
        struct mf_paths directories; /* still to be looked into */
        int error;                   /* negative errno of the first file that is not on the disk, or 0 */
};

/* Finds the error that the kernel met when it wrote back the file by itself, earlier: syncfs() does not report what
 * another program's syncfs() has reported. A file that only root can open is left out. */
static void check_file(struct search *search, int dir_fd, const char *name)
{
        mf_cleanup(mf_closep) int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 ? errno == EIO : sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) < 0)
                search->error = -errno;
}

static int check_entry(struct search *search, int fd, const char *path, const char *name)
{
        int is_top = strcmp(path, ".") == 0;
        struct stat st;
        char *inner;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        if (S_ISREG(st.st_mode))
                check_file(search, fd, name);
        if (!S_ISDIR(st.st_mode) || search->own_only)
                return 0;
        if (asprintf(&inner, "%s%s%s", is_top ? "" : path, is_top ? "" : "/", name) < 0)
                return -ENOMEM;
        return mf_paths_add(&search->directories, inner);
}

static int check_directory(struct search *search, const char *path)
{
        int fd = mf_open_beneath(search->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                r = fd < 0 ? fd : -errno;
                mf_close(fd);
                return r == -EACCES ? 0 : r;
        }
        errno = 0;
        for (const struct dirent *entry; r == 0 && search->error == 0 && (entry = readdir(dir)); errno = 0)
                r = check_entry(search, fd, path, entry->d_name);
        if (r == 0 && search->error == 0 && errno)
                r = -errno;
        closedir(dir);
        return r;
}

/* Sets search->error. Returns 0, or negative errno when not all files could be looked at. */
static int check_files(struct search *search)
{
        int r = check_directory(search, ".");

        while (r == 0 && search->error == 0 && search->directories.n > 0) {
                mf_cleanup(mf_freep) char *path = search->directories.path[--search->directories.n];
                r = check_directory(search, path);
        }
        mf_paths_clear(&search->directories);
        return r;
}

int mf_unflushed_flush(int dir_fd, int own_only)
{
        struct search search = { .dir_fd = dir_fd, .own_only = own_only };
        int r = 0;

        if (syncfs(dir_fd) < 0)
                search.error = -errno;
        else
                r = check_files(&search);
        if (search.error < 0 || r == -EIO)
                note_failure(dir_fd);
        else if (r == 0)
                mf_unflushed_remove(dir_fd);
        return search.error < 0 ? search.error : r == -EIO ? r : 0;
}

/* --- all ------------------------------------------------------------------------------------------------------- */

/* Flushes those in `directory`. Returns 0 or the first error. */
static int flush_each(int store, const char *directory, int own_only)
{
        struct mf_store_images ids;
        int result = 0;

        int r = mf_store_list(store, directory, &ids);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ids.n; i++) {
                mf_cleanup(mf_closep) int fd = -1;
                if (mf_store_open_locked(store, directory, ids.id[i], LOCK_SH, &fd) < 0)
                        continue;
                r = mf_unflushed_look(fd) == MF_UNFLUSHED ? mf_unflushed_flush(fd, own_only) : 0;
                if (result == 0)
                        result = r;
                mf_unlock(fd);
        }
        mf_store_images_clear(&ids);
        return result;
}

int mf_unflushed_flush_all(int store)
{
        int r = flush_each(store, MF_IMAGES, 0), other = flush_each(store, MF_LAYERS, 1);

        return r < 0 ? r : other;
}
