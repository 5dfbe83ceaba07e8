/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/store.h>

#include "cli/cli.h"

static const char verify_usage[] =
        "Usage: mayfly verify [OPTION]... [IMAGE]\n"
        "\n"
        "Compares the store's images, or one, with the records made when they were published, and tells what differs.\n"
        "A damaged image is dropped: its next user fetches it again.\n"
        "IMAGE is an image ID, sha512-..., or a reference that ends in one.\n"
        "\n"
        "  --keep          leave damaged images where they are\n"
        "  --store FOLDER  the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
        "  --quiet         tell of damage only\n"
        "  --help          print this\n"
        "\n"
        "Exit status: 0 when all is as it was published, 1 when not, or when it could not be found out, 2 for "
        "misuse.\n";

static const char gc_usage[] =
        "Usage: mayfly gc [OPTION]...\n"
        "\n"
        "Collects garbage in the store: what killed processes left, and images by age and by size. What a process or "
        "a\n"
        "container uses stays.\n"
        "\n"
        "  --max-age TIME   remove images not used for so long: a number and s, m, h, d or w (seconds to weeks)\n"
        "  --max-size SIZE  remove the longest unused until the store is no larger: a number of bytes, or one with K, "
        "M, G or\n"
        "                   T (powers of 1,024)\n"
        "  --all            remove every image that is not in use\n"
        "  --dry-run        only tell what would be removed\n"
        "  --store FOLDER   the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
        "  --quiet          tell nothing but errors\n"
        "  --help           print this\n"
        "\n"
        "Exit status: 0, or 1 when something could not be removed, or 2 for misuse.\n";

/* Handed through the library to the callbacks. */
struct output {
        int quiet, dry_run;
};

/* A number and one of the units' letters; -EINVAL for anything else, 0 included. */
static int parse_amount(const char *text, const char *letters, const uint64_t *factors, uint64_t *ret)
{
        char *end;

        errno = 0;
        uint64_t n = strtoull(text, &end, 10), factor = 1;
        if (*text < '0' || *text > '9' || errno || n == 0)
                return -EINVAL;
        if (*end) {
                const char *letter = strchr(letters, *end);
                if (!letter || end[1])
                        return -EINVAL;
                factor = factors[letter - letters];
        }
        return __builtin_mul_overflow(n, factor, ret) ? -EINVAL : 0;
}

/* --- verify */

static int report_verified(const struct mayfly_store_report *report, void *userdata)
{
        const struct output *output = userdata;
        const char *kind = strstr(report->path, "/layers/") ? "layer " : "";

        if (report->event == MAYFLY_STORE_SOUND && !output->quiet)
                printf("sound    %s\n", report->image);
        else if (report->event == MAYFLY_STORE_DIFFERS)
                printf("differs  %s: %s\n", report->path, report->what);
        else if (report->event == MAYFLY_STORE_DAMAGED)
                printf("damaged  %s%s\n", kind, report->image);
        else if (report->event == MAYFLY_STORE_DROPPED)
                printf("dropped  %s%s\n", kind, report->image);
        return 0;
}

