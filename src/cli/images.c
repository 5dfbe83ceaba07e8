/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mayfly/store.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/operand.h"
#include "cli/text.h"
#include "util/macro.h"

#define SHORT_ID (7 + 12) /* "sha512-" and the digits: enough to tell the images of a store apart */

struct choices {
        int json, quiet, whole_ids;
        const char *store;
};

static void print_json(const struct mayfly_stored_image *image)
{
        char text[32];

        tool_json_open(NULL, '{');
        tool_json_text("id", image->id);
        tool_json_text("name", image->name);
        tool_json_pairs("labels", image->labels);
        tool_json_number("bytes", (int64_t) image->bytes);
        tool_json_text("last_used", tool_time(image->last_used, "%Y-%m-%dT%H:%M:%SZ", text));
        tool_json_bool("in_use", image->in_use);
        tool_json_text("signer", image->signer);
        tool_json_text("signer_name", image->signer_name);
        tool_json_close('}');
}

/* "3 days ago"; returns `text`. */
static const char *ago(int64_t when, char text[32])
{
        static const struct {
                const char *name;
                int64_t seconds;
        } units[] = { { "week", INT64_C(7) * 86400 }, { "day", 86400 }, { "hour", 3600 }, { "minute", 60 } };
        int64_t age = (int64_t) time(NULL) - when;

        for (size_t i = 0; i < MF_ELEMENTSOF(units); i++) {
                int64_t n = age / units[i].seconds;
                if (n < 1)
                        continue;
                snprintf(text, 32, "%" PRId64 " %s%s ago", n, units[i].name, tool_plural((uint64_t) n));
                return text;
        }
        return strcpy(text, "just now");
}

#define UNREADABLE "(unreadable)"
#define LAYER "(layer)"

/* Returns the name for the table. A layer of OCI images is called by its digest, which is its ID, too. */
static const char *name_of(const struct mayfly_stored_image *image)
{
        if (!image->name)
                return UNREADABLE;
        return strncmp(image->name, image->id, 6) == 0 && image->name[6] == ':' &&
                               strcmp(image->name + 7, image->id + 7) == 0
                       ? LAYER
                       : image->name;
}

static void print_row(const struct mayfly_stored_image *image, int name_width, int id_width)
{
        char size[32], used[32];

        printf("%-*s  %-*.*s  %10s  %-14s  %-6s", name_width, name_of(image), id_width, id_width, image->id,
               tool_size(image->bytes, size), ago(image->last_used, used), image->in_use ? "yes" : "no");
        printf("%s", image->labels && *image->labels ? "  " : "");
        tool_print_list(image->labels, ",");
        printf("\n");
}

static void print_table(struct mayfly_stored_image *const *images, int whole_ids)
{
        int name_width = (int) strlen(UNREADABLE), id_width = SHORT_ID;

        for (struct mayfly_stored_image *const *image = images; *image; image++) {
                int n = (int) strlen(name_of(*image)), id = whole_ids ? (int) strlen((*image)->id) : 0;
                name_width = n > name_width ? n : name_width;
                id_width = id > id_width ? id : id_width;
        }
        printf("%-*s  %-*s  %10s  %-14s  IN USE  LABELS\n", name_width, "NAME", id_width, "IMAGE ID", "SIZE",
               "LAST USED");
        for (; *images; images++)
                print_row(*images, name_width, id_width);
}

static void print(struct mayfly_stored_image *const *images, const struct choices *choices)
{
        if (choices->json)
                tool_json_open(NULL, '[');
        for (struct mayfly_stored_image *const *image = images; *image; image++)
                if (choices->json)
                        print_json(*image);
                else if (choices->quiet)
                        printf("%s\n", (*image)->id);
        if (choices->json)
                tool_json_close(']');
        else if (!choices->quiet && images[0])
                print_table(images, choices->whole_ids);
}

static int run(int argc, char **argv)
{
        struct mayfly_stored_image **images = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_images, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (tool_check_store(choices.store) != TOOL_OK)
                return TOOL_FAILED;
        if (mayfly_store_list(&images, choices.store, &err) < 0)
                return tool_fail("%s", err.message);
        print(images, &choices);
        mayfly_store_list_free(images);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "print an array, with whole IDs and exact times"),
        TOOL_OPTION_QUIET(struct choices, "print the IDs alone, as a whole"),
        { .name = "no-trunc", .at = offsetof(struct choices, whole_ids), .help = "print whole IDs" },
        TOOL_OPTION_STORE(struct choices, store),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_images = {
        .name = "images",
        .summary = "list the images of the store",
        .synopsis = "[OPTION]...",
        .description = "Lists the images of the store: name, ID, size on disk, last use, whether a process or a "
                       "container uses it, labels. The one that was not used for the longest time is first. The "
                       "shortened IDs will do for inspect, cat-manifest and verify.",
        .exit_status = "0, or 1 when the store cannot be read, or 2 when the command line is wrong.",
        .options = options,
        .run = run,
};
