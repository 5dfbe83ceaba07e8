/* SPDX-License-Identifier: MIT */

/* Verifying the store, and collecting its garbage. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#include "../support/support.h"

#define IMAGES 3
#define BIG (200U << 10)

static struct {
        char *folder, store[512];
        char id[IMAGES][136], reference[IMAGES][1024];
        char told[1 << 16]; /* what was reported, a line each: "event name what" */
        int cancel_at;      /* the report to cancel at, from 1 */
} world;

/* --- the world ------------------------------------------------------------------------------------------------ */

static void make_image(int i)
{
        struct tar tar = { 0 };
        char path[600], name[32];
        static char noise[BIG];

        for (size_t k = 0; k < sizeof(noise); k++)
                noise[k] = (char) rand(); /* NOLINT: anything will do */
        snprintf(name, sizeof(name), "rootfs/name%d", i);
        tar_add_basics(&tar);
        tar_add(&tar, name, '0', 0644, NULL, "x", 1);
        tar_add(&tar, "rootfs/etc/passwd", '0', 0640, NULL, "root", 4);
        tar_add(&tar, "rootfs/big", '0', 0755, NULL, noise, sizeof(noise));
        tar_add(&tar, "rootfs/link", '2', 0777, "etc/passwd", NULL, 0);
        tar_add(&tar, "rootfs/hard", '1', 0, "rootfs/big", NULL, 0);
        tar_add(&tar, "rootfs/pipe", '6', 0600, NULL, NULL, 0);
        tar_add(&tar, "rootfs/empty/", '5', 0711, NULL, NULL, 0);
        tar_end(&tar);
        image_id(tar.data, tar.size, world.id[i]);
        snprintf(path, sizeof(path), "%s/%d.aci", world.folder, i);
        write_file(path, tar.data, tar.size);
        char id[136];
        memcpy(id, world.id[i], sizeof(id));
        snprintf(world.reference[i], sizeof(world.reference[i]), "aci:file://%s@%s", path, id);
        tar_free(&tar);
}

static int set_up(void **state)
{
        (void) state;
        world.folder = make_folder();
        snprintf(world.store, sizeof(world.store), "%s/store", world.folder);
        for (int i = 0; i < IMAGES; i++)
                make_image(i);
        world.cancel_at = 0;
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        remove_folder(world.folder);
        return 0;
}

static struct mayfly_image *open_image(int i, int fetched)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.store = world.store;
        if (mayfly_image_open(&image, world.reference[i], &options, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_image_was_fetched(image), fetched);
        return image;
}

static void fetch_all(void)
{
        for (int i = 0; i < IMAGES; i++)
                mayfly_image_close(open_image(i, 1));
}

static char *in_image(int i, const char *name)
{
        static char path[1024];

        snprintf(path, sizeof(path), "%s/images/%s/%s", world.store, world.id[i], name);
        return path;
}

static void set_last_use(int i, time_t seconds_ago)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, { time(NULL) - seconds_ago, 0 } };

        assert_int_equal(utimensat(AT_FDCWD, in_image(i, ""), times, 0), 0);
}

static int is_stored(int i)
{
        return access(in_image(i, ""), F_OK) == 0;
}

static int on_report(const struct mayfly_store_report *report, void *userdata)
{
        static const char *const names[] = { "sound", "differs", "damaged", "dropped",
                                             "kept",  "in-use",  "removed", "leftover" };
        size_t used = strlen(world.told);
        int n = 0;

        assert_ptr_equal(userdata, &world);
        assert_true(report->size >= sizeof(*report));
        for (int i = 0; report->image && i < IMAGES; i++)
                if (strcmp(report->image, world.id[i]) == 0)
                        n = i;
        if (report->event == MAYFLY_STORE_LEFTOVER)
                snprintf(world.told + used, sizeof(world.told) - used, "leftover %.3s\n",
                         strstr(report->path, "/store/") + 7);
        else
                snprintf(world.told + used, sizeof(world.told) - used, "%s %d%s%s%s%s\n", names[report->event], n,
                         report->what ? " " : "", report->what ? report->path : "", report->what ? ": " : "",
                         report->what ? report->what : "");
        return world.cancel_at && --world.cancel_at == 0;
}

static struct mayfly_verify_result verify(const char *image, int keep)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        world.told[0] = '\0';
        options.store = world.store;
        options.image = image;
        options.keep = keep;
        options.report = on_report;
        options.userdata = &world;
        if (mayfly_store_verify(&result, &options, &err) < 0)
                fail_msg("%s", err.message);
        return result;
}

static struct mayfly_gc_options gc_options(void)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;

        options.store = world.store;
        options.report = on_report;
        options.userdata = &world;
        return options;
}

static struct mayfly_gc_result collect(const struct mayfly_gc_options *options)
{
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        world.told[0] = '\0';
        if (mayfly_store_gc(&result, options, &err) < 0)
                fail_msg("%s", err.message);
        return result;
}

static void assert_told(const char *line)
{
        if (!strstr(world.told, line))
                fail_msg("\"%s\" is not among:\n%s", line, world.told);
}

