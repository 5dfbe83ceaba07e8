/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/bus.h"
#include "host/check.h"
#include "util/fd.h"
#include "util/macro.h"

#define CGROUP_MAX 400

/* Where the cgroup2 hierarchy is, on hosts that have cgroup v1 beside it, too; NULL when it is nowhere. */
static const char *find_hierarchy(void)
{
        static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        char path[64];

        for (size_t i = 0; i < MF_ELEMENTSOF(places); i++) {
                snprintf(path, sizeof(path), "%s/cgroup.procs", places[i]);
                if (access(path, F_OK) == 0)
                        return places[i];
        }
        return NULL;
}

/* Writes the directory of this process's own cgroup, where mayfly makes those of containers. Returns 0 or -ENOENT. */
static int find_own(char ret[CGROUP_MAX])
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/self/cgroup", "re");
        const char *hierarchy = find_hierarchy();
        char line[CGROUP_MAX - 32];

        while (hierarchy && f && fgets(line, sizeof(line), f)) {
                if (strncmp(line, "0::", 3) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                snprintf(ret, CGROUP_MAX, "%s%s", hierarchy, strcmp(line + 3, "/") == 0 ? "" : line + 3);
                return 0;
        }
        return -ENOENT;
}

/* Makes a process in the cgroup. Returns 0 or negative errno. */
static int enter(int fd)
{
        struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t) fd };
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (pid == 0)
                _exit(0);
        if (pid < 0 && (errno == ENOSYS || errno == EPERM)) { /* mayfly-launch goes the long way, too */
                mf_cleanup(mf_closep) int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
                return procs < 0 ? -errno : 0;
        }
        if (pid < 0)
                return -errno;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return 0;
}

/* Makes a cgroup below `directory`, makes a process in it, and removes it. Returns 0 or negative errno. */
static int try_cgroup(const char *directory)
{
        char path[CGROUP_MAX + 64];

        snprintf(path, sizeof(path), "%s/mayfly-doctor-%d", directory, (int) getpid());
        if (mkdir(path, 0755) < 0)
                return -errno;
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : enter(fd);
        for (unsigned i = 0; i < 500 && rmdir(path) < 0 && errno == EBUSY; i++)
                usleep(1000); /* the process is on its way out */
        return r;
}

/* Says how to get limits. */
static void remedy_limits(const struct mf_host *host, struct mf_host_finding *ret)
{
        if (host->is_root)
                mf_host_remedy(ret, "if tests want limits, boot with systemd and one cgroup2 hierarchy "
                                    "(systemd.unified_cgroup_hierarchy=1), and use the engine \"systemd\"");
        else
                mf_host_remedy(ret,
                               "if tests want limits, start them in a cgroup of this user: "
                               "systemd-run --user --scope --property=Delegate=yes COMMAND%s",
                               mf_bus_booted() ? "" : ", on a host with systemd as PID 1");
}

void mf_probe_cgroup2(const struct mf_host *host, struct mf_host_finding *ret)
{
        char own[CGROUP_MAX];

        if (find_own(own) < 0) {
                mf_host_missing(ret, -ENOENT,
                                "there is no cgroup2 hierarchy on /sys/fs/cgroup or /sys/fs/cgroup/unified");
                if (!host->is_root)
                        remedy_limits(host, ret);
                else if (mf_host_outer_name())
                        mf_host_remedy(ret,
                                       "give the container the host's: `--privileged --cgroupns=host "
                                       "--volume=/sys/fs/cgroup:/sys/fs/cgroup`, options of docker run and podman run");
                else
                        mf_host_remedy(ret, "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with "
                                            "systemd.unified_cgroup_hierarchy=1");
                return;
        }
        if (host->is_root && host->wants_systemd) {
                mf_host_ok(ret, "systemd makes the cgroups of containers");
                return;
        }
        int r = try_cgroup(own);
        if (r == 0) {
                mf_host_ok(ret, "a cgroup was made in %s", own);
                return;
        }
        mf_host_missing(ret, r, "a cgroup cannot be made in %s: %s%s", own, strerrordesc_np(-r),
                        host->is_root ? ""
                                      : ", so that containers have no limits (memory_max and tasks_max are errors)");
        if (host->is_root)
                mf_host_remedy_outer(host, ret, "make /sys/fs/cgroup writable: mount -o remount,rw /sys/fs/cgroup");
        else
                remedy_limits(host, ret);
}

/* Adds to `ret` the controllers of a cgroup's file, as a string with a space at both ends. */
static void read_controllers(const char *directory, const char *file, char *ret, size_t size)
{
        char path[CGROUP_MAX + 64], text[256];

        snprintf(path, sizeof(path), "%s/%s", directory, file);
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : mf_read_full(fd, text, sizeof(text) - 1);
        text[n < 0 ? 0 : n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        snprintf(ret, size, " %s ", text);
}

/* Writes the names of those that are not among `there`, as "memory, pids". Returns how many they are. */
static unsigned list_missing(const char *there, char *ret, size_t size)
{
        static const char *const names[] = { "memory", "pids", "cpu" };
        char word[16];
        unsigned n = 0;
        size_t used = 0;

        *ret = '\0';
        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++) {
                snprintf(word, sizeof(word), " %s ", names[i]);
                if (!strstr(there, word))
                        used += (size_t) snprintf(ret + used, size - used, "%s%s", n++ ? ", " : "", names[i]);
        }
        return n;
}

void mf_probe_controllers(const struct mf_host *host, struct mf_host_finding *ret)
{
        int of_systemd = host->is_root && host->wants_systemd;
        char own[CGROUP_MAX] = "", there[260], missing[64];
        const char *hierarchy = find_hierarchy();

        if (of_systemd && hierarchy)
                snprintf(own, sizeof(own), "%s", hierarchy);
        else
                (void) find_own(own);
        read_controllers(own, of_systemd || !host->is_root ? "cgroup.controllers" : "cgroup.subtree_control", there,
                         sizeof(there));
        unsigned n = list_missing(there, missing, sizeof(missing));
        if (n == 0) {
                mf_host_ok(ret, "limits of memory, tasks and processor time can be set");
                return;
        }
        mf_host_warning(ret,
                        "containers get no cgroup controller%s %s, so limits of %s cannot be set, and the default ones "
                        "are not in force",
                        n > 1 ? "s" : "", missing, n > 1 ? "these" : "it");
        remedy_limits(host, ret);
}
