/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow/forwarder.h"
#include "support/support.h"

#define READY 200 /* descriptor on which the container says that it is up */

/* --- what is started ------------------------------------------------------------------------------------------ */

static void fail_child(const char *what)
{
        fprintf(stderr, "forwarder: %s: %s\n", what, strerror(errno));
        _exit(1);
}

static void write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                fail_child(path);
        close(fd);
}

/* Becomes root of the new user namespace, whose only user and group had these numbers outside. */
static void become_root(uid_t uid, gid_t gid)
{
        char map[64];

        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
        snprintf(map, sizeof(map), "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
}

/* The container's PID 1, which has been executed in its user namespace, as mayfly-init is. */
static _Noreturn void be_container(const char *root)
{
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                fail_child("the loopback interface");
        if (chroot(root) < 0 || chdir("/") < 0)
                fail_child(root);
        prctl(PR_SET_DUMPABLE, 0);
        if (write(READY, "", 1) != 1)
                _exit(1);
        close(READY);
        for (;;)
                pause();
}

static _Noreturn void execute_container(const char *root, int ready)
{
        become_root(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(ready, READY) < 0)
                fail_child("dup2");
        execl("/proc/self/exe", "container", root, (char *) NULL);
        fail_child("/proc/self/exe");
        _exit(1);
}

void forwarder_main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[0], "container") == 0)
                be_container(argv[1]);
}

/* Starts the container in namespaces of its own, tells its PID, and executes mayfly-forward. */
static _Noreturn void be_launch(const char *root, int control, int tell, unsigned limit)
{
        const char *program = getenv("MAYFLY_FORWARD"), *libexec = getenv("MAYFLY_LIBEXEC");
        struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS,
                                   .exit_signal = SIGCHLD };
        char path[4096], c;
        int ready[2];

        /* As mayfly-launch is for an ordinary user. */
        uid_t uid = getuid();
        gid_t gid = getgid();
        if (unshare(CLONE_NEWUSER) < 0)
                fail_child("unshare");
        become_root(uid, gid);
        if (pipe2(ready, O_CLOEXEC) < 0)
                fail_child("pipe2");
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                fail_child("clone3");
        if (pid == 0)
                execute_container(root, ready[1]);
        close(ready[1]);
        if (read(ready[0], &c, 1) != 1 || write(tell, &pid, sizeof(pid)) != sizeof(pid))
                fail_child("the container did not start");
        if (limit && setrlimit(RLIMIT_NOFILE, &(struct rlimit){ limit, limit }) < 0)
                fail_child("setrlimit");
        if (program)
                snprintf(path, sizeof(path), "%s", program);
        else
                snprintf(path, sizeof(path), "%s/mayfly-forward", libexec ? libexec : ".");
        if (dup2(control, 0) < 0)
                fail_child("dup2");
        execl(path, "mayfly-forward", (char *) NULL);
        fail_child(path);
        _exit(1);
}

void forwarder_start_limited(struct forwarder *forwarder, unsigned limit)
{
        int control[2], tell[2];
        pid_t container = 0;

        forwarder->root = make_directory();
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
        assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
        forwarder->pid = fork();
        assert_true(forwarder->pid >= 0);
        if (forwarder->pid == 0)
                be_launch(forwarder->root, control[1], tell[1], limit);
        close(control[1]);
        close(tell[1]);
        forwarder->control = control[0];
        assert_int_equal(read(tell[0], &container, sizeof(container)), sizeof(container));
        close(tell[0]);
        forwarder->container = (int) syscall(SYS_pidfd_open, container, 0);
        assert_true(forwarder->container >= 0);
}

void forwarder_start(struct forwarder *forwarder)
{
        forwarder_start_limited(forwarder, 0);
}

void forwarder_enter(struct forwarder *forwarder)
{
        struct mf_forward_request request = { .type = MF_FORWARD_ENTER, .has_host_ports = 1 };
        struct mf_forward_reply reply;

        forwarder_send(forwarder, &request, &forwarder->container, 1);
        if (forwarder_receive(forwarder, &reply, NULL) != 0)
                fail_msg("ENTER: %d: %s", reply.error, reply.text);
}

/* Waits for the end, whose status has to be this one. */
static void clean_up(struct forwarder *forwarder, int expected)
{
        int status;

        assert_int_equal(waitpid(forwarder->pid, &status, 0), forwarder->pid);
        assert_int_equal(status, expected);
        close(forwarder->container);
        remove_directory(forwarder->root);
}

