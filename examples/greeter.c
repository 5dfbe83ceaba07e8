/* SPDX-License-Identifier: MIT */
/* The whole of an image: a static program. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
        printf("hello %s\n", argc > 1 ? argv[1] : "nobody");
        fflush(stdout);
        pause();
        return 0;
}
