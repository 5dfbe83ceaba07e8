/* SPDX-License-Identifier: MIT */

/* What the store's tests run, kill and inject faults into: one call of the library.
 *
 *   store-tool open REFERENCE [MS [N]]      prints "fetched" or "stored"; keeps it open for so long, and fails unless
 *                                           it is whole then; max_entries is N
 *   store-tool layers REFERENCE             prints the directories that lie over each other, lowest first
 *   store-tool verify [--keep] [ID]         prints each finding, and "images N damaged N dropped N"
 *   store-tool gc [--dry-run] [--all] [--age S] [--bytes N]
 *                                           prints each event, and "removed N kept N in-use N leftovers N freed N"
 *
 * The store is MAYFLY_STORE. Exit status: 0; 1 with the error's message on standard error. */

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

static int on_report(const struct mayfly_store_report *report, void *userdata)
{
        static const char *const names[] = { "sound",  "differs", "damaged",  "dropped", "kept",
                                             "in-use", "removed", "leftover", "layer" };

        (void) userdata;
        printf("%s %s%s%s\n", names[report->event], report->path, report->what ? ": " : "",
               report->what ? report->what : "");
        return 0;
}

static int do_open(int argc, char **argv, struct mayfly_error *err)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image = NULL;

        if (argc < 1)
                return -1;
        options.retries = UINT32_MAX;
        options.max_entries = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
        options.max_unpacked = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
        int r = mayfly_image_open(&image, argv[0], &options, err);
        if (r < 0)
                return r;
        puts(mayfly_image_was_fetched(image) ? "fetched" : "stored");
        fflush(stdout);
        if (argc > 1) {
                struct mayfly_verify_options verify = MAYFLY_VERIFY_OPTIONS_INIT;
                struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
                usleep((useconds_t) strtoul(argv[1], NULL, 10) * 1000U);
                verify.image = mayfly_image_id(image);
                verify.keep = 1;
                verify.report = on_report;
                r = mayfly_store_verify(&result, &verify, err);
                if (r == 0 && result.differences > 0)
                        r = -1;
        }
        mayfly_image_close(image);
        return r;
}

static int do_layers(int argc, char **argv, struct mayfly_error *err)
{
        struct mayfly_image *image = NULL;

        if (argc != 1)
                return -1;
        int r = mayfly_image_open(&image, argv[0], NULL, err);
        for (const char *const *layer = r == 0 ? mayfly_image_layers(image) : NULL; layer && *layer; layer++)
                puts(*layer);
        mayfly_image_close(image);
        return r;
}

static int do_verify(int argc, char **argv, struct mayfly_error *err)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;

        options.report = on_report;
        for (int i = 0; i < argc; i++)
                if (strcmp(argv[i], "--keep") == 0)
                        options.keep = 1;
                else
                        options.image = argv[i];
        int r = mayfly_store_verify(&result, &options, err);
        printf("images %llu damaged %llu dropped %llu\n", (unsigned long long) result.images,
               (unsigned long long) result.damaged, (unsigned long long) result.dropped);
        return r;
}

static int do_gc(int argc, char **argv, struct mayfly_error *err)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;

        options.report = on_report;
        for (int i = 0; i < argc; i++)
                if (strcmp(argv[i], "--dry-run") == 0)
                        options.dry_run = 1;
                else if (strcmp(argv[i], "--all") == 0)
                        options.all = 1;
                else if (strcmp(argv[i], "--age") == 0 && i + 1 < argc)
                        options.max_age_s = strtoull(argv[++i], NULL, 10);
                else if (strcmp(argv[i], "--bytes") == 0 && i + 1 < argc)
                        options.max_bytes = strtoull(argv[++i], NULL, 10);
                else
                        return -1;
        int r = mayfly_store_gc(&result, &options, err);
        printf("removed %llu kept %llu in-use %llu leftovers %llu freed %llu\n", (unsigned long long) result.removed,
               (unsigned long long) result.kept, (unsigned long long) result.in_use,
               (unsigned long long) result.leftovers, (unsigned long long) result.bytes_freed);
        return r;
}

/* By writev(2), because the tests make calls of write(2) fail, and this one is not the store's. */
static void say(const char *message)
{
        const struct iovec parts[] = { { (void *) (uintptr_t) "store-tool: ", 12 },
                                       { (void *) (uintptr_t) message, strlen(message) },
                                       { (void *) (uintptr_t) "\n", 1 } };

        (void) !writev(STDERR_FILENO, parts, 3);
}

int main(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int r = -1;

        (void) setlocale(LC_ALL, ""); /* as many programs do, and the library must not care */
        if (argc > 1 && strcmp(argv[1], "open") == 0)
                r = do_open(argc - 2, argv + 2, &err);
        else if (argc > 1 && strcmp(argv[1], "layers") == 0)
                r = do_layers(argc - 2, argv + 2, &err);
        else if (argc > 1 && strcmp(argv[1], "verify") == 0)
                r = do_verify(argc - 2, argv + 2, &err);
        else if (argc > 1 && strcmp(argv[1], "gc") == 0)
                r = do_gc(argc - 2, argv + 2, &err);
        if (r == 0)
                return fflush(stdout) == 0 ? 0 : 1;
        say(err.code ? err.message : "damaged, or used wrongly");
        return 1;
}
