/* SPDX-License-Identifier: MIT */
#ifndef MF_FORWARD_H
#define MF_FORWARD_H

/* mayfly-forward: one thread and one loop, which passes the connections of published ports on into a container, and makes
 * links fail on purpose. What comes from inside is other people's: nothing here trusts it, and all that it can make grow has
 * a bound. */

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "protocol/forward.h"

/* --- loop.c: what is waited for ------------------------------------------------------------------------------- */

/* In a struct of a user's, whose function is called when the descriptor is ready. */
struct forward_source {
        void (*ready)(struct forward_source *source, uint32_t events);
};

struct forward_timer {
        void (*expired)(struct forward_timer *timer);
        uint64_t when_us;
        size_t place; /* in the heap, from 1 on; 0: not set */
};

/* What is called once more when all that was ready has been served: work that was put off, or a free(). */
struct forward_task {
        void (*run)(struct forward_task *task);
        struct forward_task *next;
        int is_queued;
};

int forward_loop_init(void);
/* Serves until the end or a failure. Returns 0 or negative errno. */
int forward_loop_run(void);
void forward_loop_end(void);
/* Says what failed, and has forward_loop_run() return the error. */
void forward_loop_fail(const char *what, int error);

/* Returns 0 or negative errno. */
int forward_watch(int fd, struct forward_source *source, uint32_t events);
void forward_rewatch(int fd, struct forward_source *source, uint32_t events);
void forward_unwatch(int fd);

/* Makes place for `n` timers more. Returns 0 or -ENOMEM. Each is given back with forward_timers_release(). */
int forward_timers_reserve(size_t n);
void forward_timers_release(size_t n);
void forward_timer_set(struct forward_timer *timer, uint64_t when_us);
void forward_timer_clear(struct forward_timer *timer);

void forward_later(struct forward_task *task);

/* --- budget.c: descriptors and memory have a bound ------------------------------------------------------------ */

/* Raises the limit of descriptors as far as it goes, and remembers it. */
void forward_budget_init(void);
/* Returns 1 and counts `n` descriptors, or 0 where there are too few. */
int forward_take_fds(unsigned n);
void forward_give_fds(unsigned n);
/* Returns how many there are in all. */
unsigned forward_fds_max(void);

/* pipes.c. Takes a pipe that is empty. Returns 0 or negative errno. */
int forward_pipe_take(int ret[2]);
/* Gives it back and sets both ends to -1. -1 is fine. One that is not empty is closed. */
void forward_pipe_give(int given[2], int is_empty);
/* Closes those that nobody needs now. */
void forward_pipes_trim(void);

/* --- held.c: data that are kept in memory, in order --------------------------------------------------------------- */

struct forward_chunk {
        struct forward_chunk *next;
        uint64_t arrived_us;
        uint32_t size, offset; /* up to which it has been taken */
        uint32_t random;       /* its share of the jitter */
        char data[];
};

struct forward_held {
        struct forward_chunk *first, *last;
        size_t size; /* bytes that they need */
};

/* Returns how many bytes may be added where one flow may hold `max`. */
size_t forward_held_room(const struct forward_held *held, size_t max);
/* Whether a packet may be added, which may be empty. */
int forward_held_fits(const struct forward_held *held, size_t size, size_t max);
/* Returns 0 or -ENOMEM. */
int forward_held_add(struct forward_held *held, const void *data, size_t size);
/* Takes bytes from the first chunk, which must have them. */
void forward_held_take(struct forward_held *held, size_t size);
void forward_held_clear(struct forward_held *held);
/* When what arrived then may leave. */
uint64_t forward_due_us(uint64_t arrived_us, uint32_t random, const struct mf_forward_flow *faults);

/* --- enter.c: the container ----------------------------------------------------------------------------------- */

struct forward_text {
        char text[sizeof(((struct mf_forward_reply *) NULL)->text)];
};

/* Writes what failed, for a human, and returns `code`. */
__attribute__((format(printf, 3, 4))) int forward_say(struct forward_text *text, int code, const char *format, ...);

/* Does what ENTER asks for. Returns 0 or negative errno with a text; then nothing more can be done with this process. */
int forward_enter(const struct mf_forward_request *request, int pidfd, struct forward_text *text);
int forward_has_entered(void);

/* Connects a Unix socket with the one at a path of the container. No link leads out of its root. Returns 0 or negative errno. */
int forward_connect_unix(int fd, const char *path);

/* --- confine.c: what this process can do to the host ------------------------------------------------------------- */

struct forward_confinement {
        int root; /* becomes the root directory */
        uid_t uid;
        gid_t gid;
        uint32_t capabilities; /* a mask of those that are kept */
        pid_t parent;          /* with which this process ends */
};

/* Confines this process, with the filter of its system calls. Returns 0 or negative errno with a text. */
int forward_confine(const struct forward_confinement *to, struct forward_text *text);

/* --- host.c: the host's network ------------------------------------------------------------------------------- */

/* Before the container is entered: starts the child that stays in the host's network, and is confined as said, but for
 * capabilities, which it has none of, and its parent, which is this process. Returns 0 or negative errno. */
int forward_host_start(const struct forward_confinement *confinement);
int forward_host_is_there(void);
/* Ends the child and waits for it. */
void forward_host_end(void);
/* Returns an IPv4 socket of the host's network that does not block, or negative errno. */
int forward_host_socket(int type);

/* --- listeners.c ---------------------------------------------------------------------------------------------- */

#define FORWARD_LISTENERS_MAX 16U

