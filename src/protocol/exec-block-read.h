/* SPDX-License-Identifier: MIT */
#ifndef MF_EXEC_BLOCK_READ_H
#define MF_EXEC_BLOCK_READ_H

/* The reader of an exec block, for mayfly-init: what to run, and how. exec-block.c writes it. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sock_fprog;

/* The limits of one process, within those of its container. Zero means no limit. */
struct mf_confinement {
        int has_capabilities;
        uint64_t capabilities; /* bounding set */
        int no_new_privs;
        const char *oom_score_adj;       /* NULL: left as it is */
        const struct sock_fprog *filter; /* NULL: none */
};

/* What to run. The strings are borrowed from the mapping. */
struct mf_exec {
        char **argv;
        char **env; /* each name once; room for five more */
        const char *cwd, *user, *group;
        gid_t *extra_groups;
        size_t n_extra_groups;
        int only_groups;               /* no groups that list the user as a member */
        uint64_t bound;                /* the container's capabilities */
        char **pre_start, **post_stop; /* argv; empty without a hook */
        int hook_timeout_ms;
        const char *notify;   /* the value of $NOTIFY_SOCKET, or NULL */
        char **sockets;       /* NULL-terminated, never NULL */
        char **directories;   /* likewise; to make where they are missing */
        char **ulimits;       /* likewise: "RESOURCE SOFT HARD" */
        char **sysctls;       /* likewise: "NAME=VALUE" */
        const char *shm_size; /* or NULL */
        int read_only;
        int boot; /* it is an init system */
        struct mf_confinement confinement;
};

/* Reads the block from the descriptor and does not close it. The strings are mapped for as long as the process lives.
 * Returns 0, -EPROTO for a block that is malformed, or another negative errno; then nothing stays allocated. */
int mf_exec_block_read(int fd, struct mf_exec *ret);

/* Frees the lists, but not the strings in them. mayfly-init, which needs its lists to the end, does not call this. */
void mf_exec_free_lists(const struct mf_exec *exec);

#endif
