/* SPDX-License-Identifier: MIT */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/sock-diag.h"

static void bind_to(int family, int type, const char *address, unsigned short port)
{
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        int fd = socket(family, type, 0);

        assert_int_equal(inet_pton(family, address, family == AF_INET ? (void *) &v4.sin_addr : &v6.sin6_addr), 1);
        assert_int_equal(bind(fd, family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6,
                              family == AF_INET ? sizeof(v4) : sizeof(v6)),
                         0);
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 1), 0);
}

static int count_name(const char *name, void *userdata)
{
        const char *wanted = userdata;

        return strcmp(name, wanted) == 0;
}

static void bind_name(const char *name, int type)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type, 0);

        memcpy(address.sun_path + 1, name, strlen(name));
        assert_int_equal(bind(fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
                         0);
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 1), 0);
}

/* In a network namespace of its own, where nothing else listens. */
static void look_at_sockets(int netlink)
{
        struct mf_bound_socket sockets[8];

        assert_int_equal(mf_diag_check(netlink, IPPROTO_TCP), 0);
        assert_int_equal(mf_diag_check(netlink, IPPROTO_UDP), 0);
        assert_int_equal(mf_diag_check(netlink, 0), 0);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET, 1), 0);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_UDP, AF_INET6, 1), 0);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 0, sockets, 8), 0);

        bind_to(AF_INET, SOCK_STREAM, "127.0.0.1", 1);
        bind_to(AF_INET, SOCK_STREAM, "0.0.0.0", 2);
        bind_to(AF_INET6, SOCK_STREAM, "::", 3);
        bind_to(AF_INET6, SOCK_STREAM, "::1", 4);
        bind_to(AF_INET, SOCK_STREAM, "127.0.0.2", 5);
        static const unsigned v4[] = { 1, 2, 3 }, v6[] = { 3, 4 };
        for (unsigned short port = 1; port <= 5; port++) {
                int wants_v4 = port == v4[0] || port == v4[1] || port == v4[2],
                    wants_v6 = port == v6[0] || port == v6[1];
                assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET, port), wants_v4);
                assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET6, port), wants_v6);
                assert_int_equal(mf_diag_reaches(netlink, IPPROTO_UDP, AF_INET, port), 0);
        }
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 0, sockets, 8), 5);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 0, sockets, 3), 3);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 6, sockets, 8), 0);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 5, sockets, 8), 1);
        assert_int_equal(sockets[0].family, AF_INET);
        assert_int_equal(ntohl(sockets[0].address.v4.s_addr), INADDR_LOOPBACK + 1);

        bind_to(AF_INET, SOCK_DGRAM, "127.0.0.1", 1);
        bind_to(AF_INET6, SOCK_DGRAM, "::1", 2);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_UDP, AF_INET, 1), 1);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_UDP, AF_INET6, 1), 0);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_UDP, AF_INET6, 2), 1);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_UDP, 0, sockets, 8), 2);

        assert_int_equal(mf_diag_unix(netlink, count_name, (void *) (uintptr_t) "@stream"), 0);
        bind_name("stream", SOCK_STREAM);
        bind_name("packets", SOCK_DGRAM);
        assert_int_equal(mf_diag_unix(netlink, count_name, (void *) (uintptr_t) "@stream"), 1);
        assert_int_equal(mf_diag_unix(netlink, count_name, (void *) (uintptr_t) "@packets"), 1);
        assert_int_equal(mf_diag_unix(netlink, count_name, (void *) (uintptr_t) "@other"), 0);
}

/* What another process sends to the socket is no answer, however much it is. */
static void look_at_forged_answers(int netlink)
{
        struct sockaddr_nl address = { 0 };
        socklen_t size = sizeof(address);
        const struct nlmsghdr forged = { .nlmsg_len = sizeof(forged), .nlmsg_type = NLMSG_DONE };
        struct mf_bound_socket sockets[8];

        int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
        assert_true(other >= 0);
        assert_int_equal(getsockname(netlink, (struct sockaddr *) &address, &size), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(sendto(other, &forged, sizeof(forged), 0, (struct sockaddr *) &address, size),
                                 sizeof(forged));
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET, 1), 1);
        assert_int_equal(sendto(other, &forged, sizeof(forged), 0, (struct sockaddr *) &address, size), sizeof(forged));
        assert_int_equal(mf_diag_list(netlink, IPPROTO_TCP, 0, sockets, 8), 5);
        while (sendto(other, &forged, sizeof(forged), 0, (struct sockaddr *) &address, size) > 0)
                ;
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET, 1), -EAGAIN);
        assert_int_equal(mf_diag_reaches(netlink, IPPROTO_TCP, AF_INET, 1), 1);
        close(other);
}

