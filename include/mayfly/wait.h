/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_WAIT_H
#define MAYFLY_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/container.h>
#include <mayfly/log.h>

/**
 * @file
 * Waiting until a container is ready: as a part of its start, by `.wait` in its spec, or later.
 *
 *     mayfly_container_start(&container, MAYFLY_SPEC(.image = "...", .wait = MAYFLY_WAIT(
 *             MAYFLY_WAIT_PORT("6379/tcp"), MAYFLY_WAIT_LOG("Ready to accept", .timeout_ms = 5000))), &err);
 *
 * All conditions of a list must hold, and each is looked at until it holds for the first time. A wait ends at once, with
 * an error, when the container dies.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** Looks whether a container is ready. Returns 1: it is; 0: not yet; negative errno: it never will be. */
typedef int (*mayfly_wait_fn)(struct mayfly_container *container, void *userdata);

/**
 * One condition. Set exactly one of all, any, log, log_text, port (without http and https), unix_socket, http, https,
 * command, file, notify, exit, callback and healthy; the other fields say more about it, and zero means the default.
 */
struct mayfly_wait {
        size_t size;         /**< sizeof this struct; 0 will do in an entry of MAYFLY_WAIT() */
        unsigned timeout_ms; /**< from the begin of the whole wait; default the spec's start_timeout_ms */

        const struct mayfly_wait *all; /**< all of these, see MAYFLY_WAIT_ALL() */
        const struct mayfly_wait *any; /**< one of these, see MAYFLY_WAIT_ANY() */

        /** A line of the app's output that this POSIX extended regular expression matches, from the app's start on. */
        const char *log;
        const char *log_text; /**< a line that contains this text; the line need not have ended */
        unsigned log_count;   /**< as many such lines; default 1 */
        /** Only lines of this stream, for which the spec needs separate_streams; MAYFLY_STREAM_MERGED, the default, is either. */
        enum mayfly_stream log_stream;
        uint64_t log_from; /**< only lines from this position of the log on */

        /** "6379/tcp", "53/udp", "6379" (which is tcp) or the name of a port of the image: a socket listens there. Of http
         * and https the server's; default 80 and 443. */
        const char *port;
        const char *unix_socket; /**< absolute path of a socket that listens, or "@name" of an abstract one */

        const char *http;  /**< path that is asked for, such as "/health"; the status must be as wanted */
        const char *https; /**< the same over TLS */
        /** Wanted status codes, such as "200", "200,204" or "200-299,404"; default "200-399". */
        const char *http_status;
        const char *http_body;           /**< text that the answer's body must contain */
        const char *const *http_headers; /**< headers of the request, "Name: value", NULL-terminated */
        const char *http_user;           /**< for basic authentication, with http_password */
        const char *http_password;       /**< may be NULL, for an empty one */
        const char *http_host;           /**< host name, for the header Host and the certificate; default localhost */
        const char *http_ca_file;        /**< PEM file of the authorities to trust, instead of the system's */
        int http_insecure;               /**< non-zero: whatever the certificate is */

        const char *const *command; /**< a command in the container, NULL-terminated, that must exit with 0 */
        const char *file;           /**< absolute path of what must exist in the container */
        /** Non-zero: the app, or a child of it, has sent READY=1 as with sd_notify(3). The wait of the spec must have it, for
         * the app to get $NOTIFY_SOCKET; then later waits may have it, too. */
        int notify;
        int exit;        /**< non-zero: the app has exited with exit_status; with any other end the wait fails */
        int exit_status; /**< see exit */

        mayfly_wait_fn callback; /**< called until it returns 1; time-outs are only looked at between calls */
        void *userdata;          /**< handed to callback */

        /** Non-zero: the health check of the image succeeds (HEALTHCHECK of a Containerfile). Its user, directory and environment
         * are those of the app. */
        int healthy;
};

#define MAYFLY_WAIT_INIT MAYFLY_INIT_(struct mayfly_wait)

/**
 * A list of conditions, all of which must hold: `.wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379/tcp"))`. In C, an entry may be
 * written in braces, too: `MAYFLY_WAIT({ .port = "6379/tcp" })`. The list is valid in the block where it is written.
 *
 * The macros of most conditions take more fields after their first: `MAYFLY_WAIT_LOG("ready", .log_count = 2)`. Those whose
 * arguments are words or conditions, or that have none, take a time-out in another macro: MAYFLY_WAIT_COMMAND_WITHIN().
 */
#ifndef __cplusplus
#define MAYFLY_WAIT_FOR(...)                                    \
        {                                                       \
                .size = sizeof(struct mayfly_wait), __VA_ARGS__ \
        }
#define MAYFLY_WAIT(...) \
        ((const struct mayfly_wait[]){ { .size = sizeof(struct mayfly_wait) }, __VA_ARGS__, { .size = 0 } })
#else
#define MAYFLY_WAIT_FOR(...) (*MAYFLY_MAKE_(struct mayfly_wait, MAYFLY_UNIQUE_(wait_), __VA_ARGS__))
#define MAYFLY_WAIT(...) MAYFLY_KEEP_(mayfly_wait, __VA_ARGS__)
#endif

