/* SPDX-License-Identifier: MIT */

/* What a client does when its link is slow, is reset, or falls silent. */

#include <mayfly/cmocka.h>

#include <hiredis/hiredis.h>

#include "services-image.h"

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = SERVICES_IMAGE, .user = "redis",
                                                      .entrypoint = MAYFLY_STRINGS("redis-server", "--save", ""),
                                                      .publish = MAYFLY_PORTS({ .port = 6379 })));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

/* The client that is tested: tries three times, and waits 200 ms for each answer. Returns how often it tried, or 0. */
static int ping(redisContext *redis)
{
        for (int attempt = 1; attempt <= 3; attempt++) {
                redisSetTimeout(redis, (struct timeval){ .tv_usec = 200000 });
                redisReply *reply = redisCommand(redis, "PING");
                freeReplyObject(reply);
                if (reply)
                        return attempt;
                redisReconnect(redis);
        }
        return 0;
}

static void a_client_tries_again(void **state)
{
        redisContext *redis = redisConnect("127.0.0.1", (int) mayfly_cmocka_port(*state, "6379/tcp"));

        mayfly_link_set(*state, "6379/tcp", MAYFLY_LINK(.latency_ms = 20, .jitter_ms = 10), NULL);
        assert_int_equal(ping(redis), 1);
        mayfly_link_set(*state, "6379/tcp", MAYFLY_LINK(.reset = 1), NULL); /* the open connection, once */
        assert_int_equal(ping(redis), 2);
        mayfly_link_set(*state, "6379/tcp", MAYFLY_LINK(.down = MAYFLY_LINK_DIRECTION(.stopped = 1)), NULL);
        assert_int_equal(ping(redis), 0); /* no answer arrives */
        mayfly_link_set(*state, "6379/tcp", NULL, NULL);
        assert_int_equal(ping(redis), 1);
        redisFree(redis);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(a_client_tries_again, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