/* Enters a network namespace. Returns a netlink socket there. */
static int make_namespace(void)
{
        if (unshare(getuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
                fail_msg("no network namespace here: %s", strerror(errno));
        int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        assert_true(netlink >= 0);
        struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &up), 0);
        close(fd);
        return netlink;
}

static void the_kernel_says_what_listens(void **state)
{
        int netlink = make_namespace();

        (void) state;
        look_at_sockets(netlink);
        look_at_forged_answers(netlink);
        close(netlink);
}

static void shows(const struct mf_bound_socket *bound, const char *expected)
{
        struct sockaddr_storage address;
        char text[INET6_ADDRSTRLEN] = "", shown[INET6_ADDRSTRLEN + 32];
        socklen_t size = mf_bound_address(bound, &address);
        const struct sockaddr_in *v4 = (const struct sockaddr_in *) &address;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) &address;

        assert_int_equal(address.ss_family, bound->family);
        if (bound->family == AF_INET) {
                assert_int_equal(size, sizeof(*v4));
                assert_non_null(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)));
                snprintf(shown, sizeof(shown), "%s:%u", text, ntohs(v4->sin_port));
        } else {
                assert_int_equal(size, sizeof(*v6));
                assert_non_null(inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)));
                snprintf(shown, sizeof(shown), "%s%%%u:%u", text, v6->sin6_scope_id, ntohs(v6->sin6_port));
        }
        assert_string_equal(shown, expected);
}

static void addresses_to_connect_to(void **state)
{
        struct mf_bound_socket bound = { .family = AF_INET, .port = 80, .interface = 7 };

        (void) state;
        shows(&bound, "127.0.0.1:80");
        bound.address.v4.s_addr = htonl(INADDR_LOOPBACK + 5);
        shows(&bound, "127.0.0.6:80");
        bound = (struct mf_bound_socket){ .family = AF_INET6, .port = 65535, .interface = 7 };
        shows(&bound, "::1%0:65535");
        assert_int_equal(inet_pton(AF_INET6, "fe80::5", &bound.address.v6), 1);
        shows(&bound, "fe80::5%7:65535");
}

/* Binds so many ports from a process of its own, which has the descriptors for it, and ends with `life`. */
static pid_t bind_many(unsigned short first, unsigned n, const int life[2], int ready)
{
        pid_t pid = fork();
        char c;

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        close(life[1]);
        for (unsigned i = 0; i < n; i++)
                bind_to(AF_INET, SOCK_DGRAM, "127.0.0.1", (unsigned short) (first + i));
        if (write(ready, "", 1) != 1 || read(life[0], &c, 1) != 0)
                _exit(1);
        _exit(0);
}

/* So that a process with many sockets holds nobody up. */
static void a_long_list_is_cut_off(void **state)
{
        enum { FEW = 200, PROCESSES = 20, EACH = 800 };
        static struct mf_bound_socket sockets[PROCESSES * EACH];
        int netlink = make_namespace(), life[2], ready[2], status;
        pid_t pids[PROCESSES];
        char c;

        (void) state;
        assert_int_equal(pipe(life), 0);
        assert_int_equal(pipe(ready), 0);
        for (unsigned short port = 1; port <= FEW; port++)
                bind_to(AF_INET, SOCK_DGRAM, "127.0.0.1", port);
        assert_int_equal(mf_diag_list(netlink, IPPROTO_UDP, 0, sockets, PROCESSES * EACH), FEW);
        for (unsigned i = 0; i < PROCESSES; i++) {
                pids[i] = bind_many((unsigned short) (FEW + 1 + i * EACH), EACH, life, ready[1]);
                assert_int_equal(read(ready[0], &c, 1), 1);
        }
        int n = mf_diag_list(netlink, IPPROTO_UDP, 0, sockets, PROCESSES * EACH);
        assert_true(n > FEW && n < PROCESSES * EACH);
        close(life[1]);
        for (unsigned i = 0; i < PROCESSES; i++) {
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
        }
        close(life[0]);
        close(ready[0]);
        close(ready[1]);
        close(netlink);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_kernel_says_what_listens),
                cmocka_unit_test(addresses_to_connect_to),
                cmocka_unit_test(a_long_list_is_cut_off),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
