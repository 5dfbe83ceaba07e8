/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/record-table.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* --- lines ---------------------------------------------------------------------------------------------------- */

size_t mf_record_escape(char *ret, const char *text)
{
        char *p = ret;

        for (const char *c = text; *c; c++) {
                unsigned char byte = (unsigned char) *c;
                if (byte > ' ' && byte < 0x7f && byte != '\\') {
                        *p++ = *c;
                } else {
                        *p++ = '\\';
                        *p++ = (char) ('0' + (byte >> 6));
                        *p++ = (char) ('0' + ((byte >> 3) & 7));
                        *p++ = (char) ('0' + (byte & 7));
                }
        }
        *p = '\0';
        return (size_t) (p - ret);
}

void mf_record_unescape(char *ret, const char *text)
{
        while (*text) {
                if (text[0] == '\\' && text[1] && text[2] && text[3]) {
                        *ret++ = (char) ((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
                        text += 4;
                } else {
                        *ret++ = *text++;
                }
        }
        *ret = '\0';
}

static char type_of(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFREG:
                return 'f';
        case S_IFDIR:
                return 'd';
        case S_IFLNK:
                return 'l';
        case S_IFIFO:
                return 'p';
        case S_IFCHR:
                return 'c';
        case S_IFBLK:
                return 'b';
        default:
                return '?';
        }
}

static size_t append_names(char *line, size_t n, const char *path, const char *target)
{
        n += mf_record_escape(line + n, path);
        if (target) {
                line[n++] = ' ';
                n += mf_record_escape(line + n, target);
        }
        line[n++] = '\n';
        line[n] = '\0';
        return n;
}

size_t mf_record_format(char ret[MF_RECORD_LINE_MAX], const char *path, const struct stat *st, const char *sum,
                        const char *xattrs, const char *target)
{
        char type = type_of(st->st_mode);
        uint64_t size = 0;

        if (type == 'f')
                size = (uint64_t) st->st_size;
        else if (type == 'c' || type == 'b')
                size = (uint64_t) st->st_rdev;
        /* A symbolic link has no mode of its own. */
        int n = snprintf(ret, MF_RECORD_LINE_MAX, "%c %04o %u %u %llu %s %s ", type,
                         type == 'l' ? 0 : (unsigned) st->st_mode & 07777U, (unsigned) st->st_uid,
                         (unsigned) st->st_gid, (unsigned long long) size, sum, xattrs);
        return append_names(ret, (size_t) n, path, target);
}

/* --- writing one ---------------------------------------------------------------------------------------------- */

struct mf_record {
        FILE *file;
        struct mf_mac *mac; /* of all lines so far */
        struct mf_content_sum *sum;
        uint64_t entries, bytes, length;
        uint32_t largest; /* user or group ID */
        char line[MF_RECORD_LINE_MAX];
};

static int write_line(struct mf_record *record, size_t length)
{
        errno = 0;
        return fwrite(record->line, 1, length, record->file) == length ? 0 : errno ? -errno : -EIO;
}

static int put_line(struct mf_record *record, size_t length)
{
        int r = write_line(record, length);

        if (r < 0)
                return r;
        record->length += length;
        return mf_mac_update(record->mac, record->line, length);
}

struct mf_record *mf_record_new(int dirfd, const char *id)
{
        struct mf_record *record = calloc(1, sizeof(*record));

        if (!record)
                return NULL;
        errno = ENOMEM;
        record->mac = mf_mac_new();
        record->sum = record->mac ? mf_content_sum_new() : NULL;
        int fd = record->sum ? openat(dirfd, "record", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
        record->file = fd < 0 || mf_ensure_mode(fd, 0600) < 0 ? NULL : fdopen(fd, "w");
        if (!record->file) {
                int saved = errno;
                mf_close(fd);
                mf_record_free(record);
                errno = saved;
                return NULL;
        }
        int r = put_line(record,
                         (size_t) snprintf(record->line, sizeof(record->line), MF_RECORD_HEADER "%.200s\n", id));
        if (r < 0) {
                mf_record_free(record);
                errno = -r;
                return NULL;
        }
        return record;
}

struct mf_record *mf_record_free(struct mf_record *record)
{
        if (record) {
                mf_fclosep(&record->file);
                mf_content_sum_free(record->sum);
                mf_mac_free(record->mac);
                free(record);
        }
        return NULL;
}

struct mf_content_sum *mf_record_content_sum(struct mf_record *record)
{
        return record->sum;
}

static void note_owner(struct mf_record *record, uint32_t uid, uint32_t gid)
{
        uint32_t larger = uid > gid ? uid : gid;

        if (larger > record->largest)
                record->largest = larger;
}

int mf_record_add(struct mf_record *record, const char *path, const struct stat *st, const char *sum, int fd,
                  const char *target)
{
        char xattrs[MF_MAC_LENGTH + 1] = "-";
        int r = fd < 0 ? 0 : mf_content_sum_xattrs(record->sum, fd, xattrs);

        if (r < 0)
                return r;
        record->entries++;
        record->bytes += (uint64_t) st->st_blocks * 512U;
        note_owner(record, st->st_uid, st->st_gid);
        return put_line(record, mf_record_format(record->line, path, st, sum ? sum : "-", xattrs, target));
}

int mf_record_add_hardlink(struct mf_record *record, const char *path, const char *target)
{
        size_t n = (size_t) snprintf(record->line, sizeof(record->line), "h 0000 0 0 0 - - ");

        record->entries++;
        return put_line(record, append_names(record->line, n, path, target));
}

int mf_record_add_copy(struct mf_record *record, const char *name, const struct mf_record_line *line)
{
        const char *const *field = line->field;
        const char *target = field[MF_RECORD_TARGET];

        int n = snprintf(record->line, sizeof(record->line), "%s %s %s %s %s %s %s %s%s%s\n", field[0], field[1],
                         field[2], field[3], field[4], field[5], field[6], name, *target ? " " : "", target);
        if (n < 0 || (size_t) n >= sizeof(record->line))
                return -EBADMSG;
        record->entries++;
        note_owner(record, (uint32_t) strtoull(field[MF_RECORD_OWNER], NULL, 10),
                   (uint32_t) strtoull(field[MF_RECORD_GROUP], NULL, 10));
        return put_line(record, (size_t) n);
}

int mf_record_add_text(struct mf_record *record, int dirfd, const char *name, mode_t mode, const void *text,
                       size_t size)
{
        int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        mf_cleanup(mf_fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
        char sum[MF_MAC_LENGTH + 1];
        struct stat st;

        if (!f) {
                int r = -errno;
                mf_close(fd);
                return r;
        }
        errno = 0;
        if (fwrite(text, 1, size, f) != size || fflush(f) != 0 || fchmod(fd, mode) < 0 || fstat(fd, &st) < 0)
                return errno ? -errno : -EIO;
        mf_content_sum_begin(record->sum, size);
        int r = mf_content_sum_add(record->sum, 0, text, size);
        if (r == 0)
                r = mf_content_sum_finish(record->sum, sum);
        return r < 0 ? r : mf_record_add(record, name, &st, sum, -1, NULL);
}

int mf_record_finish(struct mf_record *record)
{
        char sum[MF_MAC_LENGTH + 1];
        uint64_t length = record->length;

        int r = mf_mac_final(record->mac, sum);
        if (r < 0)
                return r;
        r = write_line(record,
                       (size_t) snprintf(record->line, sizeof(record->line), MF_RECORD_TRAILER,
                                         (unsigned long long) record->entries, (unsigned long long) record->bytes,
                                         (unsigned long long) length, (unsigned) record->largest, sum));
        errno = 0;
        if (r == 0 && fflush(record->file) != 0)
                r = errno ? -errno : -EIO;
        return r;
}

/* --- looking at one ------------------------------------------------------------------------------------------- */

int mf_record_peek(int image_fd, struct mf_record_summary *ret, const char **ret_why)
{
        mf_cleanup(mf_closep) int fd =
                openat(image_fd, "record", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        char text[MF_RECORD_TRAILER_LENGTH + 1], sum[MF_MAC_LENGTH + 1];
        unsigned long long entries, bytes, length;
        unsigned largest;
        struct stat st;

        *ret_why = "its record cannot be read";
        if (fd < 0) {
                if (errno != ENOENT && errno != ELOOP)
                        return -errno;
                *ret_why = errno == ENOENT ? "its record is missing" : "its record is no file";
                return -EBADMSG;
        }
        if (fstat(fd, &st) < 0)
                return -errno;
        *ret_why = "its record was cut, or never finished";
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t) MF_RECORD_TRAILER_LENGTH)
                return -EBADMSG;
        ssize_t n = pread(fd, text, MF_RECORD_TRAILER_LENGTH, st.st_size - (off_t) MF_RECORD_TRAILER_LENGTH);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        if (n != (ssize_t) MF_RECORD_TRAILER_LENGTH || text[n - 1] != '\n' ||
            sscanf(text, "end %20llu %20llu %20llu %10u %32[0-9a-f]", &entries, &bytes, &length, &largest, sum) != 5 ||
            length != (unsigned long long) st.st_size - MF_RECORD_TRAILER_LENGTH || strlen(sum) != MF_MAC_LENGTH)
                return -EBADMSG;
        *ret = (struct mf_record_summary){ .entries = entries, .bytes = bytes, .length = length, .largest = largest };
        memcpy(ret->sum, sum, sizeof(sum));
        return 0;
}
