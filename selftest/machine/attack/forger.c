/* SPDX-License-Identifier: MIT */

/* What mayfly-init could do once somebody has taken it over: test-forged has containers run this program in its place. It says
 * what "FORGE=..." in the container's environment names, and waits. Static. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/message.h"

static void say(enum mf_message_type type, int a, int b)
{
        const struct mf_message message = { .type = type, .value = { a, b } };

        (void) mf_message_send(0, &message, NULL, 0);
}

/* In the name of a process that has ended, as root may. */
static void say_by_the_dead(enum mf_message_type type)
{
        const struct mf_message message = { .version = MF_PROTOCOL_VERSION, .type = type };
        union {
                struct cmsghdr align;
                char buffer[CMSG_SPACE(sizeof(struct ucred))];
        } control = { .buffer = { 0 } };
        struct ucred sender = { .pid = fork() };
        struct iovec iov = { .iov_base = (void *) (uintptr_t) &message, .iov_len = sizeof(message) };
        struct msghdr header = { .msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control.buffer,
                                 .msg_controllen = sizeof(control.buffer) };
        siginfo_t info;

        if (sender.pid == 0)
                _exit(0);
        (void) waitid(P_PID, (id_t) sender.pid, &info, WEXITED | WNOWAIT);
        control.align = (struct cmsghdr){ CMSG_LEN(sizeof(sender)), SOL_SOCKET, SCM_CREDENTIALS };
        memcpy(CMSG_DATA(&control.align), &sender, sizeof(sender));
        if (sendmsg(0, &header, MSG_NOSIGNAL) < 0)
                perror("sendmsg");
        (void) waitpid(sender.pid, NULL, 0);
}

static void say_with_descriptors(enum mf_message_type type)
{
        const struct mf_message message = { .type = type };
        int fds[MF_MESSAGE_FDS_MAX];

        for (size_t i = 0; i < MF_MESSAGE_FDS_MAX; i++)
                fds[i] = 0;
        (void) mf_message_send(0, &message, fds, MF_MESSAGE_FDS_MAX);
}

static void forge(const char *what)
{
        const char bytes[2000] = "";

        if (strncmp(what, "ready-by-the-dead", 17) == 0) {
                say_by_the_dead(MF_MESSAGE_READY);
                if (strcmp(what, "ready-by-the-dead-alone") != 0)
                        say(MF_MESSAGE_APP, 0, 0);
                return;
        }
        if (strcmp(what, "never-ready") == 0)
                return;
        say(MF_MESSAGE_READY, 0, 0);
        if (strcmp(what, "descriptors") != 0)
                say(MF_MESSAGE_APP, 0, 0);
        if (strcmp(what, "ready-again") == 0)
                say(MF_MESSAGE_READY, 0, 0);
        else if (strcmp(what, "ready-again-by-the-dead") == 0)
                say_by_the_dead(MF_MESSAGE_READY);
        else if (strcmp(what, "limits-late") == 0)
                say(MF_MESSAGE_LIMITS, 1, 0);
        else if (strcmp(what, "app-again") == 0)
                say(MF_MESSAGE_APP, 0, 0);
        else if (strcmp(what, "exit-by-no-signal") == 0)
                say(MF_MESSAGE_EXIT, CLD_KILLED, 9999);
        else if (strcmp(what, "run") == 0)
                say(MF_MESSAGE_RUN, 0, 0);
        else if (strcmp(what, "descriptors") == 0)
                say_with_descriptors(MF_MESSAGE_HOOK);
        else if (strcmp(what, "short") == 0)
                (void) send(0, bytes, 3, MSG_NOSIGNAL);
        else if (strcmp(what, "long") == 0)
                (void) send(0, bytes, sizeof(bytes), MSG_NOSIGNAL);
        else if (strcmp(what, "flood") == 0)
                for (int i = 0; i < 5000; i++)
                        say(MF_MESSAGE_READY, 0, 0);
}

int main(void)
{
        static char block[1 << 16];
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        if (mf_message_recv(0, &message, fds, &n_fds, NULL, 0) <= 0 || n_fds < 2)
                return 1;
        ssize_t n = pread(fds[1], block, sizeof(block) - 1, 0);
        char *what = n > 0 ? memmem(block, (size_t) n, "FORGE=", 6) : NULL;
        if (!what)
                return 1;
        forge(what + 6);
        /* Like an init that hangs: only a kill ends it. */
        signal(SIGTERM, SIG_IGN);
        for (;;)
                pause();
}
