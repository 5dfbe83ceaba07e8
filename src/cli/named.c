/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "container/state-file.h"
#include "util/buffer.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/nearest.h"
#include "util/runtime-dir.h"
#include "util/strv.h"

#define NAME_MAX_LENGTH 47 /* of a machine's name, without what makes it unique */
#define MOST_EDITS 2U
#define STRING_OF(text) #text
#define STRING(macro) STRING_OF(macro)

/* --- names ------------------------------------------------------------------------------------------------------ */

void tool_state_directory(const char *state, char ret[TOOL_STATE_PATH_MAX])
{
        char runtime[MF_RUNTIME_DIR_MAX];

        mf_runtime_dir(runtime);
        snprintf(ret, TOOL_STATE_PATH_MAX, "%s%s", state ? state : runtime, state ? "" : "/containers");
}

void tool_state_path(const char *state, const char *name, const char *suffix, char ret[TOOL_STATE_PATH_MAX])
{
        char directory[TOOL_STATE_PATH_MAX];

        tool_state_directory(state, directory);
        snprintf(ret, TOOL_STATE_PATH_MAX, "%.*s/%s%s", (int) (TOOL_STATE_PATH_MAX - 128), directory, name, suffix);
}

const char *tool_name_fault(const char *name)
{
        static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
        const size_t length = strlen(name);

        if (length > 0 && length <= NAME_MAX_LENGTH && strspn(name, characters) == length && *name != '-' &&
            *name != '.' && *name != '_')
                return NULL;
        return "write 1 to " STRING(NAME_MAX_LENGTH) " letters, digits, '-', '_' and '.', the first of them a letter "
                                                     "or digit";
}

int tool_check_name(const char *command, const char *name)
{
        const char *fault = tool_name_fault(name);

        return fault ? tool_usage(command, "'%s' is no name of a container; %s", name, fault) : TOOL_OK;
}

/* --- the list --------------------------------------------------------------------------------------------------- */

static void clear_named(struct tool_named *named)
{
        free(named->name);
        free(named->machine);
        free(named->socket);
}

void tool_named_list_clear(struct tool_named_list *list)
{
        for (size_t i = 0; i < list->n; i++)
                clear_named(&list->entries[i]);
        free(list->entries);
        *list = (struct tool_named_list){ 0 };
}

/* Adds the container of a state file, unless the file is gone, or none. */
static int add_named(struct tool_named_list *list, const char *state, const char *file)
{
        mf_cleanup(mf_state_clear) struct mf_state read = { 0 };
        const size_t length = strlen(file), end = strlen(TOOL_STATE_SUFFIX);
        char path[TOOL_STATE_PATH_MAX];

        if (*file == '.' || length <= end || strcmp(file + length - end, TOOL_STATE_SUFFIX) != 0)
                return 0;
        tool_state_path(state, file, "", path);
        int r = mf_state_read(path, &read, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        struct tool_named *grown = mf_grow(list->entries, list->n, &list->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->entries = grown;
        grown[list->n] = (struct tool_named){
                .name = strndup(file, length - end), .machine = read.machine, .socket = read.socket, .owner = read.owner
        };
        read = (struct mf_state){ 0 };
        return grown[list->n++].name ? 0 : -ENOMEM;
}

int tool_list_named(const char *state, struct tool_named_list *ret)
{
        char directory[TOOL_STATE_PATH_MAX];
        char **files = NULL;

        tool_state_directory(state, directory);
        mf_cleanup(mf_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        int r = mf_dir_names(fd, &files);
        for (char **file = files; r == 0 && file && *file; file++)
                r = add_named(ret, state, *file);
        mf_strv_free(files);
        if (r < 0)
                tool_named_list_clear(ret);
        return r;
}

/* --- sharing ---------------------------------------------------------------------------------------------------- */

/* Whether somebody listens at the socket. */
static int listens(const char *path)
{
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        return snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) < (int) sizeof(address.sun_path) &&
               connect(fd, (const struct sockaddr *) &address, sizeof(address)) == 0;
}

int tool_name_is_free(const char *state, const char *name, struct mayfly_error *err)
{
        mf_cleanup(mf_state_clear) struct mf_state read = { 0 };
        char path[TOOL_STATE_PATH_MAX];

        tool_state_path(state, name, TOOL_STATE_SUFFIX, path);
        if (mf_state_read(path, &read, NULL) < 0 || !listens(read.socket))
                return 0;
        return mf_error(err, -EEXIST, MAYFLY_STAGE_SPEC,
                        "there is a container \"%s\" already, which belongs to process %d; choose another name, or end "
                        "that process",
                        name, read.owner);
}

/* Removes the state files of containers that were killed together with all that would have removed them. */
static void sweep(const char *state, int directory)
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };
        char file[NAME_MAX + 1];

        (void) tool_list_named(state, &list);
        for (size_t i = 0; i < list.n; i++) {
                snprintf(file, sizeof(file), "%.200s" TOOL_STATE_SUFFIX, list.entries[i].name);
                if (!listens(list.entries[i].socket))
                        (void) unlinkat(directory, file, 0);
        }
}

