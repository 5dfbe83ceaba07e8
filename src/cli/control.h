/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_CONTROL_H
#define MF_CLI_CONTROL_H

/* The control socket of a keeper, the process that owns containers: what only an owner may do is asked of it there. A request and its
 * answer are a JSON object each. The socket has no file, but a name with the keeper's PID in the abstract namespace, so that nothing is left
 * of it however the keeper ends. Both sides check that the other is this user's, and in no container. */

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include <mayfly/error.h>

/* --- in the keeper --- */

/* A text in the name of the socket, which says where the keeper's state files are. */
#define CONTROL_ID_MAX 48U
#define CONTROL_RUN_ID "run" /* of a mayfly run in the foreground, which is no keeper */
/* Returns the listening socket, or negative errno with an error. */
int control_listen(const char *id, struct mayfly_error *err);
/* Returns a connection of a process of this user that is in no container, or -1. */
int control_accept(int listener);
/* Takes a request without waiting. Returns 1, 0 when there is none yet, or negative errno when the connection is of no use any more. */
int control_receive(int fd, json_t **ret);
/* Answers without waiting: NULL for success, else what failed. */
void control_answer(int fd, const char *error);
/* Sends an object, which it releases, without waiting. */
void control_send(int fd, json_t *object);

/* --- in others --- */

/* Lists the PIDs of this user's keepers with this ID, for free(3). Returns 0 or negative errno. */
int control_keepers(const char *id, pid_t **ret, size_t *ret_n);
/* Returns a connection, or negative errno: -ECONNREFUSED when that process is no keeper with this ID. */
int control_connect(pid_t keeper, const char *id);
/* Whether the process is a keeper, with whatever ID, that can be asked. */
int control_is_keeper(pid_t pid);
/* Sends a request, which it releases, and waits for the answer: up to `timeout_s`, or for ever with 0. *ret is for json_decref().
 * Returns 0 or negative errno. */
int control_ask(int fd, json_t *request, unsigned timeout_s, json_t **ret);
/* The error that an answer has, or NULL. */
const char *control_error(const json_t *answer);

#endif
