/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/inspection.h"
#include "cli/json.h"
#include "cli/text.h"

static const char *const outcomes[] = { "enforced", "changed", "ignored" };

/* --- as text: a title, a value --- */

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

/* The words of a command line: quotes show where one with spaces ends. */
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

static void print_mounts(const struct mayfly_manifest_mount *const *mounts)
{
        for (const char *title = "mount point"; *mounts; mounts++, title = "") {
                printf("%-12s %s ", title, (*mounts)->name);
                tool_print_text((*mounts)->path);
                printf("%s\n", (*mounts)->read_only ? ", read-only" : "");
        }
}

static void print_ports(const struct mayfly_manifest_port *const *ports)
{
        for (const char *title = "port"; *ports; ports++, title = "") {
                const struct mayfly_manifest_port *port = *ports;
                printf("%-12s %s ", title, port->name);
                tool_print_text(port->protocol);
                printf(" %u", port->port);
                if (port->count > 1)
                        printf("-%u", port->port + port->count - 1);
                printf("%s\n", port->socket_activated ? ", socket-activated" : "");
        }
}

static void print_isolators(const struct mayfly_manifest_isolator *const *isolators)
{
        for (const char *title = "isolator"; *isolators; isolators++, title = "") {
                const char *detail = (*isolators)->detail;
                printf("%-12s %s ", title, (*isolators)->name);
                tool_print_text((*isolators)->value);
                printf("\n%-12s %s%s", "", outcomes[(*isolators)->outcome], detail ? ": " : "");
                tool_print_text(detail ? detail : "");
                printf("\n");
        }
}

static void print_app(const struct mayfly_inspection *image)
{
        const char *title = "groups";

        print_words("exec", image->exec);
        print_line("user", image->user);
        print_line("group", image->group);
        for (size_t i = 0; i < image->n_groups; i++, title = "")
                printf("%-12s %" PRIu32 "\n", title, image->groups[i]);
        print_line("directory", image->cwd);
        print_lines("environment", image->env);
        print_words("pre-start", image->pre_start);
        print_words("post-stop", image->post_stop);
        print_mounts(image->mounts);
        print_ports(image->ports);
        print_isolators(image->isolators);
}

static void print_dependencies(const struct mayfly_manifest_dependency *const *dependencies)
{
        for (const char *title = "depends on"; *dependencies; dependencies++, title = "") {
                const struct mayfly_manifest_dependency *dependency = *dependencies;
                printf("%-12s %s%s", title, dependency->name, *dependency->labels ? "," : "");
                tool_print_list(dependency->labels, ",");
                printf("%s", dependency->id ? "@" : "");
                tool_print_text(dependency->id ? dependency->id : "");
                printf("\n");
        }
}

static void print_layers(const struct mayfly_manifest_dependency *const *layers)
{
        for (const char *title = "layer"; *layers; layers++, title = "")
                printf("%-12s %s\n", title, (*layers)->name);
}

static void print(const struct mayfly_inspection *image)
{
        print_line("type", tool_kind_names[image->kind]);
        print_line("name", image->name);
        print_lines("label", image->labels);
        print_lines("annotation", image->annotations);
        print_line("ID", image->id);
        print_size("archive", image->blob_size);
        print_size("uncompressed", image->archive_size);
        print_size("on disk", image->stored_size);
        print_app(image);
        if (image->kind == MAYFLY_KIND_OCI)
                print_layers(image->dependencies);
        else
                print_dependencies(image->dependencies);
        print_lines("whitelist", image->whitelist);
        print_lines("warning", image->warnings);
}

/* --- as JSON --- */

static void print_json(const struct mayfly_inspection *image)
{
        tool_json_open(NULL, '{');
        tool_json_text("type", tool_kinds[image->kind]);
        tool_json_text("name", image->name);
        tool_json_pairs("labels", image->labels);
        tool_json_pairs("annotations", image->annotations);
        if (image->id)
                tool_json_text("id", image->id);
        tool_json_number("blob_size", (int64_t) image->blob_size);
        tool_json_number("archive_size", (int64_t) image->archive_size);
        tool_json_number("stored_size", (int64_t) image->stored_size);
        tool_json_list("warnings", image->warnings);
        tool_json_open("isolators", '[');
        for (size_t i = 0; image->isolators[i]; i++) {
                tool_json_open(NULL, '{');
                tool_json_text("name", image->isolators[i]->name);
                tool_json_text("outcome", outcomes[image->isolators[i]->outcome]);
                tool_json_text("detail", image->isolators[i]->detail);
                tool_json_close('}');
        }
        tool_json_close(']');
        tool_json_verbatim("manifest", image->manifest_pretty);
        tool_json_close('}');
}

static int run(int argc, char **argv)
{
        struct tool_inspect_choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct mayfly_inspection *image = NULL;
        struct tool_operands operands;
        int status = tool_parse(&tool_inspect, argc, argv, &choices, &operands);

        if (status < 0)
                status = tool_inspect_operand(operands.list[0], &choices, &image);
        if (!image)
                return status;
        if (choices.json)
                print_json(image);
        else
                print(image);
        mayfly_inspection_free(image);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct tool_inspect_choices, "print an object, with the manifest as it is"),
        TOOL_OPTION_STORE(struct tool_inspect_choices, image.store),
        TOOL_OPTION_ALLOW_HTTP(struct tool_inspect_choices, image.allow_http),
        TOOL_OPTION_QUIET(struct tool_inspect_choices, "show no progress"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "IMAGE", NULL };

const struct tool_command tool_inspect = {
        .name = "inspect",
        .summary = "show what an image, a manifest or a layout contains",
        .synopsis = "[OPTION]... IMAGE",
        .description = "Shows what an image, a manifest or a layout contains.\n" TOOL_INSPECT_OPERAND,
        .exit_status = "0, or 1 when there is no such image or it is not valid, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
