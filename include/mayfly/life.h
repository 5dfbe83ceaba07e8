/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_LIFE_H
#define MAYFLY_LIFE_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>
#include <mayfly/struct.h>

/**
 * @file
 * The life of a container between its start and its end: signals, pauses, what it uses, its limits. See
 * mayfly_container_pause(3).
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;

/**
 * Sends a signal to the app, and does not wait for what comes of it.
 * @param signal_number  from 1 to SIGRTMAX, as kill(2) takes it
 * @return 0, or negative errno: -EINVAL (no signal, or no app), -ESRCH (the app has ended), -EBUSY (the container is paused)
 */
int mayfly_container_kill(struct mayfly_container *container, int signal_number, struct mayfly_error *err);

/**
 * Stops all processes of the container where they are, without their notice, until mayfly_container_resume(). A pause of a
 * paused container is -EBUSY. Until then commands and waits are -EBUSY, too; mayfly_container_stop() resumes the container first.
 */
int mayfly_container_pause(struct mayfly_container *container, struct mayfly_error *err);

/** Lets a paused container go on. Returns 0 or negative errno: -EINVAL when it is not paused. */
int mayfly_container_resume(struct mayfly_container *container, struct mayfly_error *err);

/**
 * Ends the container as mayfly_container_stop() does, and keeps what it wrote, in memory, and its name, its log and the numbers of its
 * published ports, until it is started again, stopped or freed, or this program ends. Halting one that has ended is success.
 */
int mayfly_container_halt(struct mayfly_container *container, struct mayfly_error *err);

/**
 * Starts a container that was halted, or that has ended by itself, with what it wrote, and waits as its start did. Its log goes on.
 * @return 0 or negative errno: -EBUSY when it runs, -ESRCH when it was stopped for good. After a start that failed it is halted, and
 *         may be started again.
 */
int mayfly_container_start_again(struct mayfly_container *container, struct mayfly_error *err);

/** mayfly_container_halt(), then mayfly_container_start_again(). */
int mayfly_container_restart(struct mayfly_container *container, struct mayfly_error *err);

/** What a container does. */
enum mayfly_state {
        MAYFLY_STATE_RUNNING = 1, /**< it answers; its app may have ended, see `reason` */
        MAYFLY_STATE_PAUSED,
        MAYFLY_STATE_ENDED, /**< its processes are gone: it was stopped or halted, its app ended, or it died */
};

/** How an app ended. */
enum mayfly_end {
        MAYFLY_END_NONE = 0, /**< it has not, or there is none */
        MAYFLY_END_EXIT,     /**< by itself, with `status` */
        MAYFLY_END_SIGNAL,   /**< by the signal `signal_number` */
        MAYFLY_END_OOM,      /**< the kernel killed it, because the container's memory was used up */
};

/** A number of struct mayfly_stats that this host does not tell. */
#define MAYFLY_UNKNOWN UINT64_MAX

/** What a container uses. Start from MAYFLY_STATS_INIT. */
struct mayfly_stats {
        size_t size; /**< sizeof this struct */
        enum mayfly_state state;
        enum mayfly_end reason; /**< how the app ended */
        int status;             /**< its exit status, with MAYFLY_END_EXIT */
        int signal_number;      /**< what ended it, with MAYFLY_END_SIGNAL and MAYFLY_END_OOM */
        uint64_t memory;        /**< bytes now; with a memory controller the scratch counts, too. 0 after the end */
        uint64_t
                memory_peak; /**< the most it ever was, until the app ended; needs a memory controller and Linux 5.19 */
        uint64_t cpu_us;     /**< processor time of all processes so far, in microseconds */
        uint64_t processes;  /**< inside, without the container's PID 1 */
        uint64_t oom_kills;  /**< processes killed because the memory was used up; needs a memory controller */
};

#define MAYFLY_STATS_INIT MAYFLY_INIT_(struct mayfly_stats)

/**
 * Tells what the container does and uses. After its end it tells what was known when its app ended.
 * @param ret  filled in; numbers that the host does not tell are MAYFLY_UNKNOWN
 */
int mayfly_container_stats(struct mayfly_container *container, struct mayfly_stats *ret, struct mayfly_error *err);

/** Limits for a running container. Start from MAYFLY_LIMITS_INIT; 0 leaves a limit as it is. */
struct mayfly_limits {
        size_t size;         /**< sizeof this struct */
        uint64_t memory_max; /**< as in struct mayfly_spec; MAYFLY_MEMORY_UNLIMITED: no limit */
        unsigned tasks_max;  /**< as in struct mayfly_spec; MAYFLY_TASKS_UNLIMITED: no limit */
};

#define MAYFLY_LIMITS_INIT MAYFLY_INIT_(struct mayfly_limits)

/**
 * Changes limits of a running container. When less memory is allowed than is in use, and it cannot be freed, the kernel kills.
 * @return 0, or negative errno: -ENOTSUP when the host has no controller for the limit, or the user no cgroup
 */
int mayfly_container_set_limits(struct mayfly_container *container, const struct mayfly_limits *limits,
                                struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
