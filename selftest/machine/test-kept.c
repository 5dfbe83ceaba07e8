/* SPDX-License-Identifier: MIT */

/* Containers in which the caller is another user than root: in volumes the files of that user are the caller's. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/small-image.h"

#define KEEP(...) MAYFLY_SPEC(.image = image, .idle = 1, .userns = MAYFLY_USERNS_KEEP_ID, __VA_ARGS__)

static const char *image;
static char directory[] = "/tmp/mayfly-keep-XXXXXX";

static const char *file(const char *name)
{
        static char path[64];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static struct stat look(const char *name)
{
        struct stat st;

        assert_int_equal(lstat(file(name), &st), 0);
        return st;
}

static void files_in_volumes_are_the_callers(void **state)
{
        struct mayfly_container *c =
                start_container(KEEP(.keep_uid = 33, .keep_gid = 33,
                                     .volumes = MAYFLY_VOLUMES({ .path = "/data", .source = directory })));

        (void) state;
        int fd = open(file("mine"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, "mine\n", 5), 5);
        close(fd);
        prints_as(c, "www", "id -u; id -g; cat /data/mine; stat -c %u:%g /data /data/mine; echo yours >/data/yours",
                  "33\n33\nmine\n33:33\n33:33\n");
        prints_as(c, "0", "echo root >/data/roots; stat -c %u:%g /data/yours /data/roots", "33:33\n0:0\n");
        assert_int_equal(look("yours").st_uid, geteuid());
        assert_int_equal(look("yours").st_gid, getegid());
        assert_int_not_equal(look("roots").st_uid, geteuid());
        prints_as(c, "0", "rm /data/roots /data/mine", "");
        mayfly_container_free(c);
        assert_int_equal(unlink(file("yours")), 0);
}

/* What is the image's and what mayfly makes belongs to whom it belongs elsewhere. */
static void owners_of_the_image_stay(void **state)
{
        static const char look_at[] = "cd /; stat -c '%n %u:%g %a %h' . srv srv/set srv/hard srv/low srv/high srv/pipe "
                                      "etc/hosts run tmp root "
                                      "run/mayfly data; stat -c '%u:%g %N' srv/link; cat srv/set";
        const struct mayfly_volume *own = MAYFLY_VOLUMES({ .path = "/data", .uid = 7, .gid = 8, .mode = 0700 });

        (void) state;
        struct mayfly_container *c = start_container(KEEP(.keep_uid = 33, .keep_gid = 34, .volumes = own));
        struct mayfly_container *other = start_container(MAYFLY_SPEC(.image = image, .idle = 1, .volumes = own));
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;
        command.argv = (const char *const[]){ "sh", "-c", look_at, NULL };
        assert_int_equal(mayfly_container_run(other, &command, &result, &err), 0);
        assert_non_null(strstr(result->out, "srv/set 33:34 4755 2\n"));
        prints_as(c, "0", look_at, result->out);
        mayfly_result_free(result);
        mayfly_container_free(other);
        mayfly_container_free(c);
}

static void the_default_is_the_callers_number(void **state)
{
        struct mayfly_container *c =
                start_container(KEEP(.volumes = MAYFLY_VOLUMES({ .path = "/data", .source = directory })));
        char expected[64], user[16];

        (void) state;
        snprintf(user, sizeof(user), "%u", (unsigned) geteuid());
        snprintf(expected, sizeof(expected), "%u:%u\n", (unsigned) geteuid(), (unsigned) getegid());
        prints_as(c, "0", "stat -c %u:%g /data", expected);
        prints_as(c, user, "echo more >/data/more", "");
        mayfly_container_free(c);
        assert_int_equal(look("more").st_uid, geteuid());
        assert_int_equal(unlink(file("more")), 0);
}

/* A shared tmpfs is the caller's, unless a volume says whose it is. */
static void a_shared_tmpfs_has_its_owner(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_tmpfs *tmpfs = NULL;

        (void) state;
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 1 << 20, &err), 0);
        struct mayfly_container *c = start_container(
                KEEP(.keep_uid = 33, .keep_gid = 34, .volumes = MAYFLY_VOLUMES({ .path = "/data", .tmpfs = tmpfs })));
        prints_as(c, "0", "stat -c %u:%g /data", "33:34\n");
        mayfly_container_free(c);
        c = start_container(KEEP(.keep_uid = 33, .keep_gid = 34,
                                 .volumes = MAYFLY_VOLUMES(
                                         { .path = "/data", .tmpfs = tmpfs, .uid = 20, .gid = 40, .mode = 0750 })));
        prints_as(c, "0", "stat -c %u:%g:%a /data", "20:40:750\n");
        mayfly_container_free(c);
        mayfly_tmpfs_free(tmpfs);
}

/* The copies of layers are made once, and are not the image's. */
static void copies_are_kept(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        uint64_t layers = 0;

        (void) state;
        for (int i = 0; i < 3; i++) {
                mayfly_container_free(start_container(KEEP(.keep_uid = 33, .keep_gid = 34)));
                assert_int_equal(mayfly_store_verify(&result, &options, &err), 0);
                assert_int_equal(result.damaged + result.damaged_layers, 0);
                if (i == 0)
                        layers = result.layers;
                assert_int_equal(result.layers, layers);
        }
        mayfly_container_free(start_container(KEEP(.keep_uid = 35, .keep_gid = 34)));
        assert_int_equal(mayfly_store_verify(&result, &options, &err), 0);
        assert_int_equal(result.layers, geteuid() == 0 ? layers : layers + 1);
}

static void wrong_ids_are_refused(void **state)
{
        (void) state;
        start_fails(MAYFLY_SPEC(.image = image, .keep_uid = 33), -EINVAL,
                    "keep_uid = 33 without .userns = MAYFLY_USERNS_KEEP_ID");
        start_fails(MAYFLY_SPEC(.image = image, .keep_gid = 7), -EINVAL, "keep_gid = 7 without");
        start_fails(KEEP(.keep_uid = 1000000), -ERANGE,
                    "keep_uid is 1000000, but the container has only the IDs from 0 to 655");
        start_fails(KEEP(.keep_gid = UINT32_MAX), -ERANGE, "keep_gid is 4294967295, but");
        start_fails(MAYFLY_SPEC(.image = image, .userns = (enum mayfly_userns) 7), -EINVAL, "userns 7 is none of");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(files_in_volumes_are_the_callers),
                cmocka_unit_test(owners_of_the_image_stay),
                cmocka_unit_test(the_default_is_the_callers_number),
                cmocka_unit_test(a_shared_tmpfs_has_its_owner),
                cmocka_unit_test(copies_are_kept),
                cmocka_unit_test(wrong_ids_are_refused),
        };

        if (!mkdtemp(directory))
                return 1;
        image = small_image(
                "keep-id", NULL,
                "mkdir srv; cd srv; echo content >set; ln set hard; touch low high; ln -s set link; mkfifo pipe; "
                "chown 33:34 set; chmod 4755 set; chown 1:32 low; chown 35:4711 high; chown -h 33:0 link . ; chmod 750 "
                ".; "
                "chown 0:34 pipe; chmod 622 pipe; chmod 644 low high; cd ..");
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        return rmdir(directory) < 0 ? 1 : r;
}
