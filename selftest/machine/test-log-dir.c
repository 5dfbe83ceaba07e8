/* SPDX-License-Identifier: MIT */

/* $MAYFLY_LOG_DIR gets the log of each container, however that ends, and the times of its stages. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"

#define SHELL(line) .entrypoint = MAYFLY_STRINGS("/bin/sh", "-c", line)

static char work[] = "/tmp/test-log-dir-XXXXXX", directory[64], machine[65];

/* Returns what is in the file of the directory, or "" when it is not there. */
static const char *kept(const char *name, const char *suffix)
{
        static char text[65536];
        char path[256];
        size_t n = 0;

        snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
        FILE *f = fopen(path, "re");
        if (f) {
                n = fread(text, 1, sizeof(text) - 1, f);
                fclose(f);
        }
        text[n] = '\0';
        return text;
}

/* Starts a container and notes its name. */
static struct mayfly_container *begin(const struct mayfly_spec *spec)
{
        struct mayfly_container *c = start_container(spec);

        snprintf(machine, sizeof(machine), "%s", mayfly_container_name(c));
        return c;
}

static void the_log_is_kept(void **state)
{
        char trace[64];

        (void) state;
        struct mayfly_container *c = begin(MAYFLY_SPEC(
                        .image = test_image("busybox"), .name = "kept/log",
                        SHELL("trap 'echo late; exit' TERM; echo out; echo error >&2; while :; do sleep 0.01; done")));
        await_words(c, "out\nerror\n");
        mayfly_container_free(c);
        assert_string_equal(kept(machine, ".log"), "out\nerror\nlate\n");
        snprintf(trace, sizeof(trace), "%s-%d", program_invocation_short_name, (int) getpid());
        assert_non_null(strstr(kept(trace, ".trace.json"), machine));
        assert_non_null(strstr(kept(trace, ".trace.json"), "\"name\":\"launch\""));
}

static void an_app_may_end_by_itself(void **state)
{
        (void) state;
        struct mayfly_container *c = begin(MAYFLY_SPEC(.image = test_image("busybox"), SHELL("echo bye; kill -9 $$")));

        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, NULL, NULL), 0);
        mayfly_container_free(c);
        assert_string_equal(kept(machine, ".log"), "bye\n");
}

/* As much is kept as of the log itself. */
static void it_is_bounded(void **state)
{
        char *logs = NULL;

        (void) state;
        struct mayfly_container *c =
                begin(MAYFLY_SPEC(.image = test_image("busybox"), .log_size = 1000, SHELL("seq 10000; echo end")));
        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, NULL, NULL), 0);
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_logs(c, &logs, NULL, fresh()));
        assert_int_equal(strlen(logs), 1000);
        assert_string_equal(kept(machine, ".log"), logs);
        free(logs);
        mayfly_container_free(c);
}

static void a_restart_goes_on(void **state)
{
        (void) state;
        struct mayfly_container *c = begin(MAYFLY_SPEC(.image = test_image("busybox"), SHELL("echo life; sleep 1000"),
                                                       .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("life"))));

        works(mayfly_container_restart(c, fresh()));
        assert_string_equal(kept(machine, ".log"), "life\n");
        mayfly_container_free(c);
        assert_string_equal(kept(machine, ".log"), "life\nlife\n");
}

/* What a test program leaves that ran into ctest's TIMEOUT. */
static void a_killed_owner_leaves_it(void **state)
{
        int ends[2];

        (void) state;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
                struct mayfly_container *c =
                        begin(MAYFLY_SPEC(.image = test_image("busybox"), SHELL("echo hangs; sleep 1000"),
                                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("hangs"))));
                if (!c || write(ends[1], machine, sizeof(machine)) != (ssize_t) sizeof(machine))
                        _exit(1);
                kill(getpid(), SIGKILL);
        }
        close(ends[1]);
        ssize_t n = read(ends[0], machine, sizeof(machine));
        close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(n, sizeof(machine));
        while (strcmp(kept(machine, ".log"), "hangs\n") != 0)
                usleep(1000);
}

/* Runs a container in a child, and returns what that prints as errors. */
static const char *said_with(const char *log_dir)
{
        static char text[4096];
        int ends[2], status = 0;
        size_t used = 0;
        ssize_t n;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
                (void) setenv("MAYFLY_LOG_DIR", log_dir, 1);
                dup2(ends[1], STDERR_FILENO);
                for (unsigned i = 0; i < 2; i++)
                        mayfly_container_free(begin(MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1)));
                _exit(0);
        }
        close(ends[1]);
        while ((n = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0)
                used += (size_t) n;
        close(ends[0]);
        text[used] = '\0';
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        return text;
}

static void a_directory_that_cannot_be_written_is_one_warning(void **state)
{
        char path[256];

        (void) state;
        snprintf(path, sizeof(path), "%s/no/such", work);
        const char *text = said_with(path);
        assert_non_null(strstr(text, "mayfly: warning: no log is kept in MAYFLY_LOG_DIR, /tmp/test-log-dir-"));
        assert_non_null(strstr(text, "No such file or directory; name a directory that can be written\n"));
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_non_null(strstr(said_with("/proc"), "MAYFLY_LOG_DIR, /proc:"));
        assert_non_null(strstr(said_with("/dev/null"), "Not a directory"));
        assert_string_equal(said_with(""), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_log_is_kept),
                cmocka_unit_test(an_app_may_end_by_itself),
                cmocka_unit_test(it_is_bounded),
                cmocka_unit_test(a_restart_goes_on),
                cmocka_unit_test(a_killed_owner_leaves_it),
                cmocka_unit_test(a_directory_that_cannot_be_written_is_one_warning),
        };

        umask(022);
        if (!mkdtemp(work))
                return 1;
        snprintf(directory, sizeof(directory), "%s/logs", work); /* is made */
        (void) setenv("MAYFLY_LOG_DIR", directory, 1);
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        char command[64];
        snprintf(command, sizeof(command), "rm -r %s", work);
        return system(command) == 0 ? r : 1;
}