void forwarder_stop(struct forwarder *forwarder)
{
        close(forwarder->control);
        clean_up(forwarder, 0);
}

void forwarder_expect_failure(struct forwarder *forwarder)
{
        clean_up(forwarder, W_EXITCODE(1, 0));
        close(forwarder->control);
}

void forwarder_expect_signal(struct forwarder *forwarder, int signal)
{
        clean_up(forwarder, W_EXITCODE(0, signal));
        close(forwarder->control);
}

int forwarder_set_up_limited(void **state, unsigned seconds, unsigned limit)
{
        struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

        alarm(seconds);
        forwarder_start_limited(forwarder, limit);
        forwarder_enter(forwarder);
        *state = forwarder;
        return 0;
}

int forwarder_set_up(void **state)
{
        return forwarder_set_up_limited(state, 60, 0);
}

int forwarder_tear_down(void **state)
{
        forwarder_stop(*state);
        free(*state);
        return 0;
}

/* --- requests ------------------------------------------------------------------------------------------------- */

void forwarder_send(struct forwarder *forwarder, const struct mf_forward_request *request, const int *fds, size_t n_fds)
{
        assert_int_equal(mf_forward_request_send(forwarder->control, request, fds, n_fds), 0);
}

int forwarder_receive(struct forwarder *forwarder, struct mf_forward_reply *ret, int *ret_fd)
{
        int fd = -1;

        assert_int_equal(mf_forward_reply_recv(forwarder->control, ret, &fd, 0), 1);
        if (ret_fd)
                *ret_fd = fd;
        else
                assert_int_equal(fd, -1);
        return ret->error;
}

int forwarder_ask(struct forwarder *forwarder, const struct mf_forward_request *request, int *ret_fd)
{
        struct mf_forward_reply reply;

        forwarder_send(forwarder, request, NULL, 0);
        return forwarder_receive(forwarder, &reply, ret_fd);
}

int forwarder_ask_socket(struct forwarder *forwarder, int domain, int type, int *ret_fd)
{
        struct mf_forward_request request = { .type = MF_FORWARD_SOCKET, .domain = domain, .socket_type = type };

        return forwarder_ask(forwarder, &request, ret_fd);
}

int forwarder_ask_host_port(struct forwarder *forwarder, uint32_t number, uint32_t kind, uint16_t port)
{
        struct mf_forward_request request = { .type = MF_FORWARD_HOST_PORT,
                                              .link = number,
                                              .target = { .kind = kind, .port = port } };

        return forwarder_ask(forwarder, &request, NULL);
}

int forwarder_ask_faults(struct forwarder *forwarder, uint32_t number, struct mf_forward_faults faults)
{
        struct mf_forward_request request = { .type = MF_FORWARD_FAULTS, .link = number, .faults = faults };

        return forwarder_ask(forwarder, &request, NULL);
}

static uint16_t publish(struct forwarder *forwarder, struct mf_forward_request *request)
{
        struct mf_forward_reply reply;
        uint16_t port;
        int type = request->target.kind == MF_FORWARD_UDP ? SOCK_DGRAM : SOCK_STREAM;
        int fd = listen_outside(type, &port);

        request->type = MF_FORWARD_LISTEN;
        forwarder_send(forwarder, request, &fd, 1);
        close(fd);
        if (forwarder_receive(forwarder, &reply, NULL) != 0)
                fail_msg("LISTEN: %d: %s", reply.error, reply.text);
        return port;
}

uint16_t forwarder_publish(struct forwarder *forwarder, uint32_t number, uint16_t inside)
{
        struct mf_forward_request request = { .link = number, .target = { .kind = MF_FORWARD_TCP, .port = inside } };

        return publish(forwarder, &request);
}

uint16_t forwarder_publish_path(struct forwarder *forwarder, uint32_t number, const char *path)
{
        struct mf_forward_request request = { .link = number, .target = { .kind = MF_FORWARD_UNIX } };

        snprintf(request.target.path, sizeof(request.target.path), "%s", path);
        return publish(forwarder, &request);
}

uint16_t forwarder_publish_udp(struct forwarder *forwarder, uint32_t number, uint16_t inside)
{
        struct mf_forward_request request = { .link = number, .target = { .kind = MF_FORWARD_UDP, .port = inside } };

        return publish(forwarder, &request);
}

/* --- sockets -------------------------------------------------------------------------------------------------- */