/* --- verify --------------------------------------------------------------------------------------------------- */

static void what_was_published_is_sound(void **state)
{
        (void) state;
        fetch_all();
        struct mayfly_verify_result result = verify(NULL, 0);
        assert_int_equal(result.images, IMAGES);
        assert_int_equal(result.damaged + result.dropped + result.differences, 0);
        assert_int_equal(result.entries, IMAGES * 10);
        assert_int_equal(result.bytes, IMAGES * (BIG + 5 + strlen(GOOD_MANIFEST)));
        for (int i = 0; i < IMAGES; i++)
                mayfly_image_close(open_image(i, 0));
}

static void flip_byte(void)
{
        char byte;
        int fd = open(in_image(1, "rootfs/big"), O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0 && pread(fd, &byte, 1, BIG - 7) == 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, BIG - 7), 1);
        close(fd);
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

static void change_folder_mode(void)
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
        assert_int_equal(mkdir(in_image(1, "rootfs/pipe"), 0600), 0);
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
        int fd = open(in_image(1, "record"), O_RDWR | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "9", 1, 300), 1);
        close(fd);
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
                { change_folder_mode, { "differs 1 rootfs/empty: mode 0777 instead of 0711\n" } },
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

/* --- gc ------------------------------------------------------------------------------------------------------- */

static void age_is_counted_from_the_last_use(void **state)
{
        struct mayfly_gc_options options = gc_options();

        (void) state;
        fetch_all();
        options.max_age_s = 3600;
        assert_int_equal(collect(&options).removed, 0);
        for (int i = 0; i < IMAGES; i++)
                set_last_use(i, 3700);
        mayfly_image_close(open_image(2, 0));
        set_last_use(1, 3500);
        struct mayfly_gc_result result = collect(&options);
        assert_int_equal(result.removed, 1);
        assert_int_equal(result.kept, 2);
        assert_true(result.bytes_freed > BIG && result.bytes_kept > 2ULL * BIG);
        assert_false(is_stored(0));
        assert_true(is_stored(1) && is_stored(2));
        assert_int_equal(count_entries(world.store, "locks"), 2);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
        mayfly_image_close(open_image(0, 1));
}

static void size_takes_the_longest_unused_first(void **state)
{
        struct mayfly_gc_options options = gc_options();
        struct mayfly_gc_result result;

        (void) state;
        fetch_all();
        set_last_use(0, 10);
        set_last_use(1, 30);
        set_last_use(2, 20);
        options.max_bytes = 3ULL * (BIG + 100000);
        assert_int_equal(collect(&options).removed, 0);
        options.max_bytes = 2ULL * (BIG + 100000);
        options.dry_run = 1;
        result = collect(&options);
        assert_int_equal(result.removed, 1);
        assert_string_equal(world.told, "removed 1\nkept 2\nkept 0\n");
        assert_true(is_stored(1));
        options.dry_run = 0;
        assert_int_equal(collect(&options).bytes_freed, result.bytes_freed);
        assert_false(is_stored(1));
        options.max_bytes = 1;
        assert_int_equal(collect(&options).removed, 2);
        assert_int_equal(count_entries(world.store, "images"), 0);
}

static void what_is_open_stays(void **state)
{
        struct mayfly_gc_options options = gc_options();

        (void) state;
        fetch_all();
        struct mayfly_image *image = open_image(1, 0);
        set_last_use(1, 1000000);
        options.all = 1;
        options.dry_run = 1;
        assert_int_equal(collect(&options).in_use, 1);
        options.dry_run = 0;
        struct mayfly_gc_result result = collect(&options);
        assert_int_equal(result.removed, 2);
        assert_int_equal(result.in_use, 1);
        assert_int_equal(result.kept, 1);
        assert_told("in-use 1\n");
        assert_int_equal(access(mayfly_image_rootfs(image), F_OK), 0);
        mayfly_image_close(image);
        options.max_age_s = 3600;
        options.all = 0;
        assert_int_equal(collect(&options).removed, 0); /* it was used until now */
        options.all = 1;
        assert_int_equal(collect(&options).removed, 1);
}

static void a_clock_that_jumps_is_survived(void **state)
{
        struct mayfly_gc_options options = gc_options();
        struct stat st;

        (void) state;
        fetch_all();
        set_last_use(0, -1000000000); /* in the future */
        set_last_use(1, 1000000000);
        options.max_age_s = 3600;
        options.dry_run = 1;
        assert_int_equal(collect(&options).removed, 1);
        assert_int_equal(stat(in_image(0, ""), &st), 0);
        assert_true(st.st_mtime > time(NULL) + 1000);
        options.dry_run = 0;
        assert_int_equal(collect(&options).removed, 1);
        assert_true(is_stored(0) && !is_stored(1) && is_stored(2));
        assert_int_equal(stat(in_image(0, ""), &st), 0);
        assert_true(st.st_mtime <= time(NULL) + 1); /* ages from now on */
        set_last_use(0, -1000000000);
        mayfly_image_close(open_image(0, 0)); /* a use sets it, too */
        assert_int_equal(stat(in_image(0, ""), &st), 0);
        assert_true(st.st_mtime <= time(NULL) + 1);
        set_last_use(0, -1000000000);
        options.all = 1;
        assert_int_equal(collect(&options).removed, 2);
}

