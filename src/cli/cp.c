/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/file.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/cp-stream.h"
#include "cli/named.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/text.h"

/* Copies as `docker cp` does: what ends in "/." stands for a directory's content, and a target that is a directory gets the source
 * by its name. */

struct choices {
        const char *state;
        int keep_owners;
};

/* Both operands: one of them is in the container. */
struct copy {
        struct mayfly_container *container;
        const char *from, *to;
        int is_put;
        int keep_owners;
};

/* The end of the container's name in NAME:PATH, or NULL for a path of the host: one that begins with "/" or ".", or has no ":". */
static const char *colon_of(const char *operand)
{
        return *operand == '/' || *operand == '.' ? NULL : strchr(operand, ':');
}

static int wants_content(const char *path)
{
        return mf_ending(path, "/.") || strcmp(path, ".") == 0;
}

/* Whether a path of the host is a directory: 1, 0, or -1 when there is nothing. */
static int is_directory(const char *path)
{
        struct stat st;

        return stat(path, &st) < 0 ? -1 : S_ISDIR(st.st_mode) != 0;
}

/* Sets *ret to the same for a path of the container. Returns 0 or negative errno with an error. */
static int is_directory_inside(const struct copy *copy, const char *path, int *ret, struct mayfly_error *err)
{
        struct mayfly_file_info *info = NULL;

        int r = mayfly_container_stat(copy->container, path, &info, err);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
                return r;
        *ret = r < 0 ? -1 : S_ISDIR(info->mode);
        mayfly_file_info_free(info);
        return 0;
}

/* "DIRECTORY/NAME", of the last part of `path`. */
static char *inside(const char *directory, const char *path)
{
        size_t end = strlen(path);
        char *joined;

        while (end > 1 && path[end - 1] == '/')
                end--;
        const char *slash = memrchr(path, '/', end);
        const char *name = slash ? slash + 1 : path;
        if (asprintf(&joined, "%s/%.*s", directory, (int) (path + end - name), name) < 0)
                tool_oom();
        return joined;
}

/* Says in docker's way what a copy means. Returns the path that the copy will have, allocated; NULL for a mistake that was told. */
static char *choose_target(const struct copy *copy, int source_is_directory, int target)
{
        const char *from = copy->from, *to = copy->to;
        char *copied;

        if (target == 0 && (source_is_directory || mf_ending(to, "/"))) {
                (void) tool_fail("%s is no directory; give the name of one, or of none that is there", to);
                return NULL;
        }
        if (target < 0 && !source_is_directory && mf_ending(to, "/")) {
                (void) tool_fail("there is no directory %s; make it, or leave the last slash out", to);
                return NULL;
        }
        if (target > 0 && !(source_is_directory && wants_content(from)))
                return inside(to, from);
        copied = strdup(to);
        if (!copied)
                tool_oom();
        return copied;
}

static int put(const struct copy *copy)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_file file = MAYFLY_FILE_INIT;
        int target = -1;

        const int source = is_directory(copy->from);
        if (source < 0)
                return tool_fail("%s cannot be read: %s; check the path", copy->from, strerror(errno));
        if (is_directory_inside(copy, copy->to, &target, &err) < 0)
                return tool_fail("%s", err.message);
        mf_cleanup(mf_freep) char *path = choose_target(copy, source, target);
        if (!path)
                return TOOL_FAILED;
        file.path = path;
        file.source = copy->from;
        file.keep_owners = copy->keep_owners;
        return mayfly_container_put(copy->container, &file, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int get_one(const struct copy *copy, const char *from, const char *to)
{
        struct mayfly_get_options options = MAYFLY_GET_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.keep_owners = copy->keep_owners;
        return mayfly_container_get(copy->container, from, to, &options, &err) < 0 ? tool_fail("%s", err.message)
                                                                                   : TOOL_OK;
}

/* Moves what is in the directory `name` of `directory` into that one. Returns 0 or negative errno, and sets *ret_name to what could not be moved. */
static int move_up(int directory, const char *name, char ret_name[NAME_MAX + 1])
{
        mf_cleanup(mf_closep) int from = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char **names = NULL;

        int r = from < 0 ? -errno : mf_dir_names(from, &names);
        for (char **moved = names; r == 0 && moved && *moved; moved++) {
                snprintf(ret_name, NAME_MAX + 1, "%s", *moved);
                r = renameat(from, *moved, directory, *moved) < 0 ? -errno : 0;
        }
        mf_strv_free(names);
        return r;
}

/* Gets what is in a directory into one that is there: whole into a new one beside it, and from there. */
static int get_content(const struct copy *copy)
{
        mf_cleanup(mf_closep) int directory = open(copy->to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mf_cleanup(mf_freep) char *path = NULL;
        char name[32], moved[NAME_MAX + 1] = "";

        if (directory < 0)
                return tool_fail("the directory %s cannot be read: %s", copy->to, strerror(errno));
        snprintf(name, sizeof(name), ".mayfly-cp.%d", (int) getpid());
        path = inside(copy->to, name);
        int status = get_one(copy, copy->from, path);
        int r = status == TOOL_OK ? move_up(directory, name, moved) : 0;
        (void) mf_remove_tree(directory, name);
        if (r < 0)
                return tool_fail("%s/%s: %s; a directory that is copied must not be there yet", copy->to, moved,
                                 strerrordesc_np(-r));
        return status;
}

static int get(const struct copy *copy)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_file_info *info = NULL;

        if (mayfly_container_stat(copy->container, copy->from, &info, &err) < 0)
                return tool_fail("%s", err.message);
        const int source = S_ISDIR(info->mode), target = is_directory(copy->to);
        mayfly_file_info_free(info);
        if (source && target > 0 && wants_content(copy->from))
                return get_content(copy);
        mf_cleanup(mf_freep) char *path = choose_target(copy, source, target);
        return path ? get_one(copy, copy->from, path) : TOOL_FAILED;
}

/* --- streams ---------------------------------------------------------------------------------------------------- */

static int put_tree(const char *directory, void *userdata, struct mayfly_error *err)
{
        const struct copy *copy = userdata;
        struct mayfly_file file = MAYFLY_FILE_INIT;

        file.path = copy->to;
        file.source = directory;
        file.keep_owners = copy->keep_owners;
        return mayfly_container_put(copy->container, &file, err);
}

static int put_stream(struct copy *copy)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int target = -1;

        if (copy->keep_owners && geteuid() != 0)
                return tool_fail("--archive of a stream is for root: only root can make files of other users");
        if (isatty(STDIN_FILENO))
                return tool_fail("standard input is a terminal; give a tar stream, as tar -c makes it");
        if (is_directory_inside(copy, copy->to, &target, &err) < 0)
                return tool_fail("%s", err.message);
        if (target <= 0)
                return tool_fail("there is no directory %s in the container; make it first", copy->to);
        return cp_stream_unpack(STDIN_FILENO, copy->keep_owners, put_tree, copy, &err) < 0
                       ? tool_fail("%s", err.message)
                       : TOOL_OK;
}

