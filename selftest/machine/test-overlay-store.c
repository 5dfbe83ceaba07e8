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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(owners_modes_and_links_are_the_images),
                cmocka_unit_test(debian_works),
        };

        mount_store();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
