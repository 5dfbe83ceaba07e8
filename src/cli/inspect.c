/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/inspect.h>

#include "cli/cli.h"
#include "util/progress.h"

static const char validate_usage[] =
        "Usage: mayfly validate [OPTION]... FILE...\n"
        "\n"
        "Checks images (.aci), manifests (JSON) and layouts (a folder with a manifest and a rootfs) against all the "
        "rules of\n"
        "the appc specification. \"-\" is standard input. What a file is its content tells.\n"
        "\n"
        "  --type=TYPE  what they must be: appimage, manifest or layout\n"
        "  --json       print it as a JSON array\n"
        "  --quiet      tell only what is not valid\n"
        "  --help       print this\n"
        "\n"
        "Exit status: 0, or 1 when one is not valid or cannot be read, or 2 for misuse.\n";

static const char inspect_usage[] =
        "Usage: mayfly inspect [OPTION]... IMAGE\n"
        "\n"
        "Tells what an image, a manifest or a layout has in it. IMAGE is a file or folder (\"-\" is standard input), "
        "the "
        "ID of an\n"
        "image in the store, or a reference.\n"
        "\n"
        "  --json          print it as JSON, with the manifest as it is\n"
        "  --store FOLDER  the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
        "  --allow-http    plain http to other hosts is fine\n"
        "  --quiet         no progress\n"
        "  --help          print this\n"
        "\n"
        "Exit status: 0, or 1 when there is no such image or it is not valid, or 2 for misuse.\n";

static const char cat_usage[] =
        "Usage: mayfly cat-manifest [OPTION]... IMAGE\n"
        "\n"
        "Prints the manifest, byte by byte as it is in the image. IMAGE is as for mayfly inspect.\n"
        "\n"
        "  --pretty        indent it\n"
        "  --store FOLDER  the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
        "  --allow-http    plain http to other hosts is fine\n"
        "  --quiet         no progress\n"
        "  --help          print this\n"
        "\n"
        "Exit status: 0, or 1 when there is no such image or it is not valid, or 2 for misuse.\n";

static const char *const kinds[] = { NULL, "appimage", "manifest", "layout" };
static const char *const kind_names[] = { "file", "image", "manifest", "layout" };

struct choices {
        int json, quiet, help, pretty;
        enum mayfly_kind kind;
        struct mayfly_image_options image;
};

static int parse_kind(const char *text, enum mayfly_kind *ret)
{
        for (int kind = MAYFLY_KIND_APPIMAGE; kind <= MAYFLY_KIND_LAYOUT; kind++)
                if (strcmp(text, kinds[kind]) == 0) {
                        *ret = (enum mayfly_kind) kind;
                        return 1;
                }
        return 0;
}

/* `letters` says which options the command has. -1 to go on, else the exit status. */
static int parse(int argc, char **argv, const char *letters, struct choices *ret)
{
        static const struct option known[] = {
                { "json", no_argument, NULL, 'j' },       { "quiet", no_argument, NULL, 'q' },
                { "type", required_argument, NULL, 't' }, { "store", required_argument, NULL, 's' },
                { "pretty", no_argument, NULL, 'p' },     { "allow-http", no_argument, NULL, 'a' },
                { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
        };
        int c;

        opterr = 0;
        *ret = (struct choices){ .image = MAYFLY_IMAGE_OPTIONS_INIT };
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                if (c == '?' || !strchr(letters, c))
                        return tool_bad_option(argv[0], argv[optind - 1]);
                ret->json |= c == 'j';
                ret->quiet |= c == 'q';
                ret->pretty |= c == 'p';
                ret->help |= c == 'h';
                if (c == 's')
                        ret->image.store = optarg;
                if (c == 'a')
                        ret->image.allow_http = 1;
                if (c == 't' && !parse_kind(optarg, &ret->kind))
                        return tool_usage("%s: --type %.60s is none of appimage, manifest and layout", argv[0], optarg);
        }
        if (ret->help)
                return -1;
        if (argc == optind)
                return tool_usage("%s: no %s is named; see mayfly %s --help", argv[0],
                                  strchr(letters, 's') ? "image" : "file", argv[0]);
        if (argc - optind > 1 && strchr(letters, 's'))
                return tool_usage("%s: \"%.100s\" is too much; see mayfly %s --help", argv[0], argv[optind + 1],
                                  argv[0]);
        return -1;
}

static const char *path_of(const char *argument)
{
        return strcmp(argument, "-") == 0 ? "/dev/stdin" : argument;
}

/* --- validate ------------------------------------------------------------------------------------------------- */

/* The specification wants the name. */
static int has_odd_name(const struct mayfly_inspection *found, const char *file)
{
        size_t n = strlen(file);

        return found->kind == MAYFLY_KIND_APPIMAGE && strcmp(file, "-") != 0 &&
               (n < 4 || strcmp(file + n - 4, ".aci") != 0);
}

