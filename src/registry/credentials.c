/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/ask-program.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define FILE_MAX_SIZE ((size_t) 4 << 20)
#define PLACES 3U

struct search {
        const char *registry, *repository;
        int (*cancelled)(void *userdata);
        void *userdata;
};

void mf_login_clear(struct mf_login *login)
{
        mf_credentials_clear(&login->credentials);
        free(login->where);
        *login = (struct mf_login){ 0 };
}

/* Reads a file. *ret is for mf_secret_free(). Returns 0 or negative errno. */
static int read_file(const char *path, char **ret, size_t *ret_size)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((size_t) st.st_size > FILE_MAX_SIZE)
                return -EFBIG;
        char *text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        ssize_t n = mf_read_full(fd, text, (size_t) st.st_size);
        text[n < 0 ? 0 : n] = '\0';
        if (n < 0) {
                mf_secret_free(text);
                return (int) n;
        }
        *ret = text;
        *ret_size = (size_t) n;
        return 0;
}

/* Asks the program of an entry. A program that is for all registries may fail: the image may need no credentials. Returns 0 or
 * negative errno. */
static int ask(struct mf_login *ret, const struct mf_auth_entry *entry, const char *path, const struct search *search,
               struct mayfly_error *err)
{
        char why[200];

        int r = mf_ask_program(&ret->credentials, entry->helper, entry->server, search->cancelled, search->userdata,
                               why, sizeof(why));
        if (r == -ECANCELED || r == -ENOMEM)
                return mf_error(err, r, MAYFLY_STAGE_HTTP, "looking for the credentials of %.200s %s", search->registry,
                                why);
        if (r < 0 && entry->is_named)
                return mf_error(err, r, MAYFLY_STAGE_SPEC,
                                "the program docker-credential-%.100s, which has the credentials of %.200s according "
                                "to %.300s, "
                                "%s; try: echo %.200s | docker-credential-%.100s get",
                                entry->helper, search->registry, path, why, entry->server, entry->helper);
        if (r < 0)
                snprintf(ret->note, sizeof(ret->note),
                         "the program docker-credential-%.60s (credsStore in %.200s) %.100s", entry->helper, path, why);
        else if (ret->credentials.user || ret->credentials.identity_token)
                r = asprintf(&ret->where, "the program docker-credential-%s (named in %s)", entry->helper, path) < 0
                            ? -ENOMEM
                            : 0;
        if (r == -ENOMEM) {
                ret->where = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        return 0;
}

/* Takes what a file has. Returns 0, also when it has nothing, or negative errno. */
static int take(struct mf_login *ret, const char *path, const char *text, size_t size, const struct search *search,
                struct mayfly_error *err)
{
        struct mf_auth_entry entry = { 0 };
        const char *why;

        int r = mf_auth_file_find(&entry, text, size, search->registry, search->repository, &why);
        if (r == -ENOMEM)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        if (r < 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the file %.300s, which is to have the credentials of registries, %s; correct it, or "
                                "log in again "
                                "with \"podman login %.200s\" or \"docker login %.200s\"",
                                path, why, search->registry, search->registry);
        if (entry.helper) {
                r = ask(ret, &entry, path, search, err);
        } else if (entry.credentials.user || entry.credentials.identity_token || entry.credentials.registry_token) {
                ret->credentials = entry.credentials;
                entry.credentials = (struct mf_credentials){ 0 };
                ret->where = strdup(path);
                r = ret->where ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        mf_auth_entry_clear(&entry);
        return r;
}

/* Looks into a file, which may be missing unless it is `required`. Returns 0 or negative errno. */
static int look_into(struct mf_login *ret, const char *path, int required, const struct search *search,
                     struct mayfly_error *err)
{
        char *text = NULL;
        size_t size = 0;

        int r = read_file(path, &text, &size);
        if (r < 0 && required)
                return mf_error_errno(
                        err, r, MAYFLY_STAGE_SPEC,
                        "the file \"%.300s\" of REGISTRY_AUTH_FILE cannot be read (correct the variable, or unset it)",
                        path);
        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r < 0) {
                errno = -r;
                snprintf(ret->note, sizeof(ret->note), "%.300s cannot be read: %m", path);
                return 0;
        }
        r = take(ret, path, text, size, search, err);
        mf_secret_free(text);
        return r;
}

/* Returns the value of a variable; NULL when it is not set or empty. */
static const char *get(const char *variable)
{
        const char *value = secure_getenv(variable);

        return value && *value ? value : NULL;
}

/* Returns DIRECTORY/NAME with the directory of a variable, or, where that is not set, DIRECTORY/OTHER/NAME with the directory
 * `base`. Allocated; NULL when there is no directory or memory is short: then *r is -ENOMEM. */
static char *path_of(const char *variable, const char *base, const char *other, const char *name, int *r)
{
        const char *directory = get(variable);
        char *path = NULL;
        int n = 0;

        if (directory)
                n = asprintf(&path, "%s/%s", directory, name);
        else if (base)
                n = asprintf(&path, "%s/%s/%s", base, other, name);
        if (n < 0) {
                path = NULL;
                *r = -ENOMEM;
        }
        return path;
}

/* Makes the paths of the files, in the order to look. Returns 0 or -ENOMEM. */
static int list_places(char *ret[PLACES])
{
        const char *home = get("HOME");
        char user[32];
        int r = 0;

        snprintf(user, sizeof(user), "containers/%u", (unsigned) getuid());
        ret[0] = path_of("XDG_RUNTIME_DIR", "/run", user, get("XDG_RUNTIME_DIR") ? "containers/auth.json" : "auth.json",
                         &r);
        ret[1] = path_of("XDG_CONFIG_HOME", home, ".config", "containers/auth.json", &r);
        ret[2] = path_of("DOCKER_CONFIG", home, ".docker", "config.json", &r);
        return r;
}

int mf_login_find(struct mf_login *ret, const char *registry, const char *repository, int (*cancelled)(void *userdata),
                  void *userdata, struct mayfly_error *err)
{
        const struct search search = { registry, repository, cancelled, userdata };
        const char *only = get("REGISTRY_AUTH_FILE");
        struct mf_login login = { 0 };
        char *places[PLACES] = { NULL };
        int r;

        if (only) {
                r = look_into(&login, only, 1, &search, err);
        } else {
                r = list_places(places) < 0 ? mf_error_oom(err, MAYFLY_STAGE_SPEC) : 0;
                for (size_t i = 0; i < PLACES && r == 0 && !login.where; i++)
                        r = places[i] ? look_into(&login, places[i], 0, &search, err) : 0;
        }
        for (size_t i = 0; i < PLACES; i++)
                free(places[i]);
        if (r < 0)
                mf_login_clear(&login);
        else
                *ret = login;
        return r;
}
