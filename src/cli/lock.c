/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/fd.h"
#include "util/macro.h"

/* Where in a line the reference is: *ret_length is 0 for a line without one. */
static char *find_reference(char *line, size_t *ret_length)
{
        char *reference = line + strspn(line, " \t");

        *ret_length = strcspn(reference, " \t\r\n#");
        return reference;
}

int tool_line_reference(char *line, char **ret)
{
        size_t length;
        char *reference = find_reference(line, &length);
        const char *rest = reference + length;

        *ret = NULL;
        if (length == 0)
                return TOOL_OK;
        rest += strspn(rest, " \t");
        if (*rest && !strchr("\r\n#", *rest))
                return tool_fail("a line has more than one word; write a reference on each line");
        reference[length] = '\0';
        *ret = reference;
        return TOOL_OK;
}

int tool_lock_line(FILE *file, char **line, size_t *size, const char *path)
{
        const ssize_t n = getline(line, size, file);

        if (n < 0)
                return ferror(file) ? -tool_fail("%s cannot be read: %s", path, strerror(errno)) : 0;
        return strlen(*line) == (size_t) n
                       ? 1
                       : -tool_fail("%s has a NUL byte, and is no list of references; check the path", path);
}

/* Opens a lock file that will be replaced; *ret is NULL when there is none. A link or device would not be one any more. */
static int open_lock(const char *path, FILE **ret)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        *ret = NULL;
        if (fd < 0 && errno == ENOENT && *path)
                return TOOL_OK;
        if (fd < 0 && errno == ELOOP)
                return tool_fail("%s is a symbolic link, which would be replaced; give the path of the file itself",
                                 path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return tool_fail("the lock file \"%s\" cannot be opened: %s; check the path", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return tool_fail("%s cannot be a lock file: it is no regular file; give the path of one", path);
        *ret = fdopen(fd, "r");
        if (!*ret)
                tool_oom();
        (void) mf_take_fd(&fd);
        return TOOL_OK;
}

int tool_lock_read(const char *path, int is_fine, struct mf_strings *ret)
{
        mf_cleanup(mf_fclosep) FILE *file = NULL;
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;
        int r = open_lock(path, &file);

        if (r != TOOL_OK)
                return r;
        if (!file)
                return is_fine ? TOOL_OK
                               : tool_fail(
                                         "there is no lock file %s; name the images that it is to have, as in: mayfly "
                                         "pin --lock %s oci:redis:7.2",
                                         path, path);
        while ((r = tool_lock_line(file, &line, &size, path)) > 0)
                if (mf_strings_add(ret, strdup(line)) < 0)
                        tool_oom();
        return -r;
}

/* The length of a reference without its pin. */
static size_t bare_length(const char *reference)
{
        const char *pin = strrchr(reference, '@');

        return pin ? (size_t) (pin - reference) : strlen(reference);
}

static int is_same_image(const char *a, const char *b)
{
        const size_t length = bare_length(a);

        return length == bare_length(b) && memcmp(a, b, length) == 0;
}

enum tool_lock_change tool_lock_set(struct mf_strings *lines, size_t i, const char *reference)
{
        size_t length;
        const char *old = find_reference(lines->list[i], &length);
        char *line = NULL;

        if (strlen(reference) == length && memcmp(old, reference, length) == 0)
                return TOOL_LOCK_SAME;
        if (asprintf(&line, "%.*s%s%s", (int) (old - lines->list[i]), lines->list[i], reference, old + length) < 0)
                tool_oom();
        free(lines->list[i]);
        lines->list[i] = line;
        return TOOL_LOCK_CHANGED;
}

enum tool_lock_change tool_lock_put(struct mf_strings *lines, const char *reference)
{
        char *line = NULL;

        for (size_t i = 0; i < lines->n; i++) {
                size_t length;
                const char *old = find_reference(lines->list[i], &length);
                mf_cleanup(mf_freep) char *copy = strndup(old, length);
                if (!copy)
                        tool_oom();
                if (length > 0 && is_same_image(copy, reference))
                        return tool_lock_set(lines, i, reference);
        }
        if (asprintf(&line, "%s\n", reference) < 0 || mf_strings_add(lines, line) < 0)
                tool_oom();
        return TOOL_LOCK_ADDED;
}

/* Writes a file beside the one that it is to replace, with the same mode. Returns 0 or negative errno. */
static int write_new(const char *path, char *name, const struct mf_strings *lines)
{
        struct stat st;
        const mode_t mask = umask(0);

        umask(mask);
        const mode_t mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0666 & ~mask;
        mf_cleanup(mf_closep) int fd = mkostemp(name, O_CLOEXEC);
        int r = fd < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
        for (size_t i = 0; r == 0 && i < lines->n; i++) {
                const size_t length = strlen(lines->list[i]);
                r = mf_write_full(fd, lines->list[i], length);
                if (r == 0 && lines->list[i][length - 1] != '\n')
                        r = mf_write_full(fd, "\n", 1);
        }
        if (r == 0 && rename(name, path) < 0)
                r = -errno;
        if (r < 0 && fd >= 0)
                (void) unlink(name);
        return r;
}

int tool_lock_write(const char *path, const struct mf_strings *lines)
{
        mf_cleanup(mf_freep) char *name = NULL;

        if (asprintf(&name, "%s.XXXXXX", path) < 0)
                tool_oom();
        const int r = write_new(path, name, lines);
        return r < 0 ? tool_fail("%s cannot be written: %s; check its directory", path, strerror(-r)) : TOOL_OK;
}
