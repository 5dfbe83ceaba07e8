/* SPDX-License-Identifier: MIT */

/* The one program of an image that has nothing else: greets, and exits with its argument; or, as `hello
 * new-user-namespace`, tries what a container may not. */

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void try(const char *what, long pid)
{
        if (pid == 0)
                _exit(0);
        printf("%s: %s\n", what, pid < 0 ? strerror(errno) : "allowed");
}

int main(int argc, char **argv)
{
        static const unsigned long long args[8] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };

        if (argc > 1 && strcmp(argv[1], "new-user-namespace") == 0) {
                try("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
                try("clone, of another kind", syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0));
                try("clone3", syscall(SYS_clone3, args, sizeof(args)));
                try("a plain clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
                return 0;
        }
        printf("hello from %d argument%s\n", argc - 1, argc == 2 ? "" : "s");
        return argc > 1 ? atoi(argv[1]) : 0;
}
