/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/host-snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/running.h"
#include "engine/bus.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define KERNEL_THREAD 0x00200000UL /* PF_KTHREAD, in proc(5)'s stat */

/* Tabs and newlines separate the fields and lines of a snapshot, and a command line may have any of them. */
static void flatten(char *text)
{
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = ' ';
}

static int add(struct mf_snapshot *snapshot, const char *kind, const char *identity, const char *description)
{
        char *line = NULL;

        char **grown = mf_grow(snapshot->lines, snapshot->n, &snapshot->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        snapshot->lines = grown;
        mf_cleanup(mf_freep) char *flat_identity = strdup(identity);
        mf_cleanup(mf_freep) char *flat_description = strdup(description);
        if (!flat_identity || !flat_description)
                return -ENOMEM;
        flatten(flat_identity);
        flatten(flat_description);
        if (asprintf(&line, "%s\t%s\t%s", kind, flat_identity, flat_description) < 0)
                return -ENOMEM;
        snapshot->lines[snapshot->n++] = line;
        return 0;
}

/* --- processes ------------------------------------------------------------------------------------------------ */

struct process {
        pid_t pid, parent;
        char state;
        unsigned long flags;
        unsigned long long started;
        char name[64];
        struct mf_buffer words; /* its command line */
        char *cgroup;           /* in the cgroup2 hierarchy, or NULL */
        ino_t mounts, net;      /* namespaces, 0 if we may not know */
};

struct processes {
        struct process *list;
        size_t n, allocated;
};

static ssize_t read_small(int dirfd, const char *name, char *ret, size_t size)
{
        int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -1;
        ssize_t n = read(fd, ret, size - 1);
        close(fd);
        ret[n > 0 ? n : 0] = '\0';
        return n;
}

/* Reads the command line, with spaces between its words. Returns 0 or -ENOMEM. */
static int read_words(int dir, struct process *ret)
{
        int r = tool_read_process(dir, "cmdline", &ret->words);

        for (size_t i = 0; i + 1 < ret->words.size; i++)
                if (!ret->words.data[i])
                        ret->words.data[i] = ' ';
        return r;
}

/* Returns 0 or -ENOMEM. */
static int read_cgroup(int dir, struct process *ret)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer text = { 0 };

        if (tool_read_process(dir, "cgroup", &text) < 0)
                return -ENOMEM;
        const char *line = text.data ? strstr(text.data, "0::") : NULL;
        if (!line)
                return 0;
        ret->cgroup = strndup(line + 3, strcspn(line + 3, "\n"));
        return ret->cgroup ? 0 : -ENOMEM;
}

static void clear_processes(struct processes *processes)
{
        for (size_t i = 0; i < processes->n; i++) {
                mf_buffer_clear(&processes->list[i].words);
                free(processes->list[i].cgroup);
        }
        free(processes->list);
}

/* Reads what /proc says of a process. Returns 1, 0 when the process has gone meanwhile, or -ENOMEM. */
static int read_process(int proc, const char *pid, struct process *ret)
{
        mf_cleanup(mf_closep) int dir = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char text[1024];
        struct stat st;

        *ret = (struct process){ .pid = (pid_t) strtol(pid, NULL, 10) };
        if (dir < 0 || read_small(dir, "stat", text, sizeof(text)) <= 0)
                return 0;
        char *name = strchr(text, '('), *end = strrchr(text, ')');
        if (!name || !end)
                return 0;
        *end = '\0';
        snprintf(ret->name, sizeof(ret->name), "%s", name + 1);
        int parent;
        if (sscanf(end + 2, "%c %d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &ret->state, &parent, &ret->flags, &ret->started) != 4)
                return 0;
        ret->parent = parent;
        if (read_words(dir, ret) < 0 || read_cgroup(dir, ret) < 0)
                return -ENOMEM;
        if (fstatat(dir, "ns/mnt", &st, 0) == 0)
                ret->mounts = st.st_ino;
        if (fstatat(dir, "ns/net", &st, 0) == 0)
                ret->net = st.st_ino;
        return 1;
}

/* Whether a process is this one or a parent of it. */
static int is_ours(pid_t pid, const struct process *all, size_t n)
{
        for (pid_t line = getpid(); line > 0;) {
                if (line == pid)
                        return 1;
                pid_t parent = 0;
                for (size_t i = 0; i < n; i++)
                        if (all[i].pid == line)
                                parent = all[i].parent;
                line = parent;
        }
        return 0;
}

static int add_mounts(struct mf_snapshot *snapshot, pid_t pid, ino_t namespace, const char *who)
{
        char path[64], identity[80], description[1400];
        unsigned n = 0;
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;

        snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int) pid);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        while (f && getline(&line, &size, f) > 0) {
                char id[32], point[512], type[64], source[256];
                const char *rest = strstr(line, " - ");
                if (!rest || sscanf(line, "%31s %*s %*s %*s %511s", id, point) != 2 ||
                    sscanf(rest, " - %63s %255s", type, source) != 2)
                        continue;
                snprintf(identity, sizeof(identity), "%s in %llu", id, (unsigned long long) namespace);
                snprintf(description, sizeof(description), "%s (%s, %s) in the mount namespace of %s", point, type,
                         source, who);
                int r = add(snapshot, "mount", identity, description);
                if (r < 0)
                        return r;
                n++;
        }
        snprintf(identity, sizeof(identity), "%llu", (unsigned long long) namespace);
        snprintf(description, sizeof(description), "%s, with %u mounts", who, n);
        return add(snapshot, "mntns", identity, description);
}