/** Nothing to wait for, not even what the spec publishes: `.wait = MAYFLY_WAIT_NONE`. */
#ifndef __cplusplus
#define MAYFLY_WAIT_NONE ((const struct mayfly_wait[]){ { .size = sizeof(struct mayfly_wait) }, { .size = 0 } })
#else
#define MAYFLY_WAIT_NONE mayfly_keep_<mayfly_wait>([] {}, { mayfly_init_<mayfly_wait>(), mayfly_wait() })
#endif

#define MAYFLY_WAIT_ALL(...) MAYFLY_WAIT_FOR(.all = MAYFLY_WAIT(__VA_ARGS__)) /**< all of the conditions */
#define MAYFLY_WAIT_ANY(...) MAYFLY_WAIT_FOR(.any = MAYFLY_WAIT(__VA_ARGS__)) /**< one of the conditions */
/** The same, with a time-out for the whole: `MAYFLY_WAIT_ANY_WITHIN(5000, ...)`. */
#define MAYFLY_WAIT_ALL_WITHIN(ms, ...) MAYFLY_WAIT_FOR(.all = MAYFLY_WAIT(__VA_ARGS__), .timeout_ms = (ms))
#define MAYFLY_WAIT_ANY_WITHIN(ms, ...) MAYFLY_WAIT_FOR(.any = MAYFLY_WAIT(__VA_ARGS__), .timeout_ms = (ms))

#define MAYFLY_WAIT_LOG(...) MAYFLY_WAIT_FOR(.log = __VA_ARGS__)
#define MAYFLY_WAIT_LOG_TEXT(...) MAYFLY_WAIT_FOR(.log_text = __VA_ARGS__)
#define MAYFLY_WAIT_PORT(...) MAYFLY_WAIT_FOR(.port = __VA_ARGS__)
#define MAYFLY_WAIT_UNIX(...) MAYFLY_WAIT_FOR(.unix_socket = __VA_ARGS__)
#define MAYFLY_WAIT_HTTP(...) MAYFLY_WAIT_FOR(.http = __VA_ARGS__)
#define MAYFLY_WAIT_HTTPS(...) MAYFLY_WAIT_FOR(.https = __VA_ARGS__)
/** `MAYFLY_WAIT_COMMAND("pg_isready", "-q")`: the words of the command. */
#define MAYFLY_WAIT_COMMAND(...) MAYFLY_WAIT_FOR(.command = MAYFLY_STRINGS(__VA_ARGS__))
/** The same, with a time-out: `MAYFLY_WAIT_COMMAND_WITHIN(5000, "pg_isready", "-q")`. */
#define MAYFLY_WAIT_COMMAND_WITHIN(ms, ...) MAYFLY_WAIT_FOR(.command = MAYFLY_STRINGS(__VA_ARGS__), .timeout_ms = (ms))
#define MAYFLY_WAIT_FILE(...) MAYFLY_WAIT_FOR(.file = __VA_ARGS__)
#define MAYFLY_WAIT_NOTIFY() MAYFLY_WAIT_FOR(.notify = 1)
#define MAYFLY_WAIT_NOTIFY_WITHIN(ms) MAYFLY_WAIT_FOR(.notify = 1, .timeout_ms = (ms)) /**< with a time-out */
/** The app has exited with this status. */
#define MAYFLY_WAIT_EXIT(...) MAYFLY_WAIT_FOR(.exit = 1, .exit_status = __VA_ARGS__)
#define MAYFLY_WAIT_HEALTHY() MAYFLY_WAIT_FOR(.healthy = 1) /**< the image's own health check succeeds */
#define MAYFLY_WAIT_HEALTHY_WITHIN(ms) MAYFLY_WAIT_FOR(.healthy = 1, .timeout_ms = (ms)) /**< with a time-out */
/** `MAYFLY_WAIT_CALLBACK(function, .userdata = &data)` */
#define MAYFLY_WAIT_CALLBACK(...) MAYFLY_WAIT_FOR(.callback = __VA_ARGS__)

/**
 * Waits until all conditions of the list hold, as the start of a container does with its spec's `.wait`. It may be called
 * any number of times. A line of the log counts from the start of the app on, unless log_from says otherwise.
 * @return 0; -ETIMEDOUT, with a message that says what was awaited and what was seen of it; -ESRCH when the container died;
 *         or another negative errno
 */
int mayfly_container_wait_for(struct mayfly_container *container, const struct mayfly_wait *wait,
                              struct mayfly_error *err);

/**
 * Starts several containers at the same time, each as mayfly_container_start() does. One whose spec has `.after` is started
 * when those that it names are ready.
 * @param specs    n pointers to specs
 * @param handles  n places, set on success; the caller owns the containers
 * @return 0 or negative errno. When one start fails, all are ended, nothing is left, and the message says which failed.
 */
int mayfly_containers_start(const struct mayfly_spec *const *specs, size_t n, struct mayfly_container **handles,
                            struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
