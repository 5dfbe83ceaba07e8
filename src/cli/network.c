/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/keepers.h"
#include "cli/text.h"
#include "util/macro.h"
#include "util/nearest.h"

/* `mayfly network`: what the keepers say of their networks, and what they are asked to do there. */

struct choices {
        const char *state, *network;
        int json, quiet, one_way;
};

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

/* --- what there is ---------------------------------------------------------------------------------------------- */

/* Adds a list of who is cut off from whom. */
static void add_cuts(const struct keeper_found *keeper, json_t *network)
{
        const json_t *container, *name;
        json_t *cuts = json_array();
        size_t i, j;

        json_array_foreach(json_object_get(network, "containers"), i, container) {
                const char *from = text_of(container, "name");
                json_t *answer = keepers_question(keeper, json_pack("{s:s, s:s, s:s}", "request", "cuts", "network",
                                                                    text_of(network, "name"), "container", from));
                json_array_foreach(json_object_get(answer, "cuts"), j, name) {
                        (void) json_array_append_new(
                                cuts, json_pack("{s:s, s:s}", "from", from, "to", json_string_value(name)));
                }
                json_decref(answer);
        }
        (void) json_object_set_new(network, "cuts", cuts);
}

/* Adds a network, unless it has just ended. */
static void add_network(json_t *networks, const struct keeper_found *keeper, const char *name, int with_cuts)
{
        json_t *answer = keepers_question(keeper, json_pack("{s:s, s:s}", "request", "network", "network", name));
        json_t *network = json_pack("{s:s, s:I}", "name", name, "keeper", (json_int_t) keeper->pid);

        if (answer && network) {
                (void) json_object_update(network, answer);
                if (with_cuts)
                        add_cuts(keeper, network);
                (void) json_array_append(networks, network);
        }
        json_decref(network);
        json_decref(answer);
}

