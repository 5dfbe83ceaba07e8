/* SPDX-License-Identifier: MIT */

/* What mounts need, and older kernels and confined programs lack: mayfly-launch does without, and all owners are right, or
 * there is one clear error. The calls fail in a copy of mayfly-launch (support/faults.h), so that this shows what mayfly makes
 * of the answers, not that an old kernel gives just these. mayfly calls neither fsopen, fsconfig nor fsmount.
 *
 *     before Linux 5.12   there is no mount_setattr(2)
 *     before 5.19         overlayfs takes no idmapped layers (EINVAL)
 *     before 6.3          a tmpfs cannot be idmapped (EINVAL)
 *     in job containers   filters deny open_tree(2), mount_setattr(2) and move_mount(2) (EPERM, ENOSYS)
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/arm.h"
#include "support/containers.h"
#include "support/faults.h"
#include "support/small-image.h"

#define MOUNT 9999

static char directory[] = "/tmp/mayfly-old-XXXXXX"; /* programs in place of the real ones, and a volume */
static const char *image;

static void lacks(int number, int error, char kind)
{
        char text[16];

        snprintf(text, sizeof(text), "%04d %03d %c", number, error, kind);
        arm_program(directory, "mayfly-launch", FAULTS_LACK, text);
}

static void owners_are_right(struct mayfly_container *c)
{
        prints_as(c, "0", "cd /d; stat -c '%n %a %u:%g' f e . l big; cat l big",
                  "f 6755 0:0\ne 2775 33:34\n. 755 999:998\nl 777 7:8\nbig 644 65535:65535\n1\n2\n");
        prints_as(c, "0",
                  "chown 5 /d/big && stat -c %u /d/big; echo 3 >>/d/f && cat /d/f; awk '{ print $1, $3 }' "
                  "/proc/self/uid_map",
                  "5\n1\n3\n0 65536\n");
        prints_as(c, "33", "/cap/grep CapEff /proc/self/status; echo 4 >/d/e/new && stat -c %u:%g /d/e/new",
                  "CapEff:\t0000000000002000\n33:34\n");
}

static void layers_are_shown_otherwise(void **state)
{
        static const struct {
                int number, error;
                char kind;
        } cases[] = {
                { SYS_mount_setattr, ENOSYS, '-' }, { SYS_mount_setattr, EPERM, 'i' },
                { SYS_mount_setattr, EINVAL, 'i' }, { SYS_open_tree, ENOSYS, '-' },
                { SYS_open_tree, EPERM, '-' },      { MOUNT, EINVAL, 'p' },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                lacks(cases[i].number, cases[i].error, cases[i].kind);
                struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .idle = 1));
                owners_are_right(c);
                mayfly_container_free(c);
        }
}

static void fails(const struct mayfly_spec *spec, const char *what, const char *why)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        assert_true(mayfly_container_start(&c, spec, &err) < 0);
        assert_null(c);
        const char *first = strstr(err.message, "mayfly-launch: ");
        if (!first || strstr(first + 1, "mayfly-launch: ") || !strstr(first, what) || !strstr(first, why))
                fail_msg("not once \"%s\" and \"%s\": %s", what, why, err.message);
}

static void what_nothing_replaces_is_named(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, .idle = 1);

        (void) state;
        lacks(SYS_move_mount, EPERM, '-');
        fails(spec, "mounting image layer", "Operation not permitted");
        lacks(MOUNT, ENODEV, 'o');
        fails(spec, "the kernel must have overlayfs", "No such device");
        lacks(MOUNT, EINVAL, 't');
        fails(spec, "mounting a tmpfs for", "Invalid argument");
}

/* Without a copy of the scratch's mount a container starts, and cannot be halted. */
static void a_halt_needs_a_copy_of_the_scratch(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        lacks(SYS_open_tree, EPERM, '-');
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .idle = 1));
        assert_int_equal(mayfly_container_restart(c, &err), -ENOTSUP);
        assert_non_null(strstr(err.message, "open_tree(2) for it"));
        assert_int_equal(sh(c, "true"), 0);
        mayfly_container_free(c);
}

