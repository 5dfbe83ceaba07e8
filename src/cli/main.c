/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "util/macro.h"

static const struct {
        const char *name, *summary;
        int (*run)(int argc, char **argv);
} commands[] = {
        { "build", "make an image of a root file system", tool_build },
        { "cat-manifest", "print an image's manifest", tool_cat_manifest },
        { "gc", "remove images from the store, by age and by size", tool_gc },
        { "images", "list the images of the store", tool_images },
        { "inspect", "tell what an image, a manifest or a layout has in it", tool_inspect },
        { "leak-check", "run a command, and tell what containers of its left on this host", tool_leak_check },
        { "pin", "from an image's name or URL to the reference that pins it", tool_pin },
        { "pull", "bring an image into the store", tool_pull },
        { "trust", "make keys trusted to sign images", tool_trust },
        { "validate", "check images, manifests and layouts against the appc specification", tool_validate },
        { "verify", "compare the images of the store with what was published", tool_verify },
};

static int complain(int status, const char *format, va_list args)
{
        char text[2048];

        vsnprintf(text, sizeof(text), format, args);
        fprintf(stderr, "mayfly: %s\n", text);
        return status;
}

int tool_usage(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        int r = complain(TOOL_USAGE, format, args);
        va_end(args);
        return r;
}

int tool_fail(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        int r = complain(TOOL_FAILED, format, args);
        va_end(args);
        return r;
}

const char *tool_size(uint64_t bytes, char text[32])
{
        static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
        double n = (double) bytes;
        size_t unit = 0;

        while (n >= 1024 && unit + 1 < MF_ELEMENTSOF(units)) {
                n /= 1024;
                unit++;
        }
        snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
        return text;
}

int tool_bad_option(const char *command, const char *argument)
{
        return tool_usage("%s: \"%.100s\" is no option, or lacks its value; see mayfly %s --help", command, argument,
                          command);
}

static void help(void)
{
        printf("Usage: mayfly COMMAND [OPTION]...\n\nContainers for C tests, from the command line.\n\n");
        for (size_t i = 0; i < MF_ELEMENTSOF(commands); i++)
                printf("  %-14s %s\n", commands[i].name, commands[i].summary);
        printf("\n  mayfly COMMAND --help tells more, as does mayfly(1).\n  mayfly --version prints the version.\n");
}

int main(int argc, char **argv)
{
        if (argc < 2)
                return tool_usage("no command given; see mayfly --help");
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
                help();
                return TOOL_OK;
        }
        if (strcmp(argv[1], "--version") == 0) {
                printf("mayfly " MAYFLY_VERSION "\n");
                return TOOL_OK;
        }
        for (size_t i = 0; i < MF_ELEMENTSOF(commands); i++)
                if (strcmp(argv[1], commands[i].name) == 0)
                        return commands[i].run(argc - 1, argv + 1);
        return tool_usage("\"%.100s\" is no command; see mayfly --help", argv[1]);
}
