/* SPDX-License-Identifier: MIT */

/* What may go wrong while a signature is checked: cancelling, fetches that fail, and killed processes. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signed.h"

static int cancel(const struct mayfly_progress *progress, void *userdata)
{
        (void) progress;
        (void) userdata;
        return asked(IMAGE) > 0 && asked(ASC) > 0;
}

static void it_can_be_cancelled(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        world.options.stall_timeout_ms = 60000;
        world.options.progress = cancel;
        faulty_add(world.server, &(struct faulty_path){ .path = IMAGE,
                                                        .body = world.image->data,
                                                        .size = world.image->size,
                                                        .flags = FAULTY_STALL,
                                                        .cut = 600 });
        finds_nothing(url, -ECANCELED, "cancelled");
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .flags = FAULTY_SILENT });
        serve(IMAGE, world.image->data, world.image->size);
        finds_nothing(url, -ECANCELED, "cancelled");
}

static void a_fetch_that_fails_ends_the_check(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        faulty_add(world.server, &(struct faulty_path){ .path = IMAGE, .status = 404 });
        finds_nothing(url, -ENOENT, "/a.aci answers 404");
        faulty_add(world.server, &(struct faulty_path){ .path = IMAGE,
                                                        .body = world.image->data,
                                                        .size = world.image->size,
                                                        .flags = FAULTY_CUT,
                                                        .cut = 700 });
        finds_nothing(url, -EIO, "was cut off after 700 of");
        serve(IMAGE, "<html>", 6);
        finds_nothing(url, -EBADMSG, "the image is a web page");
        /* and the other way round: a missing signature does not wait for a fetch that hangs */
        faulty_add(world.server, &(struct faulty_path){ .path = IMAGE, .flags = FAULTY_SILENT });
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .status = 404 });
        world.options.stall_timeout_ms = 60000;
        refuses(-ENODATA, "has no signature");
}

static void signals_and_the_users_keyring_are_left_alone(void **state)
{
        char *home = make_directory();
        struct sigaction action;

        (void) state;
        setenv("GNUPGHOME", home, 1);
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        finds(url);
        unsetenv("GNUPGHOME");
        assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
        assert_true(action.sa_handler == SIG_DFL);
        assert_int_equal(count_entries(home, "."), 0);
        remove_directory(home);
}

static size_t count_homes(void)
{
        char command[600], text[32] = "";

        snprintf(command, sizeof(command), "ls %s/tmp/*/pubring.gpg 2>/dev/null | wc -l", world.directory);
        FILE *p = popen(command, "re");
        assert_true(p && fgets(text, sizeof(text), p));
        pclose(p);
        return (size_t) atoi(text); // NOLINT(cert-err34-c): wc's
}

static void nothing_outlives_a_killed_fetch(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        world.options.stall_timeout_ms = 60000;
        faulty_add(world.server, &(struct faulty_path){ .path = IMAGE,
                                                        .body = world.image->data,
                                                        .size = world.image->size,
                                                        .flags = FAULTY_STALL,
                                                        .cut = 600 });
        pid_t pid = fork();
        if (pid == 0) {
                (void) open_name(url);
                _exit(1);
        }
        while (count_homes() == 0 || count_processes() == 0)
                usleep(2000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        wait_for_processes_to_end();
        assert_int_equal(count_homes(), 1);
        serve(IMAGE, world.image->data, world.image->size);
        finds(url); /* and its leftovers are gone, as after any fetch that was killed */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                signed_test(it_can_be_cancelled),
                signed_test(a_fetch_that_fails_ends_the_check),
                signed_test(signals_and_the_users_keyring_are_left_alone),
                signed_test(nothing_outlives_a_killed_fetch),
        };

        return cmocka_run_group_tests(tests, signed_group_setup, signed_group_teardown);
}
