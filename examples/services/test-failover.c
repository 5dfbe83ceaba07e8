/* SPDX-License-Identifier: MIT */

/* A redis and two replicas on a network. The primary is cut off, and a client goes on with a replica; then all is mended. */

#include <stdlib.h>

#include <mayfly/cmocka.h>

#include <hiredis/hiredis.h>

#include "services-image.h"

static struct mayfly_network *network;
static struct mayfly_container *servers[3]; /* the first is the primary */

#define REDIS(...)                                                                                              \
        MAYFLY_SPEC(.image = SERVICES_IMAGE, .user = "redis", .cwd = "/tmp",                                    \
                    .publish = MAYFLY_PORTS({ .port = 6379 }),                                                  \
                    .entrypoint = MAYFLY_STRINGS("redis-server", "--save", "", "--protected-mode", "no",        \
                                                 "--repl-diskless-sync-delay", "0", "--shutdown-timeout", "0"), \
                    .networks = (struct mayfly_network *[]){ network, NULL }, __VA_ARGS__)
#define REPLICA                                                                             \
        REDIS(.argv = MAYFLY_STRINGS("--replicaof", "primary", "6379"), .after = "primary", \
              .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("sync: Finished with success")))

static int start(void **state)
{
        (void) state;
        mayfly_network_create(&network, NULL);
        const struct mayfly_spec *const specs[] = { REDIS(.name = "primary"), REPLICA, REPLICA };
        return mayfly_cmocka_start_all(servers, specs, 3);
}

static int tear_down(void **state)
{
        (void) state;
        network = mayfly_network_free(network);
        return mayfly_cmocka_stop_all(servers, 3);
}

/* The client that is tested: asks one server after the other until one answers. */
static void asks(const char *command, const char *expected)
{
        redisReply *reply = NULL;

        for (size_t i = 0; i < 3 && !reply; i++) {
                redisContext *redis = redisConnect("127.0.0.1", (int) mayfly_cmocka_port(servers[i], "6379"));
                reply = redisCommand(redis, command);
                redisFree(redis);
        }
        assert_true(reply && reply->str);
        assert_string_equal(reply->str, expected);
        freeReplyObject(reply);
}

static void a_client_goes_on_with_a_replica(void **state)
{
        (void) state;
        asks("SET color green", "OK");
        free(mayfly_cmocka_sh(servers[1], "until redis-cli get color | grep -q green; do sleep 0.01; done"));
        mayfly_network_cut(network, servers[0], NULL, NULL);
        mayfly_link_set(servers[0], "6379", MAYFLY_LINK(.refuse = 1), NULL);
        asks("GET color", "green");
        mayfly_network_mend(network, servers[0], NULL, NULL);
        mayfly_link_set(servers[0], "6379", NULL, NULL);
        asks("SET color blue", "OK");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_client_goes_on_with_a_replica) };

        return cmocka_run_group_tests(tests, start, tear_down);
}
