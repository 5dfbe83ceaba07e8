/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/build.h>

#include "cli/cli.h"

static const char usage[] =
        "Usage: mayfly build [OPTION]... ROOTFS IMAGE [-- PROGRAM [ARGUMENT]...]\n"
        "\n"
        "Makes an image (ACI) of a root file system: a folder, or a tar archive (\"-\" is standard input). Prints the "
        "reference that\n"
        "pins it. The same input gives the same bytes. PROGRAM is the image's app.\n"
        "\n"
        "  --manifest FILE    the image manifest; or else:\n"
        "  --name NAME        the image's name, such as example.com/redis\n"
        "  --label NAME=VALUE a label; may be repeated. os and arch default to this host's\n"
        "  --user USER        the app's user; default 0\n"
        "  --group GROUP      the app's group; default 0\n"
        "  --env NAME=VALUE   a variable of the app's environment; may be repeated\n"
        "  --cwd FOLDER       the app's working directory; default /\n"
        "\n"
        "  --compression=KIND gzip (default), xz or none; the image ID is the same\n"
        "  --owner-root       all files belong to root, whoever owns them now\n"
        "  --json             print what was built as JSON\n"
        "  --quiet            print the reference alone\n"
        "  --help             print this\n"
        "\n"
        "No file is newer than $SOURCE_DATE_EPOCH, when that is set.\n"
        "Exit status: 0, or 1 when it could not be done, or 2 for misuse.\n";

struct choices {
        struct mayfly_build_options build;
        const char **labels, **env;
        size_t n_labels, n_env;
        int json, quiet, help;
};

static int parse_compression(const char *text, enum mayfly_compression *ret)
{
        static const char *const names[] = { "gzip", "xz", "none" };

        for (int i = 0; i < 3; i++)
                if (strcmp(text, names[i]) == 0) {
                        *ret = (enum mayfly_compression) i;
                        return 1;
                }
        return 0;
}

/* -1, or the exit status. */
static int take(int c, struct choices *ret)
{
        switch (c) {
        case 'm':
                ret->build.manifest = optarg;
                return -1;
        case 'n':
                ret->build.name = optarg;
                return -1;
        case 'l':
                ret->labels[ret->n_labels++] = optarg;
                return -1;
        case 'u':
                ret->build.user = optarg;
                return -1;
        case 'g':
                ret->build.group = optarg;
                return -1;
        case 'e':
                ret->env[ret->n_env++] = optarg;
                return -1;
        case 'd':
                ret->build.cwd = optarg;
                return -1;
        case 'o':
                ret->build.owner_root = 1;
                return -1;
        case 'j':
                ret->json = 1;
                return -1;
        case 'q':
                ret->quiet = 1;
                return -1;
        case 'h':
                ret->help = 1;
                return -1;
        default:
                if (parse_compression(optarg, &ret->build.compression))
                        return -1;
                return tool_usage("build: --compression \"%.60s\" is none of gzip, xz and none", optarg);
        }
}

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct choices *ret)
{
        static const struct option known[] = {
                { "manifest", required_argument, NULL, 'm' },
                { "name", required_argument, NULL, 'n' },
                { "label", required_argument, NULL, 'l' },
                { "user", required_argument, NULL, 'u' },
                { "group", required_argument, NULL, 'g' },
                { "env", required_argument, NULL, 'e' },
                { "cwd", required_argument, NULL, 'd' },
                { "compression", required_argument, NULL, 'c' },
                { "owner-root", no_argument, NULL, 'o' },
                { "json", no_argument, NULL, 'j' },
                { "quiet", no_argument, NULL, 'q' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int c, app = argc;

        for (int i = 1; i < argc && app == argc; i++)
                if (strcmp(argv[i], "--") == 0)
                        app = i;
        opterr = 0;
        while ((c = getopt_long(app, argv, "", known, NULL)) >= 0) {
                int status = c == '?' ? tool_bad_option("build", argv[optind - 1]) : take(c, ret);
                if (status >= 0)
                        return status;
        }
        if (ret->help)
                return -1;
        if (app - optind < 2)
                return tool_usage("build: name a root file system and the image to make; see mayfly build --help");
        if (app - optind > 2)
                return tool_usage("build: \"%.100s\" is too much; see mayfly build --help", argv[optind + 2]);
        if (ret->build.manifest && (ret->build.name || ret->n_labels || ret->build.user || ret->build.group ||
                                    ret->n_env || ret->build.cwd || app < argc))
                return tool_usage("build: --manifest says all of the image; leave out what else does");
        if (!ret->build.manifest && !ret->build.name)
                return tool_usage("build: give a --manifest or a --name; see mayfly build --help");
        if (app < argc && app + 1 == argc)
                return tool_usage("build: there is no program after \"--\"");
        if (app < argc)
                ret->build.exec = (const char *const *) argv + app + 1;
        ret->build.labels = ret->labels;
        ret->build.env = ret->env;
        return -1;
}

static void print(const struct mayfly_pin *pin, const struct choices *choices)
{
        char served[32], unpacked[32];

        if (choices->json) {
                printf("{\"reference\": ");
                tool_json_string(pin->reference);
                printf(", \"id\": \"%s\", \"url\": ", pin->id);
                tool_json_string(pin->url);
                printf(", \"name\": \"%s\", \"labels\": ", pin->name);
                tool_json_pairs(pin->labels);
                printf(", \"blob_size\": %" PRIu64 ", \"archive_size\": %" PRIu64 "}\n", pin->blob_size,
                       pin->archive_size);
        } else if (choices->quiet) {
                printf("%s\n", pin->reference);
        } else {
                printf("%s\n\nname    %s\nlabels  ", pin->reference, pin->name);
                tool_print_list(pin->labels, ", ");
                printf("\nID      %s\nsize    %s, %s uncompressed\n", pin->id, tool_size(pin->blob_size, served),
                       tool_size(pin->archive_size, unpacked));
        }
}

int tool_build(int argc, char **argv)
{
        struct choices choices = { .build = MAYFLY_BUILD_OPTIONS_INIT };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_pin *pin = NULL;

        choices.labels = calloc((size_t) argc + 1, sizeof(char *));
        choices.env = calloc((size_t) argc + 1, sizeof(char *));
        int status = choices.labels && choices.env ? parse(argc, argv, &choices) : tool_fail("build: out of memory");
        if (status < 0 && choices.help) {
                status = fputs(usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        } else if (status < 0) {
                const char *rootfs = strcmp(argv[optind], "-") == 0 ? "/dev/stdin" : argv[optind];
                status = TOOL_OK;
                if (mayfly_image_build(&pin, rootfs, argv[optind + 1], &choices.build, &err) < 0)
                        status = tool_fail("%s", err.message);
                else
                        print(pin, &choices);
        }
        mayfly_pin_free(pin);
        free(choices.labels);
        free(choices.env);
        return status;
}
