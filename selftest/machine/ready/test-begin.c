/* SPDX-License-Identifier: MIT */

/* Starts that go on while the program does something else, that are finished, and that are given up. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"
#include "waits.h"

#define MANY 4

static char *image;

static struct mayfly_pending *begin(const struct mayfly_spec *spec)
{
        struct mayfly_pending *pending = NULL;

        works(mayfly_container_begin(&pending, spec, fresh()));
        assert_non_null(pending);
        return pending;
}

static struct mayfly_container *finish(struct mayfly_pending *pending)
{
        struct mayfly_container *c = NULL;

        works(mayfly_container_finish(pending, &c, fresh()));
        assert_non_null(c);
        return c;
}

static void finish_fails(struct mayfly_pending *pending, int code, const char *words)
{
        struct mayfly_container *c = NULL;

        is_error(mayfly_container_finish(pending, &c, fresh()), code, words);
        assert_null(c);
}

static void await_end(const struct mayfly_pending *pending)
{
        struct pollfd fd = { .fd = mayfly_pending_fd(pending), .events = POLLIN };

        assert_int_equal(poll(&fd, 1, (int) FOREVER_MS), 1);
        assert_int_equal(fd.revents, POLLIN);
}

static void several_go_on_at_once(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, LISTENER_("50", "tcp", "127.0.0.1", "6379"),
                                                     .publish = MAYFLY_PORTS({ .port = 6379 }));
        struct mayfly_pending *pending[MANY];
        unsigned descriptors = count_descriptors();

        (void) state;
        for (size_t i = 0; i < MANY; i++)
                pending[i] = begin(spec);
        for (size_t i = 0; i < MANY; i++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                if (i % 2 == 0)
                        await_end(pending[i]);
                struct mayfly_container *c = finish(pending[i]);
                works(mayfly_container_address(c, "6379", &address, fresh()));
                assert_int_equal(sh(c, "true"), 0);
                works(mayfly_container_restart(c, fresh()));
                mayfly_container_free(c);
        }
        assert_int_equal(count_descriptors(), descriptors);
}

/* --- the caller's memory ---------------------------------------------------------------------------------------- */

/* A copy whose bytes change when it is freed, also where the allocator leaves them. */
#define LEASES_MAX 32U
static struct lease {
        void *data;
        size_t size;
} leases[LEASES_MAX];
static size_t n_leases;

static void *lend(const void *data, size_t size)
{
        assert_true(n_leases < LEASES_MAX);
        struct lease *lease = &leases[n_leases++];
        *lease = (struct lease){ .data = malloc(size), .size = size };
        assert_non_null(lease->data);
        return memcpy(lease->data, data, size);
}

static const char *lend_text(const char *text)
{
        return lend(text, strlen(text) + 1);
}

static void take_all_back(void)
{
        while (n_leases > 0) {
                struct lease *lease = &leases[--n_leases];
                memset(lease->data, 0xa5, lease->size);
                free(lease->data);
        }
}

static struct mayfly_pending *begin_with_lent(struct mayfly_network *network)
{
        const char *const argv[] = { lend_text("/bin/sh"), lend_text("-c"),
                                     lend_text("cat /etc/note; echo $GREETING; exec listener 0 unix /tmp/socket"),
                                     NULL };
        const char *const env[] = { lend_text("GREETING=good day {mayfly:port:sock}"), NULL };
        const struct mayfly_publish publish[] = { MAYFLY_PUBLISH_INIT,
                                                  { .name = lend_text("sock"), .path = lend_text("/tmp/socket") },
                                                  { 0 } };
        const struct mayfly_file files[] = { MAYFLY_FILE_INIT,
                                             { .path = lend_text("/etc/note"), .text = lend_text("a note\n") },
                                             { 0 } };
        const struct mayfly_volume volumes[] = { MAYFLY_VOLUME_INIT, { .path = lend_text("/cache") }, { 0 } };
        const struct mayfly_wait wait[] = { MAYFLY_WAIT_INIT, { .unix_socket = lend_text("/tmp/socket") }, { 0 } };
        struct mayfly_network *const networks[] = { network, NULL };
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;
        const char *const aliases[] = { lend_text("begun"), NULL };

        options.trusted_keys = lend_text("/nowhere");
        spec.image = lend_text(image);
        spec.name = lend_text("lent");
        spec.entrypoint = lend(argv, sizeof(argv));
        spec.env = lend(env, sizeof(env));
        spec.publish = lend(publish, sizeof(publish));
        spec.files = lend(files, sizeof(files));
        spec.volumes = lend(volumes, sizeof(volumes));
        spec.wait = lend(wait, sizeof(wait));
        spec.networks = lend(networks, sizeof(networks));
        spec.aliases = lend(aliases, sizeof(aliases));
        spec.image_options = lend(&options, sizeof(options));
        return begin(lend(&spec, sizeof(spec)));
}

