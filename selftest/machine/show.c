/* SPDX-License-Identifier: MIT */

/* Starts a container of an image, `show REFERENCE`, without its app; prints "MACHINE LEADER", and stops it when its
 * standard input ends. */

#include <stdio.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

int main(int argc, char **argv)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char byte;

        if (argc != 2)
                return 2;
        int r = mayfly_container_start(&container, MAYFLY_SPEC(.image = argv[1], .idle = 1, .name = "show"), &err);
        if (r == 0) {
                printf("%s %d\n", mayfly_container_name(container), (int) mayfly_container_leader(container));
                fflush(stdout);
                while (read(STDIN_FILENO, &byte, 1) > 0)
                        ;
                r = mayfly_container_stop(container, &err);
        }
        if (r < 0)
                fprintf(stderr, "%s\n", err.message);
        mayfly_container_free(container);
        return r < 0;
}
