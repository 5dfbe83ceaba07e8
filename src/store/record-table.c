/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/record-table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/record.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

int mf_record_cut(char *line, struct mf_record_line *ret)
{
        char *p = line;

        for (size_t i = 0; i < MF_RECORD_FIELDS; i++) {
                ret->field[i] = p;
                p += strcspn(p, " ");
                if (*p)
                        *p++ = '\0';
                else if (i < MF_RECORD_NAME)
                        return -EBADMSG;
        }
        return *p || !*ret->field[MF_RECORD_NAME] ? -EBADMSG : 0;
}

static int compare(const void *a, const void *b)
{
        const struct mf_record_line *one = a, *other = b;
        int r = strcmp(one->field[MF_RECORD_NAME], other->field[MF_RECORD_NAME]);

        return r ? r : (one->field[0] > other->field[0]) - (one->field[0] < other->field[0]);
}

/* Lines of the checked text become a sorted table; the last of several for one path counts. */
static int build(struct mf_record_table *table, const char *id, uint64_t entries)
{
        size_t n = 0;

        if (!table->text)
                return -EBADMSG;
        char *line = table->text + strcspn(table->text, "\n");

        if (*line)
                *line++ = '\0';
        if (strncmp(table->text, MF_RECORD_HEADER, strlen(MF_RECORD_HEADER)) != 0 ||
            strcmp(table->text + strlen(MF_RECORD_HEADER), id) != 0)
                return -EBADMSG;
        table->line = calloc(entries + 1, sizeof(*table->line));
        if (!table->line)
                return -ENOMEM;
        for (; *line; n++) {
                char *end = line + strcspn(line, "\n");
                if (!*end || n == entries)
                        return -EBADMSG;
                *end = '\0';
                if (mf_record_cut(line, &table->line[n]) < 0)
                        return -EBADMSG;
                line = end + 1;
        }
        qsort(table->line, n, sizeof(*table->line), compare);
        for (size_t i = 0; i < n; i++)
                if (i + 1 == n ||
                    strcmp(table->line[i].field[MF_RECORD_NAME], table->line[i + 1].field[MF_RECORD_NAME]) != 0)
                        table->line[table->n++] = table->line[i];
        return 0;
}

static int read_text(struct mf_record_table *table, int dir_fd, const struct mf_record_summary *summary)
{
        mf_cleanup(mf_closep) int fd = openat(dir_fd, "record", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        char sum[MF_MAC_LENGTH + 1];

        table->text = fd < 0 ? NULL : malloc(summary->length + 1);
        if (!table->text)
                return fd < 0 ? -errno : -ENOMEM;
        ssize_t n = mf_read_full(fd, table->text, summary->length);
        if (n != (ssize_t) summary->length)
                return n < 0 ? (int) n : -EBADMSG;
        table->text[summary->length] = '\0';
        struct mf_mac *checksum = mf_mac_new();
        int r = !checksum ? -ENOMEM : mf_mac_update(checksum, table->text, summary->length);
        if (r == 0)
                r = mf_mac_final(checksum, sum);
        mf_mac_free(checksum);
        return r < 0 ? r : strcmp(sum, summary->sum) == 0 ? 0 : -EBADMSG;
}

int mf_record_table_load(struct mf_record_table *ret, int dir_fd, const char *id, const char **ret_why)
{
        struct mf_record_table table = { 0 };
        struct mf_record_summary summary;

        int r = mf_record_peek(dir_fd, &summary, ret_why);
        if (r == 0) {
                *ret_why = "it is not as it was written";
                r = read_text(&table, dir_fd, &summary);
        }
        if (r == 0) {
                *ret_why = "it is of another image or another version of mayfly";
                r = build(&table, id, summary.entries);
        }
        if (r < 0)
                mf_record_table_clear(&table);
        else
                *ret = table;
        return r;
}

int mf_record_table_need(struct mf_record_table *ret, int dir_fd, const char *id, struct mayfly_error *err)
{
        const char *why;

        int r = mf_record_table_load(ret, dir_fd, id, &why);
        if (r == -EBADMSG)
                return mf_error(
                        err, r, MAYFLY_STAGE_STORE,
                        "the stored image %s is damaged (its record: %s); run mayfly verify, which drops it, then "
                        "start again",
                        id, why);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading the record of %s", id) : 0;
}

int mf_record_in_rootfs(const struct mf_record_line *line, char *ret, size_t size)
{
        const char *name = line->field[MF_RECORD_NAME];
        const size_t length = strlen(MF_ROOTFS);

        if (strlen(name) >= size || strncmp(name, MF_ROOTFS, length) != 0 || (name[length] && name[length] != '/'))
                return 0;
        mf_record_unescape(ret, name);
        return 1;
}

void mf_record_table_clear(struct mf_record_table *table)
{
        free(table->line);
        free(table->text);
        *table = (struct mf_record_table){ 0 };
}

struct mf_record_line *mf_record_table_find(const struct mf_record_table *table, const char *name)
{
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = strcmp(name, table->line[middle].field[MF_RECORD_NAME]);
                if (r == 0)
                        return &table->line[middle];
                if (r < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

struct mf_record_line *mf_record_table_first(const struct mf_record_table *table, struct mf_record_line *line)
{
        for (unsigned hops = 0; line && line->field[MF_RECORD_TYPE][0] == 'h' && hops < 40; hops++)
                line = mf_record_table_find(table, line->field[MF_RECORD_TARGET]);
        return line;
}
