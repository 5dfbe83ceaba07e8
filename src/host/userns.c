/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/check.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/program-path.h"

#define MAX_FILE "/proc/sys/user/max_user_namespaces"
#define CLONE_FILE "/proc/sys/kernel/unprivileged_userns_clone"
#define APPARMOR_FILE "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
#define PROFILE_FILE "/etc/apparmor.d/mayfly"
#define INSTALL_PROFILE \
        "mayfly doctor --apparmor-profile | sudo tee " PROFILE_FILE " && sudo apparmor_parser -r " PROFILE_FILE

/* Remedies that are told both with the switch and with what the switch makes fail. */
#define REMEDY_MAX \
        "sudo sysctl user.max_user_namespaces=15000 (and a line with it in /etc/sysctl.d/mayfly.conf, to keep it)"
#define REMEDY_CLONE \
        "sudo sysctl kernel.unprivileged_userns_clone=1 (and a line with it in /etc/sysctl.d/mayfly.conf, to keep it)"

/* Returns whether the file has the number. */
static int is_number(const char *path, uint64_t number)
{
        uint64_t there;

        return mf_host_read_number(path, &there) == 0 && there == number;
}

void mf_probe_max_user_namespaces(const struct mf_host *host, struct mf_host_finding *ret)
{
        uint64_t max;

        (void) host;
        if (access("/proc/self/ns/user", F_OK) < 0) {
                mf_host_missing(ret, -ENOSYS, "this kernel has no user namespaces: /proc/self/ns/user: %s",
                                strerrordesc_np(errno));
                mf_host_remedy(ret, "use a kernel with CONFIG_USER_NS=y, and have proc mounted on /proc");
        } else if (mf_host_read_number(MAX_FILE, &max) < 0) {
                mf_host_ok(ret, "there is no limit of user namespaces");
        } else if (max == 0) {
                mf_host_missing(ret, -ENOSPC, "user.max_user_namespaces is 0, so nobody can make a user namespace");
                mf_host_remedy(ret, REMEDY_MAX);
        } else {
                mf_host_ok(ret, "user.max_user_namespaces is %llu", (unsigned long long) max);
        }
}

void mf_probe_userns_clone(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        if (is_number(CLONE_FILE, 0)) {
                mf_host_missing(ret, -EPERM,
                                "kernel.unprivileged_userns_clone is 0, so only root can make a user namespace");
                mf_host_remedy(ret, REMEDY_CLONE);
        } else {
                mf_host_ok(ret, "ordinary users may make user namespaces%s",
                           access(CLONE_FILE, F_OK) == 0 ? " (kernel.unprivileged_userns_clone is 1)" : "");
        }
}

/* --- Ubuntu's AppArmor ------------------------------------------------------------------------------------------ */

/* Returns whether the installed profile has the program's path. */
static int profile_has(const char *name)
{
        mf_cleanup(mf_freep) char *profile = NULL, *path = NULL;
        size_t size;

        return mf_program_path(name, &path, NULL) == 0 &&
               mf_read_file_at(AT_FDCWD, PROFILE_FILE, 65536, &profile, &size) == 0 && strstr(profile, path);
}

void mf_probe_apparmor(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        if (!is_number(APPARMOR_FILE, 1)) {
                mf_host_ok(ret, "AppArmor does not restrict user namespaces");
        } else if (profile_has("mayfly-helper") && profile_has("mayfly-launch")) {
                mf_host_ok(ret, PROFILE_FILE " lets mayfly's programs make user namespaces, which AppArmor restricts");
        } else {
                mf_host_missing(ret, -EPERM,
                                "kernel.apparmor_restrict_unprivileged_userns is 1, and no AppArmor profile lets "
                                "mayfly's programs make user namespaces");
                mf_host_remedy(ret, INSTALL_PROFILE
                               " (or, for all programs: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0)");
        }
}

/* --- trying it -------------------------------------------------------------------------------------------------- */

void mf_host_remedy_userns(const struct mf_host *host, struct mf_host_finding *ret, const char *otherwise)
{
        if (is_number(MAX_FILE, 0))
                mf_host_remedy(ret, REMEDY_MAX);
        else if (!host->is_root && is_number(CLONE_FILE, 0))
                mf_host_remedy(ret, REMEDY_CLONE);
        else if (!host->is_root && is_number(APPARMOR_FILE, 1))
                mf_host_remedy(ret, INSTALL_PROFILE);
        else
                mf_host_remedy_outer(host, ret, otherwise);
}

/* Enters all the namespaces that a container has. */
static int try_namespaces(struct mf_host_attempt *attempt)
{
        static const struct {
                int flag;
                const char *step;
        } others[] = {
                { CLONE_NEWNS, "making a mount namespace in a user namespace" },
                { CLONE_NEWPID, "making a PID namespace in a user namespace" },
                { CLONE_NEWNET, "making a network namespace in a user namespace" },
                { CLONE_NEWIPC, "making an IPC namespace in a user namespace" },
                { CLONE_NEWUTS, "making a UTS namespace in a user namespace" },
                { CLONE_NEWCGROUP, "making a cgroup namespace in a user namespace" },
                { CLONE_NEWUSER, "making a user namespace in a user namespace" },
        };

        if (mf_host_enter_user_namespace(attempt) < 0)
                return -1;
        for (size_t i = 0; i < MF_ELEMENTSOF(others); i++)
                if (unshare(others[i].flag) < 0)
                        return mf_host_attempt_failed(attempt, others[i].step);
        return 0;
}

void mf_probe_user_namespaces(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mf_host_attempt attempt;

        if (mf_host_try(host, try_namespaces, &attempt) == 0) {
                mf_host_ok(ret, "a user namespace was made, with all other kinds of namespaces in it");
                return;
        }
        mf_host_missing(ret, -attempt.error, "%s fails: %s", attempt.step, strerrordesc_np(attempt.error));
        mf_host_remedy_userns(host, ret,
                              attempt.error == ENOSPC || attempt.error == EUSERS
                                      ? "raise the limits of /proc/sys/user, or end programs that have namespaces"
                                      : "look for what forbids it: a chroot, a security module, a seccomp filter, or a "
                                        "kernel without CONFIG_USER_NS");
}
