/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/named.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/running.h"
#include "container/container.h"
#include "container/state-file.h"
#include "util/buffer.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/nearest.h"
#include "util/runtime-dir.h"
#include "util/strv.h"
#include "util/text.h"

#define NAME_MAX_LENGTH 47 /* of a machine's name, without what makes it unique */
#define END_MAX 65536U
#define OLD_S 86400
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
        const char *end = mf_ending(file, TOOL_STATE_SUFFIX);
        char path[TOOL_STATE_PATH_MAX];

        if (*file == '.' || !end)
                return 0;
        tool_state_path(state, file, "", path);
        int r = mf_state_read(path, &read, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        struct tool_named *grown = mf_grow(list->entries, list->n, &list->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->entries = grown;
        grown[list->n] = (struct tool_named){ .name = strndup(file, (size_t) (end - file)),
                                              .machine = read.machine,
                                              .socket = read.socket,
                                              .owner = read.owner };
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

static int read_list(const char *state, struct tool_named_list *ret, struct mayfly_error *err)
{
        char directory[TOOL_STATE_PATH_MAX];
        int r = tool_list_named(state, ret);

        tool_state_directory(state, directory);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "the directory of containers \"%.300s\"", directory)
                     : 0;
}

static char **names_of(const struct tool_named_list *list)
{
        char **names = calloc(list->n + 1, sizeof(*names));

        if (!names)
                tool_oom();
        for (size_t i = 0; i < list->n; i++)
                names[i] = list->entries[i].name;
        return names;
}

char **tool_names(const char *state, struct tool_named_list *list)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (read_list(state, list, &err) == 0)
                return names_of(list);
        (void) tool_fail("%s", err.message);
        return NULL;
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
                        "it by mayfly rm %s",
                        name, read.owner, name);
}

/* Removes what keepers have left of ends, and nobody has taken for a day. */
static void forget_old_words(int directory)
{
        static const char *const ends[] = { TOOL_END_SUFFIX, ".log" };
        const time_t oldest = time(NULL) - OLD_S;
        char **names = NULL;
        struct stat st;

        (void) mf_dir_names(directory, &names);
        for (char **name = names; name && *name; name++)
                for (size_t i = 0; i < MF_ELEMENTSOF(ends); i++)
                        if (mf_has_ending(*name, ends[i]) && fstatat(directory, *name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                            st.st_mtime < oldest)
                                (void) unlinkat(directory, *name, 0);
        mf_strv_free(names);
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
        mf_cleanup(mf_closep) int lock = -1;

        if (!name)
                name = mayfly_container_name(container);
        tool_state_directory(state, directory);
        mf_runtime_dir(runtime);
        int r = state ? 0 : mf_runtime_dir_make(runtime, err);
        if (r == 0)
                r = mf_runtime_dir_lock(directory, &lock, err);
        if (r < 0)
                return r;
        sweep(state, lock);
        forget_old_words(lock);
        r = tool_name_is_free(state, name, err);
        tool_state_path(state, name, TOOL_STATE_SUFFIX, path);
        if (r == 0)
                r = mayfly_container_share(container, path, -1, err);
        tool_state_path(state, name, TOOL_END_SUFFIX, path);
        if (r == 0) /* of an earlier one */
                (void) unlink(path);
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

int tool_is_shared(const char *machine)
{
        char path[TOOL_STATE_PATH_MAX];

        mf_share_socket_path(machine, path, sizeof(path));
        return access(path, F_OK) == 0;
}

/* Attaches to a container that a program shares by a state file which is elsewhere. */
static int attach_to_machine(const char *machine, int may_be_paused, struct mayfly_container **ret,
                             struct mayfly_error *err)
{
        char path[TOOL_STATE_PATH_MAX], name[256];
        struct mf_state state = { .machine = name, .socket = path };

        mf_share_socket_path(machine, path, sizeof(path));
        snprintf(name, sizeof(name), "%s", machine);
        return mf_container_attach_to(ret, &state, path, may_be_paused, err);
}

/* Says why a container that runs cannot be entered. */
static int explain(const struct tool_running *container, struct mayfly_error *err)
{
        const struct passwd *user = getpwuid(container->uid);

        if (container->uid != geteuid())
                return mf_error(err, -EACCES, MAYFLY_STAGE_SPEC,
                                "container %s belongs to user %s (%u), who alone can enter it", container->machine,
                                user ? user->pw_name : "?", (unsigned) container->uid);
        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                        "the program that started container %s does not share it; call mayfly_container_share() there, "
                        "or set MAYFLY_KEEP for a test",
                        container->machine);
}

/* Says how a container of the directory has ended, if its keeper has left word of that. Returns 0 if not. */
static int explain_end(const char *state, const char *name, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *words = NULL;
        char path[TOOL_STATE_PATH_MAX];
        size_t size = 0;

        tool_state_path(state, name, TOOL_END_SUFFIX, path);
        if (mf_read_file_at(AT_FDCWD, path, END_MAX, &words, &size) < 0)
                return 0;
        while (size > 0 && words[size - 1] == '\n')
                words[--size] = '\0';
        char *message;
        if (asprintf(&message, "container \"%s\" has ended: %s", name, words) < 0)
                tool_oom();
        mf_error_copy(err, -ESRCH, MAYFLY_STAGE_SPEC, message); /* with its lines */
        free(message);
        return -ESRCH;
}

/* Says that no container has the name, and which was meant. */
static int explain_none(const char *state, const struct tool_named_list *named, const char *name, size_t alike,
                        struct mayfly_error *err)
{
        mf_cleanup(tool_running_list_clear) struct tool_running_list running = { 0 };
        mf_cleanup(mf_freep) char **names = names_of(named);
        char meant[MF_MEANT_MAX];

        if (alike > 1)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                                "the names of %zu containers begin with \"%s\"; write more of it", alike, name);
        int r = *name ? explain_end(state, name, err) : 0;
        if (r < 0)
                return r;
        (void) tool_list_running(&running);
        for (size_t i = 0; i < running.n; i++)
                if (strcmp(running.entries[i].machine, name) == 0)
                        return explain(&running.entries[i], err);
        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                        "there is no container \"%s\"%s mayfly ps lists those that run", name,
                        mf_meant(name, (const char *const *) names, MF_MOST_EDITS, ";", meant));
}