int tool_verify(int argc, char **argv)
{
        static const struct option known[] = {
                { "keep", no_argument, NULL, 'k' },
                { "store", required_argument, NULL, 's' },
                { "quiet", no_argument, NULL, 'q' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct output output = { 0 };
        char read[32];
        int c;

        opterr = 0;
        options.report = report_verified;
        options.userdata = &output;
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                if (c == 'k')
                        options.keep = 1;
                else if (c == 's')
                        options.store = optarg;
                else if (c == 'q')
                        output.quiet = 1;
                else if (c == 'h')
                        return fputs(verify_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
                else
                        return tool_bad_option("verify", argv[optind - 1]);
        }
        if (argc - optind > 1)
                return tool_usage("verify: one image at a time, or all; see mayfly verify --help");
        options.image = argv[optind];
        if (options.store &&
            access(options.store, F_OK) < 0) /* one that is not there yet has no images, but this is a typo */
                return tool_fail("the store \"%.300s\": %s", options.store, strerror(errno));
        int r = mayfly_store_verify(&result, &options, &err);
        if (!output.quiet && (r == 0 || result.images > 0))
                printf("%" PRIu64 " image%s verified, %" PRIu64 " damaged, %" PRIu64 " dropped; %s read\n",
                       result.images, result.images == 1 ? "" : "s", result.damaged, result.dropped,
                       tool_size(result.bytes, read));
        if (r < 0)
                return tool_fail("%s", err.message);
        return result.damaged || result.damaged_layers ? TOOL_FAILED : TOOL_OK;
}

/* --- gc */

static int report_collected(const struct mayfly_store_report *report, void *userdata)
{
        const struct output *output = userdata;
        char size[32];

        if (output->quiet)
                return 0;
        tool_size(report->bytes, size);
        if (report->event == MAYFLY_STORE_KEPT)
                printf("kept     %s (%s)\n", report->image, size);
        else if (report->event == MAYFLY_STORE_IN_USE)
                printf("in use   %s (%s)\n", report->image, size);
        else if (report->event == MAYFLY_STORE_REMOVED)
                printf("%s  %s (%s)\n", output->dry_run ? "would go" : "removed", report->image, size);
        else if (report->event == MAYFLY_STORE_LEFTOVER)
                printf("%s  %s (%s), left by a killed process\n", output->dry_run ? "would go" : "removed",
                       report->path, size);
        else if (report->event == MAYFLY_STORE_LAYER)
                printf("%s  %s, made of images\n", output->dry_run ? "would go" : "removed", report->path);
        return 0;
}

static int parse_gc(int argc, char **argv, struct mayfly_gc_options *options, struct output *output)
{
        static const struct option known[] = {
                { "max-age", required_argument, NULL, 'a' }, { "max-size", required_argument, NULL, 'm' },
                { "all", no_argument, NULL, 'A' },           { "dry-run", no_argument, NULL, 'd' },
                { "store", required_argument, NULL, 's' },   { "quiet", no_argument, NULL, 'q' },
                { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
        };
        static const uint64_t seconds[] = { 1, 60, 3600, 86400, 7 * 86400 };
        static const uint64_t bytes[] = { UINT64_C(1) << 10, UINT64_C(1) << 20, UINT64_C(1) << 30, UINT64_C(1) << 40 };
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                if (c == 'a' && parse_amount(optarg, "smhdw", seconds, &options->max_age_s) < 0)
                        return tool_usage("--max-age %.100s is not a number from 1 with s, m, h, d or w", optarg);
                if (c == 'm' && parse_amount(optarg, "KMGT", bytes, &options->max_bytes) < 0)
                        return tool_usage("--max-size %.100s is not a number from 1, alone or with K, M, G or T",
                                          optarg);
                if (c == 'A')
                        options->all = 1;
                else if (c == 'd')
                        options->dry_run = output->dry_run = 1;
                else if (c == 's')
                        options->store = optarg;
                else if (c == 'q')
                        output->quiet = 1;
                else if (c == 'h')
                        return fputs(gc_usage, stdout) < 0 ? TOOL_FAILED : -1;
                else if (c != 'a' && c != 'm')
                        return tool_bad_option("gc", argv[optind - 1]);
        }
        if (optind < argc)
                return tool_usage("gc: \"%.100s\" is too much; see mayfly gc --help", argv[optind]);
        return 0;
}

int tool_gc(int argc, char **argv)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct output output = { 0 };
        char freed[32], kept[32];
        int r = parse_gc(argc, argv, &options, &output);

        if (r != 0)
                return r < 0 ? TOOL_OK : r;
        options.report = report_collected;
        options.userdata = &output;
        r = mayfly_store_gc(&result, &options, &err);
        if (!output.quiet && (r == 0 || result.removed > 0))
                printf("%s%" PRIu64 " image%s and %" PRIu64 " leftover%s removed, %s freed; %" PRIu64 " kept (%s)\n",
                       options.dry_run ? "would be: " : "", result.removed, result.removed == 1 ? "" : "s",
                       result.leftovers, result.leftovers == 1 ? "" : "s", tool_size(result.bytes_freed, freed),
                       result.kept, tool_size(result.bytes_kept, kept));
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}
