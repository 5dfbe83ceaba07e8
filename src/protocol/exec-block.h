/* SPDX-License-Identifier: MIT */
#ifndef MF_EXEC_BLOCK_H
#define MF_EXEC_BLOCK_H

/* An exec block tells mayfly-init which program to execute, and how: a memfd of NUL-terminated strings, each with a tag before it.
 * Here is the writer; exec-block-read.h has the reader. */

#include <stddef.h>

enum mf_exec_tag {
        MF_EXEC_ARGV = 'a',
        MF_EXEC_ENV = 'e', /* "NAME=value"; a later one overrides an earlier */
        MF_EXEC_CWD = 'd',
        MF_EXEC_USER = 'u',
        MF_EXEC_GROUP = 'g',
        MF_EXEC_EXTRA_GROUP = 'G', /* a number */
        MF_EXEC_ONLY_GROUPS = 'M', /* empty: the user gets no groups that list it as a member */
        MF_EXEC_BOUND = 'B',       /* START: capabilities that the container has at all, in hex */
        MF_EXEC_DIRECTORY = 'D',   /* START: a directory to make, with its parents, where there is nothing */
        MF_EXEC_ULIMIT = 'l',      /* START: of each program: "RESOURCE SOFT HARD", three numbers */
        MF_EXEC_SYSCTL = 'y',      /* START: "NAME=VALUE", the name with dots */
        MF_EXEC_SHM_SIZE = 'z',    /* START: of /dev/shm, in bytes */
        MF_EXEC_READ_ONLY = 'r',   /* START: empty: the root is read-only for programs */
        /* Of the app alone: */
        MF_EXEC_PRE_START = 'b',    /* argv, as ARGV */
        MF_EXEC_POST_STOP = 'p',    /* argv, as ARGV */
        MF_EXEC_HOOK_TIMEOUT = 't', /* for post-stop, in ms */
        MF_EXEC_SOCKET = 's',       /* to be activated by: "PROTOCOL PORT ADDRESS NAME" */
        MF_EXEC_CAPABILITIES = 'c', /* its bounding set, in hex */
        MF_EXEC_NO_NEW_PRIVS = 'n', /* empty */
        MF_EXEC_OOM_SCORE_ADJ = 'o',
        MF_EXEC_BOOT = 'i',   /* empty: it is an init system, the image's if ARGV begins with an empty word */
        MF_EXEC_NOTIFY = 'N', /* the value of $NOTIFY_SOCKET: "@NAME" */
};

/* As the address of a socket: it is the next that came with the message. */
#define MF_EXEC_PASSED "-"

/* Starts as zero. A failure to add is remembered for mf_exec_block_finish(). */
struct mf_exec_block {
        char *data;
        size_t size, allocated;
        int failed;
};

void mf_exec_block_add(struct mf_exec_block *block, enum mf_exec_tag tag, const char *string);
/* `strings` is NULL-terminated, or NULL for none. */
void mf_exec_block_add_all(struct mf_exec_block *block, enum mf_exec_tag tag, char *const *strings);
/* Writes the block to a memfd and frees it. *ret is the caller's. Returns 0 or -errno. */
int mf_exec_block_finish(struct mf_exec_block *block, int *ret);
void mf_exec_block_clear(struct mf_exec_block *block);

#endif
