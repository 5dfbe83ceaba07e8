/* SPDX-License-Identifier: MIT */

/* Runs a command in a container, for selftest/security/compare, as "docker run" does:
 *
 *   contain IMAGE VOLUME NETWORK DIRECTORY COMMAND [ARGUMENT]...
 *
 * VOLUME is seen at /host. NETWORK is "default" or "host". DIRECTORY is the working directory. Exit status: 1 if there was no
 * container, or the command was not executed. */

#include <stdio.h>
#include <string.h>

#include <mayfly/mayfly.h>

static void print(const struct mayfly_result *result)
{
        fwrite(result->out, 1, result->out_size, stdout);
        fwrite(result->err, 1, result->err_size, stderr);
}

int main(int argc, char **argv)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;
        struct mayfly_result *result = NULL;

        if (argc < 6)
                return 2;
        const struct mayfly_spec *spec =
                strcmp(argv[3], "host") == 0
                        ? MAYFLY_SPEC(.image = argv[1], .network = MAYFLY_NETWORK_HOST,
                                      .volumes = MAYFLY_VOLUMES({ .path = "/host", .source = argv[2] }))
                        : MAYFLY_SPEC(.image = argv[1],
                                      .volumes = MAYFLY_VOLUMES({ .path = "/host", .source = argv[2] }));
        command.cwd = argv[4];
        command.argv = (const char *const *) argv + 5;
        int r = mayfly_container_start(&container, spec, &err);
        if (r == 0)
                r = mayfly_container_run(container, &command, &result, &err);
        if (r == 0)
                print(result);
        else
                fprintf(stderr, "%s\n", err.message);
        mayfly_result_free(result);
        mayfly_container_free(container);
        return r < 0;
}
