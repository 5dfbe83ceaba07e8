/* SPDX-License-Identifier: MIT */

/* Waiting until a container is ready: what its app writes, what it says, how it ends, and what is said when it is not. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/small-image.h"
#include "waits.h"

static char *image;

/* --- the log -------------------------------------------------------------------------------------------------- */

static void a_line_of_the_log(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = image, SH("echo begins; sleep 0.2; echo it is ready now; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^it is (ready|done) now$"))));
        /* In pieces, and on standard error. */
        starts(MAYFLY_SPEC(.image = image,
                           SH("for word in it is rea; do printf $word >&2; sleep 0.05; done; echo dy >&2; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^itisready$"))));
        /* Before anybody looks, between much else: the last lines of a ring that others have overwritten are all there is. */
        starts(MAYFLY_SPEC(.image = image, SH("echo ready; seq 1000; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^ready$"), MAYFLY_WAIT_LOG("^1000$"))));
}

static void a_text_of_the_log_needs_no_end(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = image, SH("printf 'login (now): '; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("login (now)"))));
        fails(MAYFLY_SPEC(.image = image, SH("printf 'login: '; sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("login", .timeout_ms = 200))),
              -ETIMEDOUT, "not ready after 200 ms: log line that matches \"login\"",
              "the last is, without an end, \"login: \"", "\n  | login: ", NULL);
}

static void the_nth_line(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image,
                            SH("for i in 1 2 3; do echo ready $i; sleep 0.1; done; echo ready; sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready", .log_count = 3))));
        prints_as(c, "0", "echo 3", "3\n");
        /* Later waits see the same log, from its begin. */
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("ready", .log_count = 4), MAYFLY_WAIT_LOG("ready 1")));
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready", .log_count = 5, .timeout_ms = 100)), -ETIMEDOUT,
                   "log line that matches \"ready\", 5 times: 4 of 4 lines did; the last is \"ready\"");
        /* Or from where the caller says. */
        struct mayfly_log *log = NULL;
        assert_int_equal(mayfly_container_log_read(c, 0, &log, NULL), 0);
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready", .log_from = log->next, .timeout_ms = 100)), -ETIMEDOUT,
                   "the app wrote nothing");
        mayfly_log_free(log);
        mayfly_container_free(c);
}

static void one_of_two_streams(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = image, .separate_streams = 1, SH("echo ready >&2; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready", .log_stream = MAYFLY_STREAM_ERROR))));
        fails(MAYFLY_SPEC(.image = image, .separate_streams = 1, SH("echo ready >&2; sleep 1000"),
                          .wait = MAYFLY_WAIT(
                                  MAYFLY_WAIT_LOG("ready", .log_stream = MAYFLY_STREAM_OUTPUT, .timeout_ms = 200))),
              -ETIMEDOUT, "on standard output: the app wrote nothing", NULL);
        fails(MAYFLY_SPEC(.image = image, SH("echo ready"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready", .log_stream = MAYFLY_STREAM_ERROR))),
              -EINVAL, "set separate_streams in its spec", NULL);
        fails(MAYFLY_SPEC(.image = image, .idle = 1, .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready"))), -EINVAL,
              "the wait is for a line of the log, but container", "idle is set in its spec", NULL);
}

/* --- commands, files, the app itself ---------------------------------------------------------------------------- */

static void a_command_that_succeeds(void **state)
{
        (void) state;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, SH("sleep 0.2; touch /tmp/there; sleep 1000"),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_COMMAND("test", "-e", "/tmp/there"))));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_COMMAND("true")));
        wait_fails(c,
                   MAYFLY_WAIT(MAYFLY_WAIT_FOR(.command = MAYFLY_STRINGS("sh", "-c", "echo not yet >&2; exit 3"),
                                               .timeout_ms = 300)),
                   -ETIMEDOUT, "the last one: exit status 3, \"not yet\"");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_COMMAND("no-such-program")), -ENOENT,
                   "command \"no-such-program\": running in container");
        /* One that hangs is killed. */
        wait_fails(
                c,
                MAYFLY_WAIT(MAYFLY_WAIT_FOR(.command = MAYFLY_STRINGS("sh", "-c", "echo hangs >/tmp/hangs; sleep 999"),
                                            .timeout_ms = 1500)),
                -ETIMEDOUT, "it still runs");
        waits(c,
              MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/hangs"), MAYFLY_WAIT_COMMAND("sh", "-c", "! pgrep -f 'sleep [9]99'")));
        mayfly_container_free(c);
}

