/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_KEEPER_H
#define MF_CLI_KEEPER_H

/* A keeper: the process that starts the containers of a declaration, owns them until its own end, and does what only an owner may do for
 * those who ask at its control socket. When it ends, by whatever, so do its containers and networks. */

#include <jansson.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/container.h>
#include <mayfly/network.h>
#include <mayfly/snapshot.h>

#include "cli/declaration.h"
#include "cli/named.h"

/* A container of a keeper. */
struct kept {
        const struct declared *declared;
        struct mayfly_container *container;
        struct mayfly_snapshot *snapshot; /* that it was given after its start */
        int leader;                       /* pidfd of its PID 1 while it runs, else -1 */
        int has_ended;                    /* by itself */
        int is_halted;                    /* as somebody asked for; it can be started again */
};

/* A connection to the control socket. */
struct keeper_client {
        int fd;
        json_t *request; /* that waits for its turn, or is being done */
};

#define KEEPER_CLIENTS_MAX 32U

struct keeper {
        /* Set by the caller. */
        const struct declaration *declaration;
        const char *state; /* directory of the state files, absolute; NULL for the default */
        int owner;         /* pidfd of the process whose end is the keeper's, or -1 */
        uint64_t limit_s;  /* how long the keeper may live; 0: without limit */
        int is_quiet;

        int starter; /* the pipe to the process that waits until all is ready; -1 in the foreground */
        int is_detached, is_ready, is_ending;
        int status; /* exit status for mayfly */
        uint64_t deadline_us;
        int signals, listener;
        struct keeper_client clients[KEEPER_CLIENTS_MAX];
        struct kept *kept; /* as many as the declaration has */
        struct mayfly_network **networks;

        /* What is done in a thread of its own, so that the keeper can end meanwhile. */
        pthread_t thread;
        int is_busy, done; /* eventfd: it is over */
        struct keeper_client *asker;
        int result;
        struct mayfly_error error;
};

/* Starts all and stays until the end. Returns the exit status for mayfly. */
int keeper_run(struct keeper *keeper);

/* keeper-detach.c: goes into the background, in a child process. Returns TOOL_OK there; until keeper_settle() its standard output goes to
 * the caller's process, which waits until all is ready, copies that, and ends. Complains and returns TOOL_FAILED when there is no child. */
int keeper_detach(struct keeper *keeper);
/* Tells the starter that all is ready, and leaves its streams. */
void keeper_settle(struct keeper *keeper);
/* Says what nobody has asked for: on standard error or, in the background, in the keeper's log. */
__attribute__((format(printf, 2, 3))) void keeper_say(const struct keeper *keeper, const char *format, ...);
/* The path of a keeper's log, which is there when there is something in it. */
void keeper_log_path(const char *state, pid_t keeper, char ret[TOOL_STATE_PATH_MAX]);

/* keeper-start.c: starts all, shares them by their names; ends them. */
int keeper_start_all(struct keeper *keeper, struct mayfly_error *err);
void keeper_stop_all(struct keeper *keeper);
/* Looks which containers run. Of one that has ended by itself it says how, if that was a failure. Returns how many there are that run or can
 * be started again. */
size_t keeper_look(struct keeper *keeper);
/* Returns a container that is there, or NULL with an error. */
struct kept *keeper_find(struct keeper *keeper, const char *name, struct mayfly_error *err);
/* Ends these containers, in an order in which each is there for those that come after it. */
int keeper_end_some(struct keeper *keeper, const json_t *names, struct mayfly_error *err);

/* keeper-requests.c: answers a request at once if that is possible. Returns 1, or 0 when it has to be done in a thread, by the second one. */
int keeper_answer(struct keeper *keeper, struct keeper_client *client);
int keeper_do(struct keeper *keeper, const json_t *request, struct mayfly_error *err);

#endif