int tool_share(struct mayfly_container *container, const char *state, const char *name, struct mayfly_error *err)
{
        char directory[TOOL_STATE_PATH_MAX], path[TOOL_STATE_PATH_MAX], runtime[MF_RUNTIME_DIR_MAX];
        mf_cleanup(mf_closep) int lock = -1, outer = -1;

        if (!name)
                name = mayfly_container_name(container);
        tool_state_directory(state, directory);
        mf_runtime_dir(runtime);
        int r = state ? 0 : mf_runtime_dir_lock(runtime, &outer, err); /* makes it */
        mf_unlock(outer);
        if (r == 0)
                r = mf_runtime_dir_lock(directory, &lock, err);
        if (r < 0)
                return r;
        sweep(state, lock);
        r = tool_name_is_free(state, name, err);
        tool_state_path(state, name, TOOL_STATE_SUFFIX, path);
        if (r == 0)
                r = mayfly_container_share(container, path, -1, err);
        mf_unlock(lock);
        return r;
}

/* --- attaching -------------------------------------------------------------------------------------------------- */

/* The entry of a name, or of a machine's name, or the only one that begins so. Sets *ret_n to how many do. */
static const struct tool_named *find(const struct tool_named_list *list, const char *name, size_t *ret_n)
{
        const struct tool_named *found = NULL;

        *ret_n = 0;
        for (size_t i = 0; i < list->n; i++) {
                const struct tool_named *entry = &list->entries[i];
                if (strcmp(entry->name, name) == 0 || strcmp(entry->machine, name) == 0)
                        return entry;
                if (strncmp(entry->name, name, strlen(name)) == 0 && (*ret_n)++ == 0)
                        found = entry;
        }
        return *ret_n == 1 ? found : NULL;
}

static int complain(const struct tool_named_list *list, const char *name, size_t alike)
{
        mf_cleanup(mf_freep) const char **names = calloc(list->n + 1, sizeof(*names));

        if (!names)
                tool_oom();
        for (size_t i = 0; i < list->n; i++)
                names[i] = list->entries[i].name;
        const char *meant = mf_nearest(name, names, MOST_EDITS);
        if (alike > 1)
                return tool_fail("the names of %zu containers begin with \"%s\"; write more of it", alike, name);
        return tool_fail("there is no container \"%s\"%s%s%s; mayfly ps lists those that run", name,
                         meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

int tool_attach(const char *state, const char *name, struct mayfly_container **ret)
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char path[TOOL_STATE_PATH_MAX];
        size_t alike = 0;

        if (!strchr(name, '/')) {
                int r = tool_list_named(state, &list);
                tool_state_directory(state, path);
                if (r < 0)
                        return tool_fail("the directory of containers \"%s\" cannot be read: %s", path,
                                         strerrordesc_np(-r));
                const struct tool_named *found = *name ? find(&list, name, &alike) : NULL;
                if (!found)
                        return complain(&list, name, alike);
                tool_state_path(state, found->name, TOOL_STATE_SUFFIX, path);
                name = path;
        }
        return mayfly_container_attach(ret, name, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}