static void a_file_that_exists(void **state)
{
        (void) state;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image,
                                            SH("ln -s /tmp/later /tmp/link; sleep 0.2; touch /tmp/later; mkdir -m 0 "
                                               "/tmp/dark; touch /tmp/dark/file; sleep 1000"),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/link"))));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp"), MAYFLY_WAIT_FILE("/tmp/dark/file")));
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/never", .timeout_ms = 50)), -ETIMEDOUT,
                   "file /tmp/never: it does not exist");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/none/never", .timeout_ms = 50)), -ETIMEDOUT,
                   "its directory /none does not exist");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/later/never", .timeout_ms = 50)), -ETIMEDOUT,
                   "file /tmp/later/never: /tmp/later is not a directory");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_COMMAND_WITHIN(50, "sh", "-c", "exit 3")), -ETIMEDOUT,
                   "not ready after 50 ms: command \"sh -c exit 3\"");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("never")), -EINVAL, "is not absolute");
        mayfly_container_free(c);
}

static void on_tick(int signal)
{
        (void) signal;
}

/* A test may have a timer, whose signals interrupt whatever waits. */
static void signals_do_not_end_a_wait(void **state)
{
        const struct sigaction action = { .sa_handler = on_tick };
        const struct itimerval fast = { { 0, 203 }, { 0, 203 } }, none = { { 0, 0 }, { 0, 0 } };
        struct sigaction old;

        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .idle = 1));
        assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &fast, NULL), 0);
        for (int i = 0; i < 10; i++) {
                waits(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/etc/passwd")));
                wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/none", .timeout_ms = 20)), -ETIMEDOUT,
                           "not ready after 20 ms");
        }
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_COMMAND("true")));
        setitimer(ITIMER_REAL, &none, NULL);
        sigaction(SIGALRM, &old, NULL);
        mayfly_container_free(c);
}

static void an_app_that_says_so(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = image, LISTENER_("100", "notify", "STATUS=up\nREADY=1"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY())));
        starts(MAYFLY_SPEC(.image = image, LISTENER_("0", "child", "READY=1\nMAINPID=7"), .user = "www",
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY())));
        starts(MAYFLY_SPEC(.image = image, LISTENER_("0", "notify", "READY=1"), .network = MAYFLY_NETWORK_HOST,
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY())));
        fails(MAYFLY_SPEC(.image = image, LISTENER_("0", "notify", "NOTREADY=1\nREADY=12\nSTATUS=READY=1"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_FOR(.notify = 1, .timeout_ms = 200))),
              -ETIMEDOUT, "READY=1 from the app: it did not come", NULL);

        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, SH("sleep 1000")));
        prints_as(c, "0", "echo \"<$NOTIFY_SOCKET>\"", "<>\n");
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY()), -EINVAL, "put MAYFLY_WAIT_NOTIFY() into its spec's wait");
        mayfly_container_free(c);
}

static void an_app_that_exits(void **state)
{
        (void) state;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, SH("echo done; exit 3"),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(3), MAYFLY_WAIT_LOG("done"))));
        assert_int_equal(mayfly_container_wait(c, 0, &end, NULL), 0);
        assert_int_equal(end.status, 3);
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_EXIT(3)));
        mayfly_container_free(c);
        fails(MAYFLY_SPEC(.image = image, SH("echo broken; exit 4"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(0))), -ESRCH,
              "waiting for exit of the app with status 0: the app of container", "exited with status 4", "\n  | broken",
              NULL);
        fails(MAYFLY_SPEC(.image = image, SH("kill -9 $$"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(9))), -ESRCH,
              "SIGKILL", NULL);
        fails(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(0, .timeout_ms = 100))),
              -ETIMEDOUT, "it still runs", NULL);
        fails(MAYFLY_SPEC(.image = image, .idle = 1, .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(0))), -EINVAL,
              "runs no app: idle is set", NULL);
        fails(MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(0))), -EINVAL, "its image has none",
              NULL);
}

/* Counts its calls; ready at the third. */
static int third_call(struct mayfly_container *c, void *userdata)
{
        assert_int_equal(sh(c, "true"), 0);
        return ++*(int *) userdata == 3;
}

static int no_call(struct mayfly_container *c, void *userdata)
{
        (void) c;
        return *(const int *) userdata;
}

static void a_callback_that_says_so(void **state)
{
        (void) state;
        int calls = 0, never = -EBADMSG, not_yet = 0;
        starts(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_CALLBACK(third_call, .userdata = &calls))));
        assert_int_equal(calls, 3);
        fails(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_CALLBACK(no_call, .userdata = &never))),
              -EBADMSG, "callback: it returned -74", NULL);
        fails(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_CALLBACK(no_call, .userdata = &not_yet, .timeout_ms = 50))),
              -ETIMEDOUT, "callback: it returned 0 each time", NULL);
}

/* --- groups, time-outs, death ----------------------------------------------------------------------------------- */

