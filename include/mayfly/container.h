/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_CONTAINER_H
#define MAYFLY_CONTAINER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>
#include <mayfly/file.h>
#include <mayfly/image.h>
#include <mayfly/port.h>

/**
 * @file
 * Containers: started from an image, used, stopped; never outliving the process that started them.
 *
 * A handle may be used by one thread at a time; different handles by different threads at once. But any number of threads may
 * run commands in a container, while another one waits for it, follows its log, signals, pauses, resumes, stops or frees it.
 *
 * A handle belongs to the process that made it. A forked child may use it: run commands, signal the app, read logs, wait, connect, set
 * links and use files. What stops, starts, pauses or changes the container fails there with -ECHILD, and mayfly_container_free() frees
 * memory only. The first call in a child is to be made by one thread.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** A container. Opaque; release with mayfly_container_free(). */
struct mayfly_container;

/** How containers are started and ended. */
enum mayfly_engine {
        MAYFLY_ENGINE_DEFAULT = 0, /**< $MAYFLY_ENGINE ("systemd" or "direct"), else as sd_booted(3) says */
        MAYFLY_ENGINE_SYSTEMD,     /**< a transient unit of the system manager, registered with machined */
        MAYFLY_ENGINE_DIRECT       /**< a child process of our own; for hosts that systemd did not boot */
};

/** The container's network, besides those that it shares with others (spec.networks). */
enum mayfly_network_mode {
        MAYFLY_NETWORK_PRIVATE = 0, /**< a loopback interface of its own, nothing else */
        MAYFLY_NETWORK_HOST         /**< the host's network: the app's ports are reachable on 127.0.0.1 */
};

/** Whose user and group IDs the container's are on the host. */
enum mayfly_userns {
        /**
         * A user namespace of the container's own: root and everybody else inside are users without a name on the host,
         * and those of no other container.
         */
        MAYFLY_USERNS_PRIVATE = 0,
        /** No user namespace: root inside is root on the host, less its capabilities. An error for an ordinary user. */
        MAYFLY_USERNS_HOST,
        /**
         * As MAYFLY_USERNS_PRIVATE, but the caller is, in the container, the user `keep_uid` and the group `keep_gid`: what these write
         * into volumes is the caller's on the host, and the caller's files there are theirs. For an ordinary user, the first start of an
         * image with other IDs copies its layers.
         */
        MAYFLY_USERNS_KEEP_ID
};

/** A network that containers share, see <mayfly/network.h>. */
struct mayfly_network;

/** What another container wrote, see <mayfly/snapshot.h>. */
struct mayfly_snapshot;

/** A file system in memory that containers share. Opaque; release with mayfly_tmpfs_free(). */
struct mayfly_tmpfs;

/**
 * Something that is mounted into a container. Name a mount point of the image, or give a path; then a source, a tmpfs,
 * or neither of them for an empty directory of the container's own. A mount point of the image without a volume gets
 * such a directory, with the mode and owner that the image has there.
 */
struct mayfly_volume {
        size_t size;      /**< sizeof this struct; 0 will do in an entry of MAYFLY_VOLUMES() */
        const char *name; /**< of one of the image's mount points: its path, and read-only if it is */
        const char *path; /**< absolute path in the container, when there is no name; made if it is missing */
        /** Absolute path of a directory or file on the host, which must exist; no part may be a symbolic link. */
        const char *source;
        const struct mayfly_tmpfs *tmpfs; /**< a file system that other containers see, too */
        int read_only;                    /**< non-zero: the container cannot write to it */
        mode_t mode; /**< of an empty directory; default 0755. Also of a tmpfs, if mode, uid or gid is set */
        uid_t uid;   /**< owner of an empty directory or of the tmpfs; default root */
        gid_t gid;   /**< group of an empty directory or of the tmpfs; default root */
};

#define MAYFLY_VOLUME_INIT MAYFLY_INIT_(struct mayfly_volume)

