/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"
#include "util/time.h"

/* --- jobs ------------------------------------------------------------------------------------------------------- */

static void *run_job(void *argument)
{
        struct keeper *keeper = argument;

        keeper->result = keeper->asker ? keeper_do(keeper, keeper->asker->request, &keeper->error)
                                       : keeper_start_all(keeper, &keeper->error);
        (void) eventfd_write(keeper->done, 1);
        return NULL;
}

/* Begins what a client asks for, or the start for NULL. */
static void begin_job(struct keeper *keeper, struct keeper_client *asker)
{
        keeper->error = (struct mayfly_error) MAYFLY_ERROR_INIT;
        keeper->asker = asker;
        keeper->is_busy = 1;
        int r = mf_thread_start(&keeper->thread, run_job, keeper);
        if (r == 0)
                return;
        keeper->is_busy = 0;
        (void) tool_fail("a thread cannot be made: %s", strerrordesc_np(-r));
        keeper->is_ending = keeper->status = TOOL_FAILED;
}

static void leave(struct keeper_client *client)
{
        json_decref(client->request);
        client->request = NULL;
        client->fd = mf_close(client->fd);
}

/* Answers the client for which something was done. */
static void answer(struct keeper *keeper)
{
        struct keeper_client *asker = keeper->asker;

        control_answer(asker->fd, keeper->result < 0 ? keeper->error.message : NULL);
        json_decref(asker->request);
        asker->request = NULL;
}

static void print_addresses(const struct kept *kept)
{
        const struct mayfly_publish *publish = kept->declared->spec.publish;
        char port[24];

        if (!publish || !publish[1].size)
                printf("%s\n", kept->declared->name);
        for (; publish && publish[1].size; publish++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                snprintf(port, sizeof(port), "%u/%s", publish[1].port, publish[1].protocol);
                if (mayfly_container_address(kept->container, port, &address, NULL) == 0)
                        printf("%s %s %s\n", kept->declared->name, port, address.text);
        }
}

static void be_ready(struct keeper *keeper)
{
        for (size_t i = 0; i < keeper->declaration->n && !keeper->is_quiet; i++)
                print_addresses(&keeper->kept[i]);
        (void) fflush(stdout);
        keeper_settle(keeper);
        keeper->is_ready = 1;
}

static void end_job(struct keeper *keeper)
{
        pthread_join(keeper->thread, NULL);
        keeper->is_busy = 0;
        eventfd_t count;
        (void) eventfd_read(keeper->done, &count);
        if (keeper->asker)
                answer(keeper);
        else if (keeper->result == 0)
                be_ready(keeper);
        else
                keeper->is_ending = keeper->status = tool_fail("%s", keeper->error.message);
        if (keeper->is_ready && keeper_look(keeper) == 0)
                keeper->is_ending = 1; /* there is nothing left to keep */
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX && !keeper->is_busy && !keeper->is_ending; i++)
                if (keeper->clients[i].request)
                        begin_job(keeper, &keeper->clients[i]);
}

/* --- events ----------------------------------------------------------------------------------------------------- */

enum { SIGNALS, OWNER, STARTER, DONE, LISTENER, CLIENTS, CONTAINERS = CLIENTS + KEEPER_CLIENTS_MAX };

static void end(struct keeper *keeper, int status, const char *why)
{
        keeper->is_ending = 1;
        keeper->status = keeper->is_ready ? status : TOOL_FAILED;
        if (why)
                keeper_say(keeper, "%s", why);
}

static void on_signal(struct keeper *keeper)
{
        struct signalfd_siginfo info;

        if (read(keeper->signals, &info, sizeof(info)) != (ssize_t) sizeof(info))
                return;
        end(keeper, TOOL_OK, keeper->is_ready ? NULL : "interrupted before all containers were ready");
}

static void on_owner_end(struct keeper *keeper)
{
        char log[TOOL_STATE_PATH_MAX];

        end(keeper, TOOL_OK, keeper->is_ready ? NULL : "the owner has ended before all containers were ready");
        keeper_log_path(keeper->state, getpid(), log);
        if (keeper->is_detached)
                (void) unlink(log); /* nobody is left who would read it */
}

static void on_connection(struct keeper *keeper)
{
        int fd = control_accept(keeper->listener);

        for (size_t i = 0; i < KEEPER_CLIENTS_MAX && fd >= 0; i++)
                if (keeper->clients[i].fd < 0)
                        keeper->clients[i].fd = mf_take_fd(&fd);
        mf_close(fd);
}

static void on_request(struct keeper *keeper, struct keeper_client *client)
{
        json_t *request = NULL;

        int r = control_receive(client->fd, &request);
        if (r < 0 && keeper->asker == client && keeper->is_busy)
                return; /* it is read from again when that is done */
        if (r < 0)
                leave(client);
        if (r <= 0)
                return;
        client->request = request;
        if (keeper_answer(keeper, client)) {
                json_decref(client->request);
                client->request = NULL;
        } else if (!keeper->is_busy) {
                begin_job(keeper, client);
        }
}

