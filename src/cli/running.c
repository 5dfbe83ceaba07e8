/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/running.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/dir-names.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"
#include "util/strv.h"
#include "util/text.h"

void tool_running_list_clear(struct tool_running_list *list)
{
        for (size_t i = 0; i < list->n; i++) {
                free(list->entries[i].machine);
                mf_strv_free(list->entries[i].labels);
        }
        free(list->entries);
        *list = (struct tool_running_list){ 0 };
}

int tool_read_process(int process, const char *name, struct mf_buffer *ret)
{
        mf_cleanup(mf_closep) int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
        char part[4096];
        ssize_t n;
        int r = 0;

        while (r == 0 && fd >= 0 && (n = read(fd, part, sizeof(part))) > 0)
                r = mf_buffer_add(ret, part, (size_t) n);
        return r;
}

static int is_launch_path(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash && strcmp(slash + 1, "mayfly-launch") == 0;
}

/* Whether it executes mayfly-launch, as far as this user may see that: any process can give itself any arguments. */
static int executes_launch(int process)
{
        char path[PATH_MAX];

        const ssize_t n = readlinkat(process, "exe", path, sizeof(path) - 1);
        if (n < 0)
                return 1;
        path[n] = '\0';
        const char *deleted = mf_ending(path, " (deleted)"); /* by an upgrade */
        if (deleted)
                path[deleted - path] = '\0';
        return is_launch_path(path);
}

/* Takes name and labels out of the arguments. Returns 0 or -ENOMEM. */
static int read_container(const struct mf_buffer *arguments, struct tool_running *ret)
{
        const char *end = arguments->data + arguments->size;
        int r = 0;

        for (const char *word = arguments->data; r == 0 && word < end; word += strlen(word) + 1) {
                const char *value = word + strlen(word) + 1;
                if (value >= end)
                        break;
                if (strcmp(word, "--machine") == 0 && !ret->machine) {
                        ret->machine = strdup(value);
                        r = ret->machine ? 0 : -ENOMEM;
                } else if (strcmp(word, "--label") == 0) {
                        r = mf_strv_add(&ret->labels, strdup(value));
                }
        }
        return r;
}

/* In engine direct two processes have the same arguments. One of another user hides nothing. */
static int is_new(const struct tool_running_list *list, const struct tool_running *container)
{
        for (size_t i = 0; i < list->n; i++)
                if (list->entries[i].uid == container->uid && strcmp(list->entries[i].machine, container->machine) == 0)
                        return 0;
        return 1;
}

static int look_at(struct tool_running_list *list, int process, const char *pid)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer arguments = { 0 };
        struct tool_running container = { .pid = strtol(pid, NULL, 10) };
        struct stat st;

        int r = tool_read_process(process, "cmdline", &arguments);
        if (r < 0 || !arguments.data || !is_launch_path(arguments.data) || !executes_launch(process) ||
            fstat(process, &st) < 0)
                return r;
        /* What runs inside a container has a PID there, too. */
        if (mf_process_namespaces_at(process) != list->namespaces)
                return 0;
        container.uid = st.st_uid;
        r = read_container(&arguments, &container);
        struct tool_running *grown = NULL;
        if (r == 0 && container.machine && is_new(list, &container)) {
                grown = mf_grow(list->entries, list->n, &list->allocated, sizeof(*grown));
                r = grown ? 0 : -ENOMEM;
        }
        if (grown) {
                list->entries = grown;
                grown[list->n++] = container;
                return 0;
        }
        free(container.machine);
        mf_strv_free(container.labels);
        return r;
}

static int compare(const void *a, const void *b)
{
        const struct tool_running *one = a, *other = b;

        return strcmp(one->machine, other->machine);
}

int tool_list_running(struct tool_running_list *list)
{
        mf_cleanup(mf_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mf_cleanup(mf_closep) int self = proc < 0 ? -1 : openat(proc, "self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char **names = NULL;

        if (self < 0)
                return -errno;
        list->namespaces = mf_process_namespaces_at(self);
        int r = mf_dir_names(proc, &names);
        for (char **name = names; r == 0 && name && *name; name++) {
                if (**name < '1' || **name > '9')
                        continue;
                mf_cleanup(mf_closep) int process = openat(proc, *name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (process >= 0)
                        r = look_at(list, process, *name);
        }
        mf_strv_free(names);
        if (r == 0 && list->n > 0)
                qsort(list->entries, list->n, sizeof(*list->entries), compare);
        return r;
}
