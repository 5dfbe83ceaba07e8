/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/no-such-id.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/id-map.h"
#include "util/macro.h"

#define STEP UINT64_C(65536) /* ranges are given in such pieces */

/* What a namespace has. */
struct extent {
        uint64_t end;  /* the first ID that it does not have */
        uint64_t root; /* ID of its root outside */
};

/* Reads a map of this process. Returns 0 or negative errno. */
static int read_extent(const char *path, struct extent *ret)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        uint64_t inside, outside, count;

        *ret = (struct extent){ 0 };
        if (!f)
                return -errno;
        while (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) == 3) {
                if (inside == 0)
                        ret->root = outside;
                if (inside + count > ret->end)
                        ret->end = inside + count;
        }
        return 0;
}

int mf_no_such_id(const struct mf_entry *entry, struct mayfly_error *err)
{
        struct extent users, groups;
        char user[64], remedy[200] = "";
        struct mf_id_map map;

        if (read_extent("/proc/self/uid_map", &users) < 0 || read_extent("/proc/self/gid_map", &groups) < 0)
                return mf_error_errno(err, -EINVAL, MAYFLY_STAGE_STORE, "\"%.300s\" cannot be given its owner",
                                      entry->name);
        const int is_user = entry->uid >= users.end;
        const uint64_t id = is_user ? entry->uid : entry->gid, end = is_user ? users.end : groups.end;
        const char *file = is_user ? "/etc/subuid" : "/etc/subgid", *what = is_user ? "user" : "group";
        const struct passwd *outside = getpwuid((uid_t) users.root);
        snprintf(user, sizeof(user), "%.60s", outside ? outside->pw_name : "USER");
        if (id >= end && mf_id_map_read(&map, file, user, (uid_t) users.root, 0) == 0) {
                uint64_t first = map.end < 100000 ? 100000 : map.end, count = (id + 1 - end + STEP - 1) / STEP * STEP;
                if (first + count < UINT32_MAX)
                        snprintf(remedy, sizeof(remedy), ": sudo usermod --add-sub%cids %" PRIu64 "-%" PRIu64 " %s",
                                 is_user ? 'u' : 'g', first, first + count - 1, user);
        }
        return mf_error(err, -EINVAL, MAYFLY_STAGE_STORE,
                        "archive entry \"%.300s\" belongs to %s %" PRIu64
                        ", but the IDs of containers of this user end at %" PRIu64 "; give the user more in %s%s",
                        entry->name, what, id, end - 1, file, remedy);
}
