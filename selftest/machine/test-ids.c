/* SPDX-License-Identifier: MIT */

/* Users and groups that the default of 65,536 IDs does not have. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/small-image.h"

static const char *image, *plain;

static void fails(const struct mayfly_spec *spec, const char *const *words)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        assert_true(mayfly_container_start(&c, spec, &err) < 0);
        assert_null(c);
        for (; *words; words++)
                if (!strstr(err.message, *words))
                        fail_msg("no \"%s\" in: %s", *words, err.message);
}

#define FAILS(spec, ...) fails(spec, (const char *const[]){ __VA_ARGS__, NULL })

static void an_images_owner_outside_is_named(void **state)
{
        const char *of_group = small_image("large-group", NULL, "mkdir -p a/b; echo 1 >a/b/c; chown 65535:65536 a/b/c");

        (void) state;
        FAILS(MAYFLY_SPEC(.image = image, .idle = 1), "example.com/large-ids",
              "its \"/data\" belongs to the user 100000", "IDs 0 to 65535", "set userns_ids = 131072");
        FAILS(MAYFLY_SPEC(.image = of_group, .idle = 1), "\"/a/b/c\" belongs to the group 65536",
              "set userns_ids = 131072");
        FAILS(MAYFLY_SPEC(.image = small_image("huge-ids", NULL, "echo 1 >f; chown 4000000000 f"), .idle = 1),
              "\"/f\" belongs to the user 4000000000", "userns = MAYFLY_USERNS_HOST");
        /* The last one that is there by default. */
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = small_image("last-ids", NULL, "echo 1 >f; chown 65535:65535 f"), .idle = 1));
        prints_as(c, "0", "stat -c %u:%g /f", "65535:65535\n");
        mayfly_container_free(c);
}

static void a_larger_range_has_it(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, .user = "100000", .userns_ids = 131072,
                            .argv = (const char *const[]){ "sh", "-c", "id -u; sleep 1000", NULL },
                            .volumes = MAYFLY_VOLUMES({ .path = "/own", .uid = 100000, .gid = 131071 })));

        (void) state;
        prints_as(c, "0", "awk '{ print $1, $3 }' /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /data/file /own",
                  "0 131072\n0 131072\n100000:100001\n100000:131071\n");
        prints_as(c, "0", "stat -c %u /proc/2", "100000\n");
        prints_as(c, "100000", "echo 2 >>/data/file && cat /data/file; echo 3 >/own/f; stat -c %u /own/f",
                  "1\n2\n100000\n");
        prints_as(c, "0",
                  "chown 131071 /data/file && stat -c %u /data/file; chown 131072 /data/file 2>/dev/null || echo no",
                  "131071\nno\n");
        mayfly_container_free(c);
}

static void an_apps_user_outside_is_named(void **state)
{
        static const char *const argv[] = { "sh", "-c", "sleep 1000", NULL };

        (void) state;
        FAILS(MAYFLY_SPEC(.image = plain, .user = "100000", .argv = argv), "100000", "userns_ids");
        FAILS(MAYFLY_SPEC(.image = plain, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/own", .uid = 100000 })),
              "the volume \"/own\" belongs to 100000:0", "set userns_ids = 131072");
        FAILS(MAYFLY_SPEC(.image = plain, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/own", .gid = 65536 })),
              "the volume \"/own\" belongs to 0:65536", "set userns_ids = 131072");
}

static void a_wrong_number_is_refused(void **state)
{
        (void) state;
        FAILS(MAYFLY_SPEC(.image = plain, .idle = 1, .userns_ids = 65537), "userns_ids is 65537", "multiple of 65536");
        FAILS(MAYFLY_SPEC(.image = plain, .idle = 1, .userns_ids = 1U << 30), "up to 536870912");
        FAILS(MAYFLY_SPEC(.image = plain, .idle = 1, .userns_ids = 65536, .userns = MAYFLY_USERNS_HOST), "userns_ids");
}

static void without_a_namespace_there_are_all(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, .idle = 1, .userns = MAYFLY_USERNS_HOST));

        (void) state;
        prints_as(c, "100000", "stat -c %u:%g /data/file", "100000:100001\n");
        mayfly_container_free(c);
}

static void shell(const char *format, const char *path)
{
        char line[512];

        snprintf(line, sizeof(line), format, path);
        if (system(line) != 0)
                fail_msg("this failed: %s", line);
}

/* User 33 of a volume's ACL is user 33 inside, and what is made inside inherits it, as the host sees it. */
static void an_acl_of_a_volume_holds_inside(void **state)
{
        char path[] = "/tmp/mayfly-acl-XXXXXX";

        (void) state;
        assert_non_null(mkdtemp(path));
        shell("cd %s && chmod 711 . && echo 1 >file && chmod 600 file && setfacl -m u:33:r file && setfacl -d -m "
              "u:33:r .",
              path);
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = plain, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/own", .source = path })));
        prints_as(c, "33", "cat /own/file; echo 2 2>/dev/null >>/own/file || echo no", "1\nno\n");
        prints_as(c, "34", "cat /own/file 2>/dev/null || echo no", "no\n");
        prints_as(c, "0", "umask 077; echo 3 >/own/new; stat -c %u:%g /own/new", "0:0\n");
        prints_as(c, "33", "cat /own/new", "3\n");
        mayfly_container_free(c);
        shell("cd %s && getfacl -n new 2>/dev/null | grep -q '^user:33:r--'", path);
        shell("rm -r %s", path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_images_owner_outside_is_named),  cmocka_unit_test(a_larger_range_has_it),
                cmocka_unit_test(an_apps_user_outside_is_named),     cmocka_unit_test(a_wrong_number_is_refused),
                cmocka_unit_test(without_a_namespace_there_are_all), cmocka_unit_test(an_acl_of_a_volume_holds_inside),
        };

        plain = getenv("MAYFLY_TEST_BUSYBOX");
        image = strdup(small_image("large-ids", NULL,
                                   "mkdir data; chown 100000 data; echo 1 >data/file; chown 100000:100001 data/file"));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
