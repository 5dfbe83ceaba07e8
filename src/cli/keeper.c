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
#include "cli/keepers.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"
#include "util/time.h"

#define END_MS 10000 /* how long an end waits for what is under way */
#define LOGS_MS 50   /* how old what containers have written may be when it is printed */

/* --- jobs ------------------------------------------------------------------------------------------------------- */

static void *run_job(void *argument)
{
        struct keeper *keeper = argument;

        if (!keeper->is_ready)
                keeper->result = keeper_start_all(keeper, &keeper->error);
        else if (keeper->asker)
                keeper->result = keeper_do(keeper, keeper->asker->request, &keeper->error);
        else
                keeper_end_orphans(keeper);
        (void) eventfd_write(keeper->done, 1);
        return NULL;
}

/* Begins what a client asks for; without one the start or, after that, the end of what nobody is left to use. */
static void begin_job(struct keeper *keeper, struct keeper_client *asker)
{
        keeper->error = (struct mayfly_error) MAYFLY_ERROR_INIT;
        keeper->result = 0;
        keeper->asker = asker;
        keeper->is_busy = 1;
        int r = mf_thread_start(&keeper->thread, run_job, keeper);
        if (r == 0)
                return;
        keeper->is_busy = 0;
        keeper_say(keeper, "a thread cannot be made: %s", strerrordesc_np(-r));
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

/* Has a new branch in the list, and those that have ended not in it any more. */
static void take_branches(struct keeper *keeper)
{
        struct kept **grown;

        keeper_forget_branches(keeper);
        if (!keeper->branch)
                return;
        grown = mf_grow((void *) keeper->kept, keeper->n, &keeper->allocated, sizeof(*grown));
        if (!grown)
                tool_oom();
        keeper->kept = grown;
        keeper->kept[keeper->n++] = mf_take(keeper->branch);
}

static void be_ready(struct keeper *keeper)
{
        keeper_print(keeper);
        keeper_settle(keeper);
        keeper->is_ready = 1;
        keeper->deadline_us =
                keeper->limit_us ? mf_now_us() + keeper->limit_us : 0; /* until now the starter was there */
}

/* Begins what waits for its turn. */
static void begin_next(struct keeper *keeper)
{
        if (keeper_has_orphans(keeper)) {
                begin_job(keeper, NULL);
                return;
        }
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                if (keeper->clients[i].request) {
                        begin_job(keeper, &keeper->clients[i]);
                        return;
                }
}

static void end_job(struct keeper *keeper)
{
        eventfd_t count;

        pthread_join(keeper->thread, NULL);
        keeper->is_busy = 0;
        (void) eventfd_read(keeper->done, &count);
        take_branches(keeper);
        if (keeper->asker)
                answer(keeper);
        else if (keeper->result < 0)
                keeper->is_ending = keeper->status = tool_fail("%s", keeper->error.message);
        else if (!keeper->is_ready)
                be_ready(keeper);
        keeper->asker = NULL;
        if (keeper->is_ready && keeper_look(keeper) == 0)
                keeper->is_ending = 1; /* there is nothing left to keep */
        if (!keeper->is_ending)
                begin_next(keeper);
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
        end(keeper, TOOL_OK, keeper->is_ready ? NULL : "the owner has ended before all containers were ready");
        keeper_forget_words(keeper);
}

static void on_connection(struct keeper *keeper)
{
        int fd = control_accept(keeper->listener);

        for (size_t i = 0; i < KEEPER_CLIENTS_MAX && fd >= 0; i++)
                if (keeper->clients[i].fd < 0)
                        keeper->clients[i].fd = mf_take_fd(&fd);
        mf_close(fd);
}

/* Reads a request. It is done at once, or in its turn. */
static void on_request(struct keeper *keeper, struct keeper_client *client)
{
        json_t *request = NULL;

        int r = control_receive(client->fd, &request);
        if (r < 0)
                leave(client);
        if (r <= 0)
                return;
        client->request = request;
        if (keeper_answer(keeper, client)) {
                json_decref(client->request);
                client->request = NULL;
        } else if (!keeper->is_busy) {
                begin_next(keeper);
        }
}

/* The number of descriptors: of each container, its PID 1 and, if it is a branch, its owner. */
static size_t count(const struct keeper *keeper)
{
        return CONTAINERS + 2 * keeper->n;
}

/* Whether another client has a place. Those that come meanwhile wait at the socket. */
static int has_room(const struct keeper *keeper)
{
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                if (keeper->clients[i].fd < 0)
                        return 1;
        return 0;
}

static void fill(const struct keeper *keeper, struct pollfd *fds)
{
        fds[SIGNALS] = (struct pollfd){ .fd = keeper->signals, .events = POLLIN };
        fds[OWNER] = (struct pollfd){ .fd = keeper->owner, .events = POLLIN };
        fds[STARTER] = (struct pollfd){ .fd = keeper->is_ready ? -1 : keeper->starter };
        fds[DONE] = (struct pollfd){ .fd = keeper->done, .events = POLLIN };
        fds[LISTENER] = (struct pollfd){ .fd = has_room(keeper) ? keeper->listener : -1, .events = POLLIN };
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) /* one that has its answer still to come is not read from */
                fds[CLIENTS + i] = (struct pollfd){ .fd = keeper->clients[i].request ? -1 : keeper->clients[i].fd,
                                                    .events = POLLIN };
        for (size_t i = 0; i < keeper->n; i++) { /* while something is done, the ends of containers are a part of it */
                const struct kept *kept = keeper->kept[i];
                fds[CONTAINERS + 2 * i] =
                        (struct pollfd){ .fd = keeper->is_busy ? -1 : kept->leader, .events = POLLIN };
                fds[CONTAINERS + 2 * i + 1] =
                        (struct pollfd){ .fd = keeper->is_busy ? -1 : kept->owner, .events = POLLIN };
        }
}

