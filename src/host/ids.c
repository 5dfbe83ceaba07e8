/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/check.h"
#include "privilege/userns.h"
#include "util/fd.h"
#include "util/id-range.h"
#include "util/macro.h"

/* --- newuidmap and newgidmap ------------------------------------------------------------------------------------ */

/* The bits of capabilities in /proc/self/status. */
enum { SETGID = 6, SETUID = 7, SYS_ADMIN = 21 };

/* Why the program cannot do its work when the user runs it: `why`, and what to do. */
struct powerless {
        const char *why, *remedy;
};

/* Whether the bounding set keeps the capability from every program. */
static int is_bounded(unsigned capability)
{
        uint64_t set;

        return mf_host_read_status("CapBnd", 16, &set) == 0 && !(set >> capability & 1);
}

/* Returns 1 and the reason, or 0 when the program has what it needs. The kernel lets only the owner of a namespace, or
 * CAP_SYS_ADMIN, write its map. With the set-user-ID bit the program is not the owner, with file capabilities it is. */
static int is_powerless(const char *path, unsigned capability, struct powerless *ret)
{
        int has_bit, has_capabilities;
        struct statvfs fs;
        struct stat st;

        has_bit = stat(path, &st) == 0 && (st.st_mode & S_ISUID) && st.st_uid == 0;
        has_capabilities = getxattr(path, "security.capability", NULL, 0) > 0;
        if (!has_bit && !has_capabilities)
                *ret = (struct powerless){ "it has neither the set-user-ID bit of root nor file capabilities",
                                           "on Debian: sudo apt-get install --reinstall uidmap" };
        else if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID))
                *ret = (struct powerless){ "it is on a file system that is mounted with nosuid",
                                           "mount that file system without nosuid" };
        else if (is_bounded(capability))
                *ret = (struct powerless){ capability == SETUID ? "the bounding set has no CAP_SETUID"
                                                                : "the bounding set has no CAP_SETGID",
                                           NULL };
        else if (has_bit && !has_capabilities && is_bounded(SYS_ADMIN))
                *ret = (struct powerless){
                        "it has the set-user-ID bit, and the bounding set has no CAP_SYS_ADMIN",
                        "give it file capabilities instead, which need no CAP_SYS_ADMIN, as root in the image: chmod "
                        "u-s "
                        "/usr/bin/newuidmap /usr/bin/newgidmap; setcap cap_setuid+ep /usr/bin/newuidmap; setcap "
                        "cap_setgid+ep /usr/bin/newgidmap"
                };
        else
                return 0;
        return 1;
}

static void probe_mapper(const struct mf_host *host, struct mf_host_finding *ret, const char *name, unsigned capability)
{
        struct powerless powerless;
        char path[MF_PROGRAM_MAX];

        if (mf_host_find_program(name, path) < 0) {
                mf_host_missing(ret, -ENOENT, "%s is not installed", name);
                mf_host_remedy(ret, "on Debian: sudo apt-get install uidmap");
        } else if (is_powerless(path, capability, &powerless)) {
                mf_host_missing(ret, -EPERM, "%s cannot give this user subordinate IDs: %s", path, powerless.why);
                if (powerless.remedy)
                        mf_host_remedy(ret, "%s", powerless.remedy);
                else
                        mf_host_remedy_outer(host, ret,
                                             "start the tests with it (CapabilityBoundingSet= of the unit, for one)");
        } else {
                mf_host_ok(ret, "%s can give this user subordinate IDs", path);
        }
}

void mf_probe_newuidmap(const struct mf_host *host, struct mf_host_finding *ret)
{
        probe_mapper(host, ret, "newuidmap", SETUID);
}

void mf_probe_newgidmap(const struct mf_host *host, struct mf_host_finding *ret)
{
        probe_mapper(host, ret, "newgidmap", SETGID);
}

