/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "upkeep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

struct world world;

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
        snprintf(path, sizeof(path), "%s/%d.aci", world.directory, i);
        write_file(path, tar.data, tar.size);
        char id[136];
        memcpy(id, world.id[i], sizeof(id));
        snprintf(world.reference[i], sizeof(world.reference[i]), "aci:file://%s@%s", path, id);
        tar_free(&tar);
}

int set_up(void **state)
{
        (void) state;
        world.directory = make_directory();
        snprintf(world.store, sizeof(world.store), "%s/store", world.directory);
        for (int i = 0; i < IMAGES; i++)
                make_image(i);
        world.cancel_at = 0;
        return 0;
}

int tear_down(void **state)
{
        (void) state;
        remove_directory(world.directory);
        return 0;
}

struct mayfly_image *open_image(int i, int fetched)
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

void fetch_all(void)
{
        for (int i = 0; i < IMAGES; i++)
                mayfly_image_close(open_image(i, 1));
}

char *in_image(int i, const char *name)
{
        static char path[1024];

        snprintf(path, sizeof(path), "%s/images/%s/%s", world.store, world.id[i], name);
        return path;
}

void set_last_use(int i, time_t seconds_ago)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, { time(NULL) - seconds_ago, 0 } };

        assert_int_equal(utimensat(AT_FDCWD, in_image(i, ""), times, 0), 0);
}

int is_stored(int i)
{
        return access(in_image(i, ""), F_OK) == 0;
}

int on_report(const struct mayfly_store_report *report, void *userdata)
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

struct mayfly_verify_result verify(const char *image, int keep)
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

struct mayfly_gc_options gc_options(void)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;

        options.store = world.store;
        options.report = on_report;
        options.userdata = &world;
        return options;
}

struct mayfly_gc_result collect(const struct mayfly_gc_options *options)
{
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        world.told[0] = '\0';
        if (mayfly_store_gc(&result, options, &err) < 0)
                fail_msg("%s", err.message);
        return result;
}

void assert_told(const char *line)
{
        if (!strstr(world.told, line))
                fail_msg("\"%s\" is not among:\n%s", line, world.told);
}
