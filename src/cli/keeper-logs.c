/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/log.h>

#include "cli/keeper.h"
#include "util/macro.h"

/* What the containers of a keeper in the foreground write, with their names, as `docker compose up` prints it. */

/* Of the names: colours of terminals that can be read on a light and on a dark ground. */
static const char *const colours[] = { "36", "33", "32", "35", "34", "96", "93", "92", "95", "94" };

struct line_printer {
        const struct keeper *keeper;
        const char *name, *colour;
        int width;
};

int keeper_shows_logs(const struct keeper *keeper)
{
        return keeper->is_ready && !keeper->is_detached && !keeper->choices->quiet;
}

static int width_of_names(const struct keeper *keeper)
{
        size_t width = 0;

        for (size_t i = 0; i < keeper->declaration->n; i++) {
                const char *name = keeper->declaration->containers[i].name;
                size_t length = name ? strlen(name) : 0;
                width = length > width ? length : width;
        }
        return (int) width;
}

/* Whether colours are wanted: on a terminal, unless somebody has said no. See https://no-color.org. */
static int has_colours(const struct keeper *keeper, FILE *stream)
{
        const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

        return !keeper->choices->no_color && (!no || !*no) && (!terminal || strcmp(terminal, "dumb") != 0) &&
               isatty(fileno(stream));
}

/* Whether nobody waits for the reader: a keeper has more to do. */
static int has_room(FILE *stream)
{
        return poll(&(struct pollfd){ .fd = fileno(stream), .events = POLLOUT }, 1, 0) > 0;
}

static int print_line(const struct mayfly_log_line *line, void *userdata)
{
        const struct line_printer *printer = userdata;
        FILE *stream = line->stream == MAYFLY_STREAM_ERROR ? stderr : stdout;

        if (!printer->keeper->choices->no_log_prefix && has_colours(printer->keeper, stream))
                fprintf(stream, "\033[%sm%-*s |\033[0m ", printer->colour, printer->width, printer->name);
        else if (!printer->keeper->choices->no_log_prefix)
                fprintf(stream, "%-*s | ", printer->width, printer->name);
        fwrite(line->text, 1, line->text_size, stream);
        fputc('\n', stream);
        (void) fflush(stream);
        return !has_room(stream); /* the rest comes when there is room */
}

void keeper_print_log(const struct keeper *keeper, struct kept *kept)
{
        struct line_printer printer = { .keeper = keeper, .name = kept->name, .width = width_of_names(keeper) };
        size_t i = 0;

        if (!keeper_shows_logs(keeper) || kept->is_branch || !has_room(stdout))
                return;
        while (i < keeper->n && keeper->kept[i] != kept)
                i++;
        printer.colour = colours[i % MF_ELEMENTSOF(colours)];
        (void) mayfly_container_log_follow(kept->container, &kept->log_position, 0, print_line, &printer, NULL);
}

void keeper_print_logs(const struct keeper *keeper)
{
        for (size_t i = 0; i < keeper->n; i++)
                if (keeper->kept[i]->container)
                        keeper_print_log(keeper, keeper->kept[i]);
}
