/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/init.h"

/* fgetpwent(3) and fgetgrent(3) read the image's files themselves; getpwnam(3) would want NSS, which a static program
 * must not load from an image. */

static int parse_number(const char *s, uint32_t *ret)
{
        char *end;

        if (*s < '0' || *s > '9')
                return -EINVAL;
        errno = 0;
        unsigned long long v = strtoull(s, &end, 10);
        if (errno || *end || v >= UINT32_MAX) /* (uid_t) -1 means "no change" */
                return -EINVAL;
        *ret = (uint32_t) v;
        return 0;
}

/* Opens a file that the container may have replaced by something that makes its readers wait. *ret is NULL when there is
 * no such file. Returns 0 or negative errno: -EINVAL for what is not a regular file. */
static int open_database(const char *path, FILE **ret)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        *ret = NULL;
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        int r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
        if (r == 0) {
                *ret = fdopen(fd, "r");
                r = *ret ? 0 : -errno;
        }
        if (r < 0)
                close(fd);
        return r;
}

/* After fgetpwent(3) or fgetgrent(3) gave NULL: 0 at the end of the file. */
static int end_of_database(void)
{
        return errno == 0 || errno == ENOENT ? 0 : -errno;
}

/* By name, or by number when name is NULL; *ret is NULL when there is none, and valid until the next call. */
static int find_passwd(const char *name, uid_t uid, const struct passwd **ret)
{
        FILE *f;
        int r = open_database("/etc/passwd", &f);

        *ret = NULL;
        if (r < 0 || !f)
                return r;
        do {
                errno = 0;
                *ret = fgetpwent(f);
                if (!*ret)
                        r = end_of_database();
        } while (*ret && (name ? strcmp((*ret)->pw_name, name) != 0 : (*ret)->pw_uid != uid));
        fclose(f);
        return r;
}

/* The next entry of /etc/group that `accept` takes; *ret is NULL when there is none. */
static int next_group(FILE *f, const struct group **ret, int (*accept)(const struct group *group, const char *name),
                      const char *name)
{
        do {
                errno = 0;
                *ret = fgetgrent(f);
        } while (*ret && !accept(*ret, name));
        return *ret ? 0 : end_of_database();
}

static int is_called(const struct group *group, const char *name)
{
        return strcmp(group->gr_name, name) == 0;
}

static int has_member(const struct group *group, const char *name)
{
        for (char **member = group->gr_mem; *member; member++)
                if (strcmp(*member, name) == 0)
                        return 1;
        return 0;
}

static int database_error(int r, const char *path, char *text, size_t text_size)
{
        if (r == -EINVAL)
                snprintf(text, text_size, "the image's %s is not a regular file", path);
        else
                snprintf(text, text_size, "reading the image's %s: %s", path, strerrordesc_np(-r));
        return r;
}

static int find_user(const char *user, struct mf_identity *ret, char **ret_name, char *text, size_t text_size)
{
        const struct passwd *entry;
        struct stat st;
        uid_t uid = 0;
        int r;

        if (user[0] == '/') {
                if (stat(user, &st) < 0) {
                        r = -errno;
                        snprintf(text, text_size, "user \"%.100s\": the file whose owner it names: %s", user,
                                 strerrordesc_np(-r));
                        return r;
                }
                uid = st.st_uid;
                ret->gid = st.st_gid;
                r = find_passwd(NULL, uid, &entry);
        } else {
                r = find_passwd(user, 0, &entry);
                if (r == 0 && !entry && parse_number(user, &uid) < 0) {
                        /* An image without /etc/passwd still has root. */
                        if (strcmp(user, "root") != 0) {
                                snprintf(text, text_size,
                                         "user \"%.100s\" is not in the image's /etc/passwd; name one that is, or a "
                                         "number",
                                         user);
                                return -ENOENT;
                        }
                        uid = 0;
                }
                if (r == 0 && !entry)
                        r = find_passwd(NULL, uid, &entry);
        }
        if (r < 0)
                return database_error(r, "/etc/passwd", text, text_size);

        ret->uid = entry ? entry->pw_uid : uid;
        if (entry) {
                if (user[0] != '/')
                        ret->gid = entry->pw_gid;
                ret->home = strdup(entry->pw_dir);
                *ret_name = strdup(entry->pw_name);
                if (!ret->home || !*ret_name)
                        return -ENOMEM;
        }
        return 0;
}

static int find_group(const char *group, gid_t *ret, char *text, size_t text_size)
{
        struct stat st;
        uint32_t gid;

        if (group[0] == '/') {
                if (stat(group, &st) < 0) {
                        int r = -errno;
                        snprintf(text, text_size, "group \"%.100s\": the file whose group it names: %s", group,
                                 strerrordesc_np(-r));
                        return r;
                }
                *ret = st.st_gid;
                return 0;
        }

        FILE *f;
        const struct group *entry = NULL;
        int r = open_database("/etc/group", &f);
        if (r == 0 && f) {
                r = next_group(f, &entry, is_called, group);
                fclose(f);
        }
        if (r < 0)
                return database_error(r, "/etc/group", text, text_size);
        if (entry) {
                *ret = entry->gr_gid;
                return 0;
        }
        if (parse_number(group, &gid) < 0) {
                if (strcmp(group, "root") != 0) {
                        snprintf(text, text_size,
                                 "group \"%.100s\" is not in the image's /etc/group; name one that is, or a number",
                                 group);
                        return -ENOENT;
                }
                gid = 0;
        }
        *ret = gid;
        return 0;
}

/* The groups that list `name` as a member, as initgroups(3) would find them. */
static int add_member_groups(const char *name, struct mf_identity *identity, char *text, size_t text_size)
{
        const struct group *entry;
        FILE *f;
        int r = open_database("/etc/group", &f);

        while (r == 0 && f && (r = next_group(f, &entry, has_member, name)) == 0 && entry) {
                gid_t *grown = realloc(identity->groups, (identity->n_groups + 1) * sizeof(gid_t));
                if (!grown) {
                        r = -ENOMEM;
                        break;
                }
                identity->groups = grown;
                identity->groups[identity->n_groups++] = entry->gr_gid;
        }
        if (f)
                fclose(f);
        return r < 0 ? database_error(r, "/etc/group", text, text_size) : 0;
}

int mf_identity_find(const struct mf_exec *exec, struct mf_identity *ret, char *text, size_t text_size)
{
        struct mf_identity identity = { 0 };
        char *name = NULL;

        int r = find_user(exec->user, &identity, &name, text, text_size);
        if (r < 0)
                return r;
        if (exec->group) {
                r = find_group(exec->group, &identity.gid, text, text_size);
                if (r < 0)
                        return r;
        }
        identity.groups = calloc(exec->n_extra_groups + 1, sizeof(gid_t));
        if (!identity.groups)
                return -ENOMEM;
        identity.n_groups = exec->n_extra_groups;
        memcpy(identity.groups, exec->extra_groups, exec->n_extra_groups * sizeof(gid_t));
        if (name && !exec->only_groups) {
                r = add_member_groups(name, &identity, text, text_size);
                if (r < 0)
                        return r;
        }
        *ret = identity;
        return 0;
}
