/* SPDX-License-Identifier: MIT */
#ifndef MF_HOST_H
#define MF_HOST_H

/*
 * src/host: whether this host can run containers, and what to do where it cannot. table.c has all checks; each is a
 * function that tries something and writes down what it found. mayfly_host_check() makes the quick ones, the command
 * `mayfly doctor` makes all.
 */

#include <stddef.h>

#include <mayfly/error.h>

/* Whom the checks are for. */
struct mf_host {
        int is_root; /* root makes containers itself; for an ordinary user mayfly-helper does it in a user namespace */
        int wants_systemd; /* the engine is "systemd" */
        const char *store; /* the store's directory; NULL for the default */
};

enum mf_host_status { MF_HOST_OK, MF_HOST_WARNING, MF_HOST_MISSING };

/* What a check found. */
struct mf_host_finding {
        enum mf_host_status status;
        int code; /* negative errno, when something is missing */
        enum mayfly_stage stage;
        char message[768]; /* what is there, or what is missing and why */
        char remedy[1280]; /* what to do; empty when all is well */
};

enum {
        MF_HOST_NEEDED = 1, /* no container can be started without it */
        MF_HOST_QUICK = 2,  /* takes microseconds, starts no process and changes nothing */
        MF_HOST_OF_ROOT = 4,
        MF_HOST_OF_USER = 8,
        MF_HOST_OF_BOTH = MF_HOST_OF_ROOT | MF_HOST_OF_USER,
        MF_HOST_OF_SYSTEMD = 16, /* for the engine "systemd" only */
        MF_HOST_OF_KERNEL = 32   /* valgrind would answer in place of the kernel */
};

struct mf_host_check {
        const char *name;
        unsigned flags;
        void (*probe)(const struct mf_host *host, struct mf_host_finding *ret);
};

extern const struct mf_host_check mf_host_checks[];
extern const size_t mf_host_n_checks;

/* The host of this process, with an engine. */
struct mf_host mf_host_of_caller(int wants_systemd);

/* Makes the check. Returns 1, or 0 when the check is not for such a host. What is missing and not needed is a warning. */
int mf_host_run(const struct mf_host_check *check, const struct mf_host *host, struct mf_host_finding *ret);

/* Makes the quick checks, up to the first needed thing that is missing. Returns 0 or negative errno and a message. */
int mf_host_find_missing(const struct mf_host *host, struct mayfly_error *err);

/* The AppArmor profile that lets mayfly's programs make user namespaces, allocated. Returns 0 or negative errno. */
int mf_host_apparmor_profile(char **ret, struct mayfly_error *err);

#endif