/**
 * Volumes for a spec: `.volumes = MAYFLY_VOLUMES({ .name = "data", .source = "/srv/data" }, { .path = "/cache" })`.
 *
 * The braces are for C only; `MAYFLY_VOLUMES(MAYFLY_VOLUME(.name = "data", .source = "/srv/data"))` is for C and C++.
 * Volumes whose number is not known before are an array that a loop fills. Its first element is MAYFLY_VOLUME_INIT,
 * which tells the size of all, then come the volumes, then an element that is all zero:
 *
 *     struct mayfly_volume volumes[2 + MOST] = { MAYFLY_VOLUME_INIT };
 *     volumes[1].path = "/cache";
 */
#ifndef __cplusplus
#define MAYFLY_VOLUME(...)                                        \
        {                                                         \
                .size = sizeof(struct mayfly_volume), __VA_ARGS__ \
        }
#define MAYFLY_VOLUMES(...) \
        ((const struct mayfly_volume[]){ { .size = sizeof(struct mayfly_volume) }, __VA_ARGS__, { .size = 0 } })
#else
#define MAYFLY_VOLUME(...) (*MAYFLY_MAKE_(struct mayfly_volume, MAYFLY_UNIQUE_(volume_), __VA_ARGS__))
#define MAYFLY_VOLUMES(...) MAYFLY_KEEP_(mayfly_volume, __VA_ARGS__)
#endif

struct mayfly_wait; /* <mayfly/wait.h> */

/** Called at a time of a container's life. Returns 0, or a negative errno, which the function that called it returns then. */
typedef int (*mayfly_life_fn)(struct mayfly_container *container, void *userdata);

#define MAYFLY_MEMORY_UNLIMITED UINT64_MAX /**< as a spec's memory_max: only the image's own limit holds */
#define MAYFLY_TASKS_UNLIMITED UINT32_MAX  /**< as a spec's tasks_max */

