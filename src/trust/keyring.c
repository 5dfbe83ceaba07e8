/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trust/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "model/ac-types.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/owner.h"

#define KEY_MAX (1 << 20)
#define KEYS_DIRECTORY "mayfly/trustedkeys"

/* --- which directories ----------------------------------------------------------------------------------------------- */

struct directories {
        char *text;       /* separated by ":" */
        const char *from; /* where they are set, for messages */
};

/* Returns the directory below the user's configuration, allocated, or NULL when there is none. */
static char *own_directory(void)
{
        const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        char *path = NULL;
        int n = 0;

        if (config && *config == '/') /* the XDG specification says to ignore a relative path */
                n = asprintf(&path, "%s/" KEYS_DIRECTORY, config);
        else if (home && *home == '/')
                n = asprintf(&path, "%s/.config/" KEYS_DIRECTORY, home);
        return n < 0 ? NULL : path;
}

/* Sets *ret to the directories. With `writing`, keys are put into the first one. Returns 0 or -ENOMEM. */
static int choose_directories(const char *option, int writing, struct directories *ret, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_TRUSTED_KEYS");

        *ret = (struct directories){ .from = option ? "the option trusted_keys" : "MAYFLY_TRUSTED_KEYS" };
        if (option || (env && *env)) {
                ret->text = strdup(option ? option : env);
        } else {
                mf_cleanup(mf_freep) char *own = own_directory();
                int n;
                if (writing && geteuid() == 0)
                        n = asprintf(&ret->text, "/etc/" KEYS_DIRECTORY);
                else
                        n = asprintf(&ret->text, "%s%s/etc/" KEYS_DIRECTORY, own ? own : "", own ? ":" : "");
                if (n < 0)
                        ret->text = NULL;
                ret->from = "the default";
        }
        return ret->text ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

static int check_path(const struct directories *directories, const char *path, struct mayfly_error *err)
{
        if (*path == '/')
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the directory of trusted keys \"%.300s\" (from %s) must be an absolute path", path,
                        directories->from);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int cannot_read(const char *path, int code, struct mayfly_error *err)
{
        return mf_error_errno(err, code, MAYFLY_STAGE_SIGNATURE, "trusted keys: %s cannot be read", path);
}

/* Checks that no other user can write to the file or directory: they could have their own images trusted. Returns 0 or
 * -EPERM. */
static int check_owner(const char *path, int fd, const struct stat *st, struct mayfly_error *err)
{
        struct mf_owner owner;

        int r = mf_owner_of(fd, &owner);
        if (r < 0)
                return cannot_read(path, r, err);
        if (owner.file != 0 && owner.file != owner.self)
                return mf_error(err, -EPERM, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s belongs to user %u, which is neither root nor this user (%u); run "
                                "chown on it, or remove it",
                                path, (unsigned) owner.file, (unsigned) owner.self);
        if (st->st_mode & 022)
                return mf_error(err, -EPERM, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s can be written by others (mode %04o); look at what is in it, then "
                                "run chmod go-w on it",
                                path, (unsigned) st->st_mode & 07777U);
        return 0;
}

/* Opens a directory of keys. Returns 1, 0 when there is none, or negative errno. */
static int open_directory(int dirfd, const char *name, const char *path, int *ret, struct mayfly_error *err)
{
        int nofollow = dirfd == AT_FDCWD ? 0 : O_NOFOLLOW;
        mf_cleanup(mf_closep) int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
        struct stat st;

        if (fd < 0 && (errno == ENOENT || (dirfd == AT_FDCWD && errno == ENOTDIR)))
                return 0;
        if (fd < 0 && dirfd == AT_FDCWD && errno == EACCES && stat(path, &st) < 0 && errno == EACCES)
                return 0; /* $HOME may be another user's */
        if (fd < 0 || fstat(fd, &st) < 0)
                return cannot_read(path, -errno, err);
        int r = check_owner(path, fd, &st, err);
        if (r < 0)
                return r;
        *ret = mf_take_fd(&fd);
        return 1;
}

/* Reads a key's file into key->data. Returns 0 or negative errno. */
static int read_key(int dirfd, const char *name, struct mf_trusted_key *key, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cannot_read(key->path, -errno, err);
        if (!S_ISREG(st.st_mode) || st.st_size > KEY_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s is not a regular file of at most 1 MiB; remove it", key->path);
        int r = check_owner(key->path, fd, &st, err);
        if (r < 0)
                return r;
        key->changed = st.st_mtim;
        key->data = malloc((size_t) st.st_size + 1);
        if (!key->data)
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        ssize_t n = mf_read_full(fd, key->data, (size_t) st.st_size);
        if (n < 0)
                return cannot_read(key->path, (int) n, err);
        key->size = (size_t) n;
        return 0;
}

static void clear_key(struct mf_trusted_key *key)
{
        free(key->prefix);
        free(key->path);
        free(key->data);
}

/* Adds the key whose fingerprint the name is; passes over other names. Returns 0 or negative errno. */
static int add_key(struct mf_keyring *keyring, int dirfd, const char *directory, const char *prefix, const char *name,
                   struct mayfly_error *err)
{
        struct mf_trusted_key key = { .prefix = prefix ? strdup(prefix) : NULL };

        if (strlen(name) > MF_FINGERPRINT_MAX || strchr(name, ' ') || mf_fingerprint_parse(name, key.fingerprint) < 0) {
                free(key.prefix);
                return 0;
        }
        if (asprintf(&key.path, "%s/%s", directory, name) < 0)
                key.path = NULL;
        int r = !key.path || (prefix && !key.prefix) ? mf_error_oom(err, MAYFLY_STAGE_SIGNATURE)
                                                     : read_key(dirfd, name, &key, err);
        struct mf_trusted_key *grown =
                r < 0 ? NULL : mf_grow(keyring->list, keyring->n, &keyring->allocated, sizeof(*grown));
        if (!grown) {
                clear_key(&key);
                return r < 0 ? r : mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        keyring->list = grown;
        grown[keyring->n++] = key;
        return 0;
}

/* One directory to read, and the function for each of its names. */
struct visit {
        struct mf_keyring *keyring;
        const char *path;   /* of the directory */
        const char *prefix; /* that its keys are trusted for */
        int (*each)(const struct visit *visit, int dirfd, const char *name, struct mayfly_error *err);
};

/* Calls visit->each for all names in a directory, if it exists. Returns 0 or negative errno. */
static int visit_directory(const struct visit *visit, int parent, const char *name, struct mayfly_error *err)
{
        int fd = -1;
        int r = open_directory(parent, name, visit->path, &fd, err);

        if (r <= 0)
                return r;
        DIR *dir = fdopendir(fd);
        if (!dir) {
                r = cannot_read(visit->path, -errno, err);
                mf_close(fd);
                return r;
        }
        r = 0;
        errno = 0;
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir)); errno = 0)
                if (entry->d_name[0] != '.')
                        r = visit->each(visit, fd, entry->d_name, err);
        if (r == 0 && errno)
                r = cannot_read(visit->path, -errno, err);
        closedir(dir);
        return r;
}

