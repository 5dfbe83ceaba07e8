/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_H
#define MF_CONTAINER_H

/* A container, for this directory and src/ready/. README.md says what each file does. */

#include <mayfly/container.h>
#include <poll.h>
#include <signal.h>

#include "container/anchor.h"
#include "container/files-client.h"
#include "container/forward-client.h"
#include "container/logs.h"
#include "container/ports.h"
#include "container/spec.h"
#include "engine/engine.h"
#include "model/isolators.h"
#include "protocol/exec-block.h"
#include "protocol/reports.h"
#include "util/arena.h"
#include "util/id-range.h"
#include "util/keep-id.h"

struct mayfly_container {
        struct mayfly_spec spec;        /* with defaults filled in */
        struct mf_arena spec_memory;    /* where what it points to is, from mf_spec_keep() on */
        char machine[65];               /* machine name */
        pid_t owner;                    /* the process that owns it: the one that made the handle, or 0 for another */
        pid_t user;                     /* the process whose connections are below */
        struct mf_anchor *anchor;       /* its lock */
        struct mayfly_volume *volumes;  /* the spec's, copied */
        char **attached;                /* paths of those that were mounted in this life; NULL-terminated, or NULL */
        struct mayfly_publish *publish; /* the spec's, copied */
        struct mayfly_host_port *host_ports;
        struct mayfly_file *files;                 /* the spec's, copied */
        struct mayfly_image_options image_options; /* likewise */
        struct mayfly_image *image;
        char **env;                    /* of app and commands: "NAME=value", NULL-terminated */
        struct mf_isolators isolators; /* the image's, and what became of them */
        const struct mf_engine_type *engine_type;
        struct mf_engine *engine;         /* NULL unless it has been started */
        struct mf_membership *membership; /* of networks; NULL: it is on none */

        struct mayfly_snapshot *snapshot; /* what it began from, and */
        struct mayfly_snapshot *taken;    /* the last one of it, which a reset begins from; or NULL */
        int is_own;    /* the snapshot was taken of this container, and so has the files of its spec */
        int has_files; /* the files of the spec are there */

        uint64_t granted;        /* capabilities that the spec grants, appc's 14 included */
        struct mf_id_range ids;  /* of its user namespace; base 0: it has none */
        struct mf_keep_ids kept; /* who the caller is inside; zeros: nobody but root */

        int scratch;     /* mount of what it writes, attached nowhere; -1: there is none */
        int control;     /* control socket, or another process's channel, -1 when closed */
        int share;       /* where forked children ask for channels */
        int is_attached; /* `user` has a channel of its own, as others than the owner need */
        int is_shared;   /* there is a state file */
        int is_given;    /* to another owner, so that all who use it may stop it */
        int userns;      /* of the ordinary user who started it; -1: this process's own */
        int is_current;  /* all reports so far came over it */
        int boot_log;    /* memfd: what mayfly-launch, systemd-nspawn and mayfly-init say */
        struct mf_log log;
        uint64_t log_begin;     /* where in the log the app's present life begins */
        uint64_t rest_position; /* where a follower of the log that saw the container's end goes on, */
        unsigned rest_streams;  /* and the streams whose line without an end it has: a bit for each */
        int leader_fd;          /* pidfd of the container's PID 1, -1 before READY */
        pid_t leader;

        struct mf_links links; /* published ports, and the host's */
        size_t n_queued_links; /* how many of them mayfly-forward was asked for before it ran */
        char **expanded[3];    /* the spec's env, argv and entrypoint, with the numbers of published ports */
        struct mf_forward forward;
        struct mf_files files_client;

        struct mf_reports reports; /* from the control socket */
        int broke_protocol;        /* the container sent a report that may not come */
        int was_stopped;           /* by its owner */
        int stop_timed_out;        /* the app outlived its time after that */

        int is_paused;
        int freezer;     /* the cgroup that a pause has frozen; -1: none, and it has sent SIGSTOP */
        int has_lived;   /* it was ready once: another start goes on with its name, log, IDs and scratch */
        unsigned life;   /* how many starts there were before this one: a command is of one life */
        int is_up;       /* on_ready of the spec was called in this life, and before_stop was not */
        int with_notify; /* the app gets $NOTIFY_SOCKET */
        int cancel;      /* a descriptor that becomes readable when the start is to end, or -1 */

        int is_unregistered;        /* machined had no room for it */
        uint64_t start_deadline_us; /* by mf_now_us() */

        struct mayfly_timings timings;
};

/* host.c */
int mf_engine_choose(enum mayfly_engine wanted, const struct mf_engine_type **ret, struct mayfly_error *err);
int mf_host_check(const struct mf_engine_type *engine, struct mayfly_error *err);

/* keep.c: decides who the caller is inside. */
int mf_keep_take(struct mayfly_container *container, struct mayfly_error *err);
/* Returns that if the container needs copies of the image's layers for it, else NULL. */
const struct mf_keep_ids *mf_keep_layers(const struct mayfly_container *container);

/* register.c: starts the container until it answers, again while machined has no room, and then unregistered. */
int mf_container_start_registered(struct mayfly_container *container,
                                  int (*start)(struct mayfly_container *container, struct mayfly_error *err),
                                  struct mayfly_error *err);

