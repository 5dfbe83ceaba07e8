/* SPDX-License-Identifier: MIT */
/*
 * demo IMAGE starts a container of the image with that reference, runs commands in it, and shows what they and the
 * image's app wrote and how long each stage took. It can be built without a build system:
 *
 *     cc demo.c $(pkg-config --cflags --libs mayfly) -o demo
 */
#include <stdio.h>
#include <stdlib.h>

#include <mayfly/mayfly.h>

static int show_progress(const struct mayfly_progress *progress, void *userdata)
{
        struct mayfly_progress *last = userdata;

        if (progress->phase == MAYFLY_PROGRESS_DONE)
                printf("fetched, verified and unpacked %.1f MiB (%.1f MiB unpacked, %llu entries) in %llu ms\n",
                       (double) last->bytes_done / (1 << 20), (double) last->bytes_unpacked / (1 << 20),
                       (unsigned long long) last->entries, (unsigned long long) progress->elapsed_ms);
        *last = *progress;
        return 0;
}

static int complain(const struct mayfly_error *err)
{
        fprintf(stderr, "demo: %s: %s\n", mayfly_stage_name(err->stage), err->message);
        return 1;
}

static int start(struct mayfly_container **ret, const char *reference, struct mayfly_error *err)
{
        struct mayfly_progress progress = { 0 };
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_image *image;
        int r;

        /* A start opens its image itself; this does it before, to show the progress. */
        options.progress = show_progress;
        options.progress_userdata = &progress;
        r = mayfly_image_open(&image, reference, &options, err);
        if (r < 0)
                return r;
        printf("image %s, %.24s...%s\n", mayfly_image_name(image), mayfly_image_id(image),
               mayfly_image_was_fetched(image) ? "" : " (was in the store)");
        mayfly_image_close(image);

        return mayfly_container_start(ret, MAYFLY_SPEC(.image = reference), err);
}

static int run(struct mayfly_container *container, const char *const *argv, unsigned long long *elapsed_us,
               struct mayfly_error *err)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result;

        command.argv = argv;
        int r = mayfly_container_run(container, &command, &result, err);
        if (r < 0)
                return r;
        printf("$");
        for (const char *const *word = argv; *word; word++)
                printf(" %s", *word);
        printf("\n%s%s", result->out, result->err);
        if (!result->exit->exited || result->exit->status != 0)
                printf("(ended with %s %d)\n", result->exit->exited ? "status" : "signal",
                       result->exit->exited ? result->exit->status : result->exit->signal);
        *elapsed_us = result->elapsed_us;
        mayfly_result_free(result);
        return 0;
}

static void show_timings(const struct mayfly_container *container, unsigned long long exec_us)
{
        struct mayfly_timings timings = MAYFLY_TIMINGS_INIT;

        mayfly_container_timings(container, &timings, NULL);
        printf("\n%-8s %10s\n", "stage", "ms");
        printf("%-8s %10.1f  opening the image, now that it is stored\n", "image", (double) timings.image_us / 1000);
        printf("%-8s %10.1f  from there until the container answered\n", "boot", (double) timings.boot_us / 1000);
        printf("%-8s %10.1f  starting its app, if it has one\n", "app", (double) timings.app_us / 1000);
        printf("%-8s %10.1f  the last command\n", "exec", (double) exec_us / 1000);
        printf("%-8s %10.1f  stopping it until nothing was left\n", "stop", (double) timings.stop_us / 1000);
}

int main(int argc, char **argv)
{
        static const char *const commands[][4] = { { "uname", "-sr" }, { "id" }, { "cat", "/proc/1/comm" }, { "ps" } };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;
        unsigned long long exec_us = 0;
        char *logs = NULL;

        if (argc != 2) {
                fputs("usage: demo IMAGE\n", stderr);
                return 2;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        int r = start(&container, argv[1], &err);
        if (r < 0)
                return complain(&err);
        printf("container %s has started (engine %s); these commands run in it\n\n", mayfly_container_name(container),
               mayfly_container_engine(container) == MAYFLY_ENGINE_SYSTEMD ? "systemd" : "direct");
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && r == 0; i++)
                r = run(container, commands[i], &exec_us, &err);
        if (r == 0)
                r = mayfly_container_stop(container, &err);
        if (r == 0)
                r = mayfly_container_logs(container, &logs, NULL, &err);
        if (r == 0) {
                printf("\nlogs of the app:\n%s", *logs ? logs : "(none)\n");
                show_timings(container, exec_us);
        }
        free(logs);
        mayfly_container_free(container);
        return r < 0 ? complain(&err) : 0;
}
