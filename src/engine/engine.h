/* SPDX-License-Identifier: MIT */
#ifndef MF_ENGINE_H
#define MF_ENGINE_H

/*
 * src/engine: what starts and ends a container. An engine is a file that fills in a struct mf_engine_type; begin
 * reading here, then direct.c. Engines may use src/model, src/privilege, src/protocol and src/util; they know
 * nothing of struct mayfly_container.
 */

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/container.h>

#include "engine/limits.h"

struct mf_engine_type;

/* An engine at work on one container. Each type has a struct of its own that begins with this one. */
struct mf_engine {
        const struct mf_engine_type *type;
        int gone; /* the engine saw the last of the container */
};

/* The container to be started. All is borrowed until start() returns. */
struct mf_engine_request {
        const char *machine;
        char *const *argv; /* mayfly-launch and its arguments */
        int control;       /* the container's end of the control socket: standard input of mayfly-launch */
        int boot_log;      /* its standard output and error */
        unsigned max_runtime_s;
        int is_unregistered;  /* machined is not to know the container; for an engine that registers others */
        uint64_t deadline_us; /* of the start, by mf_now_us() */
        struct mf_limits limits;
};

/* Functions return 0 or negative errno unless said otherwise. */
struct mf_engine_type {
        enum mayfly_engine id;
        /* Asks for mayfly-launch and does not wait until it runs. Sets *ret on success only. */
        int (*start)(struct mf_engine **ret, const struct mf_engine_request *request, struct mayfly_error *err);
        /* Fills in up to two descriptors to poll, and the time at which to wake up at all (ms, -1: none). Returns the
         * number of descriptors. */
        size_t (*poll_fds)(struct mf_engine *engine, struct pollfd *ret, int *ret_timeout_ms);
        /* Handles what poll() reported; sets engine->gone. An error says why the container cannot be had. */
        int (*dispatch)(struct mf_engine *engine, struct mayfly_error *err);
        /* Says why a container died that never answered. Returns 0 if the engine does not know. `has_boot_log`:
         * something inside could at least write to the boot log. */
        int (*diagnose)(struct mf_engine *engine, int has_boot_log, struct mayfly_error *err);
        /* Checks, once the container answers, that `leader` is PID 1 of what was asked for. */
        int (*verify)(struct mf_engine *engine, pid_t leader, struct mayfly_error *err);
        /* Whether mayfly-launch, which is alive, has the PID. When an ordinary user starts a container, its PID 1 is a
         * child of mayfly-launch. */
        int (*has_process)(struct mf_engine *engine, pid_t pid);
        /* May be NULL. rest() gives up what the engine needs only to start and stop a container; until wake() it notices
         * nothing. */
        void (*rest)(struct mf_engine *engine);
        void (*wake)(struct mf_engine *engine);
        /* Changes limits of the running container: 0 leaves one as it is, UINT64_MAX takes it away. NULL: the container's cgroup is
         * there to be written. */
        int (*set_limits)(struct mf_engine *engine, uint64_t memory_max, uint64_t tasks_max, struct mayfly_error *err);
        /* Ends the container by force; `attempt` counts from 0, each harder than the one before. `leader_fd` is a pidfd
         * of its PID 1, or -1. */
        int (*terminate)(struct mf_engine *engine, int leader_fd, unsigned attempt, struct mayfly_error *err);
        /* Frees the engine, not the container. Returns NULL. */
        struct mf_engine *(*release)(struct mf_engine *engine);
};

extern const struct mf_engine_type mf_engine_systemd, mf_engine_direct;

/* attached.c: for a process that uses a container and did not start it. */
extern const struct mf_engine_type mf_engine_attached;
#define MF_ENGINE_PROCESSES_MAX 2
/* Takes pidfds of mayfly-launch's processes; without any the container is gone. Returns NULL when there is no memory. */
struct mf_engine *mf_engine_attach(int *processes, size_t n);

#endif
