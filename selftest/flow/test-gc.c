/* SPDX-License-Identifier: MIT */

/* Collecting the store's garbage; and what verifying has in common with that. */

#define _GNU_SOURCE
#include "upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "support/support.h"

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

/* Deeper than there may be open descriptors. */
static void the_deepest_tree_goes(void **state)
{
        struct mayfly_gc_options options = gc_options();

        (void) state;
        mayfly_image_close(open_image(1, 1));
        int fd = open(in_image(1, "rootfs"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < 3000; i++) {
                int below =
                        mkdirat(fd, "d", 0500 | (i % 3 ? 0200 : 0)) < 0 ? -1 : openat(fd, "d", O_RDONLY | O_CLOEXEC);
                if (geteuid() != 0) /* who is not root needs to be let in */
                        (void) fchmod(below, 0700);
                close(fd);
                fd = below;
        }
        assert_true(fd >= 0);
        close(fd);
        options.all = 1;
        assert_int_equal(collect(&options).removed, 1);
        assert_int_equal(count_entries(world.store, "tmp"), 0);
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

static struct mayfly_stored_image **list(size_t n)
{
        struct mayfly_stored_image **images = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_store_list(&images, world.store, &err) < 0)
                fail_msg("%s", err.message);
        for (size_t i = 0; i < n; i++) {
                assert_non_null(images[i]);
                assert_true(i == 0 || images[i - 1]->last_used <= images[i]->last_used);
        }
        assert_null(images[n]);
        return images;
}

static const struct mayfly_stored_image *listed(struct mayfly_stored_image *const *images, int i)
{
        for (; *images; images++)
                if (strcmp((*images)->id, world.id[i]) == 0)
                        return *images;
        fail_msg("image %d is not listed", i);
        return NULL;
}

static void images_are_listed(void **state)
{
        struct stat before, after;

        (void) state;
        mayfly_store_list_free(list(0)); /* there is no store yet */
        fetch_all();
        set_last_use(0, 1000);
        set_last_use(1, -1000); /* the clock was set back */
        assert_int_equal(unlink(in_image(1, "manifest")), 0);
        assert_int_equal(stat(in_image(0, ""), &before), 0);
        struct mayfly_image *open = open_image(2, 0);
        struct mayfly_stored_image **images = list(IMAGES);
        const struct mayfly_stored_image *one = listed(images, 0);
        assert_true(one->size == sizeof(*one));
        assert_string_equal(one->name, "example.com/test");
        assert_non_null(one->labels);
        assert_true(one->bytes > BIG && one->bytes < 2ULL * BIG);
        assert_true(one->last_used == before.st_mtim.tv_sec);
        assert_false(one->in_use);
        assert_null(one->signer);
        char path[1024];
        snprintf(path, sizeof(path), "%s/", one->path);
        assert_string_equal(path, in_image(0, ""));
        one = listed(images, 1);
        assert_null(one->name);
        assert_null(one->labels);
        assert_true(one->last_used <= time(NULL));
        assert_true(listed(images, 2)->in_use);
        assert_null(mayfly_store_list_free(images));
        mayfly_image_close(open);
        images = list(IMAGES);
        assert_false(listed(images, 2)->in_use);
        mayfly_store_list_free(images);
        assert_int_equal(stat(in_image(0, ""), &after), 0);
        assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
        assert_null(mayfly_store_list_free(NULL));
        assert_int_equal(mayfly_store_list(NULL, world.store, NULL), -EINVAL);
        assert_int_equal(mayfly_store_list(&images, "relative", NULL), -EINVAL);
}

/* What the fetches below reported. */
static struct {
        unsigned reports;
        uint64_t images, bytes;
} collected;

static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        (void) userdata;
        if (progress->phase == MAYFLY_PROGRESS_COLLECTED) {
                collected.reports++;
                collected.images += progress->images_removed;
                collected.bytes += progress->bytes_freed;
        }
        return 0;
}

/* Fetches an image as if the last look for what is too old or too much were an hour ago. */
static int fetch_with_limits(int i, uint64_t max_bytes, uint64_t max_age_s, struct mayfly_error *err)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, { time(NULL) - 3600, 0 } };
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;
        char stamp[1024];

        snprintf(stamp, sizeof(stamp), "%s/collected", world.store);
        (void) utimensat(AT_FDCWD, stamp, times, 0);
        memset(&collected, 0, sizeof(collected));
        options.store = world.store;
        options.store_max_bytes = max_bytes;
        options.store_max_age_s = max_age_s;
        options.progress = on_progress;
        int r = mayfly_image_open(&image, world.reference[i], &options, err);
        mayfly_image_close(image);
        return r;
}

