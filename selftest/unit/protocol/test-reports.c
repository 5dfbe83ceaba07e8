/* SPDX-License-Identifier: MIT */

/* What the library takes from a container: forged, replayed and misordered messages, and descriptors. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/reports.h"

#define M(...) ((const struct mf_message){ __VA_ARGS__ })

static int take(struct mf_reports *reports, struct mf_message message)
{
        return mf_reports_take(reports, &message, 0);
}

/* Takes the message, and must leave everything as it was. */
static void refuse(struct mf_reports *reports, struct mf_message message)
{
        const struct mf_reports before = *reports;

        if (take(reports, message) != -EPROTO)
                fail_msg("message %u with %d, %d was taken", message.type, message.value[0], message.value[1]);
        assert_memory_equal(&before, reports, sizeof(before));
}

/* Every message there is, but for those of `except`, must be refused. */
static void refuse_all_but(struct mf_reports *reports, uint32_t except)
{
        for (uint32_t type = 0; type <= 40; type++) {
                struct mf_message message = { .type = type };
                if (type == MF_MESSAGE_LIMITS)
                        message.value[0] = MF_LIMIT_CPU;
                if (type == MF_MESSAGE_EXIT)
                        message.value[0] = CLD_EXITED;
                if (type >= 32 || !(except & (1U << type)))
                        refuse(reports, message);
        }
        refuse(reports, M(.type = UINT32_MAX));
}

#define BIT(name) (1U << MF_MESSAGE_##name)

/* What was used is told once, before the end, and makes a kill one for want of memory. */
static void use_is_told_once(void **state)
{
        struct mf_reports reports = { .expects_app = 1 };
        struct mf_message usage = { .type = MF_MESSAGE_USAGE, .text = "1 2 3" };

        (void) state;
        refuse(&reports, usage);
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_READY)), 0);
        refuse(&reports, usage);
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_APP)), 0);
        refuse(&reports, M(.type = MF_MESSAGE_USAGE, .text = "1 2"));
        assert_int_equal(take(&reports, usage), 0);
        assert_int_equal(reports.usage.oom_kills, 3);
        refuse(&reports, usage);
        assert_false(mf_reports_have_oom(&reports));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_EXIT, .value = { CLD_KILLED, SIGKILL })), 0);
        assert_true(mf_reports_have_oom(&reports));
        refuse(&reports, usage);
        reports.app_end.si_status = SIGTERM;
        assert_false(mf_reports_have_oom(&reports));
        reports.app_end.si_status = SIGKILL;
        reports.usage.oom_kills = MF_USAGE_UNKNOWN;
        assert_false(mf_reports_have_oom(&reports));
}

/* Only an app that was started can say that it is ready, once, and only where the library has asked for it. */
static void ready_is_said_once(void **state)
{
        struct mf_reports reports = { .expects_app = 1, .expects_notify = 1 };

        (void) state;
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_READY)), 0);
        refuse_all_but(&reports, BIT(HOOK) | BIT(APP));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_APP)), 0);
        refuse_all_but(&reports, BIT(EXIT) | BIT(NOTIFIED));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_NOTIFIED)), 0);
        assert_true(reports.notified);
        refuse_all_but(&reports, BIT(EXIT));
}

static void each_report_comes_once_and_in_order(void **state)
{
        struct mf_reports reports = { .expects_app = 1 };

        (void) state;
        refuse_all_but(&reports, BIT(LIMITS) | BIT(READY));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_READY)), 0);
        assert_true(reports.ready);
        refuse_all_but(&reports, BIT(HOOK) | BIT(APP));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_HOOK)), 0);
        refuse_all_but(&reports, BIT(APP));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_APP)), 0);
        assert_int_equal(reports.app, MF_APP_STARTED);
        refuse_all_but(&reports, BIT(EXIT));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_EXIT, .value = { CLD_KILLED, SIGKILL, 1 })), 0);
        assert_int_equal(reports.app, MF_APP_ENDED);
        assert_int_equal(reports.app_end.si_status, SIGKILL);
        assert_true(reports.app_was_late);
        refuse_all_but(&reports, 0);
}

static void an_app_that_failed_has_no_end(void **state)
{
        struct mf_reports reports = { .expects_app = 1 };
        struct mf_message failure = { .type = MF_MESSAGE_APP, .value = { ENOENT } };

        (void) state;
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_READY)), 0);
        memset(failure.text, 'x', sizeof(failure.text)); /* without its end */
        assert_int_equal(take(&reports, failure), 0);
        assert_int_equal(reports.app, MF_APP_FAILED);
        assert_int_equal(reports.app_error, -ENOENT);
        assert_int_equal(strlen(reports.app_failure), sizeof(failure.text) - 1);
        refuse_all_but(&reports, 0);
}

static void an_idle_container_has_no_app(void **state)
{
        struct mf_reports reports = { 0 };

        (void) state;
        refuse_all_but(&reports, BIT(LIMITS) | BIT(READY));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_READY)), 0);
        refuse_all_but(&reports, 0);
}

