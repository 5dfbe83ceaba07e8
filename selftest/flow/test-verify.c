/* SPDX-License-Identifier: MIT */

/* Every damage to a stored image is named and mended. */

#define _GNU_SOURCE
#include "upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/support.h"

static void what_was_published_is_sound(void **state)
{
        (void) state;
        fetch_all();
        struct mayfly_verify_result result = verify(NULL, 0);
        assert_int_equal(result.images, IMAGES);
        assert_int_equal(result.damaged + result.dropped + result.differences, 0);
        assert_int_equal(result.entries, IMAGES * 11); /* one of them the list of directories that it implies */
        assert_int_equal(result.bytes, IMAGES * (BIG + 5 + strlen(GOOD_MANIFEST) + strlen("rootfs/etc\n")));
        for (int i = 0; i < IMAGES; i++)
                mayfly_image_close(open_image(i, 0));
}

static void flip(const char *name, off_t offset)
{
        char byte = 0;
        int fd = open(in_image(1, name), O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0 && pread(fd, &byte, 1, offset) == 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
        close(fd);
}

static void flip_byte(void)
{
        flip("rootfs/big", BIG - 7);
}

static void cut_file(void)
{
        assert_int_equal(truncate(in_image(1, "rootfs/big"), 70000), 0);
}

static void delete_file(void)
{
        assert_int_equal(unlink(in_image(1, "rootfs/etc/passwd")), 0);
}

static void delete_tree(void)
{
        delete_file();
        assert_int_equal(rmdir(in_image(1, "rootfs/etc")), 0);
}

static void add_file(void)
{
        write_file(in_image(1, "rootfs/empty/new one"), "", 0);
}

static void add_beside(void)
{
        write_file(in_image(1, "other"), "", 0);
}

static void change_mode(void)
{
        assert_int_equal(chmod(in_image(1, "rootfs/etc/passwd"), 0600), 0);
}

static void change_directory_mode(void)
{
        assert_int_equal(chmod(in_image(1, "rootfs/empty"), 0777), 0);
}

static void change_xattr(void)
{
        assert_int_equal(setxattr(in_image(1, "rootfs/big"), "user.x", "1", 1, 0), 0);
}

static void change_link(void)
{
        assert_int_equal(unlink(in_image(1, "rootfs/link")), 0);
        assert_int_equal(symlink("etc/shadow", in_image(1, "rootfs/link")), 0);
}

static void split_hardlink(void)
{
        static char data[BIG];
        int fd = open(in_image(1, "rootfs/hard"), O_RDONLY | O_CLOEXEC);

        assert_int_equal(read(fd, data, BIG), BIG);
        close(fd);
        assert_int_equal(unlink(in_image(1, "rootfs/hard")), 0);
        write_file(in_image(1, "rootfs/hard"), data, BIG);
        assert_int_equal(chmod(in_image(1, "rootfs/hard"), 0755), 0);
}

static void change_type(void)
{
        assert_int_equal(unlink(in_image(1, "rootfs/pipe")), 0);
        assert_int_equal(mkdir(in_image(1, "rootfs/pipe"), 0700), 0);
        write_file(in_image(1, "rootfs/pipe/hidden"), "", 0);
}

static void change_manifest(void)
{
        char *path = in_image(1, "manifest");
        static const char other[] =
                "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"example.com/evil\"}";

        write_file(path, other, strlen(other));
}

static void change_record(void)
{
        flip("record", 300);
}

static void swap_record(void)
{
        char from[1024];

        snprintf(from, sizeof(from), "%s", in_image(0, "record"));
        assert_int_equal(unlink(in_image(1, "record")), 0);
        assert_int_equal(link(from, in_image(1, "record")), 0);
}

static void delete_record(void)
{
        assert_int_equal(unlink(in_image(1, "record")), 0);
}

static void cut_record(void)
{
        assert_int_equal(truncate(in_image(1, "record"), 500), 0);
}

static void change_owner(void)
{
        assert_int_equal(lchown(in_image(1, "rootfs/link"), 12, 34), 0);
}

static void every_damage_is_named_and_mended(void **state)
{
        static const struct {
                void (*damage)(void);
                const char *told[2];
        } cases[] = {
                { flip_byte, { "differs 1 rootfs/big: content\n" } },
                { cut_file, { "differs 1 rootfs/big: size 70000 instead of 204800, content\n" } },
                { delete_file, { "differs 1 rootfs/etc/passwd: it is missing\n" } },
                { delete_tree,
                  { "differs 1 rootfs/etc: it is missing\n", "differs 1 rootfs/etc/passwd: it is missing\n" } },
                { add_file, { "differs 1 rootfs/empty/new\\040one: it was not there when the image was published\n" } },
                { add_beside, { "differs 1 other: it was not there" } },
                { change_mode, { "differs 1 rootfs/etc/passwd: mode 0600 instead of 0640\n" } },
                { change_directory_mode, { "differs 1 rootfs/empty: mode 0777 instead of 0711\n" } },
                { change_xattr, { "differs 1 rootfs/big: extended attributes\n" } },
                { change_link, { "differs 1 rootfs/link: target etc/shadow instead of etc/passwd\n" } },
                { split_hardlink, { "differs 1 rootfs/hard: it is no hard link any more\n" } },
                { change_type, { "differs 1 rootfs/pipe: type d instead of p\n" } },
                { change_manifest, { "differs 1 manifest: size" } },
                { change_record, { "differs 1 record: it is not as it was written\n" } },
                { swap_record, { "differs 1 record: it is of another image" } },
                { delete_record, { "differs 1 record: its record is missing\n" } },
                { cut_record, { "differs 1 record: its record was cut, or never finished\n" } },
                { change_owner, { "differs 1 rootfs/link: owner 12 instead of 0, group 34 instead of 0\n" } },
        };

        (void) state;
        fetch_all();
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (cases[i].damage == change_owner && geteuid() != 0)
                        continue; /* nobody else could do that */
                cases[i].damage();
                struct mayfly_verify_result result = verify(NULL, 1);
                for (size_t k = 0; k < 2; k++)
                        if (cases[i].told[k])
                                assert_told(cases[i].told[k]);
                assert_told("sound 0\n");
                assert_told("damaged 1\n");
                assert_told("sound 2\n");
                assert_int_equal(result.damaged, 1);
                assert_int_equal(result.dropped, 0);
                assert_int_equal(result.differences, cases[i].told[1] ? 2 : 1);
                assert_true(is_stored(1));

                result = verify(NULL, 0);
                assert_told("dropped 1\n");
                assert_int_equal(result.dropped, 1);
                assert_false(is_stored(1));
                assert_int_equal(count_entries(world.store, "tmp"), 0);
                assert_int_equal(count_entries(world.store, "locks"), IMAGES - 1);
                mayfly_image_close(open_image(1, 1));
                assert_int_equal(verify(NULL, 0).damaged, 0);
        }
}

