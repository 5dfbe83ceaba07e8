/* SPDX-License-Identifier: MIT */
#ifndef MF_LAUNCH_H
#define MF_LAUNCH_H

/* mayfly-launch: makes, inside namespaces that die with the container, everything the container stands on, and runs
 * systemd-nspawn there. Its messages go to standard error, which the library reads when a start fails. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/message.h"
#include "util/keep-id.h"

/* A volume of the container: a path of the host, a shared tmpfs, or a new directory. */
struct launch_volume {
        const char *target; /* absolute, in the container */
        const char *source; /* on the host, or NULL */
        int shared;         /* which of the namespaces, or -1 */
        int has_ids;        /* its files have the container's IDs on the host, too */
        int read_only;
        const char *owner; /* of a new directory, "UID:GID:MODE"; NULL: as what it covers */
        int fd;            /* its source, or its mount, once open */
        int is_overlay;    /* of what snapshots have of it, and what the container writes */
};

/* A device of the host. */
struct launch_device {
        const char *source, *target; /* paths, on the host and in the container */
};

struct launch_options {
        const char *machine;  /* machine name */
        const char *hostname; /* or NULL: the machine name */
        const char *init;     /* path of mayfly-init */
        const char *forward;  /* path of mayfly-forward */
        char **layers;        /* directories, lowest first */
        size_t n_layers;
        int *locks;            /* one for each layer, see launch_lock_layers() */
        uint64_t scratch_size; /* bytes; 0: the kernel's default for a tmpfs */
        uint64_t memory_max;   /* bytes; 0: no limit. These limits are for the direct engine, systemd sets its own. */
        unsigned tasks_max;
        uint64_t default_memory; /* where there is a controller */
        unsigned default_tasks;
        /* What an image wants, if it can be had: bytes, bytes, thousandths of a processor, cpu.weight. */
        uint64_t image_memory, image_memory_low, image_cpu, image_cpu_weight;
        struct launch_volume *volumes;
        size_t n_volumes;
        struct launch_device *devices;
        size_t n_devices;
        const char **ulimits; /* as mf_ulimit_parse() reads them */
        size_t n_ulimits;
        const char **extra_hosts; /* lines of /etc/hosts */
        size_t n_extra_hosts;
        const char **capabilities; /* names of those that nspawn may not give by itself */
        size_t n_capabilities;
        int in_unit;    /* of systemd, which has made the cgroup (engine systemd) */
        int registered; /* by machined; only in a unit */
        int host_network;
        const char *host_address; /* of host.mayfly, which goes into /etc/hosts; or NULL */
        int boot;                 /* the image's init system runs */
        int on_networks;          /* that containers share: the library writes into /etc/hosts */
        int oom_score_adj;        /* what the app may lower its score to; 0: nothing below what it is now */
        uint32_t ids;             /* first ID of its user namespace; 0: it has none */
        uint32_t n_ids;           /* how many it has */
        int is_users;             /* an ordinary user's: made without systemd-nspawn, see contain.c */
        struct mf_keep_ids
                kept; /* whose files in volumes those of the caller are: 0 inside is 0 outside if both are 0 */
};

#define SCRATCH "/tmp" /* over this, in our own mount namespace only */

/* lock-layers.c: takes a shared lock on the image of each layer, which keeps the image in the store. To be called before
 * a fork, so that each process that can outlive the others has the locks: this one, its janitor, and systemd-nspawn, which
 * does not hand them to the payload. */
int launch_lock_layers(struct launch_options *options);
void launch_pass_locks(const struct launch_options *options); /* to the program that is executed next */

/* userns.c: opens a user namespace that has the container's IDs; with `keeps` one for volumes, where the caller keeps the ID. Returns a
 * descriptor; prints and returns negative errno on failure. */
int launch_userns_open(const struct launch_options *options, int keeps);

/* copy.c: openat2(2) with O_CLOEXEC. Returns a descriptor or negative errno. */
int launch_open_how(int dirfd, const char *path, uint64_t flags, uint64_t resolve);
/* Copies the mount that `fd` is on, from there on, with the mounts below it if `recursive`. Returns the copy, which is
 * attached nowhere, or negative errno. */
int launch_clone_tree(int fd, int recursive);
/* Shows such a copy with the IDs of the namespace. Returns 0 or negative errno: -EINVAL if the file system cannot. */
int launch_idmap(int tree, int userns, int recursive);
/* Protects the host and the container from each other in the mount of a volume, and in those below it: no device of the host's is opened
 * there, what either of them mounts there later does not come to the other, and nothing is written if `read_only`. The path may be "" for
 * `dirfd` itself. Returns 0 or negative errno. */