#define ODD_NAME "its name does not end in .aci"

static void print_verdict_json(const char *file, const struct mayfly_inspection *found, const struct mayfly_error *err)
{
        const char *comma = "";

        printf("{\"file\": ");
        tool_json_string(file);
        printf(", \"valid\": %s", found ? "true" : "false");
        if (!found) {
                printf(", \"error\": ");
                tool_json_string(err->message);
                printf("}");
                return;
        }
        printf(", \"type\": \"%s\", \"name\": \"%s\"", kinds[found->kind], found->name);
        if (found->id)
                printf(", \"id\": \"%s\"", found->id);
        printf(", \"warnings\": [");
        if (has_odd_name(found, file)) {
                printf("\"" ODD_NAME "\"");
                comma = ", ";
        }
        for (const char *const *w = found->warnings; *w; w++, comma = ", ") {
                fputs(comma, stdout);
                tool_json_string(*w);
        }
        printf("]}");
}

static void print_verdict(const char *file, const struct mayfly_inspection *found, const struct mayfly_error *err,
                          int quiet)
{
        const char *const odd_name[] = { ODD_NAME, NULL };

        if (found && quiet)
                return;
        tool_print_text(file);
        if (!found) {
                printf(": invalid: ");
                tool_print_text(err->message);
                printf("\n");
                return;
        }
        printf(": valid %s%s%s\n", kind_names[found->kind], found->id ? ", " : "", found->id ? found->id : "");
        for (int i = 0; i < 2; i++)
                for (const char *const *w = i ? found->warnings : odd_name; *w; w++) {
                        if (!i && !has_odd_name(found, file))
                                continue;
                        tool_print_text(file);
                        printf(": warning: ");
                        tool_print_text(*w);
                        printf("\n");
                }
}