static void fill(const struct keeper *keeper, struct pollfd *fds)
{
        /* While something is done, the ends of containers are a part of it, and a client has its answer still to come. */
        fds[SIGNALS] = (struct pollfd){ .fd = keeper->signals, .events = POLLIN };
        fds[OWNER] = (struct pollfd){ .fd = keeper->owner, .events = POLLIN };
        fds[STARTER] = (struct pollfd){ .fd = keeper->is_ready ? -1 : keeper->starter };
        fds[DONE] = (struct pollfd){ .fd = keeper->done, .events = POLLIN };
        fds[LISTENER] = (struct pollfd){ .fd = keeper->listener, .events = POLLIN };
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                fds[CLIENTS + i] = (struct pollfd){ .fd = keeper->clients[i].request ? -1 : keeper->clients[i].fd,
                                                    .events = POLLIN };
        for (size_t i = 0; i < keeper->declaration->n; i++)
                fds[CONTAINERS + i] =
                        (struct pollfd){ .fd = keeper->is_busy ? -1 : keeper->kept[i].leader, .events = POLLIN };
}

/* Waits for an event and heeds it. */
static void turn(struct keeper *keeper, struct pollfd *fds)
{
        fill(keeper, fds);
        int left_ms = keeper->deadline_us ? mf_left_ms(keeper->deadline_us) : -1;
        if (left_ms == 0) {
                end(keeper, TOOL_OK, "the time limit is over, so that the containers end");
                return;
        }
        if (poll(fds, CONTAINERS + keeper->declaration->n, left_ms) < 0)
                return;
        if (fds[SIGNALS].revents)
                on_signal(keeper);
        if (fds[OWNER].revents)
                on_owner_end(keeper);
        if (fds[STARTER].revents)
                end(keeper, TOOL_FAILED, NULL);
        for (size_t i = 0; i < keeper->declaration->n && !keeper->is_ending; i++)
                if (fds[CONTAINERS + i].revents && keeper_look(keeper) == 0)
                        keeper->is_ending = 1;
        if (fds[DONE].revents && !keeper->is_ending)
                end_job(keeper);
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX && !keeper->is_ending; i++)
                if (fds[CLIENTS + i].revents)
                        on_request(keeper, &keeper->clients[i]);
        if (fds[LISTENER].revents && !keeper->is_ending)
                on_connection(keeper);
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* From here on the signals that end a process are events. */
static int hold_signals(sigset_t *ret_old)
{
        sigset_t held;

        sigemptyset(&held);
        sigaddset(&held, SIGTERM);
        sigaddset(&held, SIGINT);
        sigaddset(&held, SIGHUP);
        sigprocmask(SIG_BLOCK, &held, ret_old);
        signal(SIGPIPE, SIG_IGN);
        return signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_all(struct keeper *keeper, sigset_t *ret_old, struct mayfly_error *err)
{
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                keeper->clients[i] = (struct keeper_client){ .fd = -1 };
        keeper->listener = -1;
        keeper->signals = hold_signals(ret_old);
        keeper->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (keeper->signals < 0 || keeper->done < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "descriptors for events");
        keeper->listener = control_listen(err);
        return keeper->listener < 0 ? keeper->listener : 0;
}

/* What is under way cannot be waited for: the end of this process is the end of its containers, too. */
static void end_at_once(const struct keeper *keeper)
{
        (void) fflush(stdout);
        _exit(keeper->status);
}

static void stay(struct keeper *keeper, struct pollfd *fds)
{
        begin_job(keeper, NULL);
        while (!keeper->is_ending)
                turn(keeper, fds);
        if (keeper->is_busy)
                end_at_once(keeper);
}

int keeper_run(struct keeper *keeper)
{
        const size_t n = keeper->declaration->n;
        mf_cleanup(mf_freep) struct pollfd *fds = calloc(CONTAINERS + n, sizeof(*fds));
        mf_cleanup(mf_freep) struct kept *kept = calloc(n + 1, sizeof(*kept));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        sigset_t old;

        if (!fds || !kept)
                tool_oom();
        keeper->kept = kept;
        for (size_t i = 0; i < n; i++)
                kept[i] = (struct kept){ .declared = &keeper->declaration->containers[i], .leader = -1 };
        keeper->deadline_us = keeper->limit_s ? mf_now_us() + keeper->limit_s * 1000000U : 0;
        if (open_all(keeper, &old, &err) < 0)
                keeper->status = tool_fail("%s", err.message);
        else
                stay(keeper, fds);
        sigprocmask(SIG_SETMASK, &old, NULL); /* who asks again does not want to wait */
        keeper_stop_all(keeper);
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                leave(&keeper->clients[i]); /* who waits for the end sees it now */
        mf_close(keeper->listener);
        mf_close(keeper->signals);
        mf_close(keeper->done);
        return keeper->status;
}