static void one_image_can_be_verified(void **state)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        fetch_all();
        flip_byte();
        assert_int_equal(verify(world.id[0], 0).images, 1);
        assert_string_equal(world.told, "sound 0\n");
        assert_int_equal(verify(world.reference[1], 1).damaged, 1);
        options.store = world.store;
        options.image = "sha512-abc";
        assert_int_equal(mayfly_store_verify(NULL, &options, &err), -EINVAL);
        assert_non_null(strstr(err.message, "\"sha512-abc\" is no image ID"));
        assert_int_equal(verify(NULL, 0).dropped, 1);
        err.code = 0;
        options.image = world.id[1];
        assert_int_equal(mayfly_store_verify(NULL, &options, &err), -ENOENT);
        assert_non_null(strstr(err.message, "there is no image sha512-"));
}

/* Who uses a damaged image keeps it, and it goes when it is used no more. */
static void a_damaged_image_in_use_is_set_aside(void **state)
{
        struct mayfly_gc_options options = gc_options();

        (void) state;
        struct mayfly_image *old = open_image(1, 1);
        flip_byte();
        assert_int_equal(verify(NULL, 0).dropped, 1);
        assert_int_equal(count_entries(world.store, "tmp"), 1);
        assert_int_equal(collect(&options).leftovers, 0);
        struct mayfly_image *new = open_image(1, 1);
        assert_int_equal(verify(NULL, 0).damaged, 0);
        assert_int_equal(count_entries(world.store, "tmp"), 1);
        mayfly_image_close(old);
        struct mayfly_gc_result result = collect(&options);
        assert_int_equal(result.leftovers, 1);
        assert_true(result.bytes_freed > BIG);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
        mayfly_image_close(new);
}

static void verifying_can_be_cancelled(void **state)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        fetch_all();
        flip_byte();
        options.store = world.store;
        options.report = on_report;
        options.userdata = &world;
        for (world.cancel_at = 1; world.cancel_at < 3;) {
                int at = world.cancel_at;
                err.code = 0;
                assert_int_equal(mayfly_store_verify(&result, &options, &err), -ECANCELED);
                assert_non_null(strstr(err.message, "cancelled"));
                assert_true(is_stored(0) && is_stored(1) && is_stored(2));
                world.cancel_at = at + 1;
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                world_test(what_was_published_is_sound), world_test(every_damage_is_named_and_mended),
                world_test(one_image_can_be_verified),   world_test(a_damaged_image_in_use_is_set_aside),
                world_test(verifying_can_be_cancelled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