/* --- /etc/subuid and /etc/subgid -------------------------------------------------------------------------------- */

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"

/* What a file gives the user. */
struct subordinates {
        uint64_t count, end; /* IDs of the user; the first ID after all ranges of the file */
};

/* The name of this user, or the ID where that has no name. */
static void name_user(char ret[64])
{
        struct passwd entry, *found = NULL;
        char buffer[2048];

        if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
                snprintf(ret, 64, "%s", found->pw_name);
        else
                snprintf(ret, 64, "%u", (unsigned) geteuid());
}

/* Takes a line "OWNER:FIRST:COUNT". */
static void take_line(struct subordinates *ret, char *line, const char *user)
{
        char *numbers = strchr(line, ':'), id[16];
        uint64_t first, count;

        if (!numbers || sscanf(numbers, ":%" SCNu64 ":%" SCNu64, &first, &count) != 2)
                return;
        *numbers = '\0';
        if (first > UINT32_MAX || count > UINT32_MAX || count == 0)
                return;
        if (first + count > ret->end)
                ret->end = first + count;
        snprintf(id, sizeof(id), "%u", (unsigned) geteuid());
        if (strcmp(line, user) == 0 || strcmp(line, id) == 0)
                ret->count += count;
}

/* Reads the file. Returns 0, also when there is none, or negative errno. */
static int read_subordinates(struct subordinates *ret, const char *path, const char *user)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        char line[512];

        *ret = (struct subordinates){ 0 };
        if (!f)
                return errno == ENOENT ? 0 : -errno;
        while (fgets(line, sizeof(line), f))
                take_line(ret, line, user);
        return ferror(f) ? -EIO : 0;
}

/* Where 65,536 IDs are free in both files, as useradd would take them. */
static uint64_t find_free(const char *user)
{
        struct subordinates uids, gids;

        (void) read_subordinates(&uids, SUBUID, user);
        (void) read_subordinates(&gids, SUBGID, user);
        uint64_t end = uids.end > gids.end ? uids.end : gids.end;
        return end < 100000 ? 100000 : end;
}

static void probe_file(struct mf_host_finding *ret, const char *path, const char *what, const char *option)
{
        struct subordinates found;
        char user[64];

        name_user(user);
        int r = read_subordinates(&found, path, user);
        if (r < 0) {
                mf_host_missing(ret, r, "%s cannot be read: %s", path, strerrordesc_np(-r));
                mf_host_remedy(ret, "let everybody read it: sudo chmod a+r %s", path);
                return;
        }
        if (found.count >= MF_ID_RANGE_SIZE) {
                mf_host_ok(ret, "%s gives %s %" PRIu64 " subordinate %ss", path, user, found.count, what);
                return;
        }
        uint64_t first = find_free(user);
        if (found.count == 0)
                mf_host_missing(ret, -ENOENT, "%s has no line for %s, so the user has no subordinate %ss", path, user,
                                what);
        else
                mf_host_warning(ret, "%s gives %s %" PRIu64 " subordinate %ss, and images may need 65536", path, user,
                                found.count, what);
        mf_host_remedy(ret, "sudo usermod --%s %" PRIu64 "-%" PRIu64 " %s (which adds the line %s:%" PRIu64 ":%u)",
                       option, first, first + MF_ID_RANGE_SIZE - 1, user, user, first, (unsigned) MF_ID_RANGE_SIZE);
}

void mf_probe_subuid(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        probe_file(ret, SUBUID, "user ID", "add-subuids");
}

void mf_probe_subgid(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        probe_file(ret, SUBGID, "group ID", "add-subgids");
}

/* --- both together ---------------------------------------------------------------------------------------------- */

void mf_probe_id_map(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd;

        (void) host;
        if (mf_userns_get(&fd, &err) < 0)
                mf_host_take_error(ret, &err);
        else
                mf_host_ok(ret, "mayfly-helper made a user namespace with this user's subordinate IDs");
}
