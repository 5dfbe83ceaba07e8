/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_H
#define MF_CONTAINER_H

/* Shared by the files that make up a container: container.c (the road up and down), command.c, logs.c and the engines.
 */

#include <mayfly/container.h>
#include <poll.h>
#include <signal.h>

#include "protocol/message.h"

struct mf_bus;
struct mf_engine;

struct mayfly_container {
        struct mayfly_spec spec; /* with defaults filled in; its pointers are not ours past the start */
        char machine[65];        /* machine name */
        pid_t owner;             /* the process that made the handle */
        struct mayfly_image *image;
        char **env;                         /* of app and commands: "NAME=value", NULL-terminated */
        struct mayfly_isolator **isolators; /* the image's, and what became of them; NULL-terminated */
        const struct mf_engine *engine;

        int control;   /* control socket, -1 when closed */
        int boot_log;  /* memfd: what mayfly-launch, systemd-nspawn and mayfly-init say */
        int log;       /* memfd: struct mf_log_header and the ring */
        int leader_fd; /* pidfd of the container's PID 1, -1 before READY */
        pid_t leader;

        int ready, hook_started, app_started, app_ended; /* from the control socket */
        siginfo_t app_end;                               /* si_code and si_status, when app_ended */
        int gone;                                        /* the engine saw the last of it */

        /* engine systemd */
        struct mf_bus *bus;
        /* engine direct */
        int janitor_fd, supervisor_fd; /* pidfds of mayfly-launch and its child, -1 once they have ended */
        int report;                    /* where the second introduces itself, -1 once it has */

        struct mayfly_timings timings;
};

/* What starts and ends a container. All return 0 or negative errno unless said otherwise. */
struct mf_engine {
        enum mayfly_engine id;
        /* Asks for mayfly-launch with this argv; `control` is the container's end of the control socket. */
        int (*start)(struct mayfly_container *container, char *const *argv, int control, struct mayfly_error *err);
        /* Fills in up to two descriptors to poll and the time to wake up at all (ms, -1: none). Returns how many. */
        size_t (*poll_fds)(struct mayfly_container *container, struct pollfd *ret, int *ret_timeout_ms);
        /* Handles what poll() reported; sets container->gone. An error says why the container cannot be had. */
        int (*dispatch)(struct mayfly_container *container, struct mayfly_error *err);
        /* Why a container died that never answered: 0 if the engine does not know, else negative errno. */
        int (*diagnose)(struct mayfly_container *container, struct mayfly_error *err);
        /* Once it answers: checks that what was asked for is what runs. */
        int (*verify)(struct mayfly_container *container, struct mayfly_error *err);
        /* Ends it by force; `attempt` counts from 0, each harder than the one before. */
        int (*terminate)(struct mayfly_container *container, unsigned attempt, struct mayfly_error *err);
        void (*release)(struct mayfly_container *container);
};

extern const struct mf_engine mf_engine_systemd, mf_engine_direct;

/* host.c */
int mf_engine_choose(enum mayfly_engine wanted, const struct mf_engine **ret, struct mayfly_error *err);
int mf_host_check(const struct mf_engine *engine, struct mayfly_error *err);
/* Path of a program of ours, allocated: $MAYFLY_LIBEXEC or where it was installed. */
int mf_program_path(const char *name, char **ret, struct mayfly_error *err);

/* What holds the container's cgroup; zero for no limit. */
struct mf_limits {
        uint64_t memory_max, memory_low; /* bytes */
        uint64_t cpu_max;                /* thousandths of a processor */
        uint64_t cpu_weight;             /* cpu.weight */
        unsigned tasks_max;
};

/* start.c: asks the engine to start it; the container's image and name are there. */
int mf_container_launch(struct mayfly_container *container, struct mayfly_error *err);
void mf_limits_of(const struct mayfly_container *container, struct mf_limits *ret);

/* container.c */
int mf_container_check_owner(const struct mayfly_container *container, struct mayfly_error *err);
/* Takes in what came over the control socket, without waiting. */
void mf_container_receive(struct mayfly_container *container);
/* Waits up to timeout_ms for something to happen: on the control socket, to the container's PID 1, the engine or
 * `extra` (may be NULL). */
int mf_container_poll(struct mayfly_container *container, struct pollfd *extra, int timeout_ms,
                      struct mayfly_error *err);

/* postmortem.c: an error that says how the container died, with the end of its log. Returns code. */
int mf_container_dead(struct mayfly_container *container, int code, enum mayfly_stage stage, const char *what,
                      struct mayfly_error *err);
/* One that says that it did not answer in time, likewise. Returns -ETIMEDOUT. */
int mf_container_mute(struct mayfly_container *container, const char *what, struct mayfly_error *err);

/* logs.c */
int mf_log_create(uint64_t capacity, int *ret);
/* The last `max` bytes, allocated and NUL-terminated. */
int mf_log_read(int log, size_t max, char **ret, size_t *ret_size);
/* Likewise of a plain memfd. */
int mf_boot_log_read(int fd, size_t max, char **ret);

/* words.c: strings for mayfly-init, see protocol.h */
struct mf_word_list {
        char *data;
        size_t size, allocated;
        int failed;
};

void mf_words_add(struct mf_word_list *list, enum mf_word tag, const char *string);
void mf_words_add_all(struct mf_word_list *list, enum mf_word tag, char *const *strings);
/* Frees the list; *ret is a descriptor to send. */
int mf_words_finish(struct mf_word_list *list, int *ret);
void mf_words_clear(struct mf_word_list *list);
/* -EINVAL with a message unless every string is "NAME=value". */
int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err);

#endif