static int limit_waits(int fd)
{
        const struct timeval ten = { .tv_sec = 10 };

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof(ten)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ten, sizeof(ten)), 0);
        return fd;
}

int listen_inside(struct forwarder *forwarder, int type, const char *address, uint16_t port)
{
        struct sockaddr_in ip4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        int is_ip6 = inet_pton(AF_INET6, address, &ip6.sin6_addr) == 1, one = 1, fd = -1;

        assert_int_equal(forwarder_ask_socket(forwarder, is_ip6 ? AF_INET6 : AF_INET, type, &fd), 0);
        limit_waits(fd);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (is_ip6) {
                assert_int_equal(bind(fd, (struct sockaddr *) &ip6, sizeof(ip6)), 0);
        } else {
                assert_int_equal(inet_pton(AF_INET, address, &ip4.sin_addr), 1);
                assert_int_equal(bind(fd, (struct sockaddr *) &ip4, sizeof(ip4)), 0);
        }
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 4096), 0);
        return fd;
}

int listen_published(struct forwarder *forwarder, uint16_t *ret_port)
{
        int listener = listen_inside(forwarder, SOCK_STREAM, "127.0.0.1", 80);

        *ret_port = forwarder_publish(forwarder, 1, 80);
        return listener;
}

int listen_outside(int type, uint16_t *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        int fd = limit_waits(socket(AF_INET, type | SOCK_CLOEXEC, 0));
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 4096), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

static int connect_type(int type, uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        int fd = limit_waits(socket(AF_INET, type | SOCK_CLOEXEC, 0));
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

int connect_outside(uint16_t port)
{
        return connect_type(SOCK_STREAM, port);
}

int connect_udp(uint16_t port)
{
        return connect_type(SOCK_DGRAM, port);
}

int connect_inside(struct forwarder *forwarder, int type, const char *address, uint16_t port)
{
        struct sockaddr_in ip4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = -1;

        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET, type, &fd), 0);
        assert_int_equal(inet_pton(AF_INET, address, &ip4.sin_addr), 1);
        assert_int_equal(connect(limit_waits(fd), (struct sockaddr *) &ip4, sizeof(ip4)), 0);
        return fd;
}

int accept_one(int listener)
{
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                fail_msg("nobody connects: %s", strerror(errno));
        return limit_waits(fd);
}

void reset_socket(int fd)
{
        const struct linger now = { .l_onoff = 1 };

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        close(fd);
}

void say(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void hear(int fd, const char *text)
{
        char heard[4096] = "";
        size_t length = strlen(text);

        assert_true(length < sizeof(heard));
        ssize_t n = recv(fd, heard, length, MSG_WAITALL);
        if (n < 0)
                fail_msg("nothing came: %s", strerror(errno));
        assert_string_equal(heard, text);
}

void hear_end(int fd)
{
        char c;

        assert_int_equal(recv(fd, &c, 1, 0), 0);
}

void hear_reset(int fd)
{
        char c;

        assert_int_equal(recv(fd, &c, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

size_t fill(int fd, unsigned pauses, unsigned pause_us)
{
        static const char block[65536];
        size_t sent = 0;

        for (unsigned quiet = 0; quiet < pauses;) {
                ssize_t n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0) {
                        sent += (size_t) n;
                        quiet = 0;
                        continue;
                }
                assert_int_equal(errno, EAGAIN);
                usleep(pause_us);
                quiet++;
        }
        return sent;
}

void send_with_descriptors(int socket, const char *text, int fd, size_t n)
{
        enum { MAX = 253 }; /* what the kernel takes in one message */
        static union {
                struct cmsghdr align;
                char buffer[CMSG_SPACE(MAX * sizeof(int))];
        } control;
        struct iovec iov = { .iov_base = (void *) (uintptr_t) text, .iov_len = strlen(text) };
        const struct msghdr header = { .msg_iov = &iov,
                                       .msg_iovlen = 1,
                                       .msg_control = control.buffer,
                                       .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

        assert_true(n <= MAX);
        control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(n * sizeof(int)) };
        for (size_t i = 0; i < n; i++)
                memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(fd));
        assert_int_equal(sendmsg(socket, &header, 0), strlen(text));
}

/* --- processes ------------------------------------------------------------------------------------------------ */

void read_status(pid_t pid, const char *name, char value[256])
{
        char path[64], line[256];

        snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        value[0] = '\0';
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, name, strlen(name)) == 0)
                        snprintf(value, 256, "%s", line + strlen(name));
        fclose(f);
}
