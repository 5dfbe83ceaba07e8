/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/id-map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define ID_END UINT32_MAX /* (uid_t) -1 is no ID */

/* Reads a line "OWNER:FIRST:COUNT". Returns 1, or 0 when the line is something else. */
static int parse_line(char *line, const char **ret_owner, uint64_t *ret_first, uint64_t *ret_count)
{
        char *colon = strchr(line, ':'), end = '\n';

        if (!colon || sscanf(colon + 1, "%" SCNu64 ":%" SCNu64 "%c", ret_first, ret_count, &end) < 2 || end != '\n')
                return 0;
        *colon = '\0';
        *ret_owner = line;
        return *ret_count > 0 && *ret_first < ID_END && *ret_count <= ID_END - *ret_first;
}

static int overlaps(uint64_t first, uint64_t count, uint64_t other_first, uint64_t other_count)
{
        return first < other_first + other_count && other_first < first + count;
}

static void add_range(struct mf_id_map *map, uint64_t first, uint64_t count, uint32_t own)
{
        if (map->n == MF_ID_RANGES_MAX || overlaps(first, count, own, 1))
                return;
        for (size_t i = 0; i < map->n; i++)
                if (overlaps(first, count, map->range[i].first, map->range[i].count))
                        return;
        map->range[map->n].first = first;
        map->range[map->n++].count = count;
        map->count += count;
}

int mf_id_map_read(struct mf_id_map *ret, const char *path, const char *user, uid_t uid, uint32_t own)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        char line[512], number[16];

        *ret = (struct mf_id_map){ 0 };
        if (!f)
                return errno == ENOENT ? 0 : -errno;
        snprintf(number, sizeof(number), "%u", (unsigned) uid);
        while (fgets(line, sizeof(line), f)) {
                uint64_t first, count;
                const char *owner;
                if (!parse_line(line, &owner, &first, &count))
                        continue;
                if (first + count > ret->end)
                        ret->end = first + count;
                if (strcmp(owner, user) == 0 || strcmp(owner, number) == 0)
                        add_range(ret, first, count, own);
        }
        return ferror(f) ? -EIO : 0;
}

static int add_number(char ***list, uint64_t number)
{
        char *text = NULL;

        return asprintf(&text, "%" PRIu64, number) < 0 ? -ENOMEM : mf_strv_add(list, text);
}

/* Adds a piece of the map: IDs inside, outside, and how many. */
static int add_piece(char ***list, uint64_t inside, uint64_t outside, uint64_t count)
{
        int r = add_number(list, inside);

        if (r == 0)
                r = add_number(list, outside);
        return r < 0 ? r : add_number(list, count);
}

char **mf_id_map_arguments(const struct mf_id_map *map, const char *program, pid_t pid, uint32_t own)
{
        char **list = NULL;
        uint64_t inside = 1;

        int r = mf_strv_add(&list, strdup(program));
        if (r == 0)
                r = add_number(&list, (uint64_t) pid);
        if (r == 0)
                r = add_piece(&list, 0, own, 1);
        for (size_t i = 0; r == 0 && i < map->n; i++) {
                r = add_piece(&list, inside, map->range[i].first, map->range[i].count);
                inside += map->range[i].count;
        }
        if (r < 0)
                mf_strv_free(list);
        return r < 0 ? NULL : list;
}
