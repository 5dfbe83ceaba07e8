/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/log.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/run-control.h"
#include "util/fd.h"
#include "util/macro.h"

struct choices {
        const char *state;
        int follow, timestamps;
        unsigned tail;     /* UINT_MAX: all */
        uint64_t since;    /* seconds ago */
        uint64_t since_us; /* the same as a time since 1970; 0: the beginning */
};

/* "2026-11-28T12:00:00.000000Z ", as docker has it. */
static void print_time(FILE *stream, uint64_t time_us)
{
        const time_t seconds = (time_t) (time_us / 1000000);
        char text[32];
        struct tm tm;

        if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) > 0)
                fprintf(stream, "%s.%06" PRIu64 "Z ", text, time_us % 1000000);
}

/* Prints a line as it was written, to the stream that it was written to. Returns non-zero when nobody takes it. */
static int print_line(const struct mayfly_log_line *line, void *userdata)
{
        const struct choices *choices = userdata;
        FILE *stream = line->stream == MAYFLY_STREAM_ERROR ? stderr : stdout;

        if (line->time_us < choices->since_us)
                return 0;
        if (choices->timestamps)
                print_time(stream, line->time_us);
        fwrite(line->text, 1, line->text_size, stream);
        if (line->is_complete || choices->timestamps)
                fputc('\n', stream);
        if (choices->follow)
                fflush(stream);
        return ferror(stream);
}

static int print_log(struct mayfly_container *container, struct choices *choices)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_log *log = NULL;
        uint64_t position = 0;

        int r = choices->tail == UINT_MAX ? mayfly_container_log_read(container, 0, &log, &err)
                                          : mayfly_container_log_tail(container, choices->tail, &log, &err);
        /* With --follow a line without an end is printed when it has one. */
        for (size_t i = 0; r == 0 && i < log->n_lines; i++)
                if (log->lines[i]->is_complete || !choices->follow) {
                        r = print_line(log->lines[i], choices);
                        position = log->lines[i]->end;
                }
        mayfly_log_free(log);
        if (r == 0 && choices->follow)
                r = mayfly_container_log_follow(container, &position, UINT32_MAX, print_line, choices, &err);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK; /* main() says what could not be written */
}

static int run(int argc, char **argv)
{
        struct choices choices = { .tail = UINT_MAX };
        struct mayfly_container *container = NULL;
        struct tool_operands operands;
        struct timespec now;
        int status = tool_parse(&tool_logs, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        clock_gettime(CLOCK_REALTIME, &now);
        if (choices.since && choices.since < (uint64_t) now.tv_sec)
                choices.since_us = ((uint64_t) now.tv_sec - choices.since) * 1000000;
        mf_cleanup(mf_closep) int run = -1;
        if (tool_attach_paused(choices.state, operands.list[0], &container) != TOOL_OK)
                return TOOL_FAILED;
        status = run_check_app(operands.list[0], container, &run);
        if (status == TOOL_OK)
                status = print_log(container, &choices);
        mayfly_container_free(container);
        return status;
}

static const struct tool_option options[] = {
        { .name = "follow",
          .letter = 'f',
          .at = offsetof(struct choices, follow),
          .help = "go on until the container ends" },
        { .name = "tail",
          .letter = 'n',
          .kind = TOOL_NUMBER,
          .at = offsetof(struct choices, tail),
          .value = "LINES",
          .help = "begin with so many of the last lines" },
        { .name = "timestamps",
          .letter = 't',
          .at = offsetof(struct choices, timestamps),
          .help = "print before each line when it came, in UTC" },
        { .name = "since",
          .kind = TOOL_AGE,
          .at = offsetof(struct choices, since),
          .value = "AGE",
          .help = "only lines that are not older, such as 10m" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

const struct tool_command tool_logs = {
        .name = "logs",
        .summary = "print what a container's app has written",
        .synopsis = "[OPTION]... NAME",
        .description =
                "Prints the log of the container's app: what is kept of its output, at the end. Where the streams "
                "are separate, error output goes to standard error.\n"
                "Of a mayfly run it is what its command has written.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
