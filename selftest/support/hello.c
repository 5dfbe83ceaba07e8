/* SPDX-License-Identifier: MIT */

/* The whole of the "static" image: an image needs nothing but one program. Ends with the status it is given. */

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
        printf("hello from %d argument%s\n", argc - 1, argc == 2 ? "" : "s");
        return argc > 1 ? atoi(argv[1]) : 0; /* NOLINT */
}