static void leftovers_go_and_what_is_held_stays(void **state)
{
        struct mayfly_gc_options options = gc_options();
        char path[1024];

        (void) state;
        fetch_all();
        snprintf(path, sizeof(path), "%s/tmp/dead", world.store);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/tmp/dead/file", world.store);
        write_file(path, world.told, 8192);
        snprintf(path, sizeof(path), "%s/tmp/live", world.store);
        assert_int_equal(mkdir(path, 0700), 0);
        int live = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(live, LOCK_EX), 0);
        snprintf(path, sizeof(path), "%s/locks/sha512-%0128d", world.store, 1);
        write_file(path, "", 0);
        snprintf(path, sizeof(path), "%s/locks/sha512-%0128d", world.store, 2);
        int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(flock(lock, LOCK_EX), 0);
        assert_int_equal(unlink(in_image(2, "record")), 0); /* half an image */

        options.dry_run = 1;
        struct mayfly_gc_result wanted = collect(&options);
        assert_int_equal(count_entries(world.store, "tmp"), 2);
        options.dry_run = 0;
        struct mayfly_gc_result result = collect(&options);
        assert_memory_equal(&wanted, &result, sizeof(result));
        assert_int_equal(result.leftovers, 2);
        assert_int_equal(result.removed, 1);
        assert_int_equal(result.kept, 2);
        assert_true(result.bytes_freed >= 8192 + BIG);
        assert_told("leftover tmp\n");
        assert_told("leftover loc\n");
        assert_int_equal(count_entries(world.store, "tmp"), 1);
        assert_int_equal(count_entries(world.store, "locks"), 3);
        assert_int_equal(count_entries(world.store, "images"), 2);
        close(live);
        close(lock);
        assert_int_equal(collect(&options).leftovers, 2);
        assert_int_equal(count_entries(world.store, "tmp") + count_entries(world.store, "locks"), 2);
}

static void collecting_can_be_cancelled(void **state)
{
        struct mayfly_gc_options options = gc_options();
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        fetch_all();
        options.all = 1;
        world.cancel_at = 2;
        assert_int_equal(mayfly_store_gc(&result, &options, &err), -ECANCELED);
        assert_non_null(strstr(err.message, "cancelled"));
        assert_int_equal(result.removed, 2);
        assert_int_equal(count_entries(world.store, "images"), 1);
}

/* --- both ----------------------------------------------------------------------------------------------------- */

static void a_store_that_is_none_is_no_trouble(void **state)
{
        struct mayfly_gc_options options = gc_options();

        (void) state;
        assert_int_equal(verify(NULL, 0).images, 0);
        assert_int_equal(collect(&options).removed, 0);
        assert_int_equal(access(world.store, F_OK), -1); /* nor made */
        assert_int_equal(mkdir(world.store, 0700), 0);
        assert_int_equal(verify(NULL, 0).images, 0);
        assert_int_equal(collect(&options).kept, 0);
}

static void options_and_results_know_their_sizes(void **state)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_gc_options gc = gc_options();
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        fetch_all();
        options.size = 3;
        assert_int_equal(mayfly_store_verify(NULL, &options, &err), -EINVAL);
        assert_non_null(strstr(err.message, "MAYFLY_VERIFY_OPTIONS_INIT"));
        err.code = 0;
        gc.size = 100000;
        assert_int_equal(mayfly_store_gc(NULL, &gc, &err), -EINVAL);
        assert_non_null(strstr(err.message, "MAYFLY_GC_OPTIONS_INIT"));
        gc = gc_options();
        result.size = offsetof(struct mayfly_gc_result, in_use); /* of an older header */
        result.in_use = 77;
        assert_int_equal(mayfly_store_gc(&result, &gc, NULL), 0);
        assert_int_equal(result.kept, IMAGES);
        assert_int_equal(result.in_use, 77);
        gc.store = "relative";
        err.code = 0;
        assert_int_equal(mayfly_store_gc(&result, &gc, &err), -EINVAL);
        assert_non_null(strstr(err.message, "must be an absolute path"));
}

int main(void)
{
#define world_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                world_test(what_was_published_is_sound),
                world_test(every_damage_is_named_and_mended),
                world_test(one_image_can_be_verified),
                world_test(a_damaged_image_in_use_is_set_aside),
                world_test(verifying_can_be_cancelled),
                world_test(age_is_counted_from_the_last_use),
                world_test(size_takes_the_longest_unused_first),
                world_test(what_is_open_stays),
                world_test(a_clock_that_jumps_is_survived),
                world_test(leftovers_go_and_what_is_held_stays),
                world_test(collecting_can_be_cancelled),
                world_test(a_store_that_is_none_is_no_trouble),
                world_test(options_and_results_know_their_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
