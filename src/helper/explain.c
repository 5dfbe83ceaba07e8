/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "helper/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define FIRST_SUBORDINATE 100000U /* as useradd begins, see login.defs(5) */
#define SUBORDINATES 65536U

#define APPARMOR                                                                                                \
        "AppArmor restricts user namespaces here (kernel.apparmor_restrict_unprivileged_userns is 1); install " \
        "mayfly's profile (mayfly doctor --apparmor-profile prints it), or turn this off: sudo sysctl "         \
        "kernel.apparmor_restrict_unprivileged_userns=0"

/* Returns the number in a file of /proc/sys, or -1 when there is none. */
static long read_sysctl(const char *sysctls, const char *name)
{
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_fclosep) FILE *f = NULL;
        long value;

        if (asprintf(&path, "%s/%s", sysctls, name) < 0) {
                path = NULL;
                return -1;
        }
        f = fopen(path, "re");
        return f && fscanf(f, "%ld", &value) == 1 ? value : -1;
}

int mf_explain_clone(int code, const char *sysctls, struct mayfly_error *err)
{
        long limit = read_sysctl(sysctls, "user/max_user_namespaces");

        if (limit == 0)
                return mf_error(err, code, MAYFLY_STAGE_HOST,
                                "this host allows no user namespaces (user.max_user_namespaces is 0); allow some: "
                                "sudo sysctl user.max_user_namespaces=15000");
        if (code == -ENOSPC || code == -EUSERS)
                return mf_error_errno(err, code, MAYFLY_STAGE_HOST,
                                      "there are too many user namespaces, or too many inside each other "
                                      "(user.max_user_namespaces is %ld); end programs that have some, or raise the "
                                      "limit with sudo sysctl user.max_user_namespaces=NUMBER",
                                      limit);
        if (read_sysctl(sysctls, "kernel/unprivileged_userns_clone") == 0)
                return mf_error(err, code, MAYFLY_STAGE_HOST,
                                "this host allows user namespaces to root alone (kernel.unprivileged_userns_clone is "
                                "0); allow them to all: sudo sysctl kernel.unprivileged_userns_clone=1");
        if ((code == -EPERM || code == -EACCES) &&
            read_sysctl(sysctls, "kernel/apparmor_restrict_unprivileged_userns") == 1)
                return mf_error(err, code, MAYFLY_STAGE_HOST, "a user namespace cannot be made: " APPARMOR);
        if (code == -EINVAL || code == -ENOSYS)
                return mf_error_errno(err, code, MAYFLY_STAGE_HOST,
                                      "this kernel has no user namespaces (CONFIG_USER_NS); use another kernel, or run "
                                      "the tests with sudo");
        if (code == -EPERM)
                return mf_error_errno(err, code, MAYFLY_STAGE_HOST,
                                      "a user namespace cannot be made; a chroot and the seccomp filters of docker and "
                                      "podman forbid it: leave the chroot, or run the outer container with "
                                      "--privileged or --security-opt seccomp=unconfined");
        return mf_error_errno(err, code, MAYFLY_STAGE_HOST, "a user namespace cannot be made");
}

int mf_explain_powerless(int code, const char *sysctls, struct mayfly_error *err)
{
        if (read_sysctl(sysctls, "kernel/apparmor_restrict_unprivileged_userns") == 1)
                return mf_error(err, code, MAYFLY_STAGE_HOST,
                                "root of a user namespace has no rights in it: " APPARMOR);
        return mf_error_errno(err, code, MAYFLY_STAGE_HOST,
                              "root of a user namespace has no rights in it; look for what forbids it, such as a "
                              "security module or a seccomp filter");
}

/* Why the program runs without root's rights, or NULL when it has them. */
static const char *find_missing_right(const char *program)
{
        struct statvfs fs;
        struct stat st;

        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
                return "this process has no_new_privs, so that no program gets more rights; start it without, for "
                       "instance the outer container without --security-opt no-new-privileges";
        if (stat(program, &st) == 0 && (!(st.st_mode & S_ISUID) || st.st_uid != 0) &&
            getxattr(program, "security.capability", NULL, 0) < 0)
                return "it has neither a set-user-ID bit of root nor capabilities; give it back: sudo apt-get install "
                       "--reinstall uidmap";
        if (statvfs(program, &fs) == 0 && (fs.f_flag & ST_NOSUID))
                return "it is on a file system that is mounted with nosuid; mount it without";
        return NULL;
}

int mf_explain_mapper(const struct mf_mapper_failure *failure, struct mayfly_error *err)
{
        const char *missing = find_missing_right(failure->program);

        if (missing)
                return mf_error(err, -EPERM, MAYFLY_STAGE_HOST, "%s cannot map the IDs of this user: %s",
                                failure->program, missing);
        if (getegid() != failure->own_group)
                return mf_error(
                        err, -EPERM, MAYFLY_STAGE_HOST,
                        "%s wants the user's own group, %u, but this process has %u; leave newgrp or sg (%.300s)",
                        failure->program, (unsigned) failure->own_group, (unsigned) getegid(), failure->text);
        return mf_error(err, -EPERM, MAYFLY_STAGE_HOST,
                        "%s cannot map the IDs of this user: %.600s; look at /etc/subuid and /etc/subgid (subuid(5))",
                        failure->program, failure->text[0] ? failure->text : "it does not say why");
}

int mf_explain_no_ranges(const char *user, const struct mf_id_map *uids, const struct mf_id_map *gids,
                         struct mayfly_error *err)
{
        uint64_t first = uids->end > gids->end ? uids->end : gids->end, last;
        char wanted[128] = "";

        if (first < FIRST_SUBORDINATE)
                first = FIRST_SUBORDINATE;
        last = first + SUBORDINATES - 1;
        if (uids->n == 0)
                snprintf(wanted, sizeof(wanted), " --add-subuids %" PRIu64 "-%" PRIu64, first, last);
        if (gids->n == 0)
                snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted),
                         " --add-subgids %" PRIu64 "-%" PRIu64, first, last);
        return mf_error(err, -ENOENT, MAYFLY_STAGE_HOST,
                        "the user %s has no subordinate IDs in %s, which the users of containers need; add some: sudo "
                        "usermod%s %s",
                        user,
                        uids->n > 0   ? "/etc/subgid"
                        : gids->n > 0 ? "/etc/subuid"
                                      : "/etc/subuid and /etc/subgid",
                        wanted, user);
}