static void a_fetch_removes_what_is_old(void **state)
{
        (void) state;
        mayfly_image_close(open_image(0, 1));
        mayfly_image_close(open_image(1, 1));
        set_last_use(0, 31 * 86400);
        set_last_use(1, 29 * 86400);
        assert_int_equal(fetch_with_limits(2, 0, 0, NULL), 0);
        assert_false(is_stored(0));
        assert_true(is_stored(1) && is_stored(2));
        assert_int_equal(collected.reports, 1);
        assert_int_equal(collected.images, 1);
        assert_true(collected.bytes > BIG);
        assert_int_equal(fetch_with_limits(0, 0, 0, NULL), 0); /* nothing to remove, nothing to say */
        assert_int_equal(collected.reports, 0);
}

static void a_fetch_removes_what_is_too_much(void **state)
{
        (void) state;
        mayfly_image_close(open_image(0, 1));
        mayfly_image_close(open_image(1, 1));
        set_last_use(0, 200);
        set_last_use(1, 100);
        struct mayfly_image *open = open_image(0, 0); /* in use, and from now on not the longest unused */
        set_last_use(0, 200);
        assert_int_equal(fetch_with_limits(2, 1, 0, NULL), 0); /* what was just fetched stays, too */
        assert_true(is_stored(0) && is_stored(2));
        assert_false(is_stored(1));
        mayfly_image_close(open);
        set_last_use(0, 200);
        assert_int_equal(fetch_with_limits(1, 2ULL * (BIG + 100000), 0, NULL), 0);
        assert_false(is_stored(0));
        assert_true(is_stored(1) && is_stored(2));
}

static void a_fetch_collects_only_as_it_may(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        mayfly_image_close(open_image(0, 1));
        set_last_use(0, 1000 * 86400);
        assert_int_equal(fetch_with_limits(1, UINT64_MAX, UINT64_MAX, NULL), 0);
        assert_true(is_stored(0));
        assert_int_equal(setenv("MAYFLY_STORE_MAX_AGE", "never", 1), 0);
        assert_int_equal(setenv("MAYFLY_STORE_MAX_BYTES", "20M", 1), 0);
        assert_int_equal(fetch_with_limits(2, 0, 0, NULL), 0);
        assert_true(is_stored(0) && is_stored(1));
        assert_int_equal(setenv("MAYFLY_STORE_MAX_AGE", "30", 1), 0);
        assert_int_equal(fetch_with_limits(2, 0, 0, &err), -EINVAL);
        assert_non_null(strstr(err.message, "MAYFLY_STORE_MAX_AGE is \"30\"; write \"never\""));
        assert_int_equal(setenv("MAYFLY_STORE_MAX_AGE", "999d", 1), 0);
        assert_int_equal(fetch_with_limits(2, 0, 0, NULL), 0); /* it is stored: only a fetch collects */
        assert_true(is_stored(0));
        struct mayfly_gc_options options = gc_options();
        options.max_age_s = 86400;
        assert_int_equal(collect(&options).removed, 1);
        mayfly_image_close(open_image(0, 1)); /* looks, and notes the time */
        set_last_use(1, 1000 * 86400);
        options.max_age_s = 0;
        assert_int_equal(unlink(in_image(0, "record")), 0);
        mayfly_image_close(open_image(0, 1)); /* fetches again, within a minute: no look */
        assert_true(is_stored(1));
        assert_int_equal(unlink(in_image(0, "record")), 0);
        assert_int_equal(fetch_with_limits(0, 0, 0, NULL), 0);
        assert_false(is_stored(1));
        unsetenv("MAYFLY_STORE_MAX_AGE");
        unsetenv("MAYFLY_STORE_MAX_BYTES");
}

static void options_and_results_know_their_sizes(void **state)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_gc_options gc = gc_options();
        struct {
                struct mayfly_gc_result result;
                const char *newer;
        } longer = { .result = { .size = sizeof(longer) }, .newer = "left alone" };
        struct mayfly_gc_result result = { .size = offsetof(struct mayfly_gc_result, in_use) };
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
        err.code = 0;
        assert_int_equal(mayfly_store_gc(&result, &gc, &err), -EINVAL);
        assert_non_null(strstr(err.message, "MAYFLY_GC_RESULT_INIT"));
        assert_int_equal(mayfly_store_gc(&longer.result, &gc, NULL), 0);
        assert_int_equal(longer.result.kept, IMAGES);
        assert_int_equal(longer.result.size, sizeof(longer));
        assert_null(longer.newer);
        gc.store = "relative";
        err.code = 0;
        assert_int_equal(mayfly_store_gc(NULL, &gc, &err), -EINVAL);
        assert_non_null(strstr(err.message, "must be an absolute path"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                world_test(age_is_counted_from_the_last_use),
                world_test(size_takes_the_longest_unused_first),
                world_test(what_is_open_stays),
                world_test(a_clock_that_jumps_is_survived),
                world_test(leftovers_go_and_what_is_held_stays),
                world_test(the_deepest_tree_goes),
                world_test(collecting_can_be_cancelled),
                world_test(a_store_that_is_none_is_no_trouble),
                world_test(images_are_listed),
                world_test(a_fetch_removes_what_is_old),
                world_test(a_fetch_removes_what_is_too_much),
                world_test(a_fetch_collects_only_as_it_may),
                world_test(options_and_results_know_their_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