static int add_process(struct mf_snapshot *snapshot, const struct process *process)
{
        const char *words = process->words.data;
        mf_cleanup(mf_freep) char *description = NULL;
        char identity[64];

        snprintf(identity, sizeof(identity), "%d %llu", (int) process->pid, process->started);
        if (asprintf(&description, "%d (parent %d, state %c) %s in cgroup %s", (int) process->pid,
                     (int) process->parent, process->state, words && *words ? words : process->name,
                     process->cgroup ? process->cgroup : "") < 0) {
                description = NULL;
                return -ENOMEM;
        }
        return add(snapshot, "process", identity, description);
}

/* Adds the namespaces of a process that is the first one found in them. */
static int describe(struct mf_snapshot *snapshot, const struct process *all, size_t i)
{
        const struct process *process = &all[i];
        int new_mounts = process->mounts != 0, new_net = process->net != 0;
        char who[128], number[32];

        for (size_t j = 0; j < i; j++) {
                new_mounts &= all[j].mounts != process->mounts;
                new_net &= all[j].net != process->net;
        }
        snprintf(who, sizeof(who), "process %d (%s)", (int) process->pid, process->name);
        snprintf(number, sizeof(number), "%llu", (unsigned long long) process->net);
        int r = new_mounts ? add_mounts(snapshot, process->pid, process->mounts, who) : 0;
        return r == 0 && new_net ? add(snapshot, "netns", number, who) : r;
}

/* Adds what /proc says of a process, unless it has gone meanwhile. Returns 0 or -ENOMEM. */
static int take_process(int proc, const char *pid, struct processes *processes)
{
        struct process *grown = mf_grow(processes->list, processes->n, &processes->allocated, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        processes->list = grown;
        struct process *process = &grown[processes->n++]; /* what was read of it is freed in any case */
        int r = read_process(proc, pid, process);
        if (r == 0)
                processes->n--;
        return r < 0 ? r : 0;
}

static int add_processes(struct mf_snapshot *snapshot)
{
        mf_cleanup(clear_processes) struct processes processes = { 0 };
        int r = 0;
        DIR *proc = opendir("/proc");

        if (!proc)
                return -errno;
        for (const struct dirent *entry; r == 0 && (entry = readdir(proc));)
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        r = take_process(dirfd(proc), entry->d_name, &processes);
        closedir(proc);
        const struct process *all = processes.list;
        const size_t n = processes.n;
        for (size_t i = 0; r == 0 && i < n; i++) {
                r = describe(snapshot, all, i);
                /* Zombies count, whoever should reap them: where PID 1 does not, they are never gone. */
                if (r == 0 && !(all[i].flags & KERNEL_THREAD) && !is_ours(all[i].pid, all, n))
                        r = add_process(snapshot, &all[i]);
        }
        return r;
}

/* --- files, cgroups, links ------------------------------------------------------------------------------------ */

/* Adds all that is below the directory `fd`, which it closes, but nothing of other file systems. */
static int walk(struct mf_snapshot *snapshot, const char *kind, int fd, const char *path, dev_t device, unsigned depth)
{
        DIR *dir = fdopendir(fd);
        int r = 0;

        if (!dir) {
                close(fd);
                return -errno;
        }
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir));) {
                mf_cleanup(mf_freep) char *below = NULL;
                struct stat st;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                int is_directory = S_ISDIR(st.st_mode);
                if (strcmp(kind, "cgroup") == 0 && !is_directory)
                        continue;
                if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
                        below = NULL;
                        r = -ENOMEM;
                        break;
                }
                r = add(snapshot, kind, below, below);
                if (r == 0 && is_directory && st.st_dev == device && depth > 0) {
                        int child = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                        if (child >= 0)
                                r = walk(snapshot, kind, child, below, device, depth - 1);
                }
        }
        closedir(dir);
        return r;
}

static int add_tree(struct mf_snapshot *snapshot, const char *kind, const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0) {
                close(fd);
                return -errno;
        }
        return walk(snapshot, kind, fd, path, st.st_dev, 32);
}

/* Adds the cgroups of every hierarchy: on hosts with cgroup v1 each controller has a mount of its own. */
static int add_cgroups(struct mf_snapshot *snapshot)
{
        struct stat st;
        int r = add_tree(snapshot, "cgroup", "/sys/fs/cgroup");

        if (r < 0 || stat("/sys/fs/cgroup/cgroup.procs", &st) == 0)
                return r;
        DIR *dir = opendir("/sys/fs/cgroup");
        for (const struct dirent *entry; dir && r == 0 && (entry = readdir(dir));) {
                char path[300];
                if (entry->d_name[0] == '.' || entry->d_type == DT_LNK)
                        continue;
                snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", entry->d_name);
                r = add_tree(snapshot, "cgroup", path);
        }
        if (dir)
                closedir(dir);
        return r;
}

