/* SPDX-License-Identifier: MIT */

/* Containers of OCI images: what their configuration says, and the layers as they lie over each other. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/build.h>
#include <mayfly/cmocka.h>

#include "support/containers.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct {
        char name[32], reference[512];
} made[16];
static char directory[] = "/tmp/mayfly-oci-XXXXXX";

/* Returns the reference of the image that make-oci calls so. */
static const char *image(const char *name)
{
        for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
                if (strcmp(made[i].name, name) == 0)
                        return made[i].reference;
        fail_msg("there is no image \"%s\"", name);
        return NULL;
}

#define WORDS_OF_THE_APP "from the image too in /work/made as 1000:1001 1001 1002\n"

static void the_app_runs_as_the_config_says(void **state)
{
        (void) state;
        ends(start_container(MAYFLY_SPEC(.image = image("layout"))), 7, WORDS_OF_THE_APP);
        ends(start_container(MAYFLY_SPEC(.image = image("archive"))), 7, WORDS_OF_THE_APP);
        ends(start_container(MAYFLY_SPEC(.image = image("docker"))), 7, WORDS_OF_THE_APP);
}

static void users_come_in_all_forms(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        (void) state;
        ends(start_container(MAYFLY_SPEC(.image = image("number"))), 7,
             "from the image too in /work/made as 1000:1002 1002\n");
        ends(start_container(MAYFLY_SPEC(.image = image("group"))), 7,
             "from the image too in /work/made as 1000:0 0\n");
        ends(start_container(MAYFLY_SPEC(.image = image("stranger"))), 7, "from the image too in / as 4711:0 0\n");
        assert_int_not_equal(mayfly_container_start(&c, MAYFLY_SPEC(.image = image("nobody")), &err), 0);
        assert_non_null(strstr(err.message, "user \"nobody\" is not in the image's /etc/passwd"));
}

static void the_spec_replaces_entrypoint_and_arguments(void **state)
{
        (void) state;
        ends(start_container(MAYFLY_SPEC(.image = image("layout"), .argv = WORDS("echo $0 $1", "a", "b"))), 0, "a b\n");
        ends(start_container(MAYFLY_SPEC(.image = image("layout"), .entrypoint = WORDS("/bin/echo", "x"))), 0, "x\n");
        ends(start_container(MAYFLY_SPEC(.image = image("plain"), .argv = WORDS("echo", "plain"))), 0, "plain\n");
}

static void layers_lie_over_each_other(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image("layout"), .idle = 1));
        prints_as(c, NULL, "ls -A /srv /srv/gone /opaque; cat /srv/new",
                  "/opaque:\nabove\n\n/srv:\ngone\nnew\n\n/srv/gone:\nback\nnew");
        mayfly_container_free(c);
        /* An ordinary user's are copies then. */
        c = start_container(
                MAYFLY_SPEC(.image = image("layout"), .idle = 1, .userns = MAYFLY_USERNS_KEEP_ID, .keep_uid = 1000));
        prints_as(c, NULL, "ls -A /srv /srv/gone /opaque; cat /srv/new; stat -c %u:%g /data/seed /bin/busybox",
                  "/opaque:\nabove\n\n/srv:\ngone\nnew\n\n/srv/gone:\nback\nnew1000:1001\n0:0\n");
        mayfly_container_free(c);
}

static void volumes_begin_with_what_the_image_has(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image("layout"), .idle = 1));
        prints_as(c, "app", "cat /data/seed; echo more >/data/mine; ls /data; stat -c %a:%u:%g /data",
                  "from the imagemine\nseed\n750:1000:1001\n");
        prints_as(c, NULL, "stat -c %F /new/volume", "directory\n");
        mayfly_container_free(c);
        c = start_container(MAYFLY_SPEC(.image = image("layout"), .idle = 1,
                                        .volumes = MAYFLY_VOLUMES({ .name = "/data", .uid = 1000 })));
        prints_as(c, NULL, "ls /data; stat -c %u /data", "1000\n");
        mayfly_container_free(c);
}

static void ports_have_names(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_port port = MAYFLY_PORT_INIT;

        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image("layout"), .idle = 1));
        assert_int_equal(mayfly_container_port(c, "6379/tcp", &port, NULL), 0);
        assert_int_equal(port.port, 6379);
        assert_string_equal(port.protocol, "tcp");
        assert_int_equal(mayfly_container_port(c, "6379", &port, &err), -ENOENT);
        assert_non_null(strstr(err.message, "it has only these: 6379/tcp"));
        mayfly_container_free(c);
}