/** What to run. Start from MAYFLY_SPEC_INIT or MAYFLY_SPEC(); zero means the default everywhere. */
struct mayfly_spec {
        size_t size;       /**< sizeof this struct */
        const char *image; /**< reference of the image, as for mayfly_image_open() */
        /**
         * Non-zero: the container runs no app and idles. Otherwise it runs the image's, or idles if the image has none
         * and neither `entrypoint` nor `argv` is set.
         */
        int idle;
        /**
         * The app's command is the entrypoint, then the arguments. `argv` replaces the image's arguments; `entrypoint`
         * replaces the image's entrypoint, and then the arguments are `argv` alone. NULL-terminated. (The `exec` of an
         * appc image is all arguments.)
         */
        const char *const *entrypoint;
        const char *const *argv; /**< see entrypoint */
        /** Runs the app as this user, with the user's groups, not as the image's user and groups: name, number or a
         * path whose owner it is. "USER:GROUP" names the group, too, in place of the user's primary one. */
        const char *user;
        const char *cwd;        /**< absolute working directory of the app, instead of the image's */
        const char *name;       /**< first part of the machine name; default: the program's name */
        const char *const *env; /**< "NAME=value" for app and commands, NULL-terminated; over the image's own */
        enum mayfly_engine engine;
        enum mayfly_network_mode network;
        /** Sent to the app to stop it; default: the image's (OCI: StopSignal), else SIGTERM; with boot SIGRTMIN+3. */
        int stop_signal;
        unsigned stop_timeout_ms;  /**< for the app to end after stop_signal, then all is killed; default 5,000 */
        unsigned start_timeout_ms; /**< for the container to be ready, image not counted; default 30,000 */
        unsigned max_runtime_s;    /**< systemd engine: the unit is ended after so long, in s; default 3,600 */
        uint64_t scratch_size;     /**< most the container may write, in bytes of memory; default half the RAM */
        uint64_t log_size;         /**< how much of the end of the log is kept, in bytes; default 1 MiB */
        const struct mayfly_image_options *image_options; /**< NULL for the defaults */
        /**
         * Most memory of all processes in the container and of its scratch, in bytes (cgroup v2's memory.max); default
         * half the RAM, where there is a controller for it. A limit that the spec gives, here or in tasks_max, and that
         * has no controller, fails the start. MAYFLY_MEMORY_UNLIMITED is for no limit.
         */
        uint64_t memory_max;
        /** Most processes and threads in the container (pids.max); default 4,096, where there is a controller for it.
         * MAYFLY_TASKS_UNLIMITED is for no limit. */
        unsigned tasks_max;
        /** What to mount into the container: see MAYFLY_VOLUMES(). */
        const struct mayfly_volume *volumes;
        const char *metadata_url; /**< of an appc metadata service: AC_METADATA_URL for app and hooks */
        /** Non-zero: the start fails unless each of the image's isolators is enforced as asked for. */
        int strict_isolators;
        enum mayfly_userns userns;
        /**
         * Names of capabilities, such as "CAP_NET_ADMIN", NULL-terminated, that app and commands have besides appc's 14. What
         * an image asks for beyond the 14 it gets only if the spec has it here. Many act on the host, and are refused with
         * MAYFLY_USERNS_HOST.
         */
        const char *const *capabilities;
        /**
         * How many user and group IDs the container's user namespace has, from 0 on: a multiple of 65,536 up to 536,870,912;
         * default 65,536. An image with files of larger IDs is an error, as is a larger ID that the spec has. Not with
         * MAYFLY_USERNS_HOST. An ordinary user's containers have all IDs that the user has, whatever this is.
         */
        uint32_t userns_ids;
        /**
         * Non-zero: the log tells standard output and error apart (see mayfly/log.h). They have a pipe each then, so that the
         * order of what is written to both at nearly the same time is not kept.
         */
        int separate_streams;
        /**
         * Ports of the container that the host reaches: see MAYFLY_PORTS(). Their numbers are known before the app starts: in
         * `env`, `argv` and `entrypoint`, `{mayfly:port:9092/tcp}` and `{mayfly:address:9092/tcp}` become the number and the
         * address (127.0.0.1:NUMBER) of the published port.
         */
        const struct mayfly_publish *publish;
        /**
         * Ports of the host's 127.0.0.1 that the container reaches as host.mayfly:PORT, such as those of a server in the
         * test: see MAYFLY_HOST_PORTS().
         */
        const struct mayfly_host_port *host_ports;
        /**
         * Networks of mayfly_network_create() that the container is on, NULL-terminated, at most 8. The first is eth0 inside, the
         * next eth1, ... Containers on one network reach each other by machine name, by spec name and by alias. Not with
         * MAYFLY_NETWORK_HOST.
         */
        struct mayfly_network *const *networks;
        /** More names of the container on its networks, NULL-terminated, at most 64. Members may have the same. */
        const char *const *aliases;
        /**
         * What the start waits for: see MAYFLY_WAIT(). The default is that all that the spec publishes listens, if the
         * container runs an app; without published ports the app has been executed.
         */
        const struct mayfly_wait *wait;
        /**
         * Only for mayfly_containers_start(): the `name` of another of its specs, or several with "," between them. This
         * container is started when those are ready.
         */
        const char *after;
        /** The timeout_ms of commands that have none, in ms; default 60,000. Commands in the background have none then, too. */
        unsigned command_timeout_ms;
        /** What is put into the container before its app starts: see MAYFLY_FILES() in <mayfly/file.h>. */
        const struct mayfly_file *files;
        /** With MAYFLY_USERNS_KEEP_ID: who the caller is inside; default the same numbers as outside. */
        uint32_t keep_uid, keep_gid;
        /** What the container begins from, see mayfly_container_snapshot(); it must be of the same image and,
         * for an ordinary user, of a container with the same keep_uid and keep_gid. NULL: the image alone. */
        const struct mayfly_snapshot *snapshot;
        /**
         * Limits of each process, as docker's --ulimit has them: MAYFLY_STRINGS("nofile=1024:4096", "core=0"), the soft limit and the
         * hard one, or one value for both; -1 for no limit. A hard limit above what the caller may give fails the start.
         */
        const char *const *ulimits;
        /** Kernel parameters of the container's own network, IPC and UTS namespaces: MAYFLY_STRINGS("net.core.somaxconn=1024"). */
        const char *const *sysctls;
        uint64_t shm_size;    /**< most that /dev/shm may hold, in bytes; default half the RAM */
        const char *hostname; /**< default: the machine name */
        /** More lines of /etc/hosts: MAYFLY_STRINGS("db:10.0.0.7", "db6:fd00::7"). The address "host-gateway" is that of host_ports. */
        const char *const *extra_hosts;
        /** Devices of the host that the container has: MAYFLY_STRINGS("/dev/fuse", "/dev/zero:/dev/other"). */
        const char *const *devices;
        /** Non-zero: app and commands cannot write to the root, but to volumes, /dev/shm, /run, /tmp and /var/tmp. */
        int read_only;
        const char *const *labels; /**< "NAME=VALUE", which `mayfly ps` shows */
        /**
         * How many containers of this spec mayfly_container_start() keeps ahead, up to 16: the next calls with an equal spec, in
         * this process, get these. See mayfly_spares_stop() in <mayfly/pending.h>.
         */
        unsigned spare;
        /**
         * Non-zero: the container's files can be used after it was halted or stopped, or died, too, until it is started again or
         * freed. Until then its scratch stays in memory, and its volumes stay mounted.
         */
        int keep_files;
        /**
         * Non-zero: the container runs the image's init system, systemd, as PID 1, instead of an app. Without `wait` the start waits until
         * systemd has started everything and what the spec publishes listens, and fails if a unit has. `argv` are words for
         * systemd, as on a kernel's command line; `entrypoint` names another init system. The journal is in the log. Needs a cgroup of
         * the user's for an ordinary user. Not with MAYFLY_USERNS_HOST, MAYFLY_NETWORK_HOST, idle, user, cwd,
         * separate_streams or a port with `activate`.
         */
        int boot;
        /**
         * Called before each start of the container, a restart and a reset included, when its name and the numbers of its ports are
         * known and nothing of it runs yet. A failure fails the start.
         */
        mayfly_life_fn before_start;
        /** Called when a start has all that it waits for, before it returns. A failure fails the start. */
        mayfly_life_fn on_ready;
        /**
         * Called before a container that was ready is ended by its owner, in whichever way, while its app still runs. The container
         * is ended even if this fails. None of these functions may start, end or free the container.
         */
        mayfly_life_fn before_stop;
        void *life_userdata; /**< handed to these functions */
};

