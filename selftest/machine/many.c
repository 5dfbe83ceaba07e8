/* SPDX-License-Identifier: MIT */

/* Many containers: at once from as many threads (`many threads N WHAT`, WHAT being for the report), all of them there at
 * the same time (`many hold N WHAT`), or one after the other (`many cycles N`). */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "support/host.h"

static const char *reference;

/* What one start, use and stop took, in microseconds. */
struct times {
        uint64_t boot, exec, stop;
};

/* The port of each container must lead to its own server, which says its number. Returns 0, or -1 with a line on standard
 * error. */
static int port_answers(const struct mayfly_container *c, unsigned number)
{
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char got[32] = "", expected[32];
        ssize_t n = -1;

        snprintf(expected, sizeof(expected), "%u\n", number);
        if (mayfly_container_address(c, "7", &address, &err) < 0) {
                fprintf(stderr, "%u: %s\n", number, err.message);
                return -1;
        }
        for (unsigned i = 0; i < 6000 && n <= 0; i++) { /* until the server listens */
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (fd >= 0 && connect(fd, address.sockaddr, address.sockaddr_size) == 0)
                        n = recv(fd, got, sizeof(got) - 1, MSG_WAITALL);
                if (fd >= 0)
                        close(fd);
                if (n <= 0)
                        usleep(10000);
        }
        if (strcmp(got, expected) == 0)
                return 0;
        fprintf(stderr, "%s: the port %s said \"%s\", not %u\n", mayfly_container_name(c), address.text, got, number);
        return -1;
}

/* Whether the command printed its number and nothing of another container's. */
static int is_alone(const char *out, unsigned number)
{
        char expected[32];

        snprintf(expected, sizeof(expected), "%u\n", number);
        return strcmp(out, expected) == 0;
}

/* 0, or -1 with a line on standard error. */
static int use_one(unsigned number, char machine[65], struct times *ret)
{
        struct mayfly_timings timings = MAYFLY_TIMINGS_INIT;
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        struct mayfly_result *result = NULL;
        char line[64], expected[32];
        const char *const argv[] = { "sh", "-c", line, NULL };
        const char *const app[] = { "nc", "-ll", "-p", "7", "-e", "echo", expected, NULL };
        int ok = 0;

        snprintf(line, sizeof(line), "echo %u; ls /mark 2>/dev/null; touch /mark", number);
        snprintf(expected, sizeof(expected), "%u", number);
        command.argv = argv;
        int r = mayfly_container_start(&c,
                                       MAYFLY_SPEC(.image = reference, .entrypoint = app, .name = "many",
                                                   .publish = MAYFLY_PORTS({ .port = 7 }), .start_timeout_ms = 120000),
                                       &err);
        if (r == 0) {
                snprintf(machine, 65, "%s", mayfly_container_name(c));
                r = mayfly_container_run(c, &command, &result, &err);
        }
        if (r == 0) {
                ok = is_alone(result->out, number) && port_answers(c, number) == 0;
                if (!ok)
                        fprintf(stderr, "%s: \"%s\" printed \"%s\"\n", machine, line, result->out);
                ret->exec = result->elapsed_us;
        }
        if (c && mayfly_container_stop(c, &err) < 0)
                r = -1;
        if (r < 0)
                fprintf(stderr, "%u: %s\n", number, err.message);
        if (c) {
                mayfly_container_timings(c, &timings, NULL);
                ret->boot = timings.boot_us;
                ret->stop = timings.stop_us;
        }
        mayfly_result_free(result);
        mayfly_container_free(c);
        return r == 0 && ok ? 0 : -1;
}

/* --- at once */

static int answers(struct mayfly_container *c, unsigned number)
{
        char line[32], expected[32];
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        snprintf(line, sizeof(line), "echo %u", number);
        snprintf(expected, sizeof(expected), "%u\n", number);
        command.argv = argv;
        int r = mayfly_container_run(c, &command, &result, &err);
        if (r < 0)
                fprintf(stderr, "%u: %s\n", number, err.message);
        else if (strcmp(result->out, expected) != 0)
                r = -1;
        mayfly_result_free(result);
        return r;
}

struct thread {
        pthread_t id;
        pthread_barrier_t *barrier;
        unsigned number;
        int result, is_registered;
        char machine[65];
        struct times times;
};

