/* SPDX-License-Identifier: MIT */

/* Makes one child after the other with vfork(), which live a while before they end, and writes "x" after each; runs inside. Meanwhile
 * this process waits in the kernel (state D), as a shell does until the program that it starts has been loaded. */

#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_US 100000

int main(void)
{
        for (;;) {
                pid_t child = vfork();
                if (child == 0) {
                        usleep(CHILD_US);
                        _exit(0);
                }
                if (child < 0 || waitpid(child, NULL, 0) < 0 || write(STDOUT_FILENO, "x\n", 2) < 0)
                        return 1;
        }
}
