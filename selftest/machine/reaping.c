/* SPDX-License-Identifier: MIT */

/* `reaping N` starts and stops N containers, one after the other, as a test program that takes care of its children
 * does: nothing that mayfly makes may be found by its wait(2), raise SIGCHLD, or stay as a zombie. `reaping N
 * subreaper` is the same for a program that adopts orphans. The PID namespace is to be the test's own: all zombies in
 * it count. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "support/host.h"

static volatile sig_atomic_t signals;

static void on_child(int signal_number)
{
        (void) signal_number;
        signals++;
}

static int up_and_down(void)
{
        const char *const argv[] = { "true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .name = "reaping"), &err);
        if (r == 0)
                r = mayfly_container_run(c, &command, &result, &err);
        if (r == 0)
                r = mayfly_container_stop(c, &err);
        if (r < 0)
                fprintf(stderr, "%s\n", err.message);
        mayfly_result_free(result);
        mayfly_container_free(c);
        return r;
}

/* Prints each, if asked to, and returns how many there are. */
static unsigned count_zombies(int print)
{
        DIR *proc = opendir("/proc");
        unsigned n = 0;

        for (const struct dirent *entry; proc && (entry = readdir(proc));) {
                char path[300], name[32], state = 0;
                int parent;
                snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
                FILE *f = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
                if (f && fscanf(f, "%*d (%31[^)]) %c %d", name, &state, &parent) == 3 && state == 'Z') {
                        if (print)
                                fprintf(stderr, "zombie %s: %s, child of %d\n", entry->d_name, name, parent);
                        n++;
                }
                if (f)
                        fclose(f);
        }
        if (proc)
                closedir(proc);
        return n;
}

int main(int argc, char **argv)
{
        const struct sigaction action = { .sa_handler = on_child };
        unsigned n = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 0, failed = 0, children = 0;

        setenv("MAYFLY_REQUIRE", "1", 1);
        sigaction(SIGCHLD, &action, NULL);
        if (argc > 2 && strcmp(argv[2], "subreaper") == 0)
                prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (unsigned i = 0; i < n; i++) {
                failed += up_and_down() < 0;
                while (waitpid(-1, NULL, WNOHANG) >= 0)
                        children++;
        }
        for (unsigned i = 0; i < 50 && count_zombies(0) > 0; i++)
                usleep(20000); /* a PID 1 that reaps does it in its own time */
        unsigned zombies = count_zombies(1);
        printf("%u failed starts, %u children, %d signals, %u zombies\n", failed, children, (int) signals, zombies);
        return failed || children || signals || zombies;
}