static void volumes_are_idmapped_or_refused(void **state)
{
        struct mayfly_tmpfs *tmpfs = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char host[64];

        (void) state;
        snprintf(host, sizeof(host), "%s/volume", directory);
        const struct mayfly_spec *spec =
                MAYFLY_SPEC(.image = image, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/v", .source = host }));
        lacks(SYS_mount_setattr, EINVAL, 'i');
        fails(spec, "/volume with the container's IDs", "Invalid argument");
        lacks(SYS_mount_setattr, ENOSYS, '-');
        fails(spec, "the volume for /v", "Function not implemented");
        lacks(SYS_open_tree, EPERM, '-');
        fails(spec, "the volume for /v", "Operation not permitted");
        lacks(SYS_mount_setattr, ENOSYS, '-');
        fails(MAYFLY_SPEC(.image = image, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/v", .read_only = 1 })),
              "the volume for /v: its mount's attributes", "Function not implemented");
        lacks(SYS_mount_setattr, EINVAL, 'i');
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 1 << 20, &err), 0);
        fails(MAYFLY_SPEC(.image = image, .idle = 1, .volumes = MAYFLY_VOLUMES({ .path = "/v", .tmpfs = tmpfs })),
              "the tmpfs with the container's IDs", "Invalid argument");
        mayfly_tmpfs_free(tmpfs);
}

/* The library asks uname(2) whether the kernel can; a personality makes it answer 2.6. */
static void a_tmpfs_is_shared_by_one_range(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_tmpfs *tmpfs = NULL;
        int before = personality(0xffffffff);

        (void) state;
        lacks(SYS_mount_setattr, EINVAL, 'i');
        assert_true(personality((unsigned long) before | UNAME26) >= 0);
        int r = mayfly_tmpfs_create(&tmpfs, 1 << 20, &err);
        assert_true(personality((unsigned long) before) >= 0);
        assert_int_equal(r, 0);
        const struct mayfly_volume *volumes = MAYFLY_VOLUMES({ .path = "/v", .tmpfs = tmpfs, .uid = 33 });
        struct mayfly_container *a = start_container(MAYFLY_SPEC(.image = image, .idle = 1, .volumes = volumes));
        struct mayfly_container *b = start_container(MAYFLY_SPEC(.image = image, .idle = 1, .volumes = volumes));
        owners_are_right(a);
        prints_as(a, "33", "echo 1 >/v/f; stat -c %u:%g /v /v/f", "33:0\n33:33\n");
        prints_as(b, "0", "stat -c %u:%g /v/f; chown 7 /v/f && stat -c %u /v/f", "33:33\n7\n");
        struct mayfly_container *c = NULL;
        assert_int_equal(
                mayfly_container_start(
                        &c, MAYFLY_SPEC(.image = image, .idle = 1, .volumes = volumes, .userns_ids = 131072), &err),
                -EINVAL);
        assert_non_null(strstr(err.message, "share their IDs"));
        mayfly_container_free(a);
        mayfly_container_free(b);
        mayfly_tmpfs_free(tmpfs);
}

static void remove_directory(void)
{
        char command[64];

        snprintf(command, sizeof(command), "rm -rf %s", directory);
        (void) !system(command);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(layers_are_shown_otherwise),         cmocka_unit_test(what_nothing_replaces_is_named),
                cmocka_unit_test(a_halt_needs_a_copy_of_the_scratch), cmocka_unit_test(volumes_are_idmapped_or_refused),
                cmocka_unit_test(a_tmpfs_is_shared_by_one_range),
        };
        char command[600];

        image = small_image("old-kernels", NULL,
                            "mkdir -p d/e run; chown 33:34 d/e; chmod 2775 d/e; echo 1 >d/f; chmod 6755 d/f; "
                            "chown 999:998 d; ln -s f d/l; chown -h 7:8 d/l; echo 2 >d/big; chown 65535:65535 d/big; "
                            "mkdir cap; cp bin/busybox cap/grep; setcap cap_net_raw+ep cap/grep");
        if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
                return 1;
        atexit(remove_directory);
        snprintf(command, sizeof(command), "mkdir %s/volume && cp '%s'/mayfly-* %s/", directory,
                 getenv("MAYFLY_LIBEXEC"), directory);
        if (system(command) != 0)
                return 1;
        setenv("MAYFLY_LIBEXEC", directory, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
