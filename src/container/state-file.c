/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/state-file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "container/inside.h"
#include "image/open.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/runtime-dir.h"

#define FORMAT 1
#define FILE_MAX (1L << 20)

void mf_state_file_clear(struct mf_state_file *file)
{
        mf_close(file->directory);
        mf_close(file->fd);
        *file = MF_STATE_FILE_NONE;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static json_t *show_ports(const struct mf_links *links)
{
        json_t *list = json_array();
        char port[MF_FORWARD_PATH_MAX + 8];

        for (size_t i = 0; i < links->n; i++) {
                const struct mf_link *link = links->list[i];
                if (link->is_host_port)
                        continue;
                (void) json_array_append_new(list, json_pack("{s:s, s:s?, s:s, s:s, s:i}", "port",
                                                             mf_port_show(&link->inside, port, sizeof(port)), "name",
                                                             link->name, "address", link->text, "host", link->host,
                                                             "host_port", (int) ntohs(link->sockaddr.sin_port)));
        }
        return list;
}

/* Returns allocated text, or NULL without memory. */
static char *show(const struct mayfly_container *container, const char *socket)
{
        struct mf_process owner = { 0 };

        (void) mf_inside_read(container->owner, &owner); /* one that is gone has started at 0 */
        json_t *state = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:{s:i, s:I}, s:o}", "mayfly", FORMAT, "machine",
                                  container->machine, "image", mayfly_image_name(container->image), "engine",
                                  container->engine_type->id == MAYFLY_ENGINE_SYSTEMD ? "systemd" : "direct", "socket",
                                  socket, "leader", (int) container->leader, "owner", "pid", (int) container->owner,
                                  "start_time", (json_int_t) owner.started, "ports", show_ports(&container->links));
        char *text = state ? json_dumps(state, JSON_INDENT(2)) : NULL;

        json_decref(state);
        return text;
}

/* Opens the directory of the file, and copies the file's name. Returns 0 or negative errno. */
static int find_place(const char *path, struct mf_state_file *ret)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        mf_cleanup(mf_freep) char *directory = NULL;

        if (!*name || strlen(name) >= sizeof(ret->name))
                return *name ? -ENAMETOOLONG : -EISDIR;
        directory = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
        if (!directory)
                return -ENOMEM;
        ret->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        snprintf(ret->name, sizeof(ret->name), "%s", name);
        return ret->directory < 0 ? -errno : 0;
}

/* Returns 0 or negative errno. */
static int write_text(struct mf_state_file *file, const char *machine, const char *text)
{
        char fresh[NAME_MAX + 1];

        snprintf(fresh, sizeof(fresh), ".%s.new", machine);
        file->fd = openat(file->directory, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (file->fd < 0)
                return -errno;
        int r = mf_write_full(file->fd, text, strlen(text));
        if (r == 0)
                r = mf_write_full(file->fd, "\n", 1);
        if (r == 0 && renameat(file->directory, fresh, file->directory, file->name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(file->directory, fresh, 0);
        return r;
}

int mf_state_file_write(const struct mayfly_container *container, const char *path, const char *socket,
                        struct mf_state_file *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_state_file_clear) struct mf_state_file file = MF_STATE_FILE_NONE;
        mf_cleanup(mf_freep) char *text = show(container, socket);

        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        int r = find_place(path, &file);
        if (r == 0)
                r = write_text(&file, container->machine, text);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "the state file \"%.300s\" of container %s", path,
                                      container->machine);
        *ret = file;
        file = MF_STATE_FILE_NONE;
        return 0;
}

/* --- its place, where the command looks for it -------------------------------------------------------------------- */

int mf_state_file_choose(const struct mayfly_container *container, char ret[MF_STATE_FILE_PATH_MAX],
                         struct mayfly_error *err)
{
        char directory[MF_RUNTIME_DIR_MAX];

        mf_runtime_dir(directory);
        int r = mf_runtime_dir_make(directory, err);
        snprintf(ret, MF_STATE_FILE_PATH_MAX, "%s/containers", directory);
        if (r == 0)
                r = mf_runtime_dir_make(ret, err);
        snprintf(ret, MF_STATE_FILE_PATH_MAX, "%s/containers/%s.json", directory, container->machine);
        return r;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

void mf_state_clear(struct mf_state *state)
{
        free(state->machine);
        free(state->socket);
        *state = (struct mf_state){ 0 };
}

/* Opens a file that only this user can have written. */
static int open_own(const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return mf_error(
                        err, -ENOENT, MAYFLY_STAGE_SPEC,
                        "there is no state file \"%.300s\"; its container has not been shared yet, or has ended", path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "the state file \"%.300s\"", path);
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "\"%.300s\" is no state file: it is %s; give the path that "
                                "mayfly_container_share() was given",
                                path, S_ISREG(st.st_mode) ? "too large" : "no regular file");
        if (st.st_uid != geteuid() || (st.st_mode & 022))
                return mf_error(err, -EPERM, MAYFLY_STAGE_SPEC,
                                "the state file \"%.300s\" %s %u%s; only a file that this user (%u) alone can write is "
                                "used",
                                path, st.st_uid != geteuid() ? "belongs to user" : "has the mode 0",
                                st.st_uid != geteuid() ? (unsigned) st.st_uid : 0U,
                                st.st_uid != geteuid() ? "" : ", in which others can write", (unsigned) geteuid());
        return mf_take_fd(&fd);
}

static int take(const char *text, size_t size, struct mf_state *ret, char *why, size_t why_size)
{
        json_error_t error;
        json_t *state = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        const char *machine = NULL, *socket = NULL;
        int format = 0;

        if (!state || json_unpack_ex(state, &error, 0, "{s:i, s:s, s:s, s:{s:i}}", "mayfly", &format, "machine",
                                     &machine, "socket", &socket, "owner", "pid", &ret->owner) < 0) {
                snprintf(why, why_size, "line %d: %s", error.line, error.text);
                json_decref(state);
                return -EBADMSG;
        }
        ret->machine = strdup(machine);
        ret->socket = strdup(socket);
        json_decref(state);
        if (format == FORMAT)
                return ret->machine && ret->socket ? 0 : -ENOMEM;
        snprintf(why, why_size, "its format is %d, and this version of mayfly knows %d", format, FORMAT);
        return -EBADMSG;
}

int mf_state_read(const char *path, struct mf_state *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = malloc(FILE_MAX + 1);
        mf_cleanup(mf_closep) int fd = open_own(path, err);
        char why[JSON_ERROR_TEXT_LENGTH + 32];

        if (fd < 0)
                return fd;
        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        ssize_t n = mf_read_full(fd, text, FILE_MAX);
        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_SPEC, "the state file \"%.300s\"", path);
        int r = take(text, (size_t) n, ret, why, sizeof(why));
        if (r == -EBADMSG)
                return mf_error(err, r, MAYFLY_STAGE_SPEC,
                                "\"%.300s\" is no state file of a container, or is not whole: %s; share the container "
                                "again",
                                path, why);
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_SPEC) : 0;
}