int launch_protect(int dirfd, const char *path, int read_only);
/* Calls the function in a child that shares this process's descriptors and memory, for what has no way back, such as entering a
 * namespace. Returns what it returned, or negative errno. */
int launch_visit(int (*function)(const void *userdata), const void *userdata);
/* Copies the mount that is on SCRATCH in another mount namespace. Returns the copy, which is attached nowhere, or negative errno. */
int launch_scratch_copy(int namespace_fd);

/* oom.c: lets this process, and what it becomes and starts, lower its OOM score to `score` without CAP_SYS_RESOURCE, which
 * counts in the host's user namespace only. Does nothing where this process has no such capability. */
void launch_allow_oom_score(int score);

#define LAUNCH_KEPT SCRATCH "/kept"      /* a tmpfs of its own: all that the container writes */
#define LAUNCH_LAYER SCRATCH "/lower%zu" /* a layer that is a mount */
#define LAUNCH_ROOT SCRATCH "/root"      /* the container's root, an overlay */

/* shift.c: what a user or group ID of the container is on the host: -1, which chown(2) takes for no change, if the container has no
 * such ID. */
uint32_t launch_host_uid(uint32_t id, const struct launch_options *options);
uint32_t launch_host_gid(uint32_t id, const struct launch_options *options);
/* Gives a file to the container's root. As fchownat(2) with AT_SYMLINK_NOFOLLOW. */
int launch_give_root(int dirfd, const char *name, const struct launch_options *options);
/* Gives all that is below `root` to the container, whose owners are those of the image so far, and keeps modes and capabilities of files. Prints and
 * returns negative errno on failure. */
int launch_shift(const char *root, const struct launch_options *options);

/* In what follows `is_new` says that no earlier start of the container has done it. */

/* root.c: makes the directories and files that systemd-nspawn and services want and the image lacks, and mounts the image's
 * /run. Prints and returns negative errno on failure. */
int launch_root_complete(const struct launch_options *options, int is_new);

/* hosts.c: makes /etc/hosts in the directory `root`. Prints and returns negative errno on failure. */
int launch_hosts_make(int root, const struct launch_options *options, int is_new);
/* Sends the library a descriptor of the file if it writes there. Prints and returns negative errno on failure. */
int launch_hosts_send(const struct launch_options *options);

/* What the library has sent for the mounts. */
struct launch_sources {
        const int *volumes; /* mount namespaces, each with a shared volume on SCRATCH, */
        size_t n_volumes;
        const int *snapshots; /* or a snapshot, the lowest first */
        size_t n_snapshots;
        int scratch; /* of an earlier start, with what the container wrote, or -1 */
};

/* mounts.c: mount namespace, scratch, overlay. After it the root is SCRATCH "/root" and mayfly-init SCRATCH "/init".
 * Prints and returns negative errno on failure. */
int launch_mounts(const struct launch_options *options, const struct launch_sources *sources);

/* scratch.c: mounts what holds all that the container writes, the one of an earlier start or a new one, and sends the library a copy of
 * the mount. Prints and returns negative errno on failure. */
int launch_scratch_mount(const struct launch_options *options, int earlier);

/* volumes.c: their sources, opened before anything is mounted; `namespaces` are those of shared ones. Then each is
 * mounted on SCRATCH "/volumes/N" (over what the topmost layers, which are snapshots, have of it) or, if it is the container's own, made in LAUNCH_KEPT, and its place in the root is made ready. */
int launch_volumes_open(const struct launch_options *options, const int *namespaces, size_t n_namespaces, int userns);
int launch_volumes_mount(const struct launch_options *options, size_t n_snapshots, int idmapped);
/* Mounts each volume in the root, for a container without systemd-nspawn. */
int launch_volumes_bind(const struct launch_options *options);
/* The option of systemd-nspawn for volume N, allocated; NULL without memory. */
char *launch_volume_option(const struct launch_options *options, size_t n);
/* The option "--bind" or "--bind-ro" for any two paths. */
char *launch_bind_option(const char *option, const char *source, const char *target);

/* devices.c: makes nodes for the devices of the spec, for systemd-nspawn to bind. Prints and returns negative errno on failure. */
int launch_devices_make(const struct launch_options *options);
/* The option of systemd-nspawn for device N, allocated; NULL without memory. */
char *launch_device_option(const struct launch_options *options, size_t n);
/* Mounts the devices below dev in the working directory, for a container without systemd-nspawn. */
int launch_devices_bind(const struct launch_options *options);

/* ulimits.c: raises hard limits to those that the container's programs are to have. Prints and returns negative errno on failure. */
int launch_ulimits_raise(const struct launch_options *options);
/* The option with which systemd-nspawn keeps a limit of this process for the container's PID 1, allocated; NULL on failure. */
char *launch_ulimit_option(const char *ulimit);

