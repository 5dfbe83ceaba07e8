/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"
#include "util/buffer.h"
#include "util/dir-names.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"
#include "util/strv.h"

/* The containers that run now, of all users. Nothing is written down about a container: its supervisor has the name and the labels in its
 * arguments. */

struct choices {
        int json, quiet;
        const char **labels;
};

struct container {
        char *name, **labels;
        long pid; /* of mayfly-launch */
        uid_t uid;
};

struct list {
        struct container *containers;
        size_t n, allocated;
        unsigned namespaces; /* as mf_process_namespaces() counts them, of this process */
};

static void clear_list(struct list *list)
{
        for (size_t i = 0; i < list->n; i++) {
                free(list->containers[i].name);
                mf_strv_free(list->containers[i].labels);
        }
        free(list->containers);
}

/* Reads the arguments of a process, with a NUL after each. Returns 0, or -ENOMEM; a process that is gone has none. */
static int read_arguments(int process, struct mf_buffer *ret)
{
        mf_cleanup(mf_closep) int fd = openat(process, "cmdline", O_RDONLY | O_CLOEXEC);
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
        static const char deleted[] = " (deleted)";
        char path[PATH_MAX];

        const ssize_t n = readlinkat(process, "exe", path, sizeof(path) - 1);
        if (n < 0)
                return 1;
        path[n] = '\0';
        const size_t length = (size_t) n, end = strlen(deleted);
        if (length > end && strcmp(path + length - end, deleted) == 0) /* by an upgrade */
                path[length - end] = '\0';
        return is_launch_path(path);
}

/* Takes name and labels out of the arguments. Returns 0 or -ENOMEM. */
static int read_container(const struct mf_buffer *arguments, struct container *ret)
{
        const char *end = arguments->data + arguments->size;
        int r = 0;

        for (const char *word = arguments->data; r == 0 && word < end; word += strlen(word) + 1) {
                const char *value = word + strlen(word) + 1;
                if (value >= end)
                        break;
                if (strcmp(word, "--machine") == 0 && !ret->name) {
                        ret->name = strdup(value);
                        r = ret->name ? 0 : -ENOMEM;
                } else if (strcmp(word, "--label") == 0) {
                        r = mf_strv_add(&ret->labels, strdup(value));
                }
        }
        return r;
}

/* Whether the container has the label NAME, or NAME=VALUE. */
static int has_label(const struct container *container, const char *wanted)
{
        const size_t length = strlen(wanted);

        for (char **label = container->labels; label && *label; label++)
                if (strncmp(*label, wanted, length) == 0 &&
                    ((*label)[length] == '\0' || ((*label)[length] == '=' && !strchr(wanted, '='))))
                        return 1;
        return 0;
}

static int is_wanted(const struct list *list, const struct container *container, const struct choices *choices)
{
        /* In engine direct two processes have the same arguments. One of another user hides nothing. */
        for (size_t i = 0; i < list->n; i++)
                if (list->containers[i].uid == container->uid && strcmp(list->containers[i].name, container->name) == 0)
                        return 0;
        for (const char **label = choices->labels; label && *label; label++)
                if (!has_label(container, *label))
                        return 0;
        return 1;
}

static int look_at(struct list *list, int process, const char *pid, const struct choices *choices)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer arguments = { 0 };
        struct container container = { .pid = strtol(pid, NULL, 10) };
        struct stat st;

        int r = read_arguments(process, &arguments);
        if (r < 0 || !arguments.data || !is_launch_path(arguments.data) || !executes_launch(process) ||
            fstat(process, &st) < 0)
                return r;
        /* What runs inside a container has a PID there, too. */
        if (mf_process_namespaces_at(process) != list->namespaces)
                return 0;
        container.uid = st.st_uid;
        r = read_container(&arguments, &container);
        struct container *grown = NULL;
        if (r == 0 && container.name && is_wanted(list, &container, choices)) {
                grown = mf_grow(list->containers, list->n, &list->allocated, sizeof(*grown));
                r = grown ? 0 : -ENOMEM;
        }
        if (grown) {
                list->containers = grown;
                grown[list->n++] = container;
                return 0;
        }
        free(container.name);
        mf_strv_free(container.labels);
        return r;
}

static int find(struct list *list, const struct choices *choices)
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
                        r = look_at(list, process, *name, choices);
        }
        mf_strv_free(names);
        return r;
}

static int compare(const void *a, const void *b)
{
        const struct container *one = a, *other = b;

        return strcmp(one->name, other->name);
}

static const char *user_of(const struct container *container, char number[16])
{
        const struct passwd *user = getpwuid(container->uid);

        snprintf(number, 16, "%u", (unsigned) container->uid);
        return user ? user->pw_name : number;
}

static void print_table(const struct list *list)
{
        int name_width = (int) strlen("NAME"), user_width = (int) strlen("USER");
        char number[16];

        for (size_t i = 0; i < list->n; i++) {
                const int name = (int) strlen(list->containers[i].name);
                const int user = (int) strlen(user_of(&list->containers[i], number));
                name_width = name > name_width ? name : name_width;
                user_width = user > user_width ? user : user_width;
        }
        printf("%-*s  %-*s  LABELS\n", name_width, "NAME", user_width, "USER");
        for (size_t i = 0; i < list->n; i++) {
                const struct container *container = &list->containers[i];
                tool_print_text(container->name);
                printf("%*s  %-*s  ", name_width - (int) strlen(container->name), "", user_width,
                       user_of(container, number));
                tool_print_list((const char *const *) container->labels, ",");
                printf("\n");
        }
}

static void print_json(const struct list *list)
{
        tool_json_open(NULL, '[');
        for (size_t i = 0; i < list->n; i++) {
                const struct container *container = &list->containers[i];
                tool_json_open(NULL, '{');
                tool_json_text("name", container->name);
                tool_json_number("uid", container->uid);
                tool_json_number("supervisor", container->pid);
                tool_json_pairs("labels", (const char *const *) container->labels);
                tool_json_close('}');
        }
        tool_json_close(']');
}

static void print_names(const struct list *list)
{
        for (size_t i = 0; i < list->n; i++) {
                tool_print_text(list->containers[i].name);
                printf("\n");
        }
}

static int run(int argc, char **argv)
{
        mf_cleanup(clear_list) struct list list = { 0 };
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_ps, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        int r = find(&list, &choices);
        if (r < 0)
                return tool_fail("looking for containers in /proc: %s", strerrordesc_np(-r));
        if (list.n > 0)
                qsort(list.containers, list.n, sizeof(*list.containers), compare);
        if (choices.json)
                print_json(&list);
        else if (choices.quiet)
                print_names(&list);
        else
                print_table(&list);
        free(choices.labels);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "print an array, with the PID of each supervisor"),
        TOOL_OPTION_QUIET(struct choices, "print the names alone"),
        { .name = "label",
          .kind = TOOL_LIST,
          .at = offsetof(struct choices, labels),
          .value = "NAME[=VALUE]",
          .help = "only containers that have this label; may be repeated, for those that have all" },
        TOOL_OPTIONS_END,
};

const struct tool_command tool_ps = {
        .name = "ps",
        .summary = "list the containers that run",
        .synopsis = "[OPTION]...",
        .description =
                "Lists the containers that run on this host: name, user, and the labels of their specs. They can be "
                "those of any user, as far as /proc shows their processes. "
                "A user can fake containers of that user. What runs in another PID namespace, such as a container's, "
                "is "
                "not listed.",
        .exit_status = "0, or 1 when /proc cannot be read, or 2 when the command line is wrong.",
        .options = options,
        .run = run,
};
