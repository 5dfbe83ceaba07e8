/* SPDX-License-Identifier: MIT */
/* A client of redis, when the server hangs, crashes and comes back: with its data, at the same port. */
#include <signal.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

/* With a file to which each write is appended, so that a crash loses nothing. The server listens before it has read that. */
static int setup(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = SERVICES_IMAGE, .user = "redis", .publish = MAYFLY_PORTS({ .port = 6379 }),
                                   .entrypoint = MAYFLY_STRINGS("redis-server", "--appendonly", "yes", "--appendfsync",
                                                                "always", "--dir", "/var/lib/redis"),
                                   .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG_TEXT("Ready to accept connections"))));
}

/* Asks once, by a connection of its own, and waits a second at most. Returns whether the answer was `expected`. */
static int says(unsigned port, const char *question, const char *expected)
{
        redisContext *redis = redisConnectWithTimeout("127.0.0.1", (int) port, (struct timeval){ .tv_sec = 1 });
        int is_said = 0;

        if (redis && !redis->err && redisSetTimeout(redis, (struct timeval){ .tv_sec = 1 }) == REDIS_OK) {
                redisReply *reply = redisCommand(redis, question);
                is_said = reply && reply->str && strcmp(reply->str, expected) == 0;
                freeReplyObject(reply);
        }
        redisFree(redis);
        return is_said;
}

static void survives(void **state)
{
        struct mayfly_container *server = *state;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        unsigned port = mayfly_cmocka_port(server, "6379");

        assert_true(says(port, "SET color green", "OK"));

        assert_int_equal(mayfly_container_pause(server, &err), 0); /* it hangs */
        assert_false(says(port, "GET color", "green"));
        assert_int_equal(mayfly_container_resume(server, &err), 0);
        assert_true(says(port, "GET color", "green"));

        assert_int_equal(mayfly_container_kill(server, SIGKILL, &err), 0); /* it crashes, */
        assert_int_equal(mayfly_container_wait(server, 10000, NULL, &err), 0);
        assert_int_equal(mayfly_container_restart(server, &err), 0); /* and recovers */
        assert_true(says(port, "GET color", "green"));

        assert_int_equal(mayfly_container_halt(server, &err), 0); /* it is down for a while */
        assert_false(says(port, "GET color", "green"));
        assert_int_equal(mayfly_container_start_again(server, &err), 0);
        assert_true(says(port, "GET color", "green"));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(survives, setup, mayfly_cmocka_teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
