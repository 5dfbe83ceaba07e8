/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"

#define PREFIX "mayfly-"

/* Finds the directory of our own cgroup in the cgroup2 hierarchy, on hosts with cgroup v1 beside it too. Returns 0 or
 * -ENOENT. */
static int find_own_directory(char *ret, size_t size)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/self/cgroup", "re");
        char line[300], procs[64];

        while (f && fgets(line, sizeof(line), f)) {
                if (strncmp(line, "0::", 3) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                const char *root =
                        access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
                snprintf(procs, sizeof(procs), "%s/cgroup.procs", root);
                if (access(procs, F_OK) < 0)
                        break;
                snprintf(ret, size, "%s%s", root, strcmp(line + 3, "/") == 0 ? "" : line + 3);
                return 0;
        }
        return -ENOENT;
}

int launch_cgroup_is_ours(void)
{
        char directory[400], procs[500];

        if (find_own_directory(directory, sizeof(directory)) < 0)
                return 0;
        snprintf(procs, sizeof(procs), "%s/cgroup.procs", directory);
        return access(directory, W_OK) == 0 && access(procs, W_OK) == 0;
}

/* Removes a cgroup, those in it first. The kernel removes the files in their directories. */
static void remove_cgroup_tree(int parent, const char *name)
{
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return;
        DIR *dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return;
        }
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        remove_cgroup_tree(fd, entry->d_name);
        closedir(dir);
        for (unsigned i = 0; i < 500 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
                usleep(1000); /* the last process is on its way out */
}

/* Removes the empty cgroups that nobody has locked: a kill of both janitors at once leaves one. */
static void sweep(const char *directory)
{
        DIR *dir = opendir(directory);

        if (!dir)
                return;
        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_type != DT_DIR || strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
                        continue;
                int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
                        char events[128] = "";
                        int file = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
                        ssize_t n = file >= 0 ? read(file, events, sizeof(events) - 1) : -1;
                        mf_close(file);
                        if (n > 0 && strstr(events, "populated 0"))
                                remove_cgroup_tree(dirfd(dir), entry->d_name);
                }
                mf_close(fd);
        }
        closedir(dir);
}

