/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/record-table.h"
#include "store/record.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/id-range.h"
#include "util/macro.h"

static uint32_t id_of(const struct mf_record_line *line, enum mf_record_field field)
{
        return (uint32_t) strtoull(line->field[field], NULL, 10);
}

/* The path in the container, where the record has that in the image's directory. */
static const char *path_of(const struct mf_record_line *line)
{
        const char *name = line->field[MF_RECORD_NAME];

        if (strncmp(name, MF_ROOTFS, strlen(MF_ROOTFS)) == 0)
                name += strlen(MF_ROOTFS);
        return *name ? name : "/";
}

static int owner_error(const struct mayfly_image *image, const struct mf_record_line *line, uint32_t count,
                       struct mayfly_error *err)
{
        int is_user = id_of(line, MF_RECORD_OWNER) >= count;
        uint32_t id = id_of(line, is_user ? MF_RECORD_OWNER : MF_RECORD_GROUP);
        char remedy[64] = "";

        if (id < MF_ID_RANGE_SIZE_MAX)
                snprintf(remedy, sizeof(remedy), "set userns_ids = %u, or ",
                         (id / MF_ID_RANGE_SIZE + 1) * MF_ID_RANGE_SIZE);
        return mf_error(err, -EOVERFLOW, MAYFLY_STAGE_SPEC,
                        "image %s: its \"%.300s\" belongs to the %s %u, but the container has only the IDs 0 to %u; "
                        "%suserns = MAYFLY_USERNS_HOST",
                        image->config->name, path_of(line), is_user ? "user" : "group", (unsigned) id,
                        (unsigned) count - 1, remedy);
}

/* Looks into the whole record. A later line for a path overrides an earlier one, so that there may be no such file. */
static int search(const struct mayfly_image *image, int dir_fd, const char *id, uint32_t count,
                  struct mayfly_error *err)
{
        struct mf_record_table table;
        const char *why = "";
        int r = mf_record_table_load(&table, dir_fd, id, &why);

        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the record of the image %s: %s", id, why);
        for (size_t i = 0; r == 0 && i < table.n; i++)
                if (id_of(&table.line[i], MF_RECORD_OWNER) >= count || id_of(&table.line[i], MF_RECORD_GROUP) >= count)
                        r = owner_error(image, &table.line[i], count, err);
        mf_record_table_clear(&table);
        return r;
}

/* Checks the layer in the directory ROOTFS, which its record is beside. */
static int check_layer(const struct mayfly_image *image, const char *rootfs, uint32_t count, struct mayfly_error *err)
{
        struct mf_record_summary summary;
        const char *why = "";
        mf_cleanup(mf_freep) char *directory = strdup(rootfs);

        if (!directory)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        char *slash = strrchr(directory, '/');
        if (slash)
                *slash = '\0';
        mf_cleanup(mf_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "the layer %s", rootfs);
        int r = mf_record_peek(fd, &summary, &why);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the layer %s: %s", rootfs, why);
        const char *id = strrchr(directory, '/');
        return summary.largest < count ? 0 : search(image, fd, id ? id + 1 : directory, count, err);
}

int mf_owners_check(const struct mayfly_image *image, uint32_t count, struct mayfly_error *err)
{
        int r = 0;

        for (char **layer = image->layers; r == 0 && *layer; layer++)
                r = check_layer(image, *layer, count, err);
        return r;
}
