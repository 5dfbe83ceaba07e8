/* SPDX-License-Identifier: MIT */
#ifndef MF_ID_MAP_H
#define MF_ID_MAP_H

/* The IDs that a user may use in namespaces: the ranges in /etc/subuid and /etc/subgid, see subuid(5). */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MF_ID_RANGES_MAX 339U /* 340 fit in a map, and one is the user's own ID */

struct mf_id_map {
        struct {
                uint64_t first, count;
        } range[MF_ID_RANGES_MAX];
        size_t n;
        uint64_t count; /* of IDs in all of them */
        uint64_t end;   /* the first ID above every range of anybody in the file */
};

/* Reads the ranges of a user from a file. Ranges that have `own`, or an ID of a range before them, are left out, since the
 * kernel refuses such maps. Returns 0 or negative errno. */
int mf_id_map_read(struct mf_id_map *ret, const char *path, const char *user, uid_t uid, uint32_t own);

/* Returns the arguments of newuidmap or newgidmap for a process, NULL-terminated and allocated (mf_strv_free()), or NULL
 * when there is no memory. `own` becomes 0, and the ranges follow from 1 on. */
char **mf_id_map_arguments(const struct mf_id_map *map, const char *program, pid_t pid, uint32_t own);

#endif
