/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/id-range.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/fd.h"
#include "util/macro.h"

#define TRIES 200U

/* IDs from `first` to `last` that belong to somebody. */
struct taken {
        uint64_t first, last;
};

struct taken_list {
        struct taken *items;
        size_t n, allocated;
};

static int add(struct taken_list *list, uint64_t first, uint64_t count)
{
        if (count == 0)
                return 0;
        struct taken *grown = mf_grow(list->items, list->n, &list->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->items = grown;
        list->items[list->n++] = (struct taken){ first, first + count - 1 };
        return 0;
}

/* Reads the IDs in field number `field` of each line, with how many follow in the next field if `counted` is set. A file
 * that is missing names nobody; a line that is none says nothing. */
static int read_ids(struct taken_list *list, const char *path, unsigned field, int counted)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;
        int r = 0;

        if (!f)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && getline(&line, &size, f) > 0) {
                char *p = line;
                for (unsigned i = 0; p && i < field; i++) {
                        p = strchr(p, ':');
                        p = p ? p + 1 : NULL;
                }
                if (!p || *p < '0' || *p > '9')
                        continue;
                uint64_t first = strtoull(p, &p, 10);
                uint64_t count = counted && *p == ':' ? strtoull(p + 1, NULL, 10) : !counted;
                if (first <= UINT32_MAX && count <= UINT32_MAX)
                        r = add(list, first, count);
        }
        return ferror(f) ? -EIO : r;
}

static int read_all(struct taken_list *list, const struct mf_id_files *files)
{
        static const struct mf_id_files hosts = { "/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid", NULL };

        files = files ? files : &hosts;
        int r = read_ids(list, files->passwd, 2, 0);
        if (r == 0)
                r = read_ids(list, files->group, 2, 0);
        if (r == 0)
                r = read_ids(list, files->subuid, 1, 1);
        return r == 0 ? read_ids(list, files->subgid, 1, 1) : r;
}

static int is_taken(const struct taken_list *list, uint64_t base, uint64_t size)
{
        for (size_t i = 0; i < list->n; i++)
                if (list->items[i].first < base + size && list->items[i].last >= base)
                        return 1;
        return 0;
}

/* systemd-nspawn --private-users=pick keeps a lock file for each range of 65,536 while it runs. */
static int is_nspawns(const char *directory, uint64_t base, uint64_t size)
{
        char path[512];

        for (uint64_t part = base; part < base + size; part += MF_ID_RANGE_SIZE) {
                snprintf(path, sizeof(path), "%s/%u", directory, (unsigned) part);
                if (access(path, F_OK) == 0)
                        return 1;
        }
        return 0;
}

/* An abstract socket's name is unique in the network namespace, and is gone with its last descriptor: a lock that
 * leaves nothing behind. Ranges of all sizes exclude each other: each is aligned to its size, a power of two, so that two
 * that overlap are one in the other. A process first binds the name of its own range, and then looks for the names of all
 * ranges that contain it or are in it. Of two processes at least the later one sees the other's name. */

static socklen_t set_address(struct sockaddr_un *ret, uint64_t base, uint64_t size)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        int n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "mayfly-ids-%u-%u", (unsigned) base,
                         (unsigned) size);
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
}

/* Whether a process has the name of this range. */
static int is_locked(int fd, uint64_t base, uint64_t size)
{
        struct sockaddr_un address;
        socklen_t length = set_address(&address, base, size);

        return connect(fd, (struct sockaddr *) &address, length) == 0 || errno != ECONNREFUSED;
}

/* Whether a process has a range that contains this one or is in it. `fd` is a socket without a name. */
static int overlaps_locked(int fd, uint64_t base, uint64_t size)
{
        for (uint64_t larger = 2 * size; larger <= MF_ID_RANGE_SIZE_MAX; larger *= 2)
                if (is_locked(fd, base - base % larger, larger))
                        return 1;
        for (uint64_t smaller = size / 2; smaller >= MF_ID_RANGE_SIZE; smaller /= 2)
                for (uint64_t part = base; part < base + size; part += smaller)
                        if (is_locked(fd, part, smaller))
                                return 1;
        return 0;
}

/* Returns the lock, or negative errno: -EADDRINUSE when somebody has the range or a part of it. */
static int lock(uint64_t base, uint64_t size)
{
        struct sockaddr_un address;
        socklen_t length = set_address(&address, base, size);
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        mf_cleanup(mf_closep) int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || other < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, length) < 0)
                return -errno;
        return overlaps_locked(other, base, size) ? -EADDRINUSE : mf_take_fd(&fd);
}

static uint64_t round_up(uint32_t size)
{
        uint64_t rounded = MF_ID_RANGE_SIZE;

        while (rounded < size)
                rounded *= 2;
        return rounded;
}

/* Tries ranges at random, so that neither order nor time says which one a container has. */
static int take(struct mf_id_range *ret, uint32_t size, const struct taken_list *list, const char *nspawn)
{
        const uint64_t rounded = round_up(size), first = (MF_ID_RANGE_FIRST + rounded - 1) / rounded;
        const uint64_t ranges = (MF_ID_RANGE_LAST + UINT64_C(1)) / rounded - first;

        for (unsigned i = 0; i < TRIES; i++) {
                uint32_t number;
                if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
                        return -errno;
                uint64_t base = (first + number % ranges) * rounded;
                if (is_taken(list, base, rounded) || is_nspawns(nspawn, base, rounded))
                        continue;
                int fd = lock(base, rounded);
                if (fd >= 0) {
                        *ret = (struct mf_id_range){ (uint32_t) base, size, fd };
                        return 0;
                }
                if (fd != -EADDRINUSE)
                        return fd;
        }
        return -EAGAIN;
}

int mf_id_range_take(struct mf_id_range *ret, uint32_t size, const struct mf_id_files *files)
{
        struct taken_list list = { 0 };

        if (size == 0 || size % MF_ID_RANGE_SIZE != 0 || size > MF_ID_RANGE_SIZE_MAX)
                return -EINVAL;
        int r = read_all(&list, files);
        if (r == 0)
                r = take(ret, size, &list, files && files->nspawn ? files->nspawn : "/run/systemd/nspawn-uid");
        free(list.items);
        return r;
}