#define MAYFLY_SPEC_INIT MAYFLY_INIT_(struct mayfly_spec)

/**
 * A pointer to a spec with the named fields set: `MAYFLY_SPEC(.image = "aci:...", .idle = 1)`. It is valid in the
 * block where it is written. C++ (from C++11 on) writes the same, inside functions:
 *
 *     MAYFLY_SPEC(.image = "aci:...", .volumes = MAYFLY_VOLUMES(MAYFLY_VOLUME(.name = "data", .source = "/srv/data")))
 */
#ifndef __cplusplus
#define MAYFLY_SPEC(...) (&(const struct mayfly_spec){ .size = sizeof(struct mayfly_spec), __VA_ARGS__ })
#else
#define MAYFLY_SPEC(...) MAYFLY_MAKE_(struct mayfly_spec, spec_, __VA_ARGS__)
#endif

/** A port that an image declares. */
struct mayfly_port {
        size_t size;          /**< sizeof this struct, set by the caller */
        const char *name;     /**< as in the manifest; borrowed from the container */
        const char *protocol; /**< "tcp", "udp", ...; borrowed from the container */
        unsigned port;        /**< number; the first of them when there are more */
        unsigned count;       /**< how many, from `port` on */
        int socket_activated; /**< 1: the app got it as an open socket, see sd_listen_fds(3) */
};

#define MAYFLY_PORT_INIT MAYFLY_INIT_(struct mayfly_port)

/** How a process ended. Start from MAYFLY_EXIT_INIT where mayfly fills it. */
struct mayfly_exit {
        size_t size; /**< sizeof this struct */
        int exited;  /**< 1: it ended by itself, with `status`; 0: a signal ended it, `signal` */
        int status;  /**< exit status, 0 to 255 */
        int signal;  /**< signal number, 0 when exited */
};

