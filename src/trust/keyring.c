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

#define KEY_MAX (1 << 20)
#define FOLDER "mayfly/trustedkeys"

/* --- which folders ----------------------------------------------------------------------------------------------- */

struct folders {
        char *text; /* separated by ":" */
        const char *from;
};

static char *own_folder(void)
{
        const char *config = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
        char *path = NULL;
        int n = 0;

        if (config && *config == '/') /* a relative one is to be ignored, says the XDG specification */
                n = asprintf(&path, "%s/" FOLDER, config);
        else if (home && *home == '/')
                n = asprintf(&path, "%s/.config/" FOLDER, home);
        return n < 0 ? NULL : path;
}

/* `writing`: the first is where keys are put. */
static int choose_folders(const char *option, int writing, struct folders *ret, struct mayfly_error *err)
{
        const char *env = secure_getenv("MAYFLY_TRUSTED_KEYS");

        *ret = (struct folders){ .from = option ? "the option trusted_keys" : "MAYFLY_TRUSTED_KEYS" };
        if (option || (env && *env)) {
                ret->text = strdup(option ? option : env);
        } else {
                mf_cleanup(mf_freep) char *own = own_folder();
                int n;
                if (writing && geteuid() == 0)
                        n = asprintf(&ret->text, "/etc/" FOLDER);
                else
                        n = asprintf(&ret->text, "%s%s/etc/" FOLDER, own ? own : "", own ? ":" : "");
                if (n < 0)
                        ret->text = NULL;
                ret->from = "the default";
        }
        return ret->text ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

static int check_path(const struct folders *folders, const char *path, struct mayfly_error *err)
{
        if (*path == '/')
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the folder of trusted keys \"%.300s\" (from %s) must be an absolute path", path,
                        folders->from);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Whoever can write there could have their own images trusted. */
static int check_owner(const char *path, const struct stat *st, struct mayfly_error *err)
{
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return mf_error(err, -EPERM, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s belongs to user %u, who is neither root nor this user (%u); run "
                                "chown on it, or remove it",
                                path, (unsigned) st->st_uid, (unsigned) geteuid());
        if (st->st_mode & 022)
                return mf_error(err, -EPERM, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s can be written by others (mode %04o); look at what is in it, then "
                                "run chmod go-w on it",
                                path, (unsigned) st->st_mode & 07777U);
        return 0;
}

static int cannot_read(const char *path, int code, struct mayfly_error *err)
{
        return mf_error_errno(err, code, MAYFLY_STAGE_SIGNATURE, "trusted keys: %s cannot be read", path);
}

/* 1 when it is open, 0 when it is not there. */
static int open_folder(int dirfd, const char *name, const char *path, int *ret, struct mayfly_error *err)
{
        int nofollow = dirfd == AT_FDCWD ? 0 : O_NOFOLLOW;
        mf_cleanup(mf_closep) int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
        struct stat st;

        if (fd < 0 && (errno == ENOENT || (dirfd == AT_FDCWD && errno == ENOTDIR)))
                return 0;
        if (fd < 0 && dirfd == AT_FDCWD && errno == EACCES && stat(path, &st) < 0 && errno == EACCES)
                return 0; /* below a $HOME left from another user */
        if (fd < 0 || fstat(fd, &st) < 0)
                return cannot_read(path, -errno, err);
        int r = check_owner(path, &st, err);
        if (r < 0)
                return r;
        *ret = mf_take_fd(&fd);
        return 1;
}

static int read_key(int dirfd, const char *name, struct mf_trusted_key *key, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return cannot_read(key->path, -errno, err);
        if (!S_ISREG(st.st_mode) || st.st_size > KEY_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SIGNATURE,
                                "trusted keys: %s is no file of at most 1 MiB; remove it", key->path);
        int r = check_owner(key->path, &st, err);
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

static int add_key(struct mf_keyring *keyring, int dirfd, const char *folder, const char *prefix, const char *name,
                   struct mayfly_error *err)
{
        struct mf_trusted_key key = { .prefix = prefix ? strdup(prefix) : NULL };

        if (strlen(name) > MF_FINGERPRINT_MAX || strchr(name, ' ') || mf_fingerprint_parse(name, key.fingerprint) < 0) {
                free(key.prefix);
                return 0;
        }
        if (asprintf(&key.path, "%s/%s", folder, name) < 0)
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

/* What a folder has; the work is add_key()'s or add_prefix()'s. */
struct visit {
        struct mf_keyring *keyring;
        const char *path;   /* of the folder */
        const char *prefix; /* of its keys */
        int (*each)(const struct visit *visit, int dirfd, const char *name, struct mayfly_error *err);
};

static int visit_folder(const struct visit *visit, int parent, const char *name, struct mayfly_error *err)
{
        int fd = -1;
        int r = open_folder(parent, name, visit->path, &fd, err);

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
        return visit_folder(&inner, dirfd, name, err);
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
        return visit_folder(&inner, dirfd, name, err);
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
        struct folders folders;
        char *rest;

        int r = choose_folders(option, 0, &folders, err);
        for (char *path = r < 0 ? NULL : strtok_r(folders.text, ":", &rest); path && r == 0;
             path = strtok_r(NULL, ":", &rest)) {
                const struct visit top = { &keyring, path, NULL, each_top };
                r = check_path(&folders, path, err);
                if (r == 0)
                        r = visit_folder(&top, AT_FDCWD, path, err);
        }
        free(folders.text);
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

static int make_folder(const char *path)
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
                        (void) chmod(copy, 0755); /* whatever the umask: nobody else's to write */
                else if (errno != EEXIST)
                        return -errno;
                *p = saved;
                if (!saved)
                        return 0;
        }
}

/* The whole file or none, under its name by one rename. */
static int write_file(const char *folder, const char *path, const void *data, size_t size)
{
        mf_cleanup(mf_freep) char *fresh = NULL;
        int r;

        if (asprintf(&fresh, "%s/.new-XXXXXX", folder) < 0) {
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
        mf_cleanup(mf_freep) char *folder = NULL, *path = NULL;
        struct folders folders;
        char *rest;

        int r = choose_folders(option, 1, &folders, err);
        if (r < 0)
                return r;
        const char *top = strtok_r(folders.text, ":", &rest);
        int n = asprintf(&folder, "%s/%s%s", top ? top : "", prefix ? "prefix.d/" : "root.d", prefix ? prefix : "");
        if (n < 0)
                folder = NULL;
        r = check_path(&folders, top ? top : "", err);
        for (char *p = n < 0 || r < 0 || !prefix ? NULL : folder + strlen(top) + strlen("/prefix.d/"); p && *p; p++)
                if (*p == '/')
                        *p = ',';
        free(folders.text);
        if (r < 0)
                return r;
        if (n < 0 || asprintf(&path, "%s/%s", folder, fingerprint) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        for (char *p = path + strlen(path) - strlen(fingerprint); *p; p++)
                if (*p >= 'A' && *p <= 'F')
                        *p = (char) (*p - 'A' + 'a'); /* as rkt has them */
        r = make_folder(folder);
        if (r == 0)
                r = write_file(folder, path, data, size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_SIGNATURE, "trusted keys: writing %s", path);
        *ret_path = mf_take(path);
        return 0;
}
