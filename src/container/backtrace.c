/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mayfly/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "container/debugger.h"
#include "container/frames.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/temporary.h"

/* The backtrace of an app that has left a core file. gdb is asked three times: which program it was; with that, which libraries it had; and
 * with these, which come out of the container, too, where each thread was. What a core file that is made to deceive says names nothing
 * outside of the container. */

#define FILES_MAX 256U
#define FILES_BYTES_MAX ((size_t) 1 << 30)
#define SYSROOT "set sysroot "
#define BEGIN "mayfly: the answer is"

/* A directory of the host with the core file, and below "root" the program and its libraries. */
struct place {
        struct mf_temporary directory;
        size_t left; /* bytes that it may still get */
        char core[PATH_MAX + 8];
        char sysroot[PATH_MAX + 32]; /* the command of gdb that says where the libraries are */
        char program[2 * PATH_MAX];  /* empty while it is not known */
        struct mf_mappings mappings;
        struct mf_frames_program frames; /* what is known of the program then */
};

static void clear_place(struct place *place)
{
        mf_temporary_remove(&place->directory);
        mf_mappings_clear(&place->mappings);
}

static int make_place(struct place *ret, struct mayfly_error *err)
{
        const char *where;

        ret->left = FILES_BYTES_MAX;
        int r = mf_temporary_make(&ret->directory, &where);
        if (r < 0)
                return mf_error_errno(
                        err, r, MAYFLY_STAGE_FILES,
                        "no directory for the core file can be made in %s (set TMPDIR to another directory)", where);
        const int fd = ret->directory.fd;
        r = mkdirat(fd, "root", 0700) < 0 ? -errno : mf_debugger_give(AT_FDCWD, ret->directory.path);
        if (r == 0)
                r = mf_debugger_give(fd, "root");
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the directory %s for the core file",
                                      ret->directory.path)
                     : 0;
}

/* --- files of the app -------------------------------------------------------------------------------------------- */

/* Whether a path names a file and no way around. */
static int is_plain(const char *path)
{
        size_t length = strlen(path);

        return path[0] == '/' && length > 1 && length < PATH_MAX / 4 && path[length - 1] != '/' &&
               !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
               strcmp(strrchr(path, '/'), "/..") != 0;
}

