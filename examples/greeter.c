/* SPDX-License-Identifier: MIT */
/* A static program. It is the only file of the image. */
#include <stdio.h>

int main(int argc, char **argv)
{
        printf("hello %s\n", argc > 1 ? argv[1] : "nobody");
        return 0;
}