static void limits_are_known_and_told_once(void **state)
{
        const int bad[] = { 0, -1, 32, MF_LIMIT_CPU | 64, INT32_MAX, INT32_MIN };
        struct mf_reports reports = { 0 };

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                refuse(&reports, M(.type = MF_MESSAGE_LIMITS, .value = { bad[i] }));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_LIMITS, .value = { MF_LIMIT_MEMORY | MF_LIMIT_CPU })), 0);
        refuse(&reports, M(.type = MF_MESSAGE_LIMITS, .value = { MF_LIMIT_CPU }));
        refuse(&reports, M(.type = MF_MESSAGE_LIMITS, .value = { MF_LIMIT_CPU | MF_LIMIT_OOM_SCORE }));
        /* mayfly-init's own, after mayfly-launch's */
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_LIMITS, .value = { MF_LIMIT_OOM_SCORE })), 0);
        assert_int_equal(reports.missing_limits, MF_LIMIT_MEMORY | MF_LIMIT_CPU | MF_LIMIT_OOM_SCORE);
}

/* mayfly-launch sends it before anything of the container runs. */
static void a_hosts_file_comes_once_if_it_is_expected(void **state)
{
        const struct mf_message hosts = { .type = MF_MESSAGE_HOSTS };
        struct mf_reports reports = { .expects_hosts = 1 }, late = { .expects_hosts = 1, .ready = 1 }, none = { 0 };

        (void) state;
        assert_int_equal(mf_reports_take(&none, &hosts, 1), -EPROTO);
        assert_int_equal(mf_reports_take(&late, &hosts, 1), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &hosts, 0), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &hosts, 2), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &hosts, 1), 0);
        assert_int_equal(mf_reports_take(&reports, &hosts, 1), -EPROTO);
}

/* The same with the mount of the scratch, which each start has. */
static void a_scratch_comes_once(void **state)
{
        const struct mf_message scratch = { .type = MF_MESSAGE_SCRATCH };
        struct mf_reports reports = { 0 }, late = { .ready = 1 };

        (void) state;
        assert_int_equal(mf_reports_take(&late, &scratch, 1), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &scratch, 0), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &scratch, 2), -EPROTO);
        assert_int_equal(mf_reports_take(&reports, &scratch, 1), 0);
        assert_int_equal(mf_reports_take(&reports, &scratch, 1), -EPROTO);
}

static void impossible_values_are_refused(void **state)
{
        const int ends[][2] = { { 0, 0 },           { CLD_EXITED, 256 }, { CLD_EXITED, -1 },  { CLD_KILLED, 0 },
                                { CLD_KILLED, 65 }, { CLD_STOPPED, 19 }, { CLD_DUMPED, 1000 } };
        struct mf_reports reports = { .expects_app = 1, .ready = 1 };

        (void) state;
        refuse(&reports, M(.type = MF_MESSAGE_APP, .value = { -1 }));
        refuse(&reports, M(.type = MF_MESSAGE_APP, .value = { INT32_MAX }));
        refuse(&reports, M(.type = MF_MESSAGE_APP, .value = { INT32_MIN }));
        assert_int_equal(take(&reports, M(.type = MF_MESSAGE_APP)), 0);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                refuse(&reports, M(.type = MF_MESSAGE_EXIT, .value = { ends[i][0], ends[i][1] }));
}

/* Through a real socket: what came with a message is with the receiver, who closes it. */
static void descriptors_are_refused(void **state)
{
        const struct mf_message ready = { .type = MF_MESSAGE_READY };
        struct mf_reports reports = { 0 };
        struct mf_message message;
        int pair[2], given[2], fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(pipe2(given, O_CLOEXEC), 0);
        assert_int_equal(mf_message_send(pair[0], &ready, given, 2), 0);
        assert_int_equal(mf_message_recv(pair[1], &message, fds, &n_fds, NULL, MSG_DONTWAIT), 1);
        assert_int_equal(n_fds, 2);
        assert_int_equal(mf_reports_take(&reports, &message, n_fds), -EPROTO);
        assert_false(reports.ready);
        for (size_t i = 0; i < n_fds; i++)
                assert_int_equal(close(fds[i]), 0);

        /* One that is too short, and one of another version: their descriptors are closed at once. */
        const int low = dup(0);
        close(low);
        struct mf_message short_one = { .version = MF_PROTOCOL_VERSION + 1, .type = MF_MESSAGE_READY };
        assert_int_equal(send(pair[0], &short_one, 8, 0), 8);
        assert_int_equal(mf_message_recv(pair[1], &message, fds, &n_fds, NULL, MSG_DONTWAIT), -EPROTO);
        assert_int_equal(send(pair[0], &short_one, sizeof(short_one), 0), (int) sizeof(short_one));
        assert_int_equal(mf_message_recv(pair[1], &message, fds, &n_fds, NULL, MSG_DONTWAIT), -EPROTO);
        assert_int_equal(n_fds, 0);
        const int again = dup(0);
        assert_int_equal(again, low);
        close(again);
        for (int i = 0; i < 2; i++) {
                close(pair[i]);
                close(given[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(use_is_told_once),
                cmocka_unit_test(ready_is_said_once),
                cmocka_unit_test(each_report_comes_once_and_in_order),
                cmocka_unit_test(an_app_that_failed_has_no_end),
                cmocka_unit_test(an_idle_container_has_no_app),
                cmocka_unit_test(limits_are_known_and_told_once),
                cmocka_unit_test(a_hosts_file_comes_once_if_it_is_expected),
                cmocka_unit_test(a_scratch_comes_once),
                cmocka_unit_test(impossible_values_are_refused),
                cmocka_unit_test(descriptors_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