/* Makes the directories above the path, which begins with "root/". Nobody else writes there, and there are no links. */
static int make_above(const struct place *place, char *path)
{
        for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                int r = mkdirat(place->directory.fd, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
                if (r == 0)
                        r = mf_debugger_give(place->directory.fd, path);
                *slash = '/';
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_file(const struct place *place, char *name, const char *data, size_t size)
{
        int r = make_above(place, name);

        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int fd =
                openat(place->directory.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = fd < 0 ? -errno : mf_write_full(fd, data, size);
        return r == 0 ? mf_debugger_give(place->directory.fd, name) : r;
}

/* Copies a file of the container. Returns 0 or negative errno: then it leaves a gap in the backtrace. */
static int get_file(struct mayfly_container *container, struct place *place, const char *path)
{
        mf_cleanup(mf_freep) char *data = NULL;
        char name[PATH_MAX];
        size_t size = 0;

        if (!is_plain(path) || place->left == 0)
                return -EINVAL;
        int r = mayfly_container_read_file(container, path, place->left, &data, &size, NULL);
        if (r < 0)
                return r;
        place->left -= size;
        snprintf(name, sizeof(name), "root%s", path);
        return write_file(place, name, data, size);
}

/* --- what gdb says ----------------------------------------------------------------------------------------------- */

/* Leaves what gdb printed for our commands, without empty lines and warnings. Returns 0 when there is nothing. */
static int cut_out(char *text)
{
        char *line = text ? strstr(text, BEGIN "\n") : NULL, *to = text;
        size_t length;

        for (line = line ? line + strlen(BEGIN "\n") : NULL; line && *line; line += length) {
                length = strcspn(line, "\n");
                length += line[length] == '\n';
                if (*line != '\n' && strncmp(line, "warning: ", strlen("warning: ")) != 0) {
                        memmove(to, line, length);
                        to += length;
                }
        }
        if (to)
                *to = '\0';
        return to > text;
}

/* Asks gdb about the core file. *ret is allocated. */
static int ask(const struct place *place, const char *question, const char *more, char **ret, struct mayfly_error *err)
{
        static const char say_begin[] = "echo " BEGIN "\\n";
        const char *const words[] = { "-iex",
                                      place->sysroot,
                                      "-core",
                                      place->core,
                                      "-ex",
                                      say_begin,
                                      "-ex",
                                      question,
                                      "-ex",
                                      more,
                                      place->program[0] ? "-se" : NULL,
                                      place->program,
                                      NULL };
        struct mf_buffer said = { 0 };

        int r = mf_debugger_run(words, &said, err);
        if (r == 0 && !cut_out(said.data))
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_FILES, "gdb cannot read the core file; it says: %.500s",
                             said.data ? said.data : "nothing");
        if (r < 0)
                mf_buffer_clear(&said);
        else
                *ret = said.data;
        return r;
}

/* Reads where a program says that it begins. Returns 0 for what is no ELF file of this byte order. */
static uint64_t read_entry(const char *path)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        Elf64_Ehdr large = { 0 };
        Elf32_Ehdr small = { 0 };

        if (fd < 0 || pread(fd, &large, sizeof(large), 0) < (ssize_t) sizeof(small) ||
            memcmp(large.e_ident, ELFMAG, SELFMAG) != 0)
                return 0;
        memcpy(&small, &large, sizeof(small));
        return large.e_ident[EI_CLASS] == ELFCLASS64 ? large.e_entry : small.e_entry;
}

/* Finds out which program it was, and gets it. */
static int get_program(struct mayfly_container *container, struct place *place, struct mayfly_error *err)
{
        char *answer = NULL;

        int r = ask(place, "info auxv", "info proc mappings", &answer, err);
        if (r < 0)
                return r;
        const char *entry = strstr(answer, "AT_ENTRY");
        entry = entry ? strstr(entry, "0x") : NULL;
        const uint64_t address = entry ? strtoull(entry, NULL, 16) : 0;
        if (mf_mappings_take(&place->mappings, answer) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        const struct mf_mapping *mapping = mf_mappings_find(&place->mappings, address);
        const char *path = mapping ? mapping->path : NULL;
        /* The kernel may tell the path that a layer has on the host: the container has the end of it. */
        while (path && get_file(container, place, path) < 0)
                path = strchr(path + 1, '/');
        if (!path)
                return 0;
        snprintf(place->program, sizeof(place->program), "%s/root%s", place->directory.path, path);
        place->frames = (struct mf_frames_program){ mapping, path, address - read_entry(place->program) };
        return 0;
}

/* Finds out which libraries it had, by the names by which it found them, and gets them. */
static int get_libraries(struct mayfly_container *container, struct place *place, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *answer = NULL;
        unsigned n = 0;

        if (!place->program[0])
                return 0;
        int r = ask(place, "info sharedlibrary", "", &answer, err);
        char *rest = answer;
        for (const char *line; r == 0 && n < FILES_MAX && (line = mf_frames_line(&rest));) {
                const char *path = strchr(line, '/');
                n += path && get_file(container, place, path) == 0;
        }
        return r;
}

/* Makes paths below the copies those of the container. */
static void cut_place(const struct place *place, char *text)
{
        const char *root = place->sysroot + strlen(SYSROOT);
        const size_t length = strlen(root);

        for (char *at = text; (at = strstr(at, root));)
                memmove(at, at + length, strlen(at + length) + 1);
}

/* Gives frames without a function their place in a file. Paths become those of the container. */
static int finish(const struct place *place, char *text, char **ret, struct mayfly_error *err)
{
        struct mf_buffer named = { 0 };

        cut_place(place, text);
        int r = mf_frames_name(text, &place->mappings, &place->frames, &named);
        free(text);
        if (r < 0) {
                mf_buffer_clear(&named);
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        }
        *ret = named.data;
        return 0;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static int trace(struct mayfly_container *container, struct place *place, char **ret, struct mayfly_error *err)
{
        char *text = NULL;

        snprintf(place->core, sizeof(place->core), "%s/core", place->directory.path);
        snprintf(place->sysroot, sizeof(place->sysroot), SYSROOT "%s/root", place->directory.path);
        int r = mayfly_container_core(container, place->core, err);
        if (r < 0)
                return r;
        r = mf_debugger_give(place->directory.fd, "core");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the core file %s", place->core);
        r = get_program(container, place, err);
        if (r == 0)
                r = get_libraries(container, place, err);
        if (r == 0)
                r = ask(place, "thread apply all backtrace 64", "", &text, err);
        return r == 0 ? finish(place, text, ret, err) : r;
}

MF_EXPORT int mayfly_container_backtrace(struct mayfly_container *container, char **ret, struct mayfly_error *err)
{
        struct place *place = calloc(1, sizeof(*place));

        if (!container || !ret) {
                free(place);
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_backtrace() needs a container and where to return the text");
        }
        if (!place)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        int r = make_place(place, err);
        if (r == 0)
                r = trace(container, place, ret, err);
        clear_place(place);
        free(place);
        return r;
}
