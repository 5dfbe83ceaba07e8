/* SPDX-License-Identifier: MIT */
/* A redis for each test, asked by hiredis: over a socket that is connected in the container, by a published port, and
 * by its own client in the container. */
#include <hiredis/hiredis.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

#ifndef REDIS_IMAGE /* CMakeLists.txt can name an OCI image of a registry */
#define REDIS_IMAGE SERVICES_IMAGE
#endif

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = REDIS_IMAGE, .user = "redis",
                                                      .entrypoint = MAYFLY_STRINGS("redis-server", "--save", ""),
                                                      .publish = MAYFLY_PORTS({ .port = 6379 })));
}

/* Asks and checks the answer, which is a string or a status. */
static void asks(redisContext *redis, const char *command, const char *expected)
{
        redisReply *reply = redisCommand(redis, command);

        assert_non_null(reply);
        assert_string_equal(reply->str, expected);
        freeReplyObject(reply);
}

static void a_connected_socket_is_the_fastest(void **state)
{
        redisContext *redis = redisConnectFd(mayfly_cmocka_connect(*state, "6379/tcp"));

        asks(redis, "SET color green", "OK");
        asks(redis, "GET color", "green");
        redisFree(redis);
}

static void a_published_port_is_for_every_client(void **state)
{
        redisContext *redis = redisConnect("127.0.0.1", (int) mayfly_cmocka_port(*state, "6379/tcp"));

        assert_int_equal(redis->err, 0);
        asks(redis, "SET color blue", "OK");
        asks(redis, "GET color", "blue");
        redisFree(redis);
}

static void its_own_client_answers(void **state)
{
        assert_exec_stdout(*state, "PONG\n", "redis-cli", "ping");
        assert_exec_ok(*state, "redis-cli", "set", "color", "red");
        assert_exec_stdout_sh(*state, "red\n", "redis-cli get color");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_connected_socket_is_the_fastest, setup, mayfly_cmocka_stop),
                cmocka_unit_test_setup_teardown(its_own_client_answers, setup, mayfly_cmocka_stop),
                cmocka_unit_test_setup_teardown(a_published_port_is_for_every_client, setup, mayfly_cmocka_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
