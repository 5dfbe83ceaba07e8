/* SPDX-License-Identifier: MIT */

/* The parts of src/ready/ that need no container. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ready/order.h"
#include "ready/pace.h"
#include "ready/regex.h"
#include "ready/sock-diag.h"
#include "ready/status-set.h"

/* --- regular expressions ------------------------------------------------------------------------------------------ */

static void a_mistake_has_a_place(void **state)
{
        static const struct {
                const char *pattern;
                unsigned place;
        } cases[] = {
                { "a(b", 2 },    { "x[b-a]y", 2 },   { "ab\\", 3 },     { "a(b[c", 4 },  { "[[:foo:]]", 1 },
                { "a{2,1}", 2 }, { "a{1", 2 },       { "*a", 1 },       { "(ok|no", 1 }, { "(a|b(c)", 1 },
                { "\\1", 1 },    { "\xc3\xa9(", 2 }, { "ok|(a))(", 8 },
        };
        char text[40];

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                regex_t regex;
                assert_int_equal(mf_regex_compile(&regex, cases[i].pattern, &err), -EINVAL);
                snprintf(text, sizeof(text), "is wrong at character %u, ", cases[i].place);
                if (!strstr(err.message, text))
                        fail_msg("no \"%s\" in \"%s\"", text, err.message);
        }
}

static void a_long_mistake_is_still_found(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char pattern[5000];
        regex_t regex;

        (void) state;
        memset(pattern, '(', sizeof(pattern) - 1);
        pattern[sizeof(pattern) - 1] = '\0';
        assert_int_equal(mf_regex_compile(&regex, pattern, &err), -EINVAL);
        assert_non_null(strstr(err.message, "does not compile"));
}

static void lines_match_as_bytes(void **state)
{
        regex_t regex;

        (void) state;
        assert_int_equal(mf_regex_compile(&regex, "^ready( now)?$", NULL), 0);
        assert_true(mf_regex_matches(&regex, "ready now", 9));
        assert_true(mf_regex_matches(&regex, "ready nowhere", 9)); /* only these bytes */
        assert_false(mf_regex_matches(&regex, "not ready", 9));
        regfree(&regex);
        assert_int_equal(mf_regex_compile(&regex, "end$", NULL), 0);
        assert_true(mf_regex_matches(&regex, "a\0the end", 9)); /* a NUL is a byte as any */
        regfree(&regex);
}

/* --- status codes ------------------------------------------------------------------------------------------------- */

static void sets_of_status_codes(void **state)
{
        static const char *const wrong[] = {
                "", "20", "2000", "200,", ",200", "200-", "299-200", "099", "200 204", "ok"
        };

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mf_status_set_check(wrong[i], &err) != -EINVAL || !strstr(err.message, wrong[i]))
                        fail_msg("\"%s\" was taken", wrong[i]);
        }
        assert_int_equal(mf_status_set_check("200-299,404", NULL), 0);
        assert_int_equal(mf_status_set_check(NULL, NULL), 0);
        assert_true(mf_status_set_has("200-299,404", 204) && mf_status_set_has("200-299,404", 404));
        assert_false(mf_status_set_has("200-299,404", 300) || mf_status_set_has("200-299,404", 199));
        assert_true(mf_status_set_has(NULL, 200) && mf_status_set_has(NULL, 302) && !mf_status_set_has(NULL, 404));
}

/* --- order ---------------------------------------------------------------------------------------------------------- */

static void an_order_without_circles(void **state)
{
        struct mf_order order = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mf_order_add(&order, "web", " app ,cache"), 0);
        assert_int_equal(mf_order_add(&order, "app", "cache"), 0);
        assert_int_equal(mf_order_add(&order, "cache", NULL), 0);
        assert_int_equal(mf_order_add(&order, NULL, "web"), 0);
        assert_int_equal(mf_order_check(&order, &err), 0);
        assert_true(mf_order_is_after(&order, 0, 1) && mf_order_is_after(&order, 0, 2) &&
                    mf_order_is_after(&order, 3, 0));
        assert_false(mf_order_is_after(&order, 1, 0) || mf_order_is_after(&order, 2, 1) ||
                     mf_order_is_after(&order, 0, 3));
        assert_int_equal(mf_order_add(&order, "ca", "web"), 0); /* a part of a name is none */
        assert_int_equal(mf_order_check(&order, &err), 0);
        order.after[2] = "ca";
        assert_int_equal(mf_order_check(&order, &err), -EINVAL);
        assert_non_null(strstr(err.message, "\"web\" after \"app\" after \"cache\" after \"ca\" after \"web\""));
        mf_order_clear(&order);
}

/* --- pace ----------------------------------------------------------------------------------------------------------- */

static void many_waiters_look_less_often(void **state)
{
        (void) state;
        mf_pace_enter();
        assert_int_equal(mf_pace_pause_us(10, 0), 1000);
        assert_int_equal(mf_pace_pause_us(100, 0), 1600);
        assert_int_equal(mf_pace_pause_us(5000, 1), 10030);
        for (int i = 1; i < 64; i++)
                mf_pace_enter();
        assert_int_equal(mf_pace_pause_us(25, 0), 64 * 2 * 40);
        assert_int_equal(mf_pace_pause_us(1000000, 0), 100000);
        for (int i = 0; i < 64; i++)
                mf_pace_leave();
}

/* --- listening sockets ------------------------------------------------------------------------------------------------ */

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

static void the_kernel_says_what_listens(void **state)
{
        (void) state;
        if (unshare(getuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
                fail_msg("no network namespace here: %s", strerror(errno));
        int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        assert_true(netlink >= 0);
        struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &up), 0);
        close(fd);
        look_at_sockets(netlink);
        look_at_forged_answers(netlink);
        close(netlink);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mistake_has_a_place),        cmocka_unit_test(a_long_mistake_is_still_found),
                cmocka_unit_test(lines_match_as_bytes),         cmocka_unit_test(sets_of_status_codes),
                cmocka_unit_test(an_order_without_circles),     cmocka_unit_test(many_waiters_look_less_often),
                cmocka_unit_test(the_kernel_says_what_listens),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