/* Asks the kernel where in this network namespace somebody listens on a port (UDP: has it bound). Returns how many
 * addresses there are, at most `max` or FORWARD_LISTENERS_MAX; a wildcard counts as the loopback address. */
size_t forward_listeners(int protocol, uint16_t port, struct sockaddr_storage *ret, size_t max);
socklen_t forward_address_size(const struct sockaddr_storage *address);
struct sockaddr_storage forward_loopback(int family, uint16_t port);

/* --- link.c: a port -------------------------------------------------------------------------------------------- */

struct forward_connection;
struct forward_clients;

struct forward_listener {
        struct forward_source source;
        struct forward_link *link;
        int fd; /* -1: none */
};

struct forward_link {
        struct forward_link *next;
        struct forward_timer pause; /* after an accept that failed for want of something */
        uint32_t number;
        int is_host; /* a port of the host for the container */
        struct mf_forward_target target;
        struct mf_forward_faults faults;
        struct forward_listener listeners[MF_FORWARD_FDS_MAX];
        struct sockaddr_storage found; /* where the last connection found its server; family 0: nowhere yet */
        struct forward_connection *connections;
        struct forward_clients *clients; /* UDP */
};

/* Each does what its request asks for. Returns 0 or negative errno with a text. */
int forward_link_listen(const struct mf_forward_request *request, const int *fds, size_t n_fds,
                        struct forward_text *text); /* the descriptors are its own then */
int forward_link_host(const struct mf_forward_request *request, struct forward_text *text);
int forward_link_faults(const struct mf_forward_request *request, struct forward_text *text);
/* Begins to accept, when the container has been entered. Returns 0 or negative errno with a text. */
int forward_links_begin(struct forward_text *text);
/* Sets what the sockets of a link want: no delays, no pacing, urgent data in their place. */
void forward_set_options(int fd);
/* Returns a socket of the network where the link's server is, that does not block, or negative errno. */
int forward_link_socket(const struct forward_link *link, int family, int type);

/* --- datagram.c: the clients of a UDP port ------------------------------------------------------------------------ */

/* Returns 0 or -ENOMEM. */
int forward_clients_init(struct forward_link *link);
void forward_clients_free(struct forward_link *link);
/* Follows a change of the link's faults. */
void forward_clients_update(struct forward_link *link);
void forward_datagrams_ready(struct forward_listener *listener);

/* --- connection.c ---------------------------------------------------------------------------------------------- */

/* What is waited for at a side, from the beginning and for ever: each change once. */
#define FORWARD_EVENTS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

struct forward_side {
        struct forward_source source;
        struct forward_connection *connection;
        int fd; /* -1: not yet */
        uint8_t is_readable, is_writable;
        uint8_t reads_on; /* a read that gets less than it wants has not got all */
};

enum forward_end { FORWARD_OPEN = 0, FORWARD_FINISHED, FORWARD_RESET };

/* Bytes on their way in one direction. */
struct forward_flow {
        struct forward_connection *connection;
        struct forward_side *from, *to;
        const struct mf_forward_flow *faults;
        int pipe[2];    /* -1, or with what `to` had no place for */
        size_t in_pipe; /* bytes */
        struct forward_held held;
        struct forward_timer timer; /* until something held is due */
        uint64_t passed;            /* bytes since the faults were set */
        uint64_t next_us;           /* when the bandwidth allows more */
        uint64_t end_us;            /* when the end came */
        enum forward_end end;       /* of what `from` sends */
        uint8_t is_done;            /* the end was passed on */
        uint8_t is_broken;          /* `to` takes nothing any more */
        uint8_t has_no_pipe;
        uint8_t is_bulk; /* as much comes as can be read at once */
};

struct forward_connection {
        struct forward_link *link;
        struct forward_connection *previous, *next;
        struct forward_task task;   /* goes on, or frees it */
        struct forward_timer retry; /* of a connect, or of the end */
        struct forward_side client, server;
        struct forward_flow up, down;
        unsigned attempt; /* which address is tried, or the how manieth look at the end */
        uint8_t is_connected, is_closed;
        uint8_t is_waiting; /* with its connect, until the link is mended */
        uint8_t is_ending;  /* reset as soon as what was sent is on its way */
};

/* Takes the accepted socket and connects it with a server. */
void forward_connection_begin(struct forward_link *link, int client);
void forward_connection_reset(struct forward_connection *connection);
/* Follows a change of the link's faults. */
void forward_connection_update(struct forward_connection *connection);
/* Goes on with what can be done now, in both directions. */
void forward_connection_go_on(struct forward_connection *connection);
/* Closes with a reset, not with an end of the stream. */
void forward_reset_socket(int fd);

/* connect.c: tries the next address of the server, and the next, until one answers or is still to answer. */
void forward_connect(struct forward_connection *connection);
void forward_connect_ready(struct forward_connection *connection);

/* --- flow.c ------------------------------------------------------------------------------------------------------ */

void forward_flow_init(struct forward_flow *flow, struct forward_connection *connection, struct forward_side *from,
                       struct forward_side *to, const struct mf_forward_flow *faults);
void forward_flow_clear(struct forward_flow *flow);
/* Moves what can be moved now. Returns 1 when there is more to do at once, 0 when it has to wait, -ECONNRESET when
 * the connection has to be reset. */
int forward_flow_move(struct forward_flow *flow);
/* Follows a change of the faults. Data in a pipe come under them, too, when the flow is moved next. */
void forward_flow_update(struct forward_flow *flow);

#endif