static void the_app_is_asked_to_stop_as_it_wants(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *log = NULL;

        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image("signal")));
        await_output(c);
        if (mayfly_container_stop(c, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_string_equal(log, "waiting\nquit\n");
        free(log);
        mayfly_container_free(c);
}

static void a_start_waits_for_the_health_check(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image("healthy"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY())));
        prints_as(c, NULL, "cat /data/ok", "yes\n");
        prints_as(c, NULL, "rm /data/ok", "");
        assert_int_equal(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY_WITHIN(200)), &err), -ETIMEDOUT);
        assert_non_null(strstr(err.message, "health check of the image: it ran "));
        assert_non_null(strstr(err.message, "cat: can't open 'ok'"));
        mayfly_container_free(c);
}

static void what_is_not_healthy_fails(void **state)
{
        (void) state;
        start_fails(
                MAYFLY_SPEC(.image = image("unhealthy"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY())), -EPROTO,
                "health check of the image: the image says that it is not healthy: it failed 2 times in a row, each "
                "100 ms after the one before and after the start period, the last one: exit status 3, \"not yet\"");
        start_fails(MAYFLY_SPEC(.image = image("hanging"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY())), -EPROTO,
                    "it failed 1 time in a row, each 100 ms after the one before, the last one: killed after its "
                    "time-out, signal 9, \"/bin/sh\"");
        start_fails(MAYFLY_SPEC(.image = image("plain"), .idle = 1, .wait = MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY())),
                    -EINVAL, "has no health check (HEALTHCHECK, which images in docker's format can have)");
}

static void a_wrong_health_check_disturbs_only_who_waits_for_it(void **state)
{
        (void) state;
        mayfly_container_free(start_container(MAYFLY_SPEC(.image = image("odd"))));
        start_fails(MAYFLY_SPEC(.image = image("odd"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_HEALTHY())), -EINVAL,
                    "cannot be used: the image's config: config.Healthcheck.Test: it is neither \"CMD\" and a command");
}

static void an_aci_of_an_image_starts(void **state)
{
        struct mayfly_build_options options = MAYFLY_BUILD_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_pin *pin = NULL;
        char path[100];

        (void) state;
        snprintf(path, sizeof(path), "%s/converted.aci", directory);
        options.name = "example.com/converted";
        if (mayfly_image_convert(&pin, image("docker"), path, &options, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(pin->name, "example.com/converted");
        ends(start_container(MAYFLY_SPEC(.image = pin->reference)), 7, WORDS_OF_THE_APP);
        mayfly_pin_free(pin);
        options.exec = WORDS("/bin/sh");
        assert_int_equal(mayfly_image_convert(NULL, image("docker"), path, &options, &err), -EINVAL);
        assert_non_null(strstr(err.message, "takes all but the name from the image"));
}

static int make_images(void **state)
{
        char command[600];

        (void) state;
        if (!mkdtemp(directory))
                return -1;
        snprintf(command, sizeof(command), "python3 '%s/support/make-oci' %s", SELFTEST, directory);
        FILE *f = popen(command, "r");
        size_t n = 0;
        while (f && n < sizeof(made) / sizeof(made[0]) && fscanf(f, "%31s %511s", made[n].name, made[n].reference) == 2)
                n++;
        return f && pclose(f) == 0 && n == 13 ? 0 : -1;
}

static int remove_images(void **state)
{
        char command[64];

        (void) state;
        snprintf(command, sizeof(command), "rm -r %s", directory);
        return system(command);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_app_runs_as_the_config_says),
                cmocka_unit_test(users_come_in_all_forms),
                cmocka_unit_test(the_spec_replaces_entrypoint_and_arguments),
                cmocka_unit_test(layers_lie_over_each_other),
                cmocka_unit_test(volumes_begin_with_what_the_image_has),
                cmocka_unit_test(ports_have_names),
                cmocka_unit_test(the_app_is_asked_to_stop_as_it_wants),
                cmocka_unit_test(an_aci_of_an_image_starts),
                cmocka_unit_test(a_start_waits_for_the_health_check),
                cmocka_unit_test(what_is_not_healthy_fails),
                cmocka_unit_test(a_wrong_health_check_disturbs_only_who_waits_for_it),
        };

        return cmocka_run_group_tests(tests, make_images, remove_images);
}
