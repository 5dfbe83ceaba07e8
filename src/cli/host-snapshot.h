/* SPDX-License-Identifier: MIT */
#ifndef MF_SNAPSHOT_H
#define MF_SNAPSHOT_H

/* What exists on this host that a container could have left behind. */

#include <stddef.h>
#include <stdio.h>

#include <mayfly/error.h>

/* One line each, "KIND\tIDENTITY\tDESCRIPTION", sorted. Kinds: bus (a connection to the system bus), cgroup, file, link
 * (of this network namespace), machine, mntns, mount (of any mount namespace), netns, process, unit. Two things are the
 * same when kind and identity are. */
struct mf_snapshot {
        char **lines;
        size_t n, allocated;
};

struct mf_snapshot_scope {
        const char *const *directories; /* all below them is listed, NULL-terminated */
        int bus;                        /* non-zero: ask systemd, machined and the bus */
};

/* Takes a snapshot of what is there now, without this process and its parents. Returns 0 or negative errno. */
int mf_snapshot_take(struct mf_snapshot *ret, const struct mf_snapshot_scope *scope, struct mayfly_error *err);
void mf_snapshot_clear(struct mf_snapshot *snapshot);

/* The description of a line. */
const char *mf_snapshot_description(const char *line);

int mf_snapshot_write(const struct mf_snapshot *snapshot, FILE *f);
int mf_snapshot_read(struct mf_snapshot *ret, FILE *f);

/* Calls back for each line of `after` that `before` has not. Returns how many times the callback returned non-zero. */
size_t mf_snapshot_compare(const struct mf_snapshot *before, const struct mf_snapshot *after,
                           int (*callback)(const char *line, void *userdata), void *userdata);

#endif
