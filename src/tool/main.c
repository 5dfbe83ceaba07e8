/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../util.h"
#include "tool.h"

static const struct {
        const char *name, *summary;
        int (*run)(int argc, char **argv);
} commands[] = {
        { "gc", "remove images from the store, by age and by size", tool_gc },
        { "leak-check", "run a command, and tell what containers of its left on this host", tool_leak_check },
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

static void help(void)
{
        printf("Usage: mayfly COMMAND [OPTION]...\n\nContainers for C tests, from the command line.\n\n");
        for (size_t i = 0; i < MF_ELEMENTSOF(commands); i++)
                printf("  %-12s %s\n", commands[i].name, commands[i].summary);
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
