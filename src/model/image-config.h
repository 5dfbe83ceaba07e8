/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_CONFIG_H
#define MF_IMAGE_CONFIG_H

/* The facts about an image that a container needs, whatever the format of the image. */

#include <stddef.h>
#include <stdint.h>

#include "model/isolators.h"

/* A place where the app expects a volume. */
struct mf_mount_point {
        char *name;
        char *path; /* absolute, in the image */
        int read_only;
        int begins_with_image; /* without a volume it is what the image has there, not an empty directory */
};

struct mf_port {
        char *name;
        char *protocol; /* "tcp", "udp", or anything else */
        uint16_t port;  /* the first port */
        unsigned count;
        int socket_activated;
};

/* An image whose layers lie below those of this image. */
struct mf_dependency {
        char *name;
        char *id;      /* "sha512-..." as the manifest has it, or NULL */
        char **labels; /* "NAME=value", NULL-terminated, never NULL */
        uint64_t size; /* of the archive as served, in bytes; 0: unknown */
};

enum mf_syscalls { MF_SYSCALLS_ALL = 0, MF_SYSCALLS_REMOVE, MF_SYSCALLS_RETAIN };

/* How to confine the app, and the outcome of each isolator. Zero means that the image does not ask, in every field. */
struct mf_isolation {
        struct mf_isolators isolators; /* all isolators, with their outcomes */
        int has_capabilities;
        uint64_t capabilities; /* the most that the app may have, see capabilities.h; the spec must grant them */
        enum mf_syscalls syscalls_mode;
        char **syscalls;    /* names, NULL-terminated */
        int syscalls_errno; /* the errno of a blocked call; 0: the call kills with SIGSYS */
        int no_new_privs;
        int has_oom_score_adj, oom_score_adj;
        uint64_t memory_max; /* bytes */
        uint64_t memory_low; /* bytes that the kernel does not reclaim while it can reclaim others */
        uint64_t cpu_max;    /* thousandths of a processor */
        unsigned cpu_shares; /* as cgroup v1 counts them, from 2 to 262,144 */
};

/* How an image finds out whether its app is healthy. */
struct mf_health {
        char **command;           /* exits with 0 when it is; NULL-terminated; NULL: the image does not say */
        uint64_t interval_us;     /* between two tries */
        uint64_t timeout_us;      /* of one try */
        uint64_t start_period_us; /* for the app to start, while failures do not count */
        unsigned retries;         /* failures in a row after which it is not healthy */
        char *fault; /* why what the image says cannot be used; NULL: it can. An image whose health nobody waits for starts */
};

struct mf_image_config {
        char *name;        /* the image's name */
        char **labels;     /* the image's, "NAME=value", NULL-terminated, never NULL */
        char **entrypoint; /* the first words of the command line, NULL-terminated, or NULL; appc has none */
        char **argv;       /* the words after those, NULL-terminated, or NULL */
        char **env;        /* the image's, "NAME=value", NULL-terminated, never NULL */
        char **format_env; /* variables that the image's format adds, NULL-terminated; NULL: none */
        char *metadata_env; /* the name of the variable with the URL of the metadata service; NULL: the format has none */
        char *user;         /* never NULL when there is an app */
        char *group;        /* never NULL when there is an app */
        uint32_t *extra_groups; /* supplementaryGIDs */
        size_t n_extra_groups;
        int only_groups; /* the user does not get the groups that list it as a member */
        char *cwd;       /* working directory, "/" by default */
        char **directories; /* absolute paths that a container has, made where they are missing; NULL-terminated, or NULL */
        int stop_signal;  /* that asks the app to end; 0: SIGTERM */
        char **pre_start; /* a command that ends before the app starts; NULL-terminated, or NULL */
        char **post_stop; /* a command that runs after the app has ended; NULL-terminated, or NULL */
        struct mf_health health;
        struct mf_mount_point *mount_points;
        size_t n_mount_points;
        struct mf_port *ports;
        size_t n_ports;
        struct mf_dependency *dependencies; /* from the lowest to the highest */
        size_t n_dependencies;
        int is_layers_only; /* all its files are in its dependencies */
        struct mf_isolation isolation;
        char **whitelist; /* the only paths to keep, absolute, NULL-terminated; NULL: keep all */
};

/* Whether the image has a program to run. */
int mf_image_config_has_app(const struct mf_image_config *config);

/* The words of a command line: first these, then those; each NULL or NULL-terminated. */
struct mf_app_words {
        const char *const *entrypoint, *const *arguments;
};

/* The words of the image's app where somebody gives another entrypoint, other arguments, both or (NULL) neither. With another entrypoint
 * the image's arguments do not count. */
struct mf_app_words mf_app_words(const struct mf_image_config *config, const char *const *entrypoint,
                                 const char *const *arguments);
/* The first word, or NULL when there is none. */
const char *mf_app_program(const struct mf_app_words *words);

/* NULL is fine; returns NULL. */
struct mf_image_config *mf_image_config_free(struct mf_image_config *config);

#endif
