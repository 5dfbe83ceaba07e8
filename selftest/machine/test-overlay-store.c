/* SPDX-License-Identifier: MIT */

/* An image store on overlayfs, as in job containers: its layers cannot be idmapped. */

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"

static char base[] = "/tmp/mayfly-overlay-XXXXXX";

/* systemd starts containers in its own mount namespace, so that the store must be mounted there. */
static void unmount_store(void)
{
        char path[64];

        snprintf(path, sizeof(path), "%s/store", base);
        umount2(path, MNT_DETACH);
        umount2(base, MNT_DETACH);
        rmdir(base);
}

static void mount_store(void)
{
        static const char *const names[] = { "store", "lower", "upper", "work" };
        char data[200], path[64];

        if (!mkdtemp(base) || mount("mayfly-test", base, "tmpfs", 0, "mode=0755") < 0)
                exit(1);
        atexit(unmount_store);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                snprintf(path, sizeof(path), "%s/%s", base, names[i]);
                if (mkdir(path, 0755) < 0)
                        exit(1);
        }
        snprintf(path, sizeof(path), "%s/store", base);
        snprintf(data, sizeof(data), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", base, base, base);
        if (mount("mayfly-test", path, "overlay", 0, data) < 0) {
                perror("mounting an overlay");
                exit(1);
        }
        setenv("MAYFLY_STORE", path, 1);
}

static struct mayfly_container *start(const char *image)
{
        return start_container(MAYFLY_SPEC(.image = image));
}

static void prints(struct mayfly_container *c, const char *line, const char *expected)
{
        prints_as(c, "0", line, expected);
}

static void owners_modes_and_links_are_the_images(void **state)
{
        struct mayfly_container *c = start(
                small_image("shifted", NULL,
                            "mkdir -p d/e run; chown 33:34 d/e; chmod 2775 d/e; echo 1 >d/f; chmod 6755 d/f; "
                            "chown 999:998 d; ln -s f d/l; chown -h 7:8 d/l; echo 2 >d/big; chown 65535:65535 d/big; "
                            "touch -d @1000000000 d/f d/e; "
                            "mkdir cap; cp bin/busybox cap/grep; setcap cap_net_raw+ep cap/grep"));

        (void) state;
        prints(c, "cd /d; stat -c '%n %a %u:%g %Y' f e; stat -c '%n %u:%g' . l big; readlink l; cat l big",
               "f 6755 0:0 1000000000\ne 2775 33:34 1000000000\n. 999:998\nl 7:8\nbig 65535:65535\nf\n1\n2\n");
        prints(c,
               "echo 3 >>/d/f && cat /d/f; chown 5 /d/big && stat -c %u /d/big; awk '{ print $1, $3 }' "
               "/proc/self/uid_map",
               "1\n3\n5\n0 65536\n");
        prints_as(c, "33", "/cap/grep CapEff /proc/self/status", "CapEff:\t0000000000002000\n");
        mayfly_container_free(c);
        /* The store is as it was. */
        c = start(small_image("shifted-2", NULL, NULL));
        prints(c, "stat -c '%u:%g' /bin/busybox", "0:0\n");
        mayfly_container_free(c);
}

static void debian_works(void **state)
{
        struct mayfly_container *c = start(test_image("debian"));

        (void) state;
        prints(c,
               "find / -xdev -nouser | head; stat -c '%a %U' /bin/su; find / -xdev -newer /proc/1 -type f "
               "-not -path '/etc/hosts' -not -path '/run/*' | head",
               "4755 root\n");
        mayfly_container_free(c);
}

/* Makes a snapshot of what the commands leave in a container that begins from `from`, and frees both. */
static struct mayfly_snapshot *write_more(struct mayfly_snapshot *from, const char *image, const char *line)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_snapshot *snapshot = NULL;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .snapshot = from, .idle = 1));

        prints(c, line, "");
        if (mayfly_container_pause(c, &err) < 0 || mayfly_container_snapshot(c, &snapshot, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_container_free(c);
        mayfly_snapshot_free(from);
        return snapshot;
}

static void snapshots_have_all(void **state)
{
        const char *image = small_image("shifted-3", NULL,
                                        "echo 1 >changed; echo 2 >given; echo 3 >same; echo 4 >moved; ln same linked; "
                                        "chown 33:34 same; chmod 4755 same");
        struct mayfly_snapshot *snapshot = write_more(NULL, image, "echo 5 >>/changed; chown 7:8 /given; echo 6 >/new");

        (void) state;
        for (unsigned i = 0; i < 10; i++) /* more than can lie on each other */
                snapshot = write_more(snapshot, image,
                                      i == 9 ? "mv /moved /away; rm /new" : "echo more >>/grows; touch /given");
        for (unsigned i = 0; i < 2; i++) {
                struct mayfly_container *c =
                        start_container(MAYFLY_SPEC(.image = image, .snapshot = snapshot, .idle = 1,
                                                    .userns = i == 0 ? MAYFLY_USERNS_PRIVATE : MAYFLY_USERNS_HOST));
                prints(c,
                       "cat /changed /given /same /linked /away; stat -c '%a %u:%g' /given /same; ls /new /moved; wc "
                       "-l </grows",
                       "1\n5\n2\n3\n3\n4\n644 7:8\n4755 33:34\n9\n");
                mayfly_container_free(c);
        }
        mayfly_snapshot_free(snapshot);
}

static void lives_begin_from_it(void **state)
{
        const char *image = small_image("shifted-4", NULL, "echo 1 >changed; echo 2 >given");
        struct mayfly_snapshot *snapshot = write_more(NULL, image, "echo 3 >>/changed; chown 7:8 /given");
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .snapshot = snapshot, .idle = 1));
        const struct mayfly_file file = MAYFLY_FILE(.path = "/changed", .text = "4\n");
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        if (mayfly_container_put(c, &file, &err) < 0 || mayfly_container_restart(c, &err) < 0)
                fail_msg("%s", err.message);
        prints(c, "cat /changed; chown 9 /given; stat -c %u:%g /given", "4\n9:8\n");
        if (mayfly_container_reset(c, &err) < 0)
                fail_msg("%s", err.message);
        prints(c, "cat /changed /given; stat -c %u:%g /given", "1\n3\n2\n7:8\n");
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(owners_modes_and_links_are_the_images),
                cmocka_unit_test(debian_works),
                cmocka_unit_test(snapshots_have_all),
                cmocka_unit_test(lives_begin_from_it),
        };

        mount_store();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
