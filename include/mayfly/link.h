/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_LINK_H
#define MAYFLY_LINK_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>
#include <mayfly/struct.h>

/**
 * @file
 * Links that fail on purpose: what a published port, or a port of the test's own, does to its connections. See
 * mayfly_link_set(3).
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;

/** What one direction of a link does. All zero: nothing. */
struct mayfly_link_direction {
        size_t size;          /**< sizeof this struct */
        unsigned latency_ms;  /**< how much later data arrive; at most an hour */
        unsigned jitter_ms;   /**< up to so much is added, at random; the order stays */
        uint64_t bytes_per_s; /**< at most so many; 0: no limit */
        uint64_t cut_after;   /**< the connection is reset after so many bytes; 0: never */
        uint64_t corrupt_at;  /**< number of the byte whose bits are inverted, from 1 on; 0: none */
        int stopped;          /**< 1: nothing arrives, until the link is mended */
};

#define MAYFLY_LINK_DIRECTION_INIT MAYFLY_INIT_(struct mayfly_link_direction)

/**
 * What a link does. The first fields are those of struct mayfly_link_direction, for both directions, unless `up` or `down`
 * say something else for one of them.
 */
struct mayfly_link {
        size_t size; /**< sizeof this struct */
        unsigned latency_ms, jitter_ms;
        uint64_t bytes_per_s, cut_after, corrupt_at;
        int stopped;
        int refuse;                               /**< 1: new connections are reset at once */
        int reset;                                /**< 1: open connections are reset now, once */
        unsigned slow_close_ms;                   /**< how much later the end of a stream arrives */
        const struct mayfly_link_direction *up;   /**< to the server; NULL: as the fields above */
        const struct mayfly_link_direction *down; /**< to the client; NULL: as the fields above */
};

#define MAYFLY_LINK_INIT MAYFLY_INIT_(struct mayfly_link)

/**
 * A link for mayfly_link_set(): `MAYFLY_LINK(.latency_ms = 100, .down = MAYFLY_LINK_DIRECTION(.cut_after = 512))`. The fields
 * that are not named are zero.
 */
#ifndef __cplusplus
#define MAYFLY_LINK(...) (&(const struct mayfly_link){ .size = sizeof(struct mayfly_link), __VA_ARGS__ })
#define MAYFLY_LINK_DIRECTION(...) \
        (&(const struct mayfly_link_direction){ .size = sizeof(struct mayfly_link_direction), __VA_ARGS__ })
#else
#define MAYFLY_LINK(...) MAYFLY_MAKE_(struct mayfly_link, link_, __VA_ARGS__)
#define MAYFLY_LINK_DIRECTION(...) MAYFLY_MAKE_(struct mayfly_link_direction, direction_, __VA_ARGS__)
#endif

/**
 * Says what a port's link does from now on, to open connections and data on their way, too. It replaces what was set before.
 * @param port  a published port as for mayfly_container_address(), or "host:8080", one of the spec's `host_ports`
 * @param link  NULL: the link is mended
 * @return 0, or negative errno: -ENOENT (no such port), -EINVAL, -ENOTSUP (the host's network, or what a port of UDP
 *         cannot do), -ESRCH (the container has died)
 */
int mayfly_link_set(struct mayfly_container *container, const char *port, const struct mayfly_link *link,
                    struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
