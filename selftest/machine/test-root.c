/* SPDX-License-Identifier: MIT */

/* What an image has, or lacks, where systemd-nspawn mounts and writes. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"

static struct mayfly_container *start(const char *image)
{
        return start_container(MAYFLY_SPEC(.image = image));
}

static void prints(struct mayfly_container *c, const char *line, const char *expected)
{
        prints_as(c, "0", line, expected);
}

static void run_is_the_images(void **state)
{
        struct mayfly_container *c = start(small_image("run", NULL,
                                                       "mkdir -p run/postgresql var; chown 999:998 run/postgresql; "
                                                       "chmod 2775 run/postgresql; echo 7 >run/file; "
                                                       "chmod 640 run/file; chown 33:33 run/file; ln -s postgresql/x "
                                                       "run/link; ln -s /run var/run; mkfifo run/fifo; "
                                                       "chmod 751 run"));

        (void) state;
        prints(c, "cd /run; stat -c '%n %a %u:%g %F' . postgresql file fifo; readlink link; cat /var/run/file",
               ". 751 0:0 directory\npostgresql 2775 999:998 directory\nfile 640 33:33 regular file\nfifo 644 0:0 "
               "fifo\n"
               "postgresql/x\n7\n");
        prints_as(c, "999", "echo 8 >/var/run/postgresql/pid && stat -c '%u:%g' /run/postgresql/pid; cat /run/link",
                  "999:998\n");
        prints(c, "grep -c ' /run .*nosuid,nodev' /proc/mounts; ls /run/mayfly", "1\ninit\n");
        mayfly_container_free(c);
}

/* systemd-nspawn, which an ordinary user's containers do without, makes directories under /run/host by paths of the host's. */
static void links_in_run_lead_nowhere(void **state)
{
        char outside[] = "/tmp/mayfly-outside-XXXXXX", line[600];
        struct stat before, after;

        (void) state;
        assert_non_null(mkdtemp(outside));
        snprintf(line, sizeof(line),
                 "mkdir run; ln -s %s run/host; ln -s ../../../..%s run/mayfly; mkfifo run/kmsg; ln -s %s run/systemd",
                 outside, outside, outside);
        assert_int_equal(stat(outside, &before), 0);
        struct mayfly_container *c = start(small_image("hostile-run", NULL, line));
        prints(c, "ls /run/mayfly; [ -d /run/host/incoming ] && echo incoming; readlink /run/host",
               geteuid() == 0 ? "init\nincoming\n" : "init\n");
        mayfly_container_free(c);
        assert_int_equal(stat(outside, &after), 0);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        assert_int_equal(rmdir(outside), 0);
}

static void run_as_a_link_is_followed_in_the_image(void **state)
{
        struct mayfly_container *c =
                start(small_image("run-link", NULL, "mkdir -p var/run/app; chown 999 var/run/app; ln -s /var/run run"));

        (void) state;
        prints(c, "stat -c '%u' /run/app; echo 1 >/run/x; cat /var/run/x", "999\n1\n");
        mayfly_container_free(c);
}

static void api_file_systems_replace_whatever_is_there(void **state)
{
        static const char *const kinds[] = {
                "ln -s /etc %s", "ln -s ../../../../../tmp %s", "ln -s nothing/there %s", "ln -s %s %s", "echo 1 >%s",
                "mkfifo %s",
        };
        static const char *const names[] = { "dev", "sys", "run", "proc" };

        (void) state;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
                char line[600] = "", name[32], one[128];
                for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
                        snprintf(one, sizeof(one), kinds[i], names[k], names[k]);
                        snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s; ", one);
                }
                snprintf(name, sizeof(name), "api-%zu", i);
                struct mayfly_container *c = start(small_image(name, NULL, line));
                prints(c,
                       "for d in dev sys run proc; do stat -c '%n %F' /$d; done; [ -c /dev/null ] && [ -e /proc/self ] "
                       "&& "
                       "[ -e /sys/class ] && ls /run/mayfly",
                       "/dev directory\n/sys directory\n/run directory\n/proc directory\ninit\n");
                mayfly_container_free(c);
        }
}

