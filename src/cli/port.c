/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <mayfly/port.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/named.h"
#include "cli/text.h"
#include "container/container.h"

struct choices {
        const char *state;
        int json;
};

#define PORT_MAX (MF_FORWARD_PATH_MAX + 8)

static void print_all(const struct mayfly_container *container, int json)
{
        char port[PORT_MAX];

        if (json)
                tool_json_open(NULL, '[');
        for (size_t i = 0; i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                if (link->is_host_port)
                        continue;
                mf_port_show(&link->inside, port, sizeof(port));
                if (json) {
                        tool_json_open(NULL, '{');
                        tool_json_text("port", port);
                        tool_json_text("name", link->name);
                        tool_json_text("address", link->text);
                        tool_json_close('}');
                } else {
                        tool_print_text(port);
                        printf(" -> %s\n", link->text);
                }
        }
        if (json)
                tool_json_close(']');
}

static int print_one(const struct mayfly_container *container, const char *port)
{
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_address(container, port, &address, &err) < 0)
                return tool_fail("%s", err.message);
        printf("%s\n", address.text);
        return TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct mayfly_container *container = NULL;
        struct tool_operands operands;
        int status = tool_parse(&tool_port, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (choices.json && operands.n > 1)
                return tool_usage("port", "--json lists all ports; leave '%s' out", operands.list[1]);
        if (tool_attach_paused(choices.state, operands.list[0], &container) != TOOL_OK)
                return TOOL_FAILED;
        if (operands.n > 1)
                status = print_one(container, operands.list[1]);
        else
                print_all(container, choices.json);
        mayfly_container_free(container);
        return operands.n > 1 ? status : TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "print an array, with the name of each port"),
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

const struct tool_command tool_port = {
        .name = "port",
        .summary = "print where a container's published ports are reached",
        .synopsis = "[OPTION]... NAME [PORT]",
        .description =
                "Prints the address of a published PORT, such as 6379, 53/udp or a name; without one, a line for "
                "each port that was published when the container was shared.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = 1,
        .run = run,
};
