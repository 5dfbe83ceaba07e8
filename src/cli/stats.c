/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <mayfly/life.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/named.h"
#include "cli/text.h"
#include "util/macro.h"

struct choices {
        const char *state;
        int json;
};

static const char *const states[] = { "?", "running", "paused", "ended" };

/* A number of bytes, or "-" for one that is not known. */
static const char *bytes(uint64_t n, char text[32])
{
        return n == MAYFLY_UNKNOWN ? "-" : tool_size(n, text);
}

static void print_row(const char *name, const struct mayfly_stats *stats)
{
        char memory[32], peak[32], cpu[32] = "-", processes[32] = "-";

        if (stats->cpu_us != MAYFLY_UNKNOWN)
                snprintf(cpu, sizeof(cpu), "%.3f s", (double) stats->cpu_us / 1e6);
        if (stats->processes != MAYFLY_UNKNOWN)
                snprintf(processes, sizeof(processes), "%" PRIu64, stats->processes);
        tool_print_text(name);
        printf("%*s  %-7s  %10s  %10s  %10s  %9s\n", strlen(name) < 20 ? (int) (20 - strlen(name)) : 0, "",
               states[stats->state], bytes(stats->memory, memory), bytes(stats->memory_peak, peak), cpu, processes);
}

static void print_number(const char *name, uint64_t n)
{
        if (n == MAYFLY_UNKNOWN)
                tool_json_null(name);
        else
                tool_json_number(name, (int64_t) n);
}

static void print_object(const char *name, const struct mayfly_stats *stats)
{
        tool_json_open(NULL, '{');
        tool_json_text("name", name);
        tool_json_text("state", states[stats->state]);
        print_number("memory", stats->memory);
        print_number("memory_peak", stats->memory_peak);
        print_number("cpu_us", stats->cpu_us);
        print_number("processes", stats->processes);
        print_number("oom_kills", stats->oom_kills);
        tool_json_close('}');
}

/* Reads the container's statistics. Nobody can attach to a container that is paused: then nothing else is known. */
static int read_stats(const char *state, const char *name, struct mayfly_stats *ret)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        *ret = (struct mayfly_stats) MAYFLY_STATS_INIT;
        int r = tool_find(state, name, &container, &err);
        if (r == -EBUSY) {
                ret->state = MAYFLY_STATE_PAUSED;
                ret->memory = ret->memory_peak = ret->cpu_us = ret->processes = ret->oom_kills = MAYFLY_UNKNOWN;
                return TOOL_OK;
        }
        if (r == 0)
                r = mayfly_container_stats(container, ret, &err);
        mayfly_container_free(container);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int print_all(const struct choices *choices, char **names)
{
        struct mayfly_stats stats;
        int status = TOOL_OK;

        if (choices->json)
                tool_json_open(NULL, '[');
        else
                printf("%-20s  %-7s  %10s  %10s  %10s  %9s\n", "NAME", "STATE", "MEMORY", "PEAK", "CPU", "PROCESSES");
        for (; *names; names++) {
                if (read_stats(choices->state, *names, &stats) != TOOL_OK)
                        status = TOOL_FAILED;
                else if (choices->json)
                        print_object(*names, &stats);
                else
                        print_row(*names, &stats);
        }
        if (choices->json)
                tool_json_close(']');
        return status;
}

static int run(int argc, char **argv)
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_stats, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (operands.n > 0)
                return print_all(&choices, operands.list);
        mf_cleanup(mf_freep) char **names = tool_names(choices.state, &list);
        return names ? print_all(&choices, names) : TOOL_FAILED;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "print an array; numbers that this host does not tell are null"),
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_stats = {
        .name = "stats",
        .summary = "print what containers use",
        .synopsis = "[OPTION]... [NAME]...",
        .description = "Prints a line for each container, of all that have names when none is given: what it does, its "
                       "memory now and at its peak, its processor time and its processes.",
        .exit_status = "0, or 1 when one of them could not be read, or 2 when the command line is wrong.",
        .options = options,
        .more_operands = UINT_MAX,
        .run = run,
};