#define MAYFLY_EXIT_INIT MAYFLY_INIT_(struct mayfly_exit)

/**
 * Takes what a command wrote, as it comes: `size` bytes, any bytes, 1 or more. They are borrowed until it returns. It is called in
 * the thread that waits for the command. Non-zero kills the command, and the function that waited for it returns this value.
 */
typedef int (*mayfly_output_fn)(const void *data, size_t size, void *userdata);

/** A command to run in a container. Start from MAYFLY_COMMAND_INIT; zero means the default everywhere. */
struct mayfly_command {
        size_t size;             /**< sizeof this struct */
        const char *const *argv; /**< NULL-terminated; argv[0] with a slash is a path, else looked for in PATH */
        const char *const *env;  /**< "NAME=value", NULL-terminated, over the container's */
        const char *cwd;         /**< absolute working directory in the container; default / */
        const char *user;        /**< name, number or a path whose owner it is; default root */
        const char *group;       /**< name, number or a path whose group it is; default the user's primary group */
        const void *input;       /**< standard input; NULL for an empty one */
        size_t input_size;       /**< bytes of input */
        uint64_t output_max;     /**< bytes kept of each of output and error output; default 16 MiB */
        unsigned timeout_ms;     /**< then the command and all its children are killed; default: see the spec */
        /**
         * Called with standard output, and with standard error, as it comes; the result then has none of it. The command is
         * killed in time however slow a callback is, but the time-out is reported between two calls.
         */
        mayfly_output_fn on_output;
        mayfly_output_fn on_error; /**< see on_output */
        void *userdata;            /**< handed to on_output and on_error */
        /**
         * Non-zero: the command runs in a terminal, a pseudo-terminal of the container's that is its standard input, output and
         * error, and that controls its session. All output is standard output then, with "\r\n" at the ends of lines, and has
         * an echo of the input, unless the command turns that off. TERM is "xterm" unless `env` or the container's has one.
         */
        int tty;
        unsigned rows;    /**< of the terminal; default 24 */
        unsigned columns; /**< of the terminal; default 80 */
        /**
         * Non-zero: the command is the image's app: its entrypoint, then `argv` or, if that is NULL, its arguments; as its user and
         * groups, with its capabilities and in its working directory, unless they are given here. The app's hooks do not run, and its
         * isolators for system calls and the OOM score do not hold. For an idle container whose app the test runs itself, with input or
         * in a terminal.
         */
        int as_app;
        /** With as_app: instead of the image's entrypoint; the arguments are `argv` alone then. NULL-terminated. */
        const char *const *entrypoint;
};

#define MAYFLY_COMMAND_INIT MAYFLY_INIT_(struct mayfly_command)

/** The result of a command. Release with mayfly_result_free(). */
struct mayfly_result {
        size_t size;                    /**< sizeof this struct in the library */
        const struct mayfly_exit *exit; /**< how it ended; never NULL */
        int timed_out;                  /**< 1: it ran into timeout_ms and was killed */
        char *out;                      /**< standard output; binary, and a NUL after out_size bytes */
        size_t out_size;                /**< bytes in out */
        uint64_t out_dropped;           /**< bytes past output_max that were thrown away */
        char *err;                      /**< standard error; binary, and a NUL after err_size bytes */
        size_t err_size;                /**< bytes in err */
        uint64_t err_dropped;           /**< bytes of standard error past output_max that were thrown away */
        uint64_t elapsed_us;            /**< from the call to the command's end, in microseconds */
};

/** How long each stage of a start took, in microseconds. */
struct mayfly_timings {
        size_t size;       /**< sizeof this struct, set by the caller */
        uint64_t image_us; /**< opening (and maybe fetching) the image */
        uint64_t boot_us;  /**< from asking for the container to the first answer from inside it */
        uint64_t app_us;   /**< from there to the app having been executed */
        uint64_t stop_us;  /**< taking it down, 0 before */
};

#define MAYFLY_TIMINGS_INIT MAYFLY_INIT_(struct mayfly_timings)