int tool_validate(int argc, char **argv)
{
        struct choices choices;
        int status = parse(argc, argv, "jqth", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(validate_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        status = TOOL_OK;
        for (int i = optind; i < argc; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_inspection *found = NULL;
                if (mayfly_inspect_file(&found, path_of(argv[i]), choices.kind, &err) < 0)
                        status = TOOL_FAILED;
                if (choices.json)
                        printf("%s\n  ", i == optind ? "[" : ",");
                if (choices.json)
                        print_verdict_json(argv[i], found, &err);
                else
                        print_verdict(argv[i], found, &err, choices.quiet);
                mayfly_inspection_free(found);
        }
        if (choices.json)
                printf("\n]\n");
        return status;
}

/* --- inspect -------------------------------------------------------------------------------------------------- */

/* A file if there is one of that name, else an image. */
static int find(const char *what, const struct choices *choices, struct mayfly_inspection **ret,
                struct mayfly_error *err)
{
        struct mayfly_image_options options = choices->image;
        struct mf_progress_printer printer;

        if (access(path_of(what), F_OK) == 0)
                return mayfly_inspect_file(ret, path_of(what), MAYFLY_KIND_ANY, err);
        mf_progress_init(&printer, stderr);
        if (!choices->quiet) {
                options.progress = mf_progress_print;
                options.progress_userdata = &printer;
        }
        int r = mayfly_inspect_image(ret, what, &options, err);
        mf_progress_finish(&printer);
        return r;
}

static void print_line(const char *title, const char *text)
{
        if (!text)
                return;
        printf("%-12s ", title);
        tool_print_text(text);
        printf("\n");
}

/* Each on a line of its own, as they may be long. */
static void print_lines(const char *title, const char *const *list)
{
        for (; list && *list; list++, title = "")
                print_line(title, *list);
}

/* As they are executed: what has spaces in it shows where it ends. */
static void print_words(const char *title, const char *const *words)
{
        if (!words)
                return;
        printf("%-12s", title);
        for (; *words; words++) {
                int plain = **words && !strpbrk(*words, " \t\n'\"\\$`");
                printf(plain ? " " : " \"");
                tool_print_text(*words);
                printf("%s", plain ? "" : "\"");
        }
        printf("\n");
}

static void print_size(const char *title, uint64_t bytes)
{
        char text[32];

        if (bytes >= 1024)
                printf("%-12s %s (%" PRIu64 " bytes)\n", title, tool_size(bytes, text), bytes);
        else if (bytes > 0)
                printf("%-12s %s\n", title, tool_size(bytes, text));
}

static const char *const outcomes[] = { "enforced", "changed", "ignored" };

static void print_app(const struct mayfly_inspection *image)
{
        const char *title = "groups";

        print_words("exec", image->exec);
        print_line("user", image->user);
        print_line("group", image->group);
        for (size_t i = 0; i < image->n_groups; i++, title = "")
                printf("%-12s %" PRIu32 "\n", title, image->groups[i]);
        print_line("folder", image->cwd);
        print_lines("environment", image->env);
        print_words("pre-start", image->pre_start);
        print_words("post-stop", image->post_stop);
        title = "mount point";
        for (size_t i = 0; image->mounts[i]; i++, title = "") {
                printf("%-12s %s ", title, image->mounts[i]->name);
                tool_print_text(image->mounts[i]->path);
                printf("%s\n", image->mounts[i]->read_only ? ", read-only" : "");
        }
        title = "port";
        for (size_t i = 0; image->ports[i]; i++, title = "") {
                const struct mayfly_manifest_port *port = image->ports[i];
                printf("%-12s %s ", title, port->name);
                tool_print_text(port->protocol);
                printf(" %u", port->port);
                if (port->count > 1)
                        printf("-%u", port->port + port->count - 1);
                printf("%s\n", port->socket_activated ? ", socket-activated" : "");
        }
        title = "isolator";
        for (size_t i = 0; image->isolators[i]; i++, title = "") {
                printf("%-12s %s ", title, image->isolators[i]->name);
                tool_print_text(image->isolators[i]->value);
                printf("\n%-12s %s%s", "", outcomes[image->isolators[i]->outcome],
                       image->isolators[i]->detail ? ": " : "");
                tool_print_text(image->isolators[i]->detail ? image->isolators[i]->detail : "");
                printf("\n");
        }
}

static void print_inspection(const struct mayfly_inspection *image)
{
        const char *title = "depends on";

        print_line("type", kind_names[image->kind]);
        print_line("name", image->name);
        print_lines("label", image->labels);
        print_lines("annotation", image->annotations);
        print_line("ID", image->id);
        print_size("archive", image->blob_size);
        print_size("uncompressed", image->archive_size);
        print_size("on disk", image->stored_size);
        print_app(image);
        for (size_t i = 0; image->dependencies[i]; i++, title = "") {
                const struct mayfly_manifest_dependency *dependency = image->dependencies[i];
                printf("%-12s %s%s", title, dependency->name, *dependency->labels ? "," : "");
                tool_print_list(dependency->labels, ",");
                printf("%s%s\n", dependency->id ? "@" : "", dependency->id ? dependency->id : "");
        }
        print_lines("whitelist", image->whitelist);
        print_lines("warning", image->warnings);
}

static void print_inspection_json(const struct mayfly_inspection *image)
{
        printf("{\"type\": \"%s\", \"name\": \"%s\", \"labels\": ", kinds[image->kind], image->name);
        tool_json_pairs(image->labels);
        printf(", \"annotations\": ");
        tool_json_pairs(image->annotations);
        if (image->id)
                printf(", \"id\": \"%s\"", image->id);
        printf(", \"blob_size\": %" PRIu64 ", \"archive_size\": %" PRIu64 ", \"stored_size\": %" PRIu64
               ", \"warnings\": [",
               image->blob_size, image->archive_size, image->stored_size);
        for (size_t i = 0; image->warnings[i]; i++) {
                printf("%s", i ? ", " : "");
                tool_json_string(image->warnings[i]);
        }
        printf("], \"isolators\": [");
        for (size_t i = 0; image->isolators[i]; i++) {
                printf("%s{\"name\": ", i ? ", " : "");
                tool_json_string(image->isolators[i]->name);
                printf(", \"outcome\": \"%s\", \"detail\": ", outcomes[image->isolators[i]->outcome]);
                if (image->isolators[i]->detail)
                        tool_json_string(image->isolators[i]->detail);
                else
                        printf("null");
                printf("}");
        }
        printf("],\n\"manifest\": %s}\n", image->manifest_pretty);
}

int tool_inspect(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_inspection *image = NULL;
        struct choices choices;
        int status = parse(argc, argv, "jqsah", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(inspect_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        if (find(argv[optind], &choices, &image, &err) < 0)
                return tool_fail("%s: %s", argv[optind], err.message);
        if (choices.json)
                print_inspection_json(image);
        else
                print_inspection(image);
        mayfly_inspection_free(image);
        return TOOL_OK;
}

/* --- cat-manifest --------------------------------------------------------------------------------------------- */

int tool_cat_manifest(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_inspection *image = NULL;
        struct choices choices;
        int status = parse(argc, argv, "qsaph", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(cat_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        if (find(argv[optind], &choices, &image, &err) < 0)
                return tool_fail("%s: %s", argv[optind], err.message);
        if (choices.pretty)
                printf("%s\n", image->manifest_pretty);
        else
                fwrite(image->manifest, 1, image->manifest_size, stdout);
        mayfly_inspection_free(image);
        return fflush(stdout) == 0 ? TOOL_OK : tool_fail("writing the manifest: %s", strerror(errno));
}
