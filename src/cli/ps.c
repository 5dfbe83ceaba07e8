/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/named.h"
#include "cli/running.h"
#include "cli/text.h"
#include "util/macro.h"

struct choices {
        int json, quiet;
        const char **labels;
};

/* A container that is listed. */
struct row {
        const struct tool_running *container;
        const char *name; /* by which mayfly exec and others find it */
        int is_shared;    /* whether they can */
};

/* Whether the container has the label NAME, or NAME=VALUE. */
static int has_label(const struct tool_running *container, const char *wanted)
{
        const size_t length = strlen(wanted);

        for (char **label = container->labels; label && *label; label++)
                if (strncmp(*label, wanted, length) == 0 &&
                    ((*label)[length] == '\0' || ((*label)[length] == '=' && !strchr(wanted, '='))))
                        return 1;
        return 0;
}

static int is_wanted(const struct tool_running *container, const struct choices *choices)
{
        for (const char **label = choices->labels; label && *label; label++)
                if (!has_label(container, *label))
                        return 0;
        return 1;
}

static struct row make_row(const struct tool_running *container, const struct tool_named_list *named)
{
        struct row row = { .container = container, .name = container->machine };

        if (container->uid != geteuid())
                return row;
        row.is_shared = tool_is_shared(container->machine);
        for (size_t i = 0; i < named->n; i++)
                if (strcmp(named->entries[i].machine, container->machine) == 0)
                        row.name = named->entries[i].name;
        return row;
}

static int compare(const void *a, const void *b)
{
        const struct row *one = a, *other = b;

        return strcmp(one->name, other->name);
}

static const char *user_of(const struct row *row, char number[16])
{
        const struct passwd *user = getpwuid(row->container->uid);

        snprintf(number, 16, "%u", (unsigned) row->container->uid);
        return user ? user->pw_name : number;
}

static void print_table(const struct row *rows, size_t n)
{
        int name_width = (int) strlen("NAME"), user_width = (int) strlen("USER");
        char number[16];

        for (size_t i = 0; i < n; i++) {
                const int name = (int) strlen(rows[i].name), user = (int) strlen(user_of(&rows[i], number));
                name_width = name > name_width ? name : name_width;
                user_width = user > user_width ? user : user_width;
        }
        printf("%-*s  %-*s  SHARED  LABELS\n", name_width, "NAME", user_width, "USER");
        for (size_t i = 0; i < n; i++) {
                tool_print_text(rows[i].name);
                printf("%*s  %-*s  %-6s  ", name_width - (int) strlen(rows[i].name), "", user_width,
                       user_of(&rows[i], number), rows[i].is_shared ? "yes" : "no");
                tool_print_list((const char *const *) rows[i].container->labels, ",");
                printf("\n");
        }
}

static void print_json(const struct row *rows, size_t n)
{
        tool_json_open(NULL, '[');
        for (size_t i = 0; i < n; i++) {
                const struct tool_running *container = rows[i].container;
                tool_json_open(NULL, '{');
                tool_json_text("name", rows[i].name);
                tool_json_text("machine", container->machine);
                tool_json_number("uid", container->uid);
                tool_json_number("supervisor", container->pid);
                tool_json_bool("shared", rows[i].is_shared);
                tool_json_pairs("labels", (const char *const *) container->labels);
                tool_json_close('}');
        }
        tool_json_close(']');
}

static void print_names(const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                tool_print_text(rows[i].name);
                printf("\n");
        }
}

static void print(const struct tool_running_list *list, const struct tool_named_list *named,
                  const struct choices *choices)
{
        mf_cleanup(mf_freep) struct row *rows = calloc(list->n + 1, sizeof(*rows));
        size_t n = 0;

        if (!rows)
                tool_oom();
        for (size_t i = 0; i < list->n; i++)
                if (is_wanted(&list->entries[i], choices))
                        rows[n++] = make_row(&list->entries[i], named);
        qsort(rows, n, sizeof(*rows), compare);
        if (choices->json)
                print_json(rows, n);
        else if (choices->quiet)
                print_names(rows, n);
        else
                print_table(rows, n);
}

static int run(int argc, char **argv)
{
        mf_cleanup(tool_running_list_clear) struct tool_running_list list = { 0 };
        mf_cleanup(tool_named_list_clear) struct tool_named_list named = { 0 };
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_ps, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        int r = tool_list_running(&list);
        if (r < 0)
                return tool_fail("looking for containers in /proc: %s", strerrordesc_np(-r));
        if (tool_list_named(NULL, &named) == -ENOMEM) /* without names, those of the machines do */
                tool_oom();
        print(&list, &named, &choices);
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
                "Lists the containers that run on this host: name, user, whether mayfly exec and others can enter "
                "them, and the labels of their specs. They can be "
                "those of any user, as far as /proc shows their processes. "
                "A user can fake containers of that user. What runs in another PID namespace, such as a container's, "
                "is "
                "not listed.",
        .exit_status = "0, or 1 when /proc cannot be read, or 2 when the command line is wrong.",
        .options = options,
        .run = run,
};
