/* SPDX-License-Identifier: MIT */
#ifndef MF_HOST_CHECK_H
#define MF_HOST_CHECK_H

/* What the checks share, and the checks themselves, for table.c. */

#include <stdint.h>
#include <sys/types.h>

#include "host/host.h"

#define MF_PROGRAM_MAX 64
#define MF_LIKE_PRINTF(n) __attribute__((format(printf, n, (n) + 1)))

/* finding.c: what a check says. mf_host_remedy() is called after mf_host_missing() or mf_host_warning(). */
void mf_host_ok(struct mf_host_finding *ret, const char *format, ...) MF_LIKE_PRINTF(2);
void mf_host_warning(struct mf_host_finding *ret, const char *format, ...) MF_LIKE_PRINTF(2);
void mf_host_missing(struct mf_host_finding *ret, int code, const char *format, ...) MF_LIKE_PRINTF(3);
void mf_host_remedy(struct mf_host_finding *ret, const char *format, ...) MF_LIKE_PRINTF(2);
/* Takes an error of another part of mayfly as what is missing. What follows its first "; " is the remedy. */
void mf_host_take_error(struct mf_host_finding *ret, const struct mayfly_error *err);

/* facts.c: reads the number in a file such as a sysctl's. Returns 0 or negative errno. */
int mf_host_read_number(const char *path, uint64_t *ret);
/* Reads a field of /proc/self/status, a number with the base 10 or 16. Returns 0 or negative errno. */
int mf_host_read_status(const char *field, int base, uint64_t *ret);
/* Looks for a program in the directories where the system's are. Returns 0 or -ENOENT. */
int mf_host_find_program(const char *name, char ret[MF_PROGRAM_MAX]);
/* Runs it, with no more than a PATH in its environment, and takes the start of its output and errors. Returns its exit
 * status, 128 after a signal, or negative errno. */
int mf_host_run_program(char *const *argv, char *ret, size_t size);

/* programs.c: the version of systemd-nspawn, or 0 where there is none or it does not say. */
long mf_host_nspawn_version(void);

/* outer.c: the container that this process is in, such as "a docker container"; NULL without. */
const char *mf_host_outer_name(void);
/* What lifts the restrictions of that container, a sentence; NULL when this process is in none. */
const char *mf_host_outer_advice(const struct mf_host *host);
/* Gives that advice, or, where there is no container, the text. */
void mf_host_remedy_outer(const struct mf_host *host, struct mf_host_finding *ret, const char *otherwise);

/* child.c: what is tried in a child process, so that nothing of it stays. */
struct mf_host_attempt {
        const struct mf_host *host;
        int parent;     /* socket to this process, in the child */
        int userns;     /* the user namespace that mayfly-helper made, or -1 */
        int error;      /* errno of the step that failed, 0 when all went well */
        char step[128]; /* what that step was, such as "mounting an overlay" */
};

/* Runs `run` in a child; it returns 0, or -1 after mf_host_attempt_failed(). Fills in `ret`. Returns 0 when all went
 * well, or -1. */
int mf_host_try(const struct mf_host *host, int (*run)(struct mf_host_attempt *attempt), struct mf_host_attempt *ret);
/* Writes down the step, with errno. Returns -1. */
int mf_host_attempt_failed(struct mf_host_attempt *attempt, const char *step);
/* In the child: becomes root of a user namespace. Root's is new, with 65,536 IDs of the host as a container's. An ordinary
 * user's is the one that mayfly-helper makes or, where it cannot, a new one that has the user alone. */
int mf_host_enter_user_namespace(struct mf_host_attempt *attempt);
/* In the child: makes such a namespace of root and stays outside. Returns a descriptor, or -1. */
int mf_host_open_user_namespace(struct mf_host_attempt *attempt);
/* In the child: enters a mount namespace whose mounts nobody else sees. */
int mf_host_enter_mount_namespace(struct mf_host_attempt *attempt);

/* userns.c: says what keeps this process from making a user namespace, or, where that is not known, the text. */
void mf_host_remedy_userns(const struct mf_host *host, struct mf_host_finding *ret, const char *otherwise);

/* store.c: the store's directory, or the nearest directory above it that exists, allocated; NULL when there is none. */
char *mf_host_store_directory(const struct mf_host *host);

/* The checks, each in the file of its subject. */
typedef void mf_host_probe(const struct mf_host *host, struct mf_host_finding *ret);
mf_host_probe mf_probe_no_new_privileges, mf_probe_capabilities; /* privilege.c */
mf_host_probe mf_probe_container;                                /* outer.c */
mf_host_probe mf_probe_kernel, mf_probe_system_calls, mf_probe_pidfd, mf_probe_close_range,
        mf_probe_seccomp;                                                                      /* kernel.c */
mf_host_probe mf_probe_programs, mf_probe_libraries, mf_probe_nspawn, mf_probe_nspawn_version; /* programs.c */
mf_host_probe mf_probe_user_namespaces, mf_probe_max_user_namespaces, mf_probe_userns_clone,
        mf_probe_apparmor;                                                                               /* userns.c */
mf_host_probe mf_probe_newuidmap, mf_probe_newgidmap, mf_probe_subuid, mf_probe_subgid, mf_probe_id_map; /* ids.c */
mf_host_probe mf_probe_overlay, mf_probe_idmapped_mounts, mf_probe_proc;                                 /* mounts.c */
mf_host_probe mf_probe_cgroup2, mf_probe_controllers;                                                    /* cgroup.c */
mf_host_probe mf_probe_systemd, mf_probe_machined, mf_probe_user_manager;                                /* systemd.c */
mf_host_probe mf_probe_store, mf_probe_store_space;                                                      /* store.c */

#endif