/**
 * 0 when this host can run containers for this user, as far as can be seen in less than a millisecond, else negative errno
 * and an error that says the first thing that is missing and what to do: -EPERM, -ENOENT (not installed), -ENOSYS (the
 * kernel), -ENOEXEC (a program of mayfly is missing: its installation is broken), ... The command `mayfly doctor` tries
 * and says all.
 */
int mayfly_host_check(enum mayfly_engine engine, struct mayfly_error *err);

/**
 * Starts a container. On return it answers, the app has been executed, and what the spec's `wait` names has happened, or what
 * the spec publishes listens. An app that ends before that fails the start. Where there is nothing to wait for, an app that
 * ends early does not fail the start: mayfly_container_run() and mayfly_container_wait() say how it ended.
 * @param ret  set on success; the caller owns it
 * @return 0 or negative errno. A failed start leaves nothing behind. When the container died, the message says how
 *         and ends with its log.
 */
int mayfly_container_start(struct mayfly_container **ret, const struct mayfly_spec *spec, struct mayfly_error *err);

/**
 * Runs a command and waits for it. A command that ran, however it ended, is success; `ret->exit` tells. <mayfly/exec.h> has
 * commands that run in the background.
 * @param ret  set on success; the caller owns it
 * @return 0, or negative errno: -ENOENT (no such command), -EACCES, -ESRCH (the container has died), -EMFILE, -EINVAL, ...;
 *         or what on_output or on_error returned, if not 0
 */
int mayfly_container_run(struct mayfly_container *container, const struct mayfly_command *command,
                         struct mayfly_result **ret, struct mayfly_error *err);

/** Frees a result (NULL is fine). Always returns NULL. */
struct mayfly_result *mayfly_result_free(struct mayfly_result *result);

/**
 * The end of the app's output (standard output and error, as they came), up to log_size bytes.
 * What the app wrote before this call is in it. Works after the container died or was stopped, too.
 * @param ret       set on success to a NUL-terminated copy, for the caller to free(3)
 * @param ret_size  set to its size in bytes without that NUL; may be NULL
 */
int mayfly_container_logs(struct mayfly_container *container, char **ret, size_t *ret_size, struct mayfly_error *err);

/**
 * Waits for the app to end.
 * @param timeout_ms  0 only asks, UINT32_MAX waits for ever
 * @param ret         set on success; may be NULL
 * @return 0, -ETIMEDOUT while it still runs, or another negative errno
 */
int mayfly_container_wait(struct mayfly_container *container, unsigned timeout_ms, struct mayfly_exit *ret,
                          struct mayfly_error *err);

/**
 * Stops a container: stop signal to the app, then kill. On success its processes, unit, machine, mounts and scratch are
 * gone, and were seen to be gone. Stopping a stopped or dead container is success.
 * @return 0, or -ETIMEDOUT when something resists even SIGKILL (a process that waits in the kernel); at the latest 5 s
 *         after stop_timeout_ms. The kill stays in force, and a later call can confirm it.
 */
int mayfly_container_stop(struct mayfly_container *container, struct mayfly_error *err);

/** How a stop went. Start from MAYFLY_STOP_RESULT_INIT. */
struct mayfly_stop_result {
        size_t size;         /**< sizeof this struct */
        int timed_out;       /**< 1: the app did not end within timeout_ms of stop_signal, and was killed */
        int stop_signal;     /**< the signal that asked the app to end */
        unsigned timeout_ms; /**< the time that the app had after it */
        uint64_t elapsed_us; /**< from the call of mayfly_container_stop() to its return; 0 before */
};

#define MAYFLY_STOP_RESULT_INIT MAYFLY_INIT_(struct mayfly_stop_result)

/** Fills *ret with how the stop went. mayfly_container_wait() has the app's exit. Returns 0 or -EINVAL. */
int mayfly_container_stop_result(const struct mayfly_container *container, struct mayfly_stop_result *ret,
                                 struct mayfly_error *err);