/* stop.c: whether nothing of the container runs. The engine may give up on a process that it cannot kill; this does not. */
int mf_container_is_down(const struct mayfly_container *container);
/* stop.c: ends the container, if it runs, and sees that it is gone. What it wrote stays. */
int mf_container_end(struct mayfly_container *container, struct mayfly_error *err);
/* Lets a container end at once, and does not wait for that: nobody needs what its app would save. */
void mf_container_abandon(struct mayfly_container *container);
/* Ends what a start began and frees what it made, so that the container can be started again: under a new name, or if it has lived
 * with what it has. */
int mf_container_start_over(struct mayfly_container *container, struct mayfly_error *err);

/* start.c: asks the engine to start it; the container's image and name are there. */
int mf_container_launch(struct mayfly_container *container, struct mayfly_error *err);
/* Who runs the image's app, and with which privileges: this user, or with NULL the image's. */
void mf_container_add_who(const struct mayfly_container *container, const char *user, struct mf_exec_block *block);
/* Whether it runs an app; known once its image is open. */
int mf_container_runs_app(const struct mayfly_container *container);
/* Sets an error when Linux refused to execute a program (-ENOEXEC) of an image that is for another architecture; `why` is what
 * mayfly-init said. Does nothing when the image is for this host's. */
void mf_container_explain_arch(const struct mayfly_container *container, const char *why, enum mayfly_stage stage,
                               struct mayfly_error *err);

/* container.c: the steps of a start. Makes a handle from a spec; to be freed by mayfly_container_free(). */
int mf_container_new(struct mayfly_container **ret, const struct mayfly_spec *given, struct mayfly_error *err);
/* container.c: makes an empty handle, to be freed by mayfly_container_free(). Returns NULL when there is no memory. */
struct mayfly_container *mf_container_alloc(void);

/* Chooses the engine and the machine name, and checks the host. */
int mf_container_check_host(struct mayfly_container *container, struct mayfly_error *err);
/* Opens the image, which may mean to fetch it. */
int mf_container_open_image(struct mayfly_container *container, struct mayfly_error *err);
/* Starts the container and its app, after mf_ports_bind(). On return it answers, and the app has been executed. */
int mf_container_boot(struct mayfly_container *container, struct mayfly_error *err);

/* restart.c: makes ready for mf_container_boot() what is to have another life, after mf_container_end(). */
int mf_container_revive(struct mayfly_container *container, struct mayfly_error *err);
/* Whether the container is down, and could have another life. */
int mf_container_check_halted(const struct mayfly_container *container, struct mayfly_error *err);

/* container.c: the rest */
/* Whether the app is to start only when the container's networks, and the ports of the host, are there. */
int mf_container_waits_for_go(const struct mayfly_container *container);
int mf_container_choose_name(struct mayfly_container *container, struct mayfly_error *err);
/* 1 once the engine saw the last of it, or if it was never started. */
int mf_container_gone(const struct mayfly_container *container);
/* Takes the messages of a container that is ending, until its processes are gone or their time is over. */
void mf_container_hear_last_words(struct mayfly_container *container);
int mf_container_check_owner(const struct mayfly_container *container, struct mayfly_error *err);
/* share.c: whether this process may use the container: its owner, one that has attached, or a forked child, which gets
 * connections of its own. */
int mf_container_check_use(struct mayfly_container *container, struct mayfly_error *err);
/* Takes in what came over the control socket, without waiting. */
void mf_container_receive(struct mayfly_container *container);
/* Sends to mayfly-init, when there is room for it: that may have others to serve before. Returns 0, -ETIMEDOUT, or another -errno when
 * the container is not there. */
int mf_container_send(struct mayfly_container *container, const struct mf_message *message, const int *fds,
                      size_t n_fds, uint64_t deadline_us);
/* Waits up to timeout_ms for something to happen: on the control socket, to the container's PID 1, the engine or one of the
 * n_extra descriptors in `extra`, whose revents are set. The caller's lock is free for others while it waits. */
#define MF_POLL_EXTRA_MAX 64U
int mf_container_poll(struct mayfly_container *container, struct pollfd *extra, size_t n_extra, int timeout_ms,
                      struct mayfly_error *err);

/* exit.c: checks a place for the end of a process, which may be NULL, before it is filled. */
int mf_exit_check(const struct mayfly_exit *ret, struct mayfly_error *err);
void mf_exit_give(const siginfo_t *end, struct mayfly_exit *ret);
struct mayfly_exit mf_exit_of(const siginfo_t *end);

/* stats.c: notes how much memory the container has had at most, for mf_peak_last(), which returns that of the last such container. */
void mf_peak_note(struct mayfly_container *container);
uint64_t mf_peak_last(void);

/* Returns -ECANCELED with an error when the start is to end. */
int mf_container_check_cancelled(const struct mayfly_container *container, struct mayfly_error *err);

/* Sets an error about a wait that failed: `text`, and the end of the log. Returns code. */
int mf_container_explain_wait(const struct mayfly_container *container, int code, enum mayfly_stage stage,
                              const char *text, struct mayfly_error *err);
/* Sets an error that says how the container died and with which last words; waits a little for those. Returns code. */
int mf_container_explain_death(struct mayfly_container *container, int code, enum mayfly_stage stage, const char *what,
                               struct mayfly_error *err);

#endif