static void the_spec_may_be_freed(void **state)
{
        struct mayfly_network *network = NULL;

        (void) state;
        works(mayfly_network_create(&network, fresh()));
        struct mayfly_pending *pending = begin_with_lent(network);
        take_all_back();
        mayfly_network_free(network);
        struct mayfly_container *c = finish(pending);
        await_words(c, "a note\ngood day ");
        assert_memory_equal(mayfly_container_name(c), "lent-", 5);
        assert_int_equal(sh(c, "test -d /cache && grep begun /etc/hosts"), 0);
        mayfly_container_free(c);
}

/* --- failures --------------------------------------------------------------------------------------------------- */

#define NEVER .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/never"))

static void a_failure_is_told_at_the_end(void **state)
{
        unsigned descriptors = count_descriptors();

        (void) state;
        struct mayfly_pending *pending = begin(MAYFLY_SPEC(.image = image, SH("echo out of cheese; exit 3"), NEVER));
        await_end(pending);
        finish_fails(pending, -ESRCH, "out of cheese");
        finish_fails(begin(MAYFLY_SPEC(.image = image, .user = "nobody-here", SH("true"))), -ENOENT, "nobody-here");
        assert_int_equal(count_descriptors(), descriptors);
}

static void a_wrong_spec_fails_at_once(void **state)
{
        struct mayfly_pending *pending = NULL;
        struct mayfly_container *c = NULL;

        (void) state;
        is_error(mayfly_container_begin(&pending, NULL, fresh()), -EINVAL, "spec is NULL");
        is_error(mayfly_container_begin(NULL, MAYFLY_SPEC(.image = image), fresh()), -EINVAL, "a place for its result");
        is_error(mayfly_container_begin(&pending, MAYFLY_SPEC(.image = image, .after = "db"), fresh()), -EINVAL,
                 "after = \"db\"");
        is_error(mayfly_container_begin(
                         &pending, MAYFLY_SPEC(.image = image, .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("("))), fresh()),
                 -EINVAL, "condition 1 of the wait");
        assert_null(pending);
        is_error(mayfly_container_finish(NULL, &c, fresh()), -EINVAL, "mayfly_container_begin()");
        pending = begin(MAYFLY_SPEC(.image = image, .idle = 1));
        is_error(mayfly_container_finish(pending, NULL, fresh()), -EINVAL, "a place for its result");
        mayfly_container_free(finish(pending));
}

/* --- giving up -------------------------------------------------------------------------------------------------- */

static int note_call(struct mayfly_container *c, void *userdata)
{
        (void) c;
        atomic_store((atomic_int *) userdata, 1);
        return 0; /* not yet */
}

static void it_can_be_given_up(void **state)
{
        unsigned descriptors = count_descriptors();
        atomic_int was_called = 0;

        (void) state;
        mayfly_container_cancel(begin(MAYFLY_SPEC(.image = image, SH("sleep 1000"), NEVER))); /* at its begin, */
        struct mayfly_pending *pending =
                begin(MAYFLY_SPEC(.image = image, SH("sleep 1000"),
                                  .wait = MAYFLY_WAIT(MAYFLY_WAIT_CALLBACK(note_call, .userdata = &was_called))));
        while (!atomic_load(&was_called))
                usleep(1000);
        mayfly_container_cancel(pending); /* in the middle, */
        pending = begin(MAYFLY_SPEC(.image = image, SH("sleep 1000")));
        await_end(pending);
        mayfly_container_cancel(pending); /* and when it is ready */
        assert_int_equal(count_descriptors(), descriptors);
}

static void a_forked_child_cannot_have_it(void **state)
{
        struct mayfly_pending *pending = begin(MAYFLY_SPEC(.image = image, SH("sleep 1000")));
        int status = 0;

        (void) state;
        pid_t child = fork();
        if (child == 0) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c = NULL;
                int r = mayfly_container_finish(pending, &c, &err);
                mayfly_container_cancel(pending);
                _exit(r == -ECHILD && strstr(err.message, "forked child") ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        struct mayfly_container *c = finish(pending);
        assert_int_equal(sh(c, "true"), 0);
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(several_go_on_at_once),        cmocka_unit_test(the_spec_may_be_freed),
                cmocka_unit_test(a_failure_is_told_at_the_end), cmocka_unit_test(a_wrong_spec_fails_at_once),
                cmocka_unit_test(it_can_be_given_up),           cmocka_unit_test(a_forked_child_cannot_have_it),
        };

        image = strdup(small_image("begin", NULL, "cp '" LISTENER "' bin/listener"));
        (void) mayfly_host_check(MAYFLY_ENGINE_DEFAULT, NULL); /* a user's namespace is kept from here on */
        int r = cmocka_run_group_tests_name("begin", tests, NULL, NULL);
        free(image);
        return r;
}
