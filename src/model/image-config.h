/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_CONFIG_H
#define MF_IMAGE_CONFIG_H

/* What the container side needs to know of an image, whatever kind its manifest was of. */

#include <stddef.h>
#include <stdint.h>

#include "model/isolators.h"

/* A place where the app expects a volume. */
struct mf_mount_point {
        char *name;
        char *path; /* absolute, in the image */
        int read_only;
};

struct mf_port {
        char *name;
        char *protocol; /* "tcp", "udp", or anything else */
        uint16_t port;  /* the first one */
        unsigned count;
        int socket_activated;
};

/* An image that lies below this one. */
struct mf_dependency {
        char *name;
        char *id;      /* "sha512-..." as the manifest has it, or NULL */
        char **labels; /* "NAME=value", NULL-terminated, never NULL */
        uint64_t size; /* of the archive as served, in bytes; 0 when it is not told */
};

enum mf_syscalls { MF_SYSCALLS_ALL = 0, MF_SYSCALLS_REMOVE, MF_SYSCALLS_RETAIN };

/* How the app is to be confined, and what became of the wish. Zero means no wish everywhere. */
struct mf_isolation {
        struct mf_isolators isolators; /* all, with what became of each */
        int has_capabilities;
        uint64_t capabilities; /* what the app wants at most, see capabilities.h; the spec must grant it */
        enum mf_syscalls syscalls_mode;
        char **syscalls;    /* names, NULL-terminated */
        int syscalls_errno; /* what a blocked one returns; 0: it kills with SIGSYS */
        int no_new_privs;
        int has_oom_score_adj, oom_score_adj;
        uint64_t memory_max; /* bytes */
        uint64_t memory_low; /* bytes that are not reclaimed while others can be */
        uint64_t cpu_max;    /* thousandths of a processor */
        unsigned cpu_shares; /* as cgroup v1 counts them, from 2 to 262,144 */
};

struct mf_image_config {
        char *name;             /* the image's name */
        char **labels;          /* the image's, "NAME=value", NULL-terminated, never NULL */
        char **entrypoint;      /* the app's first words, NULL-terminated, or NULL: appc has none */
        char **argv;            /* the app's words after those, NULL-terminated, or NULL */
        char **env;             /* the image's, "NAME=value", NULL-terminated, never NULL */
        char **format_env;      /* what the image's format wants there in addition, likewise; NULL for nothing */
        char *metadata_env;     /* the variable that the metadata service's URL goes into; NULL: the format has none */
        char *user;             /* never NULL when there is an app */
        char *group;            /* likewise */
        uint32_t *extra_groups; /* supplementaryGIDs */
        size_t n_extra_groups;
        char *cwd;        /* working directory, "/" by default */
        char **pre_start; /* argv, NULL-terminated, or NULL: to end before the app starts */
        char **post_stop; /* likewise: to run after it has ended */
        struct mf_mount_point *mount_points;
        size_t n_mount_points;
        struct mf_port *ports;
        size_t n_ports;
        struct mf_dependency *dependencies; /* in the order in which they are laid down */
        size_t n_dependencies;
        struct mf_isolation isolation;
        char **whitelist; /* the only paths to be kept, absolute, NULL-terminated; NULL for all */
};

/* Whether the image has a program to run. */
int mf_image_config_has_app(const struct mf_image_config *config);

/* NULL is fine; returns NULL. */
struct mf_image_config *mf_image_config_free(struct mf_image_config *config);

#endif
