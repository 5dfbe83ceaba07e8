/* SPDX-License-Identifier: MIT */

/* What comes over the reply socket of a command, whose other end root in the container may have got hold of. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/command.h"
#include "protocol/message.h"

/* A command whose supervisor is the test, at *ret_peer, and whose container is freed already. */
static struct mayfly_exec *make_exec(int is_terminal, int *ret_peer)
{
        struct mayfly_exec *exec = calloc(1, sizeof(*exec));
        int pair[2];

        assert_non_null(exec);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        exec->reply = pair[0];
        *ret_peer = pair[1];
        exec->input = exec->captures[0].fd = exec->captures[1].fd = -1;
        exec->is_terminal = is_terminal;
        exec->anchor = mf_anchor_new(NULL);
        exec->program = strdup("program");
        strcpy(exec->machine, "machine");
        pthread_mutex_init(&exec->input_lock, NULL);
        return exec;
}

struct sent {
        enum mf_message_type type;
        int32_t value[4];
        int fd; /* that goes along: 1 a pipe's, 2 a terminal's */
};

static void send_to(int peer, const struct sent *sent)
{
        struct mf_message message = { .type = sent->type };
        int fd = sent->fd == 2 ? posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) : sent->fd ? dup(0) : -1;

        memcpy(message.value, sent->value, sizeof(message.value));
        memset(message.text, 'x', sizeof(message.text)); /* without an end */
        assert_int_equal(mf_message_send(peer, &message, &fd, sent->fd != 0), 0);
        if (fd >= 0)
                close(fd);
}

static const struct {
        int is_terminal;
        struct sent sent[3];
        int code; /* of the wait */
} cases[] = {
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_EXITED, 255 }, 0 } }, 0 },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_DUMPED, SIGSEGV }, 0 } }, 0 },
        { 1, { { MF_MESSAGE_STARTED, { 7 }, 2 }, { MF_MESSAGE_RESULT, { 0, CLD_KILLED, SIGKILL }, 0 } }, 0 },
        { 0, { { MF_MESSAGE_RESULT, { ENOENT }, 0 } }, 0 },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 } }, -ESRCH }, /* and then its end of the socket is closed */
        { 0, { { MF_MESSAGE_RESULT, { 0, CLD_EXITED, 0 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 0 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { -1 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_STARTED, { 8 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 1 } }, -EPROTO },
        { 1, { { MF_MESSAGE_STARTED, { 7 }, 0 } }, -EMFILE },
        { 1, { { MF_MESSAGE_STARTED, { 7 }, 1 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_EXITED, 256 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_EXITED, -1 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_KILLED, 0 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_KILLED, 1000 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_STOPPED, 19 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_STARTED, { 7 }, 0 }, { MF_MESSAGE_RESULT, { 0, CLD_EXITED, 0 }, 1 } }, -EPROTO },
        { 0, { { MF_MESSAGE_RESULT, { -5 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_RESULT, { 5000 }, 0 } }, -EPROTO },
        { 0, { { MF_MESSAGE_READY, { 0 }, 0 } }, -EPROTO },
};

static unsigned count_descriptors(void)
{
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void what_may_come_is_taken_and_nothing_else(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                unsigned before = count_descriptors();
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                int peer;
                struct mayfly_exec *exec = make_exec(cases[i].is_terminal, &peer);

                for (size_t j = 0; j < 3 && cases[i].sent[j].type; j++)
                        send_to(peer, &cases[i].sent[j]);
                close(peer);
                int code = mf_command_await_end(exec, UINT64_MAX, 1, &err);
                if (code != cases[i].code)
                        fail_msg("case %zu: %d, not %d: %s", i, code, cases[i].code, err.message);
                if (code == -EPROTO)
                        assert_non_null(strstr(err.message, "\"program\": its supervisor in machine sent a message"));
                mf_command_end(exec);
                assert_int_equal(count_descriptors(), before);
        }
}

static void a_packet_of_another_size_is_an_error(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int peer;
        struct mayfly_exec *exec = make_exec(0, &peer);

        (void) state;
        assert_int_equal(send(peer, "short", 5, 0), 5);
        assert_int_equal(mf_command_await_end(exec, UINT64_MAX, 0, &err), -EPROTO);
        mf_command_end(exec);
        close(peer);
}

/* A supervisor that ends with a signal unread resets the connection; what it said before counts all the same. */
static void the_end_counts_though_a_signal_was_unread(void **state)
{
        static const struct sent unread = { MF_MESSAGE_SIGNAL, { SIGTERM }, 0 };
        static const struct sent sent[] = { { MF_MESSAGE_STARTED, { 7 }, 0 },
                                            { MF_MESSAGE_RESULT, { 0, CLD_EXITED, 3 }, 0 } };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int peer;
        struct mayfly_exec *exec = make_exec(0, &peer);

        (void) state;
        send_to(peer, &sent[0]);
        send_to(exec->reply, &unread);
        send_to(peer, &sent[1]);
        close(peer);
        if (mf_command_await_end(exec, UINT64_MAX, 1, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(exec->heard.end.si_status, 3);
        mf_command_end(exec);

        exec = make_exec(0, &peer);
        send_to(peer, &sent[0]);
        send_to(exec->reply, &unread);
        close(peer);
        assert_int_equal(mf_command_await_end(exec, UINT64_MAX, 1, &err), -ESRCH);
        mf_command_end(exec);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_may_come_is_taken_and_nothing_else),
                cmocka_unit_test(a_packet_of_another_size_is_an_error),
                cmocka_unit_test(the_end_counts_though_a_signal_was_unread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
