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
        static const struct mf_id_files hosts = { "/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid" };

        files = files ? files : &hosts;
        int r = read_ids(list, files->passwd, 2, 0);
        if (r == 0)
                r = read_ids(list, files->group, 2, 0);
        if (r == 0)
                r = read_ids(list, files->subuid, 1, 1);
        return r == 0 ? read_ids(list, files->subgid, 1, 1) : r;
}

static int is_taken(const struct taken_list *list, uint32_t base)
{
        for (size_t i = 0; i < list->n; i++)
                if (list->items[i].first < (uint64_t) base + MF_ID_RANGE_SIZE && list->items[i].last >= base)
                        return 1;
        return 0;
}

/* systemd-nspawn --private-users=pick keeps a lock file for each range while it runs. */
static int is_nspawns(uint32_t base)
{
        char path[64];

        snprintf(path, sizeof(path), "/run/systemd/nspawn-uid/%u", (unsigned) base);
        return access(path, F_OK) == 0;
}

/* An abstract socket's name is unique in the network namespace, and is gone with its last descriptor: a lock that
 * leaves nothing behind. Returns it, or negative errno: -EADDRINUSE when somebody has the range. */
static int lock(uint32_t base)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "mayfly-ids-%u", (unsigned) base);
        socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n);
        return bind(fd, (struct sockaddr *) &address, size) < 0 ? -errno : mf_take_fd(&fd);
}

/* Tries ranges at random, so that neither order nor time says which one a container has. */
static int take(struct mf_id_range *ret, const struct taken_list *list)
{
        const uint32_t ranges = (MF_ID_RANGE_LAST + 1 - MF_ID_RANGE_FIRST) / MF_ID_RANGE_SIZE;

        for (unsigned i = 0; i < TRIES; i++) {
                uint32_t number;
                if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
                        return -errno;
                uint32_t base = MF_ID_RANGE_FIRST + number % ranges * MF_ID_RANGE_SIZE;
                if (is_taken(list, base) || is_nspawns(base))
                        continue;
                int fd = lock(base);
                if (fd >= 0) {
                        *ret = (struct mf_id_range){ base, fd };
                        return 0;
                }
                if (fd != -EADDRINUSE)
                        return fd;
        }
        return -EAGAIN;
}

int mf_id_range_take(struct mf_id_range *ret, const struct mf_id_files *files)
{
        struct taken_list list = { 0 };
        int r = read_all(&list, files);

        if (r == 0)
                r = take(ret, &list);
        free(list.items);
        return r;
}
