/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include <mayfly/store.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "util/temporary.h"

struct choices {
        int quiet;
        struct mayfly_gc_options gc;
};

/* Told of each thing that the library looks at. */
static int report(const struct mayfly_store_report *report, void *userdata)
{
        const struct choices *choices = userdata;
        const char *gone = choices->gc.dry_run ? "would go" : "removed";
        char size[32];

        if (choices->quiet)
                return 0;
        tool_size(report->bytes, size);
        if (report->event == MAYFLY_STORE_KEPT)
                printf("kept     %s (%s)\n", report->image, size);
        else if (report->event == MAYFLY_STORE_IN_USE)
                printf("in use   %s (%s)\n", report->image, size);
        else if (report->event == MAYFLY_STORE_REMOVED)
                printf("%s  %s (%s)\n", gone, report->image, size);
        else if (report->event == MAYFLY_STORE_LEFTOVER)
                printf("%s  %s (%s), left by a killed process\n", gone, report->path, size);
        else if (report->event == MAYFLY_STORE_LAYER)
                printf("%s  %s, made of images\n", gone, report->path);
        return 0;
}

static void print_result(const struct mayfly_gc_result *result, int dry_run)
{
        char freed[32], kept[32];

        printf("%s%" PRIu64 " image%s and %" PRIu64 " leftover%s removed, %s freed; %" PRIu64 " kept (%s)\n",
               dry_run ? "would be: " : "", result->removed, tool_plural(result->removed), result->leftovers,
               tool_plural(result->leftovers), tool_size(result->bytes_freed, freed), result->kept,
               tool_size(result->bytes_kept, kept));
}

static int run(int argc, char **argv)
{
        struct choices choices = { .gc = MAYFLY_GC_OPTIONS_INIT };
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        int status = tool_parse(&tool_gc, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        choices.gc.report = report;
        choices.gc.userdata = &choices;
        if (!choices.gc.dry_run)
                mf_temporary_sweep();
        int r = mayfly_store_gc(&result, &choices.gc, &err);
        if (!choices.quiet && (r == 0 || result.removed > 0))
                print_result(&result, choices.gc.dry_run);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static const struct tool_option options[] = {
        { .name = "max-age",
          .kind = TOOL_AGE,
          .at = offsetof(struct choices, gc.max_age_s),
          .value = "TIME",
          .help = "remove images that were not used for this time: a number with s, m, h, d or w (seconds to weeks)" },
        { .name = "max-size",
          .kind = TOOL_BYTES,
          .at = offsetof(struct choices, gc.max_bytes),
          .value = "SIZE",
          .help = "remove the images that were not used for the longest time until the store is no larger: a number "
                  "with B, K, M, G or T, or KiB, MiB, GiB or TiB (powers of 1,024)" },
        { .name = "all",
          .letter = 'a',
          .at = offsetof(struct choices, gc.all),
          .help = "remove every image that is not in use" },
        { .name = "dry-run",
          .letter = 'n',
          .at = offsetof(struct choices, gc.dry_run),
          .help = "remove nothing, and print what would be removed" },
        TOOL_OPTION_STORE(struct choices, gc.store),
        TOOL_OPTION_QUIET(struct choices, "print errors alone"),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_gc = {
        .name = "gc",
        .summary = "remove images from the store, by age and by size",
        .synopsis = "[OPTION]...",
        .description = "Collects garbage in the store: what killed processes left, and images by age and by size. "
                       "What a process or a container uses stays.",
        .exit_status = "0, or 1 when something could not be removed, or 2 when the command line is wrong.",
        .options = options,
        .run = run,
};