static int each_key(const struct visit *visit, int dirfd, const char *name, struct mayfly_error *err)
{
        return add_key(visit->keyring, dirfd, visit->path, visit->prefix, name, err);
}

static int each_prefix(const struct visit *visit, int dirfd, const char *name, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *prefix = strdup(name), *path = NULL;
        struct stat st;

        for (char *p = prefix; p && *p; p++)
                if (*p == ',')
                        *p = '/';
        if (!prefix || asprintf(&path, "%s/%s", visit->path, name) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        if (!mf_is_ac_identifier(prefix) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                return 0;
        const struct visit inner = { visit->keyring, path, prefix, each_key };
        return visit_directory(&inner, dirfd, name, err);
}

static int each_top(const struct visit *visit, int dirfd, const char *name, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *path = NULL;
        int is_root = strcmp(name, "root.d") == 0;

        if (!is_root && strcmp(name, "prefix.d") != 0)
                return 0;
        if (asprintf(&path, "%s/%s", visit->path, name) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        const struct visit inner = { visit->keyring, path, NULL, is_root ? each_key : each_prefix };
        return visit_directory(&inner, dirfd, name, err);
}

static int compare_keys(const void *a, const void *b)
{
        const struct mf_trusted_key *one = a, *other = b;
        int r = strcmp(one->prefix ? one->prefix : "", other->prefix ? other->prefix : "");

        if (r == 0)
                r = strcmp(one->fingerprint, other->fingerprint);
        return r ? r : strcmp(one->path, other->path);
}

int mf_keyring_load(const char *option, struct mf_keyring *ret, struct mayfly_error *err)
{
        struct mf_keyring keyring = { 0 };
        struct directories directories;
        char *rest;

        int r = choose_directories(option, 0, &directories, err);
        for (char *path = r < 0 ? NULL : strtok_r(directories.text, ":", &rest); path && r == 0;
             path = strtok_r(NULL, ":", &rest)) {
                const struct visit top = { &keyring, path, NULL, each_top };
                r = check_path(&directories, path, err);
                if (r == 0)
                        r = visit_directory(&top, AT_FDCWD, path, err);
        }
        free(directories.text);
        if (r < 0) {
                mf_keyring_clear(&keyring);
                return r;
        }
        if (keyring.n > 0)
                qsort(keyring.list, keyring.n, sizeof(*keyring.list), compare_keys);
        *ret = keyring;
        return 0;
}

void mf_keyring_clear(struct mf_keyring *keyring)
{
        for (size_t i = 0; i < keyring->n; i++)
                clear_key(&keyring->list[i]);
        free(keyring->list);
        *keyring = (struct mf_keyring){ 0 };
}

int mf_keyring_covers(const char *prefix, const char *name)
{
        size_t length = prefix ? strlen(prefix) : 0;

        return !prefix || (strncmp(name, prefix, length) == 0 && (!name[length] || name[length] == '/'));
}

const struct mf_trusted_key *mf_keyring_find(const struct mf_keyring *keyring, const char *fingerprint,
                                             const char *name)
{
        for (size_t i = 0; i < keyring->n; i++)
                if (strcmp(keyring->list[i].fingerprint, fingerprint) == 0 &&
                    mf_keyring_covers(keyring->list[i].prefix, name))
                        return &keyring->list[i];
        return NULL;
}

int mf_keyring_digest(const struct mf_keyring *keyring, const char *fingerprint, char ret[MF_ID_LENGTH + 1])
{
        struct mf_digest *digest = mf_digest_new();
        int r = digest ? 0 : -ENOMEM;

        for (size_t i = 0; i < keyring->n && r == 0; i++)
                if (strcmp(keyring->list[i].fingerprint, fingerprint) == 0)
                        r = mf_digest_update(digest, keyring->list[i].data, keyring->list[i].size);
        if (r == 0)
                r = mf_digest_final(digest, ret);
        mf_digest_free(digest);
        return r;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* Makes a directory and its parents. Returns 0 or -errno. */
static int make_directory(const char *path)
{
        mf_cleanup(mf_freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1;; p++) {
                char saved = *p;
                if (saved && saved != '/')
                        continue;
                *p = '\0';
                if (mkdir(copy, 0755) == 0)
                        (void) chmod(copy, 0755); /* whatever the umask: no other user may write */
                else if (errno != EEXIST)
                        return -errno;
                *p = saved;
                if (!saved)
                        return 0;
        }
}

/* Writes a file, which gets its name by one rename when it is complete. Returns 0 or -errno. */
static int write_file(const char *directory, const char *path, const void *data, size_t size)
{
        mf_cleanup(mf_freep) char *fresh = NULL;
        int r;

        if (asprintf(&fresh, "%s/.new-XXXXXX", directory) < 0) {
                fresh = NULL;
                return -ENOMEM;
        }
        int fd = mkostemp(fresh, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = mf_write_full(fd, data, size);
        if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
                r = -errno;
        mf_close(fd);
        if (r == 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(fresh);
        return r;
}

int mf_keyring_write(const char *option, const char *prefix, const char *fingerprint, const void *data, size_t size,
                     char **ret_path, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *directory = NULL, *path = NULL;
        struct directories directories;
        char *rest;

        int r = choose_directories(option, 1, &directories, err);
        if (r < 0)
                return r;
        const char *top = strtok_r(directories.text, ":", &rest);
        int n = asprintf(&directory, "%s/%s%s", top ? top : "", prefix ? "prefix.d/" : "root.d", prefix ? prefix : "");
        if (n < 0)
                directory = NULL;
        r = check_path(&directories, top ? top : "", err);
        for (char *p = n < 0 || r < 0 || !prefix ? NULL : directory + strlen(top) + strlen("/prefix.d/"); p && *p; p++)
                if (*p == '/')
                        *p = ',';
        free(directories.text);
        if (r < 0)
                return r;
        if (n < 0 || asprintf(&path, "%s/%s", directory, fingerprint) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        for (char *p = path + strlen(path) - strlen(fingerprint); *p; p++)
                if (*p >= 'A' && *p <= 'F')
                        *p = (char) (*p - 'A' + 'a'); /* as rkt does */
        r = make_directory(directory);
        if (r == 0)
                r = write_file(directory, path, data, size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_SIGNATURE, "trusted keys: %s cannot be written", path);
        *ret_path = mf_take(path);
        return 0;
}