static void groups(void **state)
{
        (void) state;
        starts(MAYFLY_SPEC(.image = image, SH("echo one; sleep 0.1; touch /tmp/two; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_ANY(MAYFLY_WAIT_LOG("never"), MAYFLY_WAIT_FILE("/tmp/two")),
                                               MAYFLY_WAIT_ALL(MAYFLY_WAIT_LOG("one"), MAYFLY_WAIT_FILE("/tmp")))));
        /* One that fails does not end "any". */
        starts(MAYFLY_SPEC(.image = image, SH("sleep 0.3; echo late; sleep 1000"),
                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_ANY(MAYFLY_WAIT_LOG("late", .timeout_ms = 50),
                                                               MAYFLY_WAIT_COMMAND("no-such-program"),
                                                               MAYFLY_WAIT_LOG("late")))));
        fails(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_ANY(MAYFLY_WAIT_LOG("never", .timeout_ms = 50),
                                                              MAYFLY_WAIT_COMMAND("no-such-program")))),
              -ETIMEDOUT, "not ready after 50 ms: log line that matches \"never\"", "no-such-program", NULL);
        fails(MAYFLY_SPEC(.image = image, SH("echo here; sleep 1000"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("here"),
                                              MAYFLY_WAIT_ALL_WITHIN(150, MAYFLY_WAIT_LOG("one"),
                                                                     MAYFLY_WAIT_LOG("here"),
                                                                     MAYFLY_WAIT_FILE("/two")))),
              -ETIMEDOUT, "not ready after 150 ms: log line that matches \"one\": 0 of 1 line did",
              "; file /two: it does", NULL);
        /* The spec's own time is that of all that have none. */
        fails(MAYFLY_SPEC(.image = image, SH("sleep 1000"), .start_timeout_ms = 700,
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/two"),
                                              MAYFLY_WAIT_FILE("/three", .timeout_ms = 60000))),
              -ETIMEDOUT, "not ready after 700 ms: file /two", NULL);
}

static void death_ends_a_wait(void **state)
{
        (void) state;
        fails(MAYFLY_SPEC(.image = image, SH("echo out of cheese; exit 7"),
                          .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready"), MAYFLY_WAIT_FILE("/ready"))),
              -ESRCH, "waiting for log line that matches \"ready\"; file /ready: the app of container",
              "exited with status 7", "\n  | out of cheese", NULL);
        /* What it wrote right before its end counts, with and without a newline. */
        for (int i = 0; i < 20; i++)
                starts(MAYFLY_SPEC(.image = image, SH("printf ready"),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^ready$"))));
        fails(MAYFLY_SPEC(.image = image, SH("sleep 0.2"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_COMMAND("sleep", "100"))),
              -ESRCH, "waiting for command \"sleep 100\"", "exited with status 0", NULL);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, SH("echo ready; sleep 1000")));
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready")));
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        waits(c, MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready"))); /* the log is still there */
        wait_fails(c, MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp")), -ESRCH, "waiting for file /tmp");
        mayfly_container_free(c);
}

static void wrong_waits_are_named(void **state)
{
        static const char *const none[] = { NULL };
        struct mayfly_wait circle[3] = { MAYFLY_WAIT_INIT };

        (void) state;
        circle[1].all = circle;
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ok"), MAYFLY_WAIT_LOG("a(b[c"))),
              -EINVAL,
              "condition 2 of the wait: the regular expression \"a(b[c\" is wrong at character 4, \"[c\": Unmatched [",
              NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_ANY(MAYFLY_WAIT_LOG("")))), -EINVAL,
              "condition 1.1 of the wait: the text that the log is to have is empty", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT({ .timeout_ms = 5 })), -EINVAL,
              "condition 1 of the wait awaits nothing", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT({ .file = "/x", .log = "x" })), -EINVAL,
              "has both log and file", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT({ .file = "/x", .log_count = 2 })), -EINVAL,
              "has log_count, but no log", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT({ .command = none })), -EINVAL,
              "the command has no words", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = MAYFLY_WAIT(MAYFLY_WAIT_EXIT(256))), -EINVAL,
              "exit_status is 256", NULL);
        fails(MAYFLY_SPEC(.image = "aci:nowhere", .wait = circle), -EINVAL, "does a list contain itself?", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_of_the_log),
                cmocka_unit_test(a_text_of_the_log_needs_no_end),
                cmocka_unit_test(the_nth_line),
                cmocka_unit_test(one_of_two_streams),
                cmocka_unit_test(a_command_that_succeeds),
                cmocka_unit_test(a_file_that_exists),
                cmocka_unit_test(signals_do_not_end_a_wait),
                cmocka_unit_test(an_app_that_says_so),
                cmocka_unit_test(an_app_that_exits),
                cmocka_unit_test(a_callback_that_says_so),
                cmocka_unit_test(groups),
                cmocka_unit_test(death_ends_a_wait),
                cmocka_unit_test(wrong_waits_are_named),
        };

        image = strdup(small_image("ready", NULL, "cp '" LISTENER "' bin/listener; mkdir -p -m 1777 tmp"));
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        free(image);
        return r;
}
