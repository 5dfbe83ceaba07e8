/* SPDX-License-Identifier: MIT */

/* A program that shares a container, whose app is the words: `shared IMAGE FILE WORD...`. It does what is written to it: "pause", "resume",
 * "stop", and prints "done" each time, also when the container is shared; and ends with its input. With FILE "-" the container is not
 * shared. It publishes port 7000 as "seven". */

#include <stdio.h>
#include <string.h>

#include <mayfly/mayfly.h>

static int failed(const struct mayfly_error *err)
{
        fprintf(stderr, "%s\n", err->message);
        return 1;
}

static int obey(struct mayfly_container *container, const char *order, struct mayfly_error *err)
{
        if (strcmp(order, "pause\n") == 0)
                return mayfly_container_pause(container, err);
        return strcmp(order, "resume\n") == 0 ? mayfly_container_resume(container, err)
                                              : mayfly_container_stop(container, err);
}

int main(int argc, char **argv)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;
        char line[16];

        if (argc < 4)
                return 2;
        spec.image = argv[1];
        spec.entrypoint = (const char *const *) argv + 3;
        spec.argv = (const char *const[]){ NULL };
        spec.name = "shared";
        spec.separate_streams = 1;
        spec.publish = MAYFLY_PORTS({ .port = 7000, .name = "seven" });
        spec.wait = MAYFLY_WAIT_NONE;
        if (mayfly_container_start(&container, &spec, &err) < 0)
                return failed(&err);
        if (strcmp(argv[2], "-") != 0 && mayfly_container_share(container, argv[2], -1, &err) < 0)
                return failed(&err);
        printf("%s\n", mayfly_container_name(container));
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin)) {
                if (obey(container, line, &err) < 0)
                        return failed(&err);
                printf("done\n");
                fflush(stdout);
        }
        mayfly_container_free(container);
        return 0;
}
