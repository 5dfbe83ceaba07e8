/* SPDX-License-Identifier: MIT */
#ifndef MF_INIT_H
#define MF_INIT_H

/* mayfly-init: PID 1 of a container. Static, and needs nothing of the image. */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../protocol.h"

/* What to run, from a "words" memfd. The strings are borrowed from the mapping. */
struct mf_words {
        char **argv;
        char **env; /* overrides resolved: each name once */
        const char *cwd, *user, *group;
        gid_t *extra_groups;
        size_t n_extra_groups;
};

/* words.c: reads the descriptor (and does not close it). What it allocates lives as long as the process. */
int mf_words_read(int fd, struct mf_words *ret);

/* identity.c: who to run as (appc spec, "user" and "group"): a name in the image's /etc/passwd or /etc/group, else a
 * number, or the owner of the file at an absolute path. */
struct mf_identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* supplementary ones */
        size_t n_groups;
        const char *home; /* from /etc/passwd, or NULL */
};

int mf_identity_find(const struct mf_words *words, struct mf_identity *ret, char *text, size_t text_size);

/* supervise.c: starts words->argv with the three descriptors as its standard ones, in a session of its own. Returns its
 * PID once it was executed, or -errno with text. */
pid_t mf_spawn(const struct mf_words *words, const int stdio[3], int with_home, char *text, size_t text_size);

/* supervise.c: runs one command to its end and answers on the reply socket; for a process forked for it. */
_Noreturn void mf_supervise(const struct mf_words *words, int reply, const int stdio[3]);

/* logs.c: copies what arrives on the pipe to the ring. */
int mf_log_open(int memfd);
int mf_log_drain(int pipe); /* non-blocking; 0 at the end of the stream, 1 when empty for now */

/* filter.c: capabilities and system call filter for this process and all after it. 0 or -errno with text. */
int mf_confine(char *text, size_t text_size);

#endif