/* Says of a container that mayfly resume can resume. */
static int explain_pause(const char *state, const char *name, struct mayfly_error *err)
{
        return mf_error(err, -EBUSY, MAYFLY_STAGE_EXEC, "container \"%s\" is paused; resume it by mayfly resume %s%s%s",
                        name, name, state ? " --state " : "", state ? state : "");
}

static int attach_by(const char *state, const char *name, int may_be_paused, struct mayfly_container **ret,
                     struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };
        char path[TOOL_STATE_PATH_MAX];
        size_t alike = 0;

        if (strchr(name, '/'))
                return mf_container_attach_file(ret, name, may_be_paused, err);
        int r = read_list(state, &list, err);
        if (r < 0)
                return r;
        const struct tool_named *found = *name ? find(&list, name, &alike) : NULL;
        if (!found && !state && tool_is_shared(name))
                return attach_to_machine(name, may_be_paused, ret, err);
        if (!found)
                return explain_none(state, &list, name, alike, err);
        tool_state_path(state, found->name, TOOL_STATE_SUFFIX, path);
        r = mf_container_attach_file(ret, path, may_be_paused, &why);
        if (r == -EBUSY)
                return explain_pause(state, found->name, err);
        if (r < 0)
                mf_error_copy(err, r, why.stage, why.message);
        return r;
}

int tool_find(const char *state, const char *name, struct mayfly_container **ret, struct mayfly_error *err)
{
        return attach_by(state, name, 0, ret, err);
}

int tool_attach_paused(const char *state, const char *name, struct mayfly_container **ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        return attach_by(state, name, 1, ret, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

int tool_whole_name(const char *state, const char *word, char ret[TOOL_NAME_MAX])
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };
        size_t alike = 0;

        (void) tool_list_named(state, &list);
        const struct tool_named *found = *word ? find(&list, word, &alike) : NULL;
        if (found)
                snprintf(ret, TOOL_NAME_MAX, "%s", found->name);
        return found != NULL;
}

int tool_attach(const char *state, const char *name, struct mayfly_container **ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        return tool_find(state, name, ret, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}