/* cgroup.c: a cgroup of the container's own, for the direct engine. */
struct launch_cgroup {
        int parent;     /* the directory it is in; a path would lead elsewhere after later mounts */
        char name[128]; /* there */
        int fd;         /* its own, locked while somebody is there to remove it */
};

/* Whether this process may make cgroups in its own. */
int launch_cgroup_is_ours(void);
int launch_cgroup_create(const char *machine, struct launch_cgroup *ret);
/* Makes a cgroup in that of this process, which is a unit of systemd, for the container without its supervisor: so it can be frozen.
 * Returns 0 or negative errno, and prints nothing, because the container can do without. */
int launch_cgroup_create_inside(struct launch_cgroup *ret);
int launch_cgroup_limit(const struct launch_cgroup *cgroup, const struct launch_options *options);
/* What an image wants: sets it (cgroup NULL: sees whether systemd has) and returns those of enum mf_limit that are not
 * in force. */
int launch_cgroup_image_limits(const struct launch_cgroup *cgroup, const struct launch_options *options);
/* For the other engine: 0 if systemd has set the limits. */
int launch_cgroup_check_limits(const struct launch_options *options);
int launch_cgroup_enter(const struct launch_cgroup *cgroup);
void launch_cgroup_remove(const struct launch_cgroup *cgroup); /* kills what is in it */

/* contain.c: joins the user namespace in which the user who started this is root. Prints and returns negative errno on
 * failure. */
int launch_join_namespace(int userns);
/* Makes the container of an ordinary user from what launch_mounts() has mounted, and executes mayfly-init in it; `cgroup`
 * NULL: in the cgroup of this process. Returns its PID; prints and returns negative errno on failure. */
pid_t launch_contain(const struct launch_options *options, const struct launch_cgroup *cgroup);

/* inherit.c: sets limits, CPU affinity, scheduler, nice value and OOM score as a unit of systemd has them, for the direct
 * engine, whatever the owner's are. */
void launch_reset_inherited(void);

/* options.c: reads the arguments; prints and returns negative errno on failure. */
int launch_options_parse(int argc, char **argv, struct launch_options *ret);

/* forward.c: mayfly-forward, which connects the ports of the container. */
struct launch_forward {
        int socket;  /* to the library; closed when mayfly-forward has it, -1 without */
        int program; /* descriptor of the program, -1 without */
        pid_t pid;   /* 0: it does not run */
};

/* Opens the program, which may lie below SCRATCH, so that it is to be done before launch_mounts(). Prints and returns negative errno
 * on failure. */
int launch_forward_open(struct launch_forward *forward, const char *program);
void launch_forward_start(struct launch_forward *forward);
/* Whether the child that ended was mayfly-forward, and not because the library closed the socket; prints that. */
int launch_forward_has_failed(struct launch_forward *forward, pid_t pid, int status);

/* share.c: other processes that use the container. */
struct launch_share {
        const char *machine;
        int socket;       /* where the owner and its children ask, -1 once nobody can */
        int init;         /* to mayfly-init */
        int forward;      /* to mayfly-forward: the library's end of that socket */
        int userns;       /* of an ordinary user, or -1 */
        int epoll;        /* readable when somebody asks */
        int processes[2]; /* pidfds of this process and of its janitor, if it has one */
        size_t n_processes;
        int is_shared;
        int offer[MF_SHARE_OWNER]; /* what SHARE brought, by enum mf_share_fd */
        char file_name[232];       /* of the state file */
        unsigned n_clients;
        int is_full; /* nobody else is let in */
};

/* Fills in the epoll descriptor and the processes. Prints and returns negative errno on failure. */
int launch_share_open(struct launch_share *share, const char *machine, int has_janitor);
/* Takes a request, which may put another process in the place of the owner. */
void launch_share_serve(struct launch_share *share, int *owner);
/* Removes the socket and the state file. */
void launch_share_end(const struct launch_share *share);

/* keep-log.c: copies the log to the file `kept` at the end of the container, as far as both are there. */
void launch_log_keep(int log, int kept);

/* report.c: sends a message with a descriptor. How many descriptors an ordinary user may have on their way at once, in all containers that
 * are being started, is the soft limit of open files: it is raised for that, where need be. Returns 0 or negative errno. */
int launch_send(int socket, const struct mf_message *message, int fd);
/* Prints "mayfly-launch: MESSAGE: what `code` means" and returns `code`, a negative errno. */
__attribute__((format(printf, 2, 3))) int launch_error(int code, const char *format, ...);

#endif
