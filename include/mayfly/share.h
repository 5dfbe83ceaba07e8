/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_SHARE_H
#define MAYFLY_SHARE_H

#include <sys/types.h>

#include <mayfly/container.h>

/**
 * @file
 * Containers that several programs of one user share: one starts the container and shares it by a state file, others attach to it. See
 * mayfly_container_share(3).
 *
 *     mayfly_container_share(container, "db.json", -1, &err);       // in one program
 *     mayfly_container_attach(&container, "db.json", &err);         // in another
 */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Shares a running container by a state file, which is JSON and can be read by others. The file goes with the container.
 *
 * @param file         path of the state file; one that is there is replaced
 * @param owner_pidfd  -1: the container still ends with this process. Otherwise a pidfd (pidfd_open(2)) of the process that owns the
 *                     container from now on: it ends with that process, this one may end before, mayfly_container_free() stops it no
 *                     more, and all who use it can stop it. The descriptor stays the caller's
 * @return 0 or negative errno: -EALREADY (it is shared) or -ESRCH (the container or the owner has ended)
 */
int mayfly_container_share(struct mayfly_container *container, const char *file, int owner_pidfd,
                           struct mayfly_error *err);

/**
 * Makes a handle of a container that another program of this user has shared: to run commands, signal the app, read logs, wait,
 * connect, set links, use files and ask for statistics. What starts, pauses or changes the container fails with -ECHILD, and so does
 * mayfly_container_stop(), unless the container was given to another owner. mayfly_container_free() frees the handle alone.
 *
 * @param ret   set on success; the caller owns it
 * @param file  path of the state file
 * @return 0 or negative errno: -ENOENT (no such file), -ESRCH (the container has ended), -EBADMSG (no state file, or not whole), -EPERM
 *         (others can write the file, or the socket that it names is not this user's), -EBUSY (the container is paused)
 */
int mayfly_container_attach(struct mayfly_container **ret, const char *file, struct mayfly_error *err);

/**
 * Keeps a running container when this program ends: mayfly-keep, a process that does nothing else, owns it from now on. It is shared by a
 * state file that the command finds: `mayfly exec NAME COMMAND`, `mayfly stop NAME`, with the NAME that mayfly_container_name() returns. It
 * ends with that process (by kill(1), too), when the time is over, and when its app ends. A paused container goes on.
 *
 * @param seconds  how long, at most 30 days; 0: an hour. The spec's max_runtime_s holds all the same
 * @param ret_pid  set to the PID of mayfly-keep; may be NULL
 * @return 0 or negative errno: -ESRCH (the container has ended), -EALREADY (it is shared), -ENOMEM (twice
 *         the memory that it uses must be available, so that the next container has room). It is then not shared, and ends with this
 *         program as before; but if mayfly-keep itself ends during the call, so does the container
 */
int mayfly_container_keep(struct mayfly_container *container, unsigned seconds, pid_t *ret_pid,
                          struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