/* Returns a list of all networks, as ls --json prints it. */
static json_t *find_networks(const struct keepers *keepers, int with_cuts)
{
        json_t *networks = json_array();
        const json_t *name;
        size_t j;

        for (size_t i = 0; i < keepers->n; i++) {
                json_t *answer = keepers_question(&keepers->list[i], json_pack("{s:s}", "request", "networks"));
                json_array_foreach(json_object_get(answer, "networks"), j, name) {
                        add_network(networks, &keepers->list[i], json_string_value(name), with_cuts);
                }
                json_decref(answer);
        }
        return networks;
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static void print_row(const json_t *network)
{
        const char *subnet = json_string_value(json_array_get(json_object_get(network, "subnets"), 0));
        const size_t width = strlen(text_of(network, "name"));
        const json_t *item;
        size_t i;

        tool_print_text(text_of(network, "name"));
        printf("%*s  %-18s  %8d  ", width < 20 ? (int) (20 - width) : 0, "", subnet ? subnet : "-",
               (int) json_integer_value(json_object_get(network, "keeper")));
        json_array_foreach(json_object_get(network, "containers"), i, item) {
                if (i > 0)
                        putchar(',');
                tool_print_text(text_of(item, "name"));
        }
        putchar('\n');
}

/* Whether a network is among those that were asked for: all if there is no name. */
static int is_wanted(const json_t *network, char *const *names)
{
        int is_any = !*names;

        for (; *names; names++)
                is_any |= strcmp(*names, text_of(network, "name")) == 0;
        return is_any;
}

static void print_networks(const json_t *networks, const struct choices *choices, char *const *names)
{
        const json_t *network;
        size_t i;

        if (choices->json)
                tool_json_open(NULL, '[');
        else if (!choices->quiet)
                printf("%-20s  %-18s  %8s  %s\n", "NAME", "SUBNET", "KEEPER", "CONTAINERS");
        json_array_foreach(networks, i, network) {
                if (!is_wanted(network, names))
                        continue;
                if (choices->json)
                        tool_json_value(NULL, network);
                else if (!choices->quiet)
                        print_row(network);
                else
                        printf("%s\n", text_of(network, "name"));
        }
        if (choices->json)
                tool_json_close(']');
}

/* Complains of a name that no network has. */
static int check_name(const json_t *networks, const char *name)
{
        mf_cleanup(mf_freep) const char **names = calloc(json_array_size(networks) + 1, sizeof(*names));
        char meant[MF_MEANT_MAX];
        const json_t *network;
        size_t i;

        if (!names)
                tool_oom();
        json_array_foreach(networks, i, network) {
                names[i] = text_of(network, "name");
                if (strcmp(names[i], name) == 0)
                        return TOOL_OK;
        }
        return tool_fail("there is no network \"%s\"%s", name,
                         mf_meant(name, names, MF_MOST_EDITS, "; mayfly network ls lists those of mayfly up", meant));
}

/* ls, and inspect: docker's prints JSON. Complains of a name that none has. */
static int list(const struct keepers *keepers, const struct choices *choices, char *const *names)
{
        json_t *networks = find_networks(keepers, choices->json);
        int status = TOOL_OK;

        for (size_t i = 0; names[i] && status == TOOL_OK; i++)
                status = check_name(networks, names[i]);
        if (status == TOOL_OK)
                print_networks(networks, choices, names);
        json_decref(networks);
        return status;
}

static int has_network(const struct keepers *keepers, const char *name)
{
        json_t *networks = find_networks(keepers, 0);
        int status = check_name(networks, name);

        json_decref(networks);
        return status == TOOL_OK;
}

/* --- requests --------------------------------------------------------------------------------------------------- */

/* Asks the keeper of both containers; `b` NULL is for all. */
static int ask(const struct keepers *keepers, const struct choices *choices, const char *request, const char *a,
               const char *b)
{
        const struct keeper_found *keeper = keepers_complete(keepers, &a);
        const struct keeper_found *other = b ? keepers_complete(keepers, &b) : keeper;

        if (!keeper || !other)
                return keepers_complain(keepers, keeper ? b : a);
        if (keeper != other)
                return tool_fail("containers \"%s\" and \"%s\" are on no network together: each mayfly up has its own "
                                 "networks",
                                 a, b);
        return keepers_ask(keeper, a,
                           json_pack("{s:s, s:s, s:s*, s:s*, s:b}", "request", request, "container", a, "other", b,
                                     "network", choices->network, "one_way", choices->one_way));
}

static int run_action(const struct keepers *keepers, struct choices *choices, char *const *words, size_t n)
{
        const char *action = words[0];
        int is_cut = strcmp(action, "cut") == 0, is_off = strcmp(action, "disconnect") == 0;

        if (strcmp(action, "ls") == 0)
                return list(keepers, choices, words + n);
        if (strcmp(action, "inspect") == 0) {
                choices->json = 1;
                return list(keepers, choices, words + 1);
        }
        if (is_cut || strcmp(action, "mend") == 0)
                return ask(keepers, choices, action, words[1], words[2]);
        choices->network = words[1];
        return has_network(keepers, words[1]) ? ask(keepers, choices, is_off ? "cut" : "mend", words[2], NULL)
                                              : TOOL_FAILED;
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static const struct {
        const char *name, *operands;
        size_t least, most; /* operands behind it */
} actions[] = {
        { "ls", "", 0, 0 },
        { "inspect", "NETWORK...", 1, UINT_MAX },
        { "cut", "NAME [NAME]", 1, 2 },
        { "mend", "NAME [NAME]", 1, 2 },
        { "connect", "NETWORK NAME", 2, 2 },
        { "disconnect", "NETWORK NAME", 2, 2 },
};

static int check_words(const struct choices *choices, char *const *words, size_t n)
{
        const char *names[MF_ELEMENTSOF(actions) + 1] = { NULL };
        const char *action = words[0];
        char meant[MF_MEANT_MAX];
        size_t i = 0;

        for (size_t j = 0; j < MF_ELEMENTSOF(actions); j++)
                names[j] = actions[j].name;
        while (i < MF_ELEMENTSOF(actions) && strcmp(actions[i].name, action) != 0)
                i++;
        if (i == MF_ELEMENTSOF(actions))
                return tool_usage("network", "there is no action '%s'%s", action,
                                  mf_meant(action, names, MF_MOST_EDITS,
                                           "; the actions are ls, inspect, cut, mend, connect and disconnect", meant));
        if (n - 1 < actions[i].least || n - 1 > actions[i].most)
                return tool_usage("network", "%s operands; write mayfly network %s %s",
                                  n - 1 < actions[i].least ? "missing" : "extra", action, actions[i].operands);
        if (choices->one_way && (strcmp(action, "cut") != 0 || n < 3))
                return tool_usage("network", "--one-way is for cut and two containers");
        return TOOL_OK;
}

static int run(int argc, char **argv)
{
        mf_cleanup(keepers_clear) struct keepers keepers = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_network, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        status = check_words(&choices, operands.list, operands.n);
        if (status != TOOL_OK)
                return status;
        if (keepers_find(choices.state, &keepers, &err) < 0)
                return tool_fail("%s", err.message);
        return run_action(&keepers, &choices, operands.list, operands.n);
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "ls: print an array, with addresses and cuts"),
        TOOL_OPTION_QUIET(struct choices, "ls: print the names alone"),
        { .name = "network",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, network),
          .value = "NETWORK",
          .help = "cut, mend: on this network alone" },
        { .name = "one-way",
          .at = offsetof(struct choices, one_way),
          .help = "cut: lose only what the first container sends to the second" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "ACTION", NULL };

const struct tool_command tool_network = {
        .name = "network",
        .summary = "list networks, and cut containers off from each other",
        .synopsis =
                "ls [OPTION]...\ninspect [OPTION]... NETWORK...\ncut [OPTION]... NAME [NAME]\n"
                "mend [OPTION]... NAME [NAME]\ndisconnect [OPTION]... NETWORK NAME\nconnect [OPTION]... NETWORK NAME",
        .description =
                "ls lists the networks of containers of mayfly up, and inspect prints JSON about some. cut loses all "
                "that two containers, or one and all others, send to each other, without an answer and at once, and "
                "mend undoes that. disconnect and connect do the same for one container on one network.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
