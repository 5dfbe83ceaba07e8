/* SPDX-License-Identifier: MIT */

/* Somebody inside has taken over PID 1 and with it the control socket. Whatever comes from there: the library's program keeps its
 * descriptors and the container's leader, nothing on the host is signalled, the next call says that the container broke the
 * protocol, and the stop works. The issue was reported as: READY and LIMITS are taken again and again, each READY changes the
 * leader, keeps a descriptor, and names a process, which may be dead by then, to be killed at the stop. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/small-image.h"

static const char *image;
static char directory[] = "/tmp/mayfly-forged-XXXXXX";

static unsigned count_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static struct mayfly_container *start(const char *forgery, int idle, struct mayfly_error *err)
{
        struct mayfly_container *c = NULL;
        char forge[64];

        snprintf(forge, sizeof(forge), "FORGE=%s", forgery);
        (void) mayfly_container_start(
                &c,
                MAYFLY_SPEC(.image = image, .idle = idle, .env = (const char *const[]){ forge, NULL },
                            .start_timeout_ms = strcmp(forgery, "never-ready") == 0 ? 300 : 600000),
                err);
        return c;
}

static void forged_messages_change_nothing(void **state)
{
        static const char *const forgeries[] = { "ready-again",
                                                 "ready-again-by-the-dead",
                                                 "limits-late",
                                                 "app-again",
                                                 "exit-by-no-signal",
                                                 "run",
                                                 "short",
                                                 "long",
                                                 "flood" };

        (void) state;
        for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                unsigned before = count_descriptors();
                struct mayfly_container *c = start(forgeries[i], 0, &err);
                if (!c)
                        fail_msg("%s: %s", forgeries[i], err.message);
                pid_t leader = mayfly_container_leader(c);
                unsigned with = count_descriptors();
                assert_true(leader > 0);
                if (mayfly_container_wait(c, UINT32_MAX, NULL, &err) != -ESRCH ||
                    !strstr(err.message, "a message that mayfly-init does not send"))
                        fail_msg("%s: %s", forgeries[i], err.message);
                assert_int_equal(mayfly_container_leader(c), leader);
                assert_true(count_descriptors() <= with);
                if (mayfly_container_stop(c, &err) < 0)
                        fail_msg("%s: %s", forgeries[i], err.message);
                mayfly_container_free(c);
                assert_int_equal(count_descriptors(), before);
        }
}

static void a_start_without_a_right_ready_fails(void **state)
{
        static const char *const forgeries[] = { "descriptors", "never-ready" };

        (void) state;
        for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                unsigned before = count_descriptors();
                assert_null(start(forgeries[i], 0, &err));
                assert_true(*err.message);
                assert_int_equal(count_descriptors(), before);
        }
}

/* The kernel's word for a sender's process may name any process by the time that it is read: nobody is killed. A container whose
 * PID 1 is dead has not started, whether it has an app or not. */
static void a_dead_sender_is_a_dead_container(void **state)
{
        static const struct {
                const char *name;
                int idle;
        } forgeries[] = { { "ready-by-the-dead", 0 },
                          { "ready-by-the-dead-alone", 0 },
                          { "ready-by-the-dead-alone", 1 } };

        (void) state;
        for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                unsigned before = count_descriptors();
                struct mayfly_container *c = start(forgeries[i].name, forgeries[i].idle, &err);
                if (c)
                        fail_msg("%s: the start succeeds", forgeries[i].name);
                if (err.code != -ESRCH || !strstr(err.message, "died"))
                        fail_msg("%s: %s", forgeries[i].name, err.message);
                assert_int_equal(count_descriptors(), before);
        }
}

static void shell(const char *format, const char *argument)
{
        char line[1024];

        snprintf(line, sizeof(line), format, directory, argument);
        if (system(line) != 0) {
                fprintf(stderr, "this failed: %s\n", line);
                exit(1);
        }
}

static void remove_directory(void)
{
        shell("rm -rf %s", "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(forged_messages_change_nothing),
                cmocka_unit_test(a_start_without_a_right_ready_fails),
                cmocka_unit_test(a_dead_sender_is_a_dead_container),
        };
        const char *libexec = getenv("MAYFLY_LIBEXEC");

        image = small_image("forged", "{\"exec\":[\"true\"],\"user\":\"0\",\"group\":\"0\"}", NULL);
        if (!mkdtemp(directory) || !libexec)
                return 1;
        atexit(remove_directory);
        shell("chmod 755 %1$s && cp '%2$s'/mayfly-* %1$s/", libexec);
        shell("cp '%2$s' %1$s/mayfly-init", FORGER);
        setenv("MAYFLY_LIBEXEC", directory, 1);
        (void) mayfly_host_check(MAYFLY_ENGINE_DEFAULT, NULL); /* a user's namespace is kept from here on */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