/* All are there at the same time: each thread starts its container before any stops its. */
static int hold_one(unsigned number, pthread_barrier_t *barrier, char machine[65], int *ret_is_registered)
{
        char text[32];
        const char *const app[] = { "nc", "-ll", "-p", "7", "-e", "echo", text, NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        snprintf(text, sizeof(text), "%u", number);
        int r = mayfly_container_start(&c,
                                       MAYFLY_SPEC(.image = reference, .entrypoint = app, .name = "many",
                                                   .publish = MAYFLY_PORTS({ .port = 7 }), .start_timeout_ms = 300000),
                                       &err);
        if (r < 0)
                fprintf(stderr, "%u: %s\n", number, err.message);
        else
                snprintf(machine, 65, "%s", mayfly_container_name(c));
        *ret_is_registered = mayfly_container_is_registered(c);
        pthread_barrier_wait(barrier);
        if (r == 0)
                r = answers(c, number);
        if (r == 0)
                r = port_answers(c, number);
        pthread_barrier_wait(barrier);
        if (r == 0) {
                r = mayfly_container_stop(c, &err);
                if (r < 0)
                        fprintf(stderr, "%u: %s\n", number, err.message);
        }
        mayfly_container_free(c);
        return r;
}

static void *hold_thread(void *userdata)
{
        struct thread *thread = userdata;

        thread->result = hold_one(thread->number, thread->barrier, thread->machine, &thread->is_registered);
        return NULL;
}

static void *run_thread(void *userdata)
{
        struct thread *thread = userdata;

        pthread_barrier_wait(thread->barrier);
        thread->result = use_one(thread->number, thread->machine, &thread->times);
        return NULL;
}

/* Each container has several descriptors here. */
static void allow_descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* The system bus has room for 64 machines at least and for no 200. Nothing is registered in the other engine. */
static int has_wrong_number(unsigned registered, unsigned n)
{
        const char *engine = getenv("MAYFLY_ENGINE");
        /* machined is not asked about an ordinary user's. */
        int is_systemd = engine && strcmp(engine, "systemd") == 0 && geteuid() == 0;

        printf("%u of %u containers were registered\n", registered, n);
        if (is_systemd ? registered >= (n < 64 ? n : 64) && (n < 200 || registered < n) : registered == 0)
                return 0;
        fprintf(stderr, "engine %s registered %u of %u containers\n", engine, registered, n);
        return 1;
}

static int threads(unsigned n, const char *how, void *(*run)(void *userdata))
{
        struct thread *all = calloc(n, sizeof(*all));
        pthread_barrier_t barrier;
        unsigned failed = 0, registered = 0;

        if (!all || pthread_barrier_init(&barrier, NULL, n) != 0)
                return 1;
        for (unsigned i = 0; i < n; i++) {
                all[i].barrier = &barrier;
                all[i].number = i;
                if (pthread_create(&all[i].id, NULL, run, &all[i]) != 0) {
                        perror("pthread_create");
                        exit(1);
                }
        }
        for (unsigned i = 0; i < n; i++) {
                pthread_join(all[i].id, NULL);
                failed += all[i].result != 0;
                registered += all[i].is_registered != 0;
                for (unsigned j = 0; j < i && all[i].result == 0; j++)
                        if (strcmp(all[i].machine, all[j].machine) == 0) {
                                fprintf(stderr, "two machines are called \"%s\"\n", all[i].machine);
                                failed++;
                        }
        }
        printf("soak\tparallel, %s: containers of one process's threads, %s\t%u\t%u\n", getenv("MAYFLY_ENGINE"), how, n,
               failed);
        if (run == hold_thread)
                failed += has_wrong_number(registered, n);
        pthread_barrier_destroy(&barrier);
        free(all);
        return failed != 0;
}

/* --- one after the other */

/* In KiB. */
static long resident(void)
{
        long pages = 0, all;
        FILE *f = fopen("/proc/self/statm", "re");

        if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2)
                pages = -1;
        if (f)
                fclose(f);
        return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

/* The median of one field, in ms. */
static double median(const struct times *times, unsigned n, size_t offset)
{
        uint64_t *values = calloc(n, sizeof(uint64_t));
        double ret = 0;

        for (unsigned i = 0; values && i < n; i++)
                memcpy(&values[i], (const char *) &times[i] + offset, sizeof(uint64_t));
        if (values) {
                qsort(values, n, sizeof(uint64_t), compare);
                ret = (double) values[n / 2] / 1000;
        }
        free(values);
        return ret;
}

static int cycles(unsigned n)
{
        enum { SETTLED = 10 }; /* caches of the C library and of sd-bus are full by then */
        struct times *times = calloc(n, sizeof(*times));
        unsigned failed = 0, descriptors = 0;
        long memory = 0;
        char machine[65];

        if (!times || n < 2 * SETTLED)
                return 2;
        for (unsigned i = 0; i < n; i++) {
                failed += use_one(i, machine, &times[i]) != 0;
                if (i + 1 == SETTLED) {
                        descriptors = count_descriptors();
                        memory = resident();
                }
        }
        unsigned tenth = n / 10;
        printf("%u cycles: %u descriptors, then %u; %ld KiB resident, then %ld\n", n, descriptors, count_descriptors(),
               memory, resident());
        printf("medians of the first and of the last tenth, in ms: start %.1f %.1f, exec %.1f %.1f, stop %.1f %.1f\n",
               median(times, tenth, offsetof(struct times, boot)),
               median(times + n - tenth, tenth, offsetof(struct times, boot)),
               median(times, tenth, offsetof(struct times, exec)),
               median(times + n - tenth, tenth, offsetof(struct times, exec)),
               median(times, tenth, offsetof(struct times, stop)),
               median(times + n - tenth, tenth, offsetof(struct times, stop)));
        if (count_descriptors() != descriptors || resident() > memory + 1024) {
                fprintf(stderr, "something grows\n");
                failed++;
        }
        printf("soak\tendurance, %s: cycles of start, exec, stop\t%u\t%u\n", getenv("MAYFLY_ENGINE"), n, failed);
        free(times);
        return failed != 0;
}

int main(int argc, char **argv)
{
        unsigned n = argc == 3 || argc == 4 ? (unsigned) strtoul(argv[2], NULL, 10) : 0;

        reference = test_image("busybox");
        if (n > 0 && argc == 4 && strcmp(argv[1], "threads") == 0)
                return threads(n, argv[3], run_thread);
        if (n > 0 && argc == 4 && strcmp(argv[1], "hold") == 0) {
                allow_descriptors();
                return threads(n, argv[3], hold_thread);
        }
        if (n > 0 && strcmp(argv[1], "cycles") == 0)
                return cycles(n);
        fprintf(stderr, "usage: many threads|hold N WHAT | many cycles N\n");
        return 2;
}
