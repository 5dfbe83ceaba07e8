/* SPDX-License-Identifier: MIT */
#ifndef FORWARDER_H
#define FORWARDER_H

/* mayfly-forward beside something like a container: a process with namespaces of its own, whose root is a directory. The test
 * itself plays the servers inside, with sockets that mayfly-forward makes there. Failures end the test. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/forward.h"

struct forwarder {
        pid_t pid;     /* of mayfly-forward */
        int control;   /* the library's end */
        int container; /* pidfd of its PID 1 */
        char *root;    /* its directory */
};

/* To be called first in main(): the container runs the test's program, too. */
void forwarder_main(int argc, char **argv);

/* Starts both. The container is not entered yet. `limit`: of descriptors; 0: as it is. The program is $MAYFLY_FORWARD, or else
 * mayfly-forward. */
void forwarder_start_limited(struct forwarder *forwarder, unsigned limit);
void forwarder_start(struct forwarder *forwarder);
void forwarder_enter(struct forwarder *forwarder);
void forwarder_stop(struct forwarder *forwarder);

/* The setup and the teardown of a test whose state is an entered forwarder. The test may take 60 seconds. */
int forwarder_set_up(void **state);
int forwarder_tear_down(void **state);
/* The same setup with another limit of time, and a limit of descriptors as above. */
int forwarder_set_up_limited(void **state, unsigned seconds, unsigned limit);

/* Waits until mayfly-forward has ended by itself, which has to be a failure, and cleans up. */
void forwarder_expect_failure(struct forwarder *forwarder);
/* The same, but the kernel has to have killed it with this signal. */
void forwarder_expect_signal(struct forwarder *forwarder, int signal);

/* Sends a request without waiting. */
void forwarder_send(struct forwarder *forwarder, const struct mf_forward_request *request, const int *fds,
                    size_t n_fds);
/* Waits for the next answer. Returns its error; `ret_fd` NULL: there must be no descriptor. */
int forwarder_receive(struct forwarder *forwarder, struct mf_forward_reply *ret, int *ret_fd);
/* Both. */
int forwarder_ask(struct forwarder *forwarder, const struct mf_forward_request *request, int *ret_fd);

/* Asks for a socket of the container's network. Returns the answer's error. */
int forwarder_ask_socket(struct forwarder *forwarder, int domain, int type, int *ret_fd);
/* Asks for a port of the host, MF_FORWARD_TCP or another kind, as link `number`. Returns the answer's error. */
int forwarder_ask_host_port(struct forwarder *forwarder, uint32_t number, uint32_t kind, uint16_t port);
/* Sets the faults of a link. Returns the answer's error. */
int forwarder_ask_faults(struct forwarder *forwarder, uint32_t number, struct mf_forward_faults faults);

/* Publishes port `inside` of the container as link `number`. Returns the host's port, on 127.0.0.1. */
uint16_t forwarder_publish(struct forwarder *forwarder, uint32_t number, uint16_t inside);
uint16_t forwarder_publish_path(struct forwarder *forwarder, uint32_t number, const char *path);

uint16_t forwarder_publish_udp(struct forwarder *forwarder, uint32_t number, uint16_t inside);

/* A socket of the container's network that is bound to address and port, and listens if it is a stream. Waits of it, and of
 * all sockets below, end after ten seconds. */
int listen_inside(struct forwarder *forwarder, int type, const char *address, uint16_t port);
/* A listening stream at port 80 of the container, which is published as link 1 at a port of the host. */
int listen_published(struct forwarder *forwarder, uint16_t *ret_port);
/* The same on the host's 127.0.0.1, with a port that the kernel chooses. */
int listen_outside(int type, uint16_t *ret_port);
int connect_outside(uint16_t port);
int connect_udp(uint16_t port);
/* The same of the container's network. */
int connect_inside(struct forwarder *forwarder, int type, const char *address, uint16_t port);
int accept_one(int listener);
/* Closes with a reset. */
void reset_socket(int fd);
/* Writes or reads exactly the text. */
void say(int fd, const char *text);
void hear(int fd, const char *text);
/* Expects the end of the stream, or a reset. */
void hear_end(int fd);
void hear_reset(int fd);
/* Writes until nobody takes more, even after so many pauses in a row. Returns how many bytes were taken. */
size_t fill(int fd, unsigned pauses, unsigned pause_us);
/* Sends a text together with `n` copies of the descriptor. */
void send_with_descriptors(int socket, const char *text, int fd, size_t n);

/* Reads what stands behind `name` in /proc/PID/status; nothing if there is no such line. */
void read_status(pid_t pid, const char *name, char value[256]);

#endif
