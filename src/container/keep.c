/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "container/container.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/id-map.h"

/* A container whose caller keeps the ID (MAYFLY_USERNS_KEEP_ID). */

/* Who the caller is inside. */
static struct mf_keep_ids wanted(const struct mayfly_spec *spec)
{
        struct mf_keep_ids kept = { spec->keep_uid, spec->keep_gid };

        if (spec->userns != MAYFLY_USERNS_KEEP_ID)
                return (struct mf_keep_ids){ 0 };
        if (!kept.uid)
                kept.uid = geteuid();
        if (!kept.gid)
                kept.gid = getegid();
        return kept;
}

const struct mf_keep_ids *mf_keep_layers(const struct mayfly_container *container)
{
        /* For root they are idmapped, whoever the caller is inside. */
        return mf_privilege_is_delegated() && (container->kept.uid || container->kept.gid) ? &container->kept : NULL;
}

/* Returns how many IDs a container can have. A file that cannot be read, or has none, is left to mayfly-helper, which says so. */
static uint64_t count_ids(const struct mayfly_container *container, const char *file, uint32_t own)
{
        struct passwd user, *found = NULL;
        struct mf_id_map map;
        char text[1024];

        if (!mf_privilege_is_delegated())
                return container->spec.userns_ids;
        if (getpwuid_r(geteuid(), &user, text, sizeof(text), &found) != 0 || !found ||
            mf_id_map_read(&map, file, user.pw_name, geteuid(), own) < 0 || map.count == 0)
                return UINT64_MAX;
        return map.count + 1;
}

static int check_one(const struct mayfly_container *container, int is_group, struct mayfly_error *err)
{
        const uint32_t kept = is_group ? container->kept.gid : container->kept.uid;
        const char *file = is_group ? "/etc/subgid" : "/etc/subuid", *field = is_group ? "keep_gid" : "keep_uid";
        const uint64_t count = kept ? count_ids(container, file, is_group ? getegid() : geteuid()) : UINT64_MAX;

        if (kept < count)
                return 0;
        return mf_error(
                err, -ERANGE, MAYFLY_STAGE_SPEC, "%s is %u, but the container has only the IDs from 0 to %llu; set %s",
                field, (unsigned) kept, (unsigned long long) count - 1,
                mf_privilege_is_delegated() ? "a smaller one, or give the user more in /etc/subuid and /etc/subgid"
                                            : "a smaller one, or a larger userns_ids");
}

int mf_keep_take(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_spec *spec = &container->spec;

        if (spec->userns != MAYFLY_USERNS_KEEP_ID && (spec->keep_uid || spec->keep_gid))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec has %s = %u without .userns = MAYFLY_USERNS_KEEP_ID; add that, or leave it out",
                        spec->keep_uid ? "keep_uid" : "keep_gid",
                        (unsigned) (spec->keep_uid ? spec->keep_uid : spec->keep_gid));
        container->kept = wanted(spec);
        int r = check_one(container, 0, err);
        return r < 0 ? r : check_one(container, 1, err);
}