/* Gets a directory's content as the tree, or the source by its name into it. */
static int get_tree(const char *directory, void *userdata, struct mayfly_error *err)
{
        const struct copy *copy = userdata;
        struct mayfly_get_options options = MAYFLY_GET_OPTIONS_INIT;

        options.keep_owners = copy->keep_owners;
        if (wants_content(copy->from))
                return mayfly_container_get(copy->container, copy->from, directory, &options, err);
        mf_cleanup(mf_freep) char *path = inside(directory, copy->from);
        if (mkdir(directory, 0755) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "the directory %s", directory);
        return mayfly_container_get(copy->container, copy->from, path, &options, err);
}

static int get_stream(struct copy *copy)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (isatty(STDOUT_FILENO))
                return tool_fail("standard output is a terminal, which a tar stream is not for; write it into a file "
                                 "or a pipe");
        return cp_stream_pack(STDOUT_FILENO, get_tree, copy, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int do_copy(struct copy *copy)
{
        if (!copy->is_put && strspn(copy->from, "/") == strlen(copy->from))
                return tool_fail("%s is the root of the container, which has devices and no name for a copy; copy what "
                                 "is wanted of it, such as /etc",
                                 *copy->from ? copy->from : "the empty path");
        if (strcmp(copy->is_put ? copy->from : copy->to, "-") == 0)
                return copy->is_put ? put_stream(copy) : get_stream(copy);
        return copy->is_put ? put(copy) : get(copy);
}

static int run(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct tool_operands operands;
        struct copy copy = { 0 };
        int status = tool_parse(&tool_cp, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        char **list = operands.list;
        const char *from = colon_of(list[0]), *to = colon_of(list[1]);
        if (!from == !to)
                return tool_usage("cp",
                                  "%s; write one of them as NAME:PATH, and begin one of this host with '/' or './'",
                                  from ? "both operands are in containers" : "neither operand is in a container");
        copy.is_put = to != NULL;
        copy.keep_owners = choices.keep_owners;
        copy.from = from ? from + 1 : list[0];
        copy.to = to ? to + 1 : list[1];
        mf_cleanup(mf_freep) char *name =
                from ? strndup(list[0], (size_t) (from - list[0])) : strndup(list[1], (size_t) (to - list[1]));
        if (!name)
                tool_oom();
        if (tool_attach(choices.state, name, &copy.container) != TOOL_OK)
                return TOOL_FAILED;
        status = do_copy(&copy);
        mayfly_container_free(copy.container);
        return status;
}

static const struct tool_option options[] = {
        { .name = "archive",
          .letter = 'a',
          .at = offsetof(struct choices, keep_owners),
          .help = "keep the owners' numbers and set-user-ID bits; to this host, for root only" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "SOURCE", "TARGET", NULL };

const struct tool_command tool_cp = {
        .name = "cp",
        .summary = "copy files into a container, or out of it",
        .synopsis =
                "[OPTION]... NAME:PATH TARGET\n[OPTION]... SOURCE NAME:PATH\n[OPTION]... NAME:PATH -\n[OPTION]... - "
                "NAME:PATH",
        .description =
                "Copies a file or a directory with all that is in it. A target that is a directory gets the copy by "
                "the source's name; a source that ends in /. stands for what is in the directory. Nothing is needed in "
                "the image, and paths inside are absolute.\n"
                "On this host a directory that is copied must not be there yet.\n"
                "As TARGET, \"-\" is a tar stream on standard output; as SOURCE, one on standard input, compressed or "
                "not, "
                "whose files go into a directory.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