/* Heeds the ends of containers, and of those whom branches are for. */
static void on_containers(struct keeper *keeper, const struct pollfd *fds)
{
        int is_any = 0;

        for (size_t i = CONTAINERS; i < count(keeper); i++)
                is_any |= fds[i].revents;
        if (!is_any || keeper->is_ending)
                return;
        if (keeper_look(keeper) == 0)
                keeper->is_ending = 1;
        else
                begin_next(keeper);
}

static void on_clients(struct keeper *keeper, const struct pollfd *fds)
{
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX && !keeper->is_ending; i++)
                if (fds[CLIENTS + i].revents)
                        on_request(keeper, &keeper->clients[i]);
        if (fds[LISTENER].revents && !keeper->is_ending)
                on_connection(keeper);
}

/* How long the next event may take to come: -1 for ever. */
static int left_ms(const struct keeper *keeper)
{
        int left = keeper->deadline_us ? mf_left_ms(keeper->deadline_us) : -1;

        return keeper_shows_logs(keeper) && (left < 0 || left > LOGS_MS) ? LOGS_MS : left;
}

/* Waits for an event and heeds it. */
static void turn(struct keeper *keeper)
{
        mf_cleanup(mf_freep) struct pollfd *fds = calloc(count(keeper), sizeof(*fds));

        if (!fds)
                tool_oom();
        fill(keeper, fds);
        const int wait_ms = left_ms(keeper);
        if (wait_ms == 0) {
                end(keeper, TOOL_OK, "the time limit is over, so that the containers end");
                return;
        }
        if (poll(fds, count(keeper), wait_ms) < 0)
                return;
        if (!keeper->is_busy) /* what is done may be the end of a container */
                keeper_print_logs(keeper);
        if (fds[SIGNALS].revents)
                on_signal(keeper);
        if (fds[OWNER].revents)
                on_owner_end(keeper);
        if (fds[STARTER].revents)
                end(keeper, TOOL_FAILED, NULL);
        on_containers(keeper, fds);
        on_clients(keeper, fds);
        if (fds[DONE].revents && !keeper->is_ending)
                end_job(keeper);
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
        char id[CONTROL_ID_MAX];

        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                keeper->clients[i] = (struct keeper_client){ .fd = -1 };
        keeper->listener = -1;
        keeper->signals = hold_signals(ret_old);
        keeper->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (keeper->signals < 0 || keeper->done < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "descriptors for events");
        keepers_id(keeper->state, id);
        keeper->listener = control_listen(id, err);
        return keeper->listener < 0 ? keeper->listener : 0;
}

/* Waits for what is under way, so that all can be ended in order. A start is not waited for, nor is anything for long or when a signal
 * comes: then the end of this process is that of its containers. */
static void await_job(struct keeper *keeper)
{
        struct pollfd fds[] = { { .fd = keeper->done, .events = POLLIN }, { .fd = keeper->signals, .events = POLLIN } };
        int r;

        do
                r = keeper->is_ready ? poll(fds, MF_ELEMENTSOF(fds), END_MS) : 0;
        while (r < 0 && errno == EINTR);
        if (r <= 0 || !fds[0].revents) {
                (void) fflush(stdout);
                _exit(keeper->status);
        }
        pthread_join(keeper->thread, NULL);
        take_branches(keeper);
}

static void stay(struct keeper *keeper)
{
        begin_job(keeper, NULL);
        while (!keeper->is_ending)
                turn(keeper);
        if (keeper->is_busy)
                await_job(keeper);
}

int keeper_run(struct keeper *keeper)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        sigset_t old;

        keeper_make_places(keeper);
        if (open_all(keeper, &old, &err) < 0)
                keeper->status = tool_fail("%s", err.message);
        else
                stay(keeper);
        sigprocmask(SIG_SETMASK, &old, NULL); /* who asks again does not want to wait */
        if (!keeper->is_detached)             /* it has said all on its standard error */
                keeper_forget_words(keeper);
        keeper_end_all(keeper);
        for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
                leave(&keeper->clients[i]); /* who waits for the end sees it now */
        mf_close(keeper->listener);
        mf_close(keeper->signals);
        mf_close(keeper->done);
        return keeper->status;
}
