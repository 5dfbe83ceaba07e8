/* SPDX-License-Identifier: MIT */

/* Many networks at once: `networks N MEMBERS` makes N of them and starts MEMBERS containers on each, all from threads of their own. Each
 * must hear from each other of its network, whose aliases are the same in all networks, and from no one else. A member of each is cut
 * off and mended meanwhile. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "support/host.h"

#define MEMBERS_MAX 32U

struct member {
        pthread_t thread;
        struct mayfly_network *network;
        pthread_barrier_t *barrier; /* of the members of the network */
        unsigned network_number, number, n_members;
        struct mayfly_container *container;
        struct member *first; /* of the network */
        int failed;
};

static int complain(struct member *member, const char *what)
{
        fprintf(stderr, "network %u, member %u: %s\n", member->network_number, member->number, what);
        return -1;
}

/* Starts a server that says who it is. */
static int start(struct member *member)
{
        struct mayfly_network *const networks[] = { member->network, NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char alias[16], line[100];
        const char *const aliases[] = { alias, NULL }, *const argv[] = { "sh", "-c", line, NULL };

        snprintf(alias, sizeof(alias), "m%u", member->number);
        snprintf(line, sizeof(line), "echo %u.%u >/tmp/id; exec nc -ll -p 7000 -e cat /tmp/id", member->network_number,
                 member->number);
        if (mayfly_container_start(&member->container,
                                   MAYFLY_SPEC(.image = test_image("busybox"), .name = "networks", .networks = networks,
                                               .aliases = aliases, .argv = argv, .start_timeout_ms = 120000),
                                   &err) < 0)
                return complain(member, err.message);
        return 0;
}

/* Lets the command line print exactly this. */
static int prints(struct member *member, const char *line, const char *expected)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;
        int r = 0;

        command.argv = argv;
        if (mayfly_container_run(member->container, &command, &result, &err) < 0)
                r = complain(member, err.message);
        else if (strcmp(result->out, expected) != 0)
                r = complain(member, result->out);
        mayfly_result_free(result);
        return r;
}

/* Asks all others, again while one of them has not come up. */
static int ask_all(struct member *member)
{
        char line[200], expected[MEMBERS_MAX * 16] = "";
        size_t used = 0;

        for (unsigned i = 0; i < member->n_members; i++)
                used += (size_t) snprintf(expected + used, sizeof(expected) - used, "%u.%u\n", member->network_number,
                                          i);
        snprintf(line, sizeof(line),
                 "for i in $(seq 0 %u); do for try in $(seq 100); do nc -w 5 m$i 7000 && break; sleep 0.1; done "
                 "2>/dev/null; "
                 "done",
                 member->n_members - 1);
        return prints(member, line, expected);
}

/* The first member is cut off from the last. */
static int cut_and_mend(struct member *member)
{
        const struct mayfly_container *last = member->first[member->n_members - 1].container;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char line[100];

        if (mayfly_network_cut(member->network, member->container, last, &err) < 0)
                return complain(member, err.message);
        snprintf(line, sizeof(line), "timeout 1 nc -w 1 m%u 7000 2>/dev/null || echo cut", member->n_members - 1);
        int r = prints(member, line, "cut\n");
        if (mayfly_network_mend(member->network, member->container, last, &err) < 0)
                return complain(member, err.message);
        return r < 0 ? r : ask_all(member);
}

static void *live(void *userdata)
{
        struct member *member = userdata;

        int r = start(member);
        pthread_barrier_wait(member->barrier);
        if (r == 0)
                r = ask_all(member);
        pthread_barrier_wait(member->barrier);
        if (r == 0 && member->number == 0)
                r = cut_and_mend(member);
        pthread_barrier_wait(member->barrier);
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        if (member->container && mayfly_container_stop(member->container, &err) < 0)
                r = complain(member, err.message);
        mayfly_container_free(member->container);
        member->failed = r < 0;
        return NULL;
}

/* Makes one network and starts its threads. */
static void begin(struct member *members, pthread_barrier_t *barrier, unsigned number, unsigned n_members)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_network *network = NULL;

        if (mayfly_network_create(&network, &err) < 0) {
                fprintf(stderr, "%s\n", err.message);
                exit(1);
        }
        pthread_barrier_init(barrier, NULL, n_members);
        for (unsigned i = 0; i < n_members; i++) {
                members[i] = (struct member){ .network = network,
                                              .barrier = barrier,
                                              .network_number = number,
                                              .number = i,
                                              .n_members = n_members,
                                              .first = members };
                if (pthread_create(&members[i].thread, NULL, live, &members[i]) != 0)
                        exit(1);
        }
}

int main(int argc, char **argv)
{
        unsigned n = argc > 1 ? (unsigned) atoi(argv[1]) : 1, n_members = argc > 2 ? (unsigned) atoi(argv[2]) : 2;
        unsigned failed = 0;

        if (n == 0 || n_members < 2 || n_members > MEMBERS_MAX)
                return 2;
        struct member *members = calloc((size_t) n * n_members, sizeof(*members));
        pthread_barrier_t *barriers = calloc(n, sizeof(*barriers));
        if (!members || !barriers)
                return 1;
        for (unsigned i = 0; i < n; i++)
                begin(members + (size_t) i * n_members, &barriers[i], i, n_members);
        for (size_t i = 0; i < (size_t) n * n_members; i++) {
                pthread_join(members[i].thread, NULL);
                failed += (unsigned) members[i].failed;
        }
        for (unsigned i = 0; i < n; i++) {
                mayfly_network_free(members[(size_t) i * n_members].network);
                pthread_barrier_destroy(&barriers[i]);
        }
        free(barriers);
        free(members);
        const char *engine = getenv("MAYFLY_ENGINE");
        printf("soak\tnetworks, %s: members of %u networks\t%u\t%u\n", engine ? engine : "default", n, n * n_members,
               failed);
        return failed != 0;
}
