/* SPDX-License-Identifier: MIT */
#ifndef MF_BUS_H
#define MF_BUS_H

/* systemd and machined over D-Bus: one connection for a container that is being started or stopped. bus.c,
 * bus-connect.c, bus-limits.c and bus-list.c are the only users of libsystemd. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "engine/limits.h"

struct mf_bus;

/* The transient unit to start. */
struct mf_bus_unit {
        char *const *argv; /* argv[0] is the program's path */
        int stdio[3];      /* descriptors, borrowed */
        unsigned max_runtime_s, stop_timeout_ms;
        struct mf_limits limits;
};

/* sd_booted(3): 1 where systemd is PID 1. */
int mf_bus_booted(void);
/* Whether this user has a systemd of the user's own that can be asked (user@.service). */
int mf_bus_has_user_manager(void);

/* Waits for a turn until `deadline_us`, connects, and subscribes to the signals about the unit and the machine. With
 * `is_users` it is about a unit of the user's systemd, and there is no machine. */
int mf_bus_open(struct mf_bus **ret, int is_users, const char *unit, const char *machine, uint64_t deadline_us,
                struct mayfly_error *err);
/* Gives up the connection while the container runs. Until mf_bus_wake() nothing is noticed or asked. */
void mf_bus_rest(struct mf_bus *bus);
/* Waits for a turn; the next mf_bus_process() connects and asks for what was missed. */
void mf_bus_wake(struct mf_bus *bus);
/* Returns 0 if the bus has room for another container to be registered, -ENOBUFS if not. */
int mf_bus_check_room(struct mf_bus *bus, struct mayfly_error *err);
/* Sends StartTransientUnit and does not wait. */
int mf_bus_start_unit(struct mf_bus *bus, const struct mf_bus_unit *unit, struct mayfly_error *err);
/* For poll(2): the descriptor, its events, and the time to call mf_bus_process() at all (ms, -1: none). */
int mf_bus_fd(struct mf_bus *bus, short *ret_events, int *ret_timeout_ms);
/* Handles what has arrived, on a new connection when the old one broke. Fails when the unit could not be started, or
 * there is no bus now: the next call tries again. */
int mf_bus_process(struct mf_bus *bus, struct mayfly_error *err);
/* 1 once unit and machine are gone, as the signals say. */
int mf_bus_gone(const struct mf_bus *bus);
/* Asks whether unit and machine are gone, on a new connection if need be. Returns 1, 0 or negative errno. */
int mf_bus_ask_gone(struct mf_bus *bus, struct mayfly_error *err);
/* The result of the job that was to start the unit, "failed" for one; NULL if it is done, or not finished. */
const char *mf_bus_job_failure(const struct mf_bus *bus);
/* Returns 0 when machined answers, else negative errno and a message that says why it does not. */
int mf_bus_check_machined(struct mf_bus *bus, struct mayfly_error *err);
/* Asks machined for the leader of the machine, and checks that the machine is in our unit. Returns -EHOSTDOWN, and sets no error,
 * where machined runs and is not on the bus. */
int mf_bus_inspect_machine(struct mf_bus *bus, pid_t *ret_leader, struct mayfly_error *err);
/* Changes limits of the unit, as struct mf_engine_type has it. systemd says nothing where the kernel has no such controller. */
int mf_bus_set_limits(struct mf_bus *bus, uint64_t memory_max, uint64_t tasks_max, struct mayfly_error *err);
int mf_bus_terminate_machine(struct mf_bus *bus, struct mayfly_error *err);
int mf_bus_stop_unit(struct mf_bus *bus, struct mayfly_error *err);
int mf_bus_kill_unit(struct mf_bus *bus, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_bus *mf_bus_close(struct mf_bus *bus);

/* Calls back, with "bus", "machine" or "unit", for each connection to the system bus but this one, each machine and
 * each loaded unit. A callback that returns negative ends it, with that. 0 or negative errno. */
int mf_bus_list(int (*callback)(const char *kind, const char *name, const char *description, void *userdata),
                void *userdata, struct mayfly_error *err);

#endif
