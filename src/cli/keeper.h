/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_KEEPER_H
#define MF_CLI_KEEPER_H

/* A keeper: the process that starts the containers of a declaration, owns them until its own end, and does what only an owner may do for
 * those who ask at its control socket. When it ends, by whatever, so do its containers and networks. */

#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/container.h>
#include <mayfly/network.h>
#include <mayfly/snapshot.h>

#include "cli/declaration.h"
#include "cli/named.h"
#include "cli/options.h"

/* A container of a keeper. */
struct kept {
        const char *name;
        const struct declared *declared;
        struct mayfly_container *container;
        struct mayfly_snapshot *snapshot; /* the last that was taken of it */
        int leader;                       /* pidfd of its PID 1 while it runs, else -1 */
        int has_ended;                    /* by itself */
        int is_halted;                    /* as somebody asked for; it can be started again */
        int owner;                        /* pidfd of whoever a branch is for, see keeper_branch(); else -1 */
        int is_branch;
        uint64_t log_position; /* what is before was printed */
        char machine[72];      /* its name, if it was given none */
};

/* A connection to the control socket. */
struct keeper_client {
        int fd;
        json_t *request; /* that waits for its turn, or is being done */
};

#define KEEPER_CLIENTS_MAX 64U

/* What a command line says about a keeper. */
struct keeper_choices {
        int detach, quiet;
        int no_log_prefix, no_color; /* of what the containers write, which is printed in the foreground */
        const char *state;           /* directory of the state files; NULL: the default */
        unsigned owner;              /* PID; 0: none */
        uint64_t time_limit_s;       /* 0: none */
        struct mayfly_image_options image;
};

#define KEEPER_OPTION_OWNER(type, field)                                                               \
        {                                                                                              \
                .name = "owner-pid", .kind = TOOL_NUMBER, .at = offsetof(type, field), .value = "PID", \
                .first = INT_MAX, .help = "end what was started when this process ends"                \
        }
#define KEEPER_OPTION_TIME_LIMIT(type, field)                                                           \
        {                                                                                               \
                .name = "time-limit", .kind = TOOL_AGE, .at = offsetof(type, field), .value = "TIME",   \
                .help = "end it after so long; with --detach and without --owner-pid 1h is the default" \
        }

struct keeper {
        const struct keeper_choices *choices;
        const struct declaration *declaration;
        char *state;      /* as in the choices, but absolute */
        int owner;        /* pidfd of the process whose end is the keeper's, or -1 */
        int prints_names; /* what is printed of each container is its name alone */
        int starter;      /* the pipe to the process that waits until all is ready; -1 in the foreground */
        int is_detached, is_ready, is_ending;
        int status; /* exit status for mayfly */
        uint64_t limit_us,
                deadline_us; /* how long all may run from when they are ready, and until when; 0: without limit */
        int signals, listener;
        struct keeper_client clients[KEEPER_CLIENTS_MAX];
        struct kept **kept; /* those of the declaration, then branches */
        size_t n, allocated;
        struct mayfly_network **networks;

        /* What is done in a thread of its own, so that the keeper can end meanwhile. */
        pthread_t thread;
        int is_busy, done; /* eventfd: it is over */
        struct keeper_client *asker;
        struct kept *branch; /* a new one */
        int result;
        struct mayfly_error error;
};

/* keeper-begin.c: becomes the keeper of a declaration, or with `detach` has a child process do so. Returns the exit status for mayfly. */
int keeper_begin(const struct keeper_choices *choices, struct declaration *declaration, int prints_names);

/* Opens the process, which must run, as a pidfd; 0 gives -1. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int keeper_open_owner(pid_t pid, int *ret);

/* The limit in microseconds: any that is longer than a hundred years is as long. */
uint64_t keeper_limit_us(uint64_t limit_s);

/* keeper.c: starts all and stays until the end. Returns the exit status for mayfly. */
int keeper_run(struct keeper *keeper);

/* keeper-detach.c: goes into the background, in a child process, where it returns -1. Until keeper_settle() the standard output goes to the
 * caller's process, which waits until all is ready, copies it, and returns the exit status for mayfly. */
int keeper_detach(struct keeper *keeper);
/* Tells the starter that all is ready, and leaves its streams. */
void keeper_settle(struct keeper *keeper);

/* keeper-words.c: says what nobody has asked for: on standard error or, in the background, in the keeper's log. */
__attribute__((format(printf, 2, 3))) void keeper_say(const struct keeper *keeper, const char *format, ...);
/* Says how a container has ended by itself, unless that was a success, and leaves it in a file beside the state files. */
void keeper_say_end(struct keeper *keeper, const struct kept *kept);
/* Prints what is ready. */
void keeper_print(const struct keeper *keeper);
/* The path of a keeper's log, which is there when there is something in it. */
void keeper_log_path(const char *state, pid_t keeper, char ret[TOOL_STATE_PATH_MAX]);
/* Removes what was written for others, when nobody is left who would read it. */
void keeper_forget_words(const struct keeper *keeper);

/* keeper-logs.c: prints what a container has written since the last time, where somebody watches. */
void keeper_print_log(const struct keeper *keeper, struct kept *kept);
void keeper_print_logs(const struct keeper *keeper);
/* Whether somebody does. */
int keeper_shows_logs(const struct keeper *keeper);

/* keeper-start.c: makes the places of the containers, and starts all and shares them by their names. */
void keeper_make_places(struct keeper *keeper);
int keeper_start_all(struct keeper *keeper, struct mayfly_error *err);
/* Starts a container that begins from the snapshot of another, is shared by `file`, and ends with the process `owner`. */
int keeper_start_branch(struct keeper *keeper, const struct kept *of, const char *file, pid_t owner,
                        struct mayfly_error *err);
/* Shares a container that has begun another life. */
int keeper_share(const struct keeper *keeper, const struct kept *kept, struct mayfly_error *err);

/* keeper-end.c: looks which containers run; of one that has ended by itself it says so. Returns how many there are that run or can be
 * started again. */
size_t keeper_look(struct keeper *keeper);
/* Returns a container that is there, or NULL with an error. */
struct kept *keeper_find(const struct keeper *keeper, const char *name, struct mayfly_error *err);
/* Ends containers of these names, in an order in which each is there for those that come after it. */
int keeper_end_some(struct keeper *keeper, const json_t *names, struct mayfly_error *err);
void keeper_end_all(struct keeper *keeper);
/* Whether there are branches that nobody is left to use, and their end. */
int keeper_has_orphans(const struct keeper *keeper);
void keeper_end_orphans(struct keeper *keeper);
/* Frees the places of branches that have ended. */
void keeper_forget_branches(struct keeper *keeper);

/* keeper-network.c: answers "networks" with their names, "network" with who is on the one of this name, and "cuts" with what its container
 * of this name is cut off from there. Returns NULL for another request and another network. */
json_t *keeper_tell_networks(const struct keeper *keeper, const json_t *request);
/* Cut a container off from the request's "other", or from all, and undo that. */
int keeper_cut(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err);
int keeper_mend(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err);

/* keeper-requests.c: answers a request at once if that is possible. Returns 1, or 0 when it has to be done in a thread, by the second one. */
int keeper_answer(struct keeper *keeper, struct keeper_client *client);
int keeper_do(struct keeper *keeper, const json_t *request, struct mayfly_error *err);

#endif