static int add_links(struct mf_snapshot *snapshot)
{
        struct if_nameindex *links = if_nameindex();
        int r = links ? 0 : -errno;

        for (const struct if_nameindex *link = links; r == 0 && link && link->if_name; link++) {
                char identity[64];
                snprintf(identity, sizeof(identity), "%u %s", link->if_index, link->if_name);
                r = add(snapshot, "link", identity, link->if_name);
        }
        if (links)
                if_freenameindex(links);
        return r;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

static size_t key_length(const char *line)
{
        size_t kind = strcspn(line, "\t");

        return kind + 1 + strcspn(line + kind + 1, "\t");
}

const char *mf_snapshot_description(const char *line)
{
        return line + key_length(line) + 1;
}

/* Compares two lines by kind and identity. */
static int by_key(const char *a, const char *b)
{
        size_t x = key_length(a), y = key_length(b);
        int r = memcmp(a, b, x < y ? x : y);

        return r ? r : (x > y) - (x < y);
}

static int compare_lines(const void *a, const void *b)
{
        return by_key(*(char *const *) a, *(char *const *) b);
}

static void sort(struct mf_snapshot *snapshot)
{
        if (snapshot->n > 0)
                qsort(snapshot->lines, snapshot->n, sizeof(char *), compare_lines);
}

static int add_from_bus(const char *kind, const char *identity, const char *description, void *userdata)
{
        return add(userdata, kind, identity, description);
}

int mf_snapshot_take(struct mf_snapshot *ret, const struct mf_snapshot_scope *scope, struct mayfly_error *err)
{
        struct mf_snapshot snapshot = { 0 };
        int r = 0;

        if (scope->bus)
                r = mf_bus_list(add_from_bus, &snapshot, err);
        if (r < 0) {
                mf_snapshot_clear(&snapshot);
                return r;
        }
        /* Files before processes: when a file is there only because its process still runs, the process is seen, too. */
        for (const char *const *directory = scope->directories; r == 0 && *directory; directory++)
                r = add_tree(&snapshot, "file", *directory);
        if (r == 0)
                r = add_cgroups(&snapshot);
        if (r == 0)
                r = add_links(&snapshot);
        if (r == 0)
                r = add_processes(&snapshot);
        if (r < 0) {
                mf_snapshot_clear(&snapshot);
                return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "looking at what is on this host");
        }
        sort(&snapshot);
        *ret = snapshot;
        return 0;
}

void mf_snapshot_clear(struct mf_snapshot *snapshot)
{
        for (size_t i = 0; i < snapshot->n; i++)
                free(snapshot->lines[i]);
        free(snapshot->lines);
        *snapshot = (struct mf_snapshot){ 0 };
}

int mf_snapshot_write(const struct mf_snapshot *snapshot, FILE *f)
{
        for (size_t i = 0; i < snapshot->n; i++)
                fprintf(f, "%s\n", snapshot->lines[i]);
        return fflush(f) == 0 ? 0 : -errno;
}

int mf_snapshot_read(struct mf_snapshot *ret, FILE *f)
{
        struct mf_snapshot snapshot = { 0 };
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;
        int r = 0;

        while (r == 0 && getline(&line, &size, f) > 0) {
                char *kind = line, *identity = strchr(line, '\t');
                char *description = identity ? strchr(identity + 1, '\t') : NULL;
                if (!description) {
                        r = -EBADMSG;
                        break;
                }
                *identity++ = *description++ = '\0';
                description[strcspn(description, "\n")] = '\0';
                r = add(&snapshot, kind, identity, description);
        }
        if (r < 0) {
                mf_snapshot_clear(&snapshot);
                return r;
        }
        sort(&snapshot);
        *ret = snapshot;
        return 0;
}

static int has(const struct mf_snapshot *snapshot, const char *line)
{
        size_t low = 0, high = snapshot->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = by_key(snapshot->lines[middle], line);
                if (r == 0)
                        return 1;
                if (r < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return 0;
}

/* All the mounts of a new mount namespace are new: it is enough to print the namespace. */
static int is_in_new_namespace(const struct mf_snapshot *before, const char *line)
{
        char namespace[64];
        const char *in = strncmp(line, "mount\t", 6) == 0 ? strstr(line, " in ") : NULL;

        if (!in)
                return 0;
        snprintf(namespace, sizeof(namespace), "mntns\t%.*s\t", (int) strcspn(in + 4, "\t"), in + 4);
        return !has(before, namespace);
}

size_t mf_snapshot_compare(const struct mf_snapshot *before, const struct mf_snapshot *after,
                           int (*callback)(const char *line, void *userdata), void *userdata)
{
        size_t found = 0;

        for (size_t i = 0; i < after->n; i++) {
                const char *line = after->lines[i];
                if (!has(before, line) && !is_in_new_namespace(before, line) && callback(line, userdata))
                        found++;
        }
        return found;
}