/**
 * Stops a container if need be and frees the handle (NULL is fine). Calls of other threads on it end with its end, as after
 * mayfly_container_stop(), or with -ECANCELED, and this waits for them; no call on it may begin afterwards. Always returns NULL.
 */
struct mayfly_container *mayfly_container_free(struct mayfly_container *container);

/**
 * Looks up a port of the image by its name (appc: `app.ports`).
 * @param ret  filled in; start from MAYFLY_PORT_INIT
 * @return 0, or -ENOENT with a message that lists the names there are
 */
int mayfly_container_port(const struct mayfly_container *container, const char *name, struct mayfly_port *ret,
                          struct mayfly_error *err);

/** The isolators of the image's app, with their outcome in this container; NULL-terminated, borrowed.
 * Empty for NULL. */
const struct mayfly_isolator *const *mayfly_container_isolators(const struct mayfly_container *container);

/**
 * Makes an empty file system in memory, for containers to share as a volume. It is mounted nowhere on the host, and
 * ends with this handle and the last container that has it, however they end.
 * @param ret       set on success; the caller owns it
 * @param max_size  most it may hold, in bytes; 0 for half the RAM
 */
int mayfly_tmpfs_create(struct mayfly_tmpfs **ret, uint64_t max_size, struct mayfly_error *err);

/**
 * Makes the same in a directory on the file system of the image store, for more than fits into memory. When the handle and all containers
 * that have it have ended, however they end, the directory is removed by a process that waits for that (mayfly-keep), or, if that is
 * killed, too, with the store's garbage. It cannot be attached to a container that runs.
 * @param ret    set on success; the caller owns it
 * @param store  path of the store; NULL for the default, as in struct mayfly_image_options
 */
int mayfly_tmpfs_create_on_disk(struct mayfly_tmpfs **ret, const char *store, struct mayfly_error *err);

/** A descriptor of its root directory, for openat(2) and the like; borrowed. -1 for NULL. */
int mayfly_tmpfs_fd(const struct mayfly_tmpfs *tmpfs);

/** Releases the handle (NULL is fine). Always returns NULL. */
struct mayfly_tmpfs *mayfly_tmpfs_free(struct mayfly_tmpfs *tmpfs);

/**
 * Mounts a volume in a running container, where the app and later commands see it, until it is detached or the container ends or is
 * started again.
 * @param volume  `struct mayfly_volume v = MAYFLY_VOLUME(.path = "/data", .source = "/srv/data");`: a path, and a source or a tmpfs. What
 *                is at the path is covered, and made if nothing is
 * @return 0 or negative errno: -ENOTDIR, -EISDIR (a directory goes on a directory, a file on a file), -ESRCH (the container has ended)
 */
int mayfly_container_attach_volume(struct mayfly_container *container, const struct mayfly_volume *volume,
                                   struct mayfly_error *err);

/**
 * Unmounts a volume that mayfly_container_attach_volume() has mounted.
 * @param path  where it is, without links of the container
 * @return 0 or negative errno: -EBUSY (a process uses it, which the message names), -ENOENT (none was attached there)
 */
int mayfly_container_detach_volume(struct mayfly_container *container, const char *path, struct mayfly_error *err);

/** The machine name, as in `machinectl list`; borrowed. NULL for NULL. */
const char *mayfly_container_name(const struct mayfly_container *container);

/** The engine in use. MAYFLY_ENGINE_DEFAULT for NULL. */
enum mayfly_engine mayfly_container_engine(const struct mayfly_container *container);

/** 1 if systemd-machined knows the container. 0 in the direct engine, for NULL, and where the system bus had no room
 * for another machine (which it has for about a hundred and fifty): then only machinectl(1) and the like cannot find the container. */
int mayfly_container_is_registered(const struct mayfly_container *container);

/** The host's PID of the container's PID 1, for setns(2), /proc and strace(1). 0 for NULL. */
pid_t mayfly_container_leader(const struct mayfly_container *container);

/** How long each stage took. Fills *ret; start from MAYFLY_TIMINGS_INIT. Returns 0 or -EINVAL. */
int mayfly_container_timings(const struct mayfly_container *container, struct mayfly_timings *ret,
                             struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
