/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"

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

/* By name, or by number when name is NULL. The result is valid until the next call. */
static const struct passwd *find_passwd(const char *name, uid_t uid)
{
        FILE *f = fopen("/etc/passwd", "re");
        const struct passwd *entry = NULL;

        if (!f)
                return NULL;
        while ((entry = fgetpwent(f)))
                if (name ? strcmp(entry->pw_name, name) == 0 : entry->pw_uid == uid)
                        break;
        fclose(f);
        return entry;
}

static int find_user(const char *user, struct mf_identity *ret, char **ret_name, char *text, size_t text_size)
{
        const struct passwd *entry;
        struct stat st;
        uid_t uid = 0;

        if (user[0] == '/') {
                if (stat(user, &st) < 0) {
                        int r = -errno;
                        snprintf(text, text_size, "user \"%.100s\": the file whose owner it names: %s", user,
                                 strerrordesc_np(-r));
                        return r;
                }
                uid = st.st_uid;
                ret->gid = st.st_gid;
                entry = find_passwd(NULL, uid);
        } else {
                entry = find_passwd(user, 0);
                if (!entry && parse_number(user, &uid) < 0) {
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
                if (!entry)
                        entry = find_passwd(NULL, uid);
        }

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

        FILE *f = fopen("/etc/group", "re");
        if (f) {
                for (const struct group *entry; (entry = fgetgrent(f));)
                        if (strcmp(entry->gr_name, group) == 0) {
                                *ret = entry->gr_gid;
                                fclose(f);
                                return 0;
                        }
                fclose(f);
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
static int add_member_groups(const char *name, struct mf_identity *identity)
{
        FILE *f = fopen("/etc/group", "re");

        if (!f)
                return 0;
        for (const struct group *entry; (entry = fgetgrent(f));)
                for (char **member = entry->gr_mem; *member; member++) {
                        if (strcmp(*member, name) != 0)
                                continue;
                        gid_t *grown = realloc(identity->groups, (identity->n_groups + 1) * sizeof(gid_t));
                        if (!grown) {
                                fclose(f);
                                return -ENOMEM;
                        }
                        identity->groups = grown;
                        identity->groups[identity->n_groups++] = entry->gr_gid;
                        break;
                }
        fclose(f);
        return 0;
}

int mf_identity_find(const struct mf_words *words, struct mf_identity *ret, char *text, size_t text_size)
{
        struct mf_identity identity = { 0 };
        char *name = NULL;

        int r = find_user(words->user, &identity, &name, text, text_size);
        if (r < 0)
                return r;
        if (words->group) {
                r = find_group(words->group, &identity.gid, text, text_size);
                if (r < 0)
                        return r;
        }
        identity.groups = calloc(words->n_extra_groups + 1, sizeof(gid_t));
        if (!identity.groups)
                return -ENOMEM;
        identity.n_groups = words->n_extra_groups;
        memcpy(identity.groups, words->extra_groups, words->n_extra_groups * sizeof(gid_t));
        if (name) {
                r = add_member_groups(name, &identity);
                if (r < 0)
                        return r;
        }
        *ret = identity;
        return 0;
}
