/* SPDX-License-Identifier: MIT */
#ifndef MF_RECORD_TABLE_H
#define MF_RECORD_TABLE_H

/* A record (record.h) read back: a table of its entries, by path. */

#include <mayfly/error.h>
#include <stddef.h>
#include <sys/types.h>

enum mf_record_field {
        MF_RECORD_TYPE,
        MF_RECORD_MODE,
        MF_RECORD_OWNER,
        MF_RECORD_GROUP,
        MF_RECORD_SIZE,
        MF_RECORD_CONTENT,
        MF_RECORD_XATTRS,
        MF_RECORD_NAME,
        MF_RECORD_TARGET, /* "" when there is none */
        MF_RECORD_FIELDS
};

/* A line, cut into its fields; names are escaped as in the record. */
struct mf_record_line {
        const char *field[MF_RECORD_FIELDS];
        ino_t ino; /* for the user: 0 at first */
};

struct mf_record_table {
        struct mf_record_line *line; /* sorted by name, so that directories come before what is in them */
        size_t n;
        char *text;
};

/* Reads and checks the record in the open directory of the image or layer `id`. 0; -EBADMSG, *ret_why then saying what
 * is the matter with it; or another -errno. */
int mf_record_table_load(struct mf_record_table *ret, int dir_fd, const char *id, const char **ret_why);
/* Does the same for who makes a layer of the image, and sets an error, which says what to do about a damaged one. */
int mf_record_table_need(struct mf_record_table *ret, int dir_fd, const char *id, struct mayfly_error *err);
void mf_record_table_clear(struct mf_record_table *table);

/* NULL when there is none. */
struct mf_record_line *mf_record_table_find(const struct mf_record_table *table, const char *name);
/* What a hard link leads to in the end, any other line itself; NULL when that is not there. */
struct mf_record_line *mf_record_table_first(const struct mf_record_table *table, struct mf_record_line *line);

/* Copies the name of the line, unescaped, to *ret if it is "rootfs" or in there. Returns whether it is. */
int mf_record_in_rootfs(const struct mf_record_line *line, char *ret, size_t size);

/* Cuts up one line, without its newline. 0 or -EBADMSG. */
int mf_record_cut(char *line, struct mf_record_line *ret);

#endif
