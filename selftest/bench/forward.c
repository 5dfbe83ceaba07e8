/* SPDX-License-Identifier: MIT */

/* A port that mayfly-forward publishes beside plain loopback, in turns: prints a table. Nothing is judged.
 *
 *   bench-forward [ROUNDS]
 *
 * with $MAYFLY_LIBEXEC set. It needs neither root nor an image: the container is a process with namespaces of its own. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"
#include "flow/forwarder.h"
#include "util/time.h"

#define BULK (256U << 20)
#define PINGS 4000
#define CONNECTIONS 1000
#define AT_ONCE 16
#define ROUNDS_MAX 100

static char block[128 * 1024];

/* --- the server, the same on both ways ------------------------------------------------------------------------ */

static void set_nodelay(int fd)
{
        const int one = 1;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Sends BULK bytes to who says 'b', reads as many from who says 'u', and echoes all else. */
static void serve(int fd)
{
        ssize_t n;

        set_nodelay(fd);
        while ((n = recv(fd, block, sizeof(block), 0)) > 0) {
                size_t done = 0;
                if (block[0] == 'b')
                        for (; done < BULK && (n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0;
                             done += (size_t) n)
                                block[0] = 'x';
                else if (block[0] == 'u') /* some of the data may have come with the word */
                        for (done = (size_t) n - 1; done < BULK && (n = recv(fd, block, sizeof(block), 0)) > 0;
                             done += (size_t) n)
                                ;
                if (send(fd, block, done ? 1 : (size_t) n, MSG_NOSIGNAL) < 0)
                        break;
        }
        close(fd);
}

/* A process for each connection that lasts; connections that are new each time are served at once. */
static pid_t start_server(int listener, int is_forking)
{
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        continue;
                if (is_forking && fork() == 0) {
                        serve(fd);
                        _exit(0);
                }
                if (!is_forking)
                        serve(fd);
                else
                        close(fd);
        }
}

/* --- what is measured; each returns a figure ------------------------------------------------------------------ */

static double seconds(uint64_t begin_us)
{
        return (double) (mf_now_us() - begin_us) / 1e6;
}

/* GB/s from the server. */
static double bulk_down(uint16_t port)
{
        int fd = connect_outside(port);
        size_t done = 0;

        uint64_t begin = mf_now_us();
        say(fd, "b");
        for (ssize_t n; done < BULK && (n = recv(fd, block, sizeof(block), 0)) > 0;)
                done += (size_t) n;
        double ret = (double) done / 1e9 / seconds(begin);
        close(fd);
        return ret;
}

/* GB/s to the server. */
static double bulk_up(uint16_t port)
{
        int fd = connect_outside(port);
        size_t done = 0;
        char c;

        uint64_t begin = mf_now_us();
        say(fd, "u");
        memset(block, 'x', sizeof(block));
        for (ssize_t n; done < BULK && (n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0;)
                done += (size_t) n;
        assert_int_equal(recv(fd, &c, 1, 0), 1);
        double ret = (double) done / 1e9 / seconds(begin);
        close(fd);
        return ret;
}

/* Median of a question and its answer, of 64 bytes each, in microseconds. */
static double latency(uint16_t port)
{
        static double times[PINGS];
        char ping[64];
        int fd = connect_outside(port);

        memset(ping, 'p', sizeof(ping));
        set_nodelay(fd);
        for (int i = 0; i < PINGS; i++) {
                uint64_t begin = mf_now_us();
                assert_int_equal(send(fd, ping, sizeof(ping), 0), sizeof(ping));
                assert_int_equal(recv(fd, ping, sizeof(ping), MSG_WAITALL), sizeof(ping));
                times[i] = (double) (mf_now_us() - begin);
        }
        close(fd);
        return bench_median(times, PINGS);
}

static void one_connection(uint16_t port)
{
        int fd = connect_outside(port);

        say(fd, "p");
        hear(fd, "p");
        close(fd);
}

/* Median of a connection with one question and answer, in microseconds. */
static double connections(uint16_t port)
{
        static double times[CONNECTIONS];

        for (int i = 0; i < CONNECTIONS; i++) {
                uint64_t begin = mf_now_us();
                one_connection(port);
                times[i] = (double) (mf_now_us() - begin);
        }
        return bench_median(times, CONNECTIONS);
}

/* Connections in a second, with several open at once. */
static double connections_at_once(uint16_t port)
{
        int fds[AT_ONCE];

        uint64_t begin = mf_now_us();
        for (int i = 0; i < CONNECTIONS / AT_ONCE; i++) {
                for (int j = 0; j < AT_ONCE; j++) {
                        fds[j] = connect_outside(port);
                        say(fds[j], "p");
                }
                for (int j = 0; j < AT_ONCE; j++) {
                        hear(fds[j], "p");
                        close(fds[j]);
                }
        }
        return CONNECTIONS / seconds(begin);
}

/* --- the table ------------------------------------------------------------------------------------------------ */

struct way {
        uint16_t lasting, new;
};

static const struct {
        const char *what;
        double (*measure)(uint16_t port);
        int is_new;
} rows[] = {
        { "bulk to the client, GB/s", bulk_down, 0 },
        { "bulk to the server, GB/s", bulk_up, 0 },
        { "question and answer, us", latency, 0 },
        { "new connection with one of these, us", connections, 1 },
        { "new connections, 16 at once, 1/s", connections_at_once, 1 },
};

static void run(const struct way *forwarded, const struct way *plain, int rounds)
{
        printf("%-40s %12s %12s %8s\n", "medians", "published", "loopback", "ratio");
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                double a[ROUNDS_MAX], b[ROUNDS_MAX], ratios[ROUNDS_MAX];
                for (int round = 0; round < rounds; round++) {
                        a[round] = rows[i].measure(rows[i].is_new ? forwarded->new : forwarded->lasting);
                        b[round] = rows[i].measure(rows[i].is_new ? plain->new : plain->lasting);
                        ratios[round] = a[round] / b[round];
                }
                const size_t n = (size_t) rounds;
                printf("%-40s %12.2f %12.2f %8.2f\n", rows[i].what, bench_median(a, n), bench_median(b, n),
                       bench_median(ratios, n));
                fflush(stdout);
        }
}

/* Time of a socket that is connected inside and handed out. */
static void run_connected(struct forwarder *forwarder, uint16_t port)
{
        static double times[1000];

        for (int i = 0; i < 1000; i++) {
                uint64_t begin = mf_now_us();
                int fd = connect_inside(forwarder, SOCK_STREAM, "127.0.0.1", port);
                times[i] = (double) (mf_now_us() - begin);
                close(fd);
        }
        printf("%-40s %12.2f\n", "socket connected inside, us", bench_median(times, 1000));
}

int main(int argc, char **argv)
{
        forwarder_main(argc, argv);
        int rounds = argc > 1 ? (int) strtol(argv[1], NULL, 10) : 7;
        if (rounds < 1 || rounds > ROUNDS_MAX)
                return 2;
        struct forwarder forwarder;
        struct way forwarded, plain;
        pid_t servers[4];

        forwarder_start(&forwarder);
        forwarder_enter(&forwarder);
        servers[0] = start_server(listen_outside(SOCK_STREAM, &plain.lasting), 1);
        servers[1] = start_server(listen_outside(SOCK_STREAM, &plain.new), 0);
        servers[2] = start_server(listen_inside(&forwarder, SOCK_STREAM, "127.0.0.1", 80), 1);
        servers[3] = start_server(listen_inside(&forwarder, SOCK_STREAM, "127.0.0.1", 81), 0);
        forwarded.lasting = forwarder_publish(&forwarder, 1, 80);
        forwarded.new = forwarder_publish(&forwarder, 2, 81);
        run(&forwarded, &plain, rounds);
        run_connected(&forwarder, 81);
        for (int i = 0; i < 4; i++)
                kill(servers[i], SIGKILL);
        forwarder_stop(&forwarder);
        return 0;
}