int launch_cgroup_create(const char *machine, struct launch_cgroup *ret)
{
        char directory[400];

        int r = find_own_directory(directory, sizeof(directory));
        if (r < 0)
                return launch_error(r, "the engine \"direct\" needs the cgroup2 hierarchy on /sys/fs/cgroup (or its "
                                       "\"unified\"); mount -t cgroup2 cgroup2 /sys/fs/cgroup");
        sweep(directory);
        snprintf(ret->name, sizeof(ret->name), PREFIX "%s", machine);
        ret->parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (ret->parent < 0)
                return launch_error(-errno, "our own cgroup %s", directory);
        for (unsigned tries = 0; tries < 100; tries++) {
                if (mkdirat(ret->parent, ret->name, 0755) < 0 && errno != EEXIST)
                        return launch_error(
                                -errno,
                                "making the cgroup %s/%s; the engine \"direct\" needs a writable /sys/fs/cgroup "
                                "(docker run --privileged --cgroupns=host, for one)",
                                directory, ret->name);
                ret->fd = openat(ret->parent, ret->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (ret->fd < 0)
                        continue; /* swept before we could lock it */
                struct stat ours, there;
                if (flock(ret->fd, LOCK_EX) == 0 && fstat(ret->fd, &ours) == 0 &&
                    fstatat(ret->parent, ret->name, &there, 0) == 0 && ours.st_ino == there.st_ino)
                        return 0;
                ret->fd = mf_close(ret->fd);
        }
        return launch_error(-EAGAIN, "making the cgroup %s/%s: it is removed again and again", directory, ret->name);
}

int launch_cgroup_create_inside(struct launch_cgroup *ret)
{
        char directory[400];

        int r = find_own_directory(directory, sizeof(directory));
        if (r < 0)
                return r;
        snprintf(ret->name, sizeof(ret->name), "payload");
        mf_cleanup(mf_closep) int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0 || mkdirat(parent, ret->name, 0755) < 0)
                return -errno;
        ret->fd = openat(parent, ret->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (ret->fd < 0)
                return -errno;
        ret->parent = mf_take_fd(&parent);
        return 0;
}

static int write_file(const struct launch_cgroup *cgroup, const char *name, const char *value)
{
        int fd = openat(cgroup->fd, name, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = write(fd, value, strlen(value)) < 0 ? -errno : 0;
        mf_close(fd);
        return r;
}

static int no_controller(const char *file, const char *controller, uint64_t value)
{
        return launch_error(-ENOTSUP,
                            "%s = %llu: there is no \"%s\" controller for the container's cgroup (see "
                            "/sys/fs/cgroup/cgroup.controllers); boot with one cgroup2 hierarchy and use the engine "
                            "\"systemd\", or give no such limit",
                            file, (unsigned long long) value, controller);
}

/* The first number in a file of our own cgroup, in whichever hierarchy has the controller; -ENOENT without. `old_file`
 * is what cgroup v1 calls it, NULL if it has none. */
static int read_own(const char *file, const char *old_file, const char *controller, uint64_t *ret)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/self/cgroup", "re");
        char line[400], path[600], number[32] = "";

        while (f && fgets(line, sizeof(line), f)) {
                char *name = strchr(line, ':'), *own = name ? strchr(name + 1, ':') : NULL;
                if (!own)
                        continue;
                *own++ = '\0';
                own[strcspn(own, "\n")] = '\0';
                if (strcmp(name, ":") == 0)
                        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", own, file);
                else if (old_file && strstr(name + 1, controller))
                        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s/%s", name + 1, own, old_file);
                else
                        continue;
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                ssize_t n = fd >= 0 ? read(fd, number, sizeof(number) - 1) : -1;
                mf_close(fd);
                if (n > 0 && *number >= '0' && *number <= '9') {
                        *ret = strtoull(number, NULL, 10);
                        return 0;
                }
        }
        return -ENOENT;
}

/* Sees whether systemd has set the limit: it says nothing where the kernel has no such controller. */
static int check_limit(const char *file, const char *old_file, const char *controller, uint64_t value)
{
        uint64_t there;

        if (!value || (read_own(file, old_file, controller, &there) == 0 && there <= value))
                return 0;
        return no_controller(file, controller, value);
}

int launch_cgroup_check_limits(const struct launch_options *options)
{
        int r = check_limit("memory.max", "memory.limit_in_bytes", "memory", options->memory_max);

        return r < 0 ? r : check_limit("pids.max", "pids.max", "pids", options->tasks_max);
}

/* There is such a file only if the cgroup above hands the controller down. */
static int limit(const struct launch_cgroup *cgroup, const char *file, const char *controller, uint64_t value)
{
        char number[32];

        if (!value)
                return 0;
        snprintf(number, sizeof(number), "%llu", (unsigned long long) value);
        int r = write_file(cgroup, file, number);
        if (r == -ENOENT)
                return no_controller(file, controller, value);
        return r < 0 ? launch_error(r, "%s = %s", file, number) : 0;
}

/* Without swap, as systemd's unit has it: a limit that the host's swap space makes larger is none. There is no such file
 * where the kernel does not count swap. */
static int limit_memory(const struct launch_cgroup *cgroup, uint64_t value)
{
        int r = limit(cgroup, "memory.max", "memory", value);

        if (r == 0 && value)
                (void) write_file(cgroup, "memory.swap.max", "0");
        return r;
}

/* Sets what the spec says nothing of. A host that cannot has no limit then. */
static void limit_by_default(const struct launch_cgroup *cgroup, const struct launch_options *options)
{
        char number[32];

        snprintf(number, sizeof(number), "%llu", (unsigned long long) options->default_memory);
        if (options->default_memory && write_file(cgroup, "memory.max", number) == 0)
                (void) write_file(cgroup, "memory.swap.max", "0");
        snprintf(number, sizeof(number), "%u", options->default_tasks);
        if (options->default_tasks)
                (void) write_file(cgroup, "pids.max", number);
}

int launch_cgroup_limit(const struct launch_cgroup *cgroup, const struct launch_options *options)
{
        int r = limit_memory(cgroup, options->memory_max);

        if (r == 0)
                r = limit(cgroup, "pids.max", "pids", options->tasks_max);
        if (r == 0)
                limit_by_default(cgroup, options);
        return r;
}

/* cpu.max: so much time in each period, both in microseconds. */
#define CPU_PERIOD 100000U

static uint64_t cpu_quota(uint64_t thousandths)
{
        uint64_t quota = thousandths > UINT64_MAX / CPU_PERIOD ? UINT64_MAX / 1000 : thousandths * CPU_PERIOD / 1000;

        return quota < 1000 ? 1000 : quota; /* the least that the kernel takes */
}

static int set_image_limits(const struct launch_cgroup *cgroup, const struct launch_options *options)
{
        char cpu[64];
        int missing = 0;

        if (limit_memory(cgroup, options->image_memory) < 0)
                missing |= MF_LIMIT_MEMORY;
        if (limit(cgroup, "memory.low", "memory", options->image_memory_low) < 0)
                missing |= MF_LIMIT_MEMORY_LOW;
        snprintf(cpu, sizeof(cpu), "%llu %u", (unsigned long long) cpu_quota(options->image_cpu), CPU_PERIOD);
        if (options->image_cpu && write_file(cgroup, "cpu.max", cpu) < 0)
                missing |= MF_LIMIT_CPU;
        if (limit(cgroup, "cpu.weight", "cpu", options->image_cpu_weight) < 0)
                missing |= MF_LIMIT_CPU_SHARES;
        return missing;
}

int launch_cgroup_image_limits(const struct launch_cgroup *cgroup, const struct launch_options *options)
{
        uint64_t there;
        int missing = 0;

        if (cgroup)
                return set_image_limits(cgroup, options);
        if (options->image_memory &&
            (read_own("memory.max", "memory.limit_in_bytes", "memory", &there) < 0 || there > options->image_memory))
                missing |= MF_LIMIT_MEMORY;
        if (options->image_memory_low && (read_own("memory.low", NULL, "memory", &there) < 0 || there == 0))
                missing |= MF_LIMIT_MEMORY_LOW;
        /* systemd takes a longer period for the smallest of shares. */
        if (options->image_cpu && (read_own("cpu.max", "cpu.cfs_quota_us", "cpu", &there) < 0 ||
                                   (there > cpu_quota(options->image_cpu) && options->image_cpu >= 10)))
                missing |= MF_LIMIT_CPU;
        if (options->image_cpu_weight && read_own("cpu.weight", NULL, "cpu", &there) < 0 &&
            (read_own("cpu.weight", "cpu.shares", "cpu", &there) < 0 || there == 1024))
                missing |= MF_LIMIT_CPU_SHARES;
        return missing;
}

int launch_cgroup_enter(const struct launch_cgroup *cgroup)
{
        int r = write_file(cgroup, "cgroup.procs", "0");

        return r < 0 ? launch_error(r, "entering the cgroup %s", cgroup->name) : 0;
}

void launch_cgroup_remove(const struct launch_cgroup *cgroup)
{
        (void) write_file(cgroup, "cgroup.kill", "1"); /* Linux 5.14; before it there is nothing left to kill anyway */
        remove_cgroup_tree(cgroup->parent, cgroup->name);
}