static void tmp_may_be_a_link(void **state)
{
        struct mayfly_container *c =
                start(small_image("tmp-link", NULL, "mkdir -p var/tmp; chmod 1777 var/tmp; ln -s /var/tmp tmp"));

        (void) state;
        prints(c, "echo 1 >/tmp/x; cat /var/tmp/x", "1\n");
        mayfly_container_free(c);
}

static void a_file_for_a_directory_is_named(void **state)
{
        static const char *const prepare[] = { "echo 1 >tmp", "ln -s ../../nothing tmp", "echo 1 >usr", "echo 1 >var" };
        static const char *const said[] = { "/tmp", "/tmp", "/usr", "/var" };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        char name[32], text[200];

        (void) state;
        for (size_t i = 0; i < sizeof(prepare) / sizeof(*prepare); i++) {
                snprintf(name, sizeof(name), "no-%zu", i);
                snprintf(text, sizeof(text), "the image's %s is neither a directory nor a symbolic link", said[i]);
                err = (struct mayfly_error) MAYFLY_ERROR_INIT;
                assert_true(mayfly_container_start(&c, MAYFLY_SPEC(.image = small_image(name, NULL, prepare[i])),
                                                   &err) < 0);
                if (!strstr(err.message, text) || !strstr(err.message, "build the image with a directory there"))
                        fail_msg("%s: %s", prepare[i], err.message);
        }
}

static void localhost_and_the_own_name_resolve(void **state)
{
        struct mayfly_container *c = start(small_image("no-hosts", NULL, NULL));
        char line[300];

        (void) state;
        prints(c, "stat -c '%u:%g %a' /etc/hosts; ping -c1 -W1 localhost | grep -c '1 packets received'",
               "0:0 644\n1\n");
        snprintf(line, sizeof(line), "%s\n", mayfly_container_name(c));
        prints(c, "hostname", line);
        prints(c, "hostname -f", line);
        prints(c, "ping -c1 -W1 $(hostname) | grep -c '127.0.1.1.*1 packets\\|1 packets received'", "1\n");
        mayfly_container_free(c);
}

static void the_images_hosts_is_kept(void **state)
{
        struct mayfly_container *c = start(small_image("hosts", NULL, "echo '127.0.0.9 mine' >etc/hosts"));

        (void) state;
        prints(c, "cat /etc/hosts", "127.0.0.9 mine\n");
        mayfly_container_free(c);
        c = start(small_image("hosts-link", NULL, "ln -s ../../tmp/mine etc/hosts"));
        prints(c, "readlink /etc/hosts; ls /tmp", "../../tmp/mine\n");
        mayfly_container_free(c);
}

/* glibc, as debootstrap leaves it. */
static void debian_resolves_localhost(void **state)
{
        struct mayfly_container *c = start(test_image("debian"));

        (void) state;
        prints(c,
               "getent hosts localhost | grep -c .; [ \"$(hostname -f)\" = \"$(hostname)\" ] && echo same; "
               "getent ahosts $(hostname) | grep -c STREAM",
               "1\nsame\n1\n");
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(run_is_the_images),
                cmocka_unit_test(links_in_run_lead_nowhere),
                cmocka_unit_test(run_as_a_link_is_followed_in_the_image),
                cmocka_unit_test(api_file_systems_replace_whatever_is_there),
                cmocka_unit_test(tmp_may_be_a_link),
                cmocka_unit_test(a_file_for_a_directory_is_named),
                cmocka_unit_test(localhost_and_the_own_name_resolve),
                cmocka_unit_test(the_images_hosts_is_kept),
                cmocka_unit_test(debian_resolves_localhost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
