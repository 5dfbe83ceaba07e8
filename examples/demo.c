/* The main job without a test framework: a pinned image is fetched, booted, used and taken down. */

#include <mayfly/mayfly.h>

#include <stdio.h>
#include <stdlib.h>

static int show_progress(const struct mayfly_progress *progress, void *userdata)
{
        (void) userdata;
        printf("   fetched %llu of %llu bytes, unpacked %llu entries\n", (unsigned long long) progress->bytes_done,
               (unsigned long long) progress->bytes_total, (unsigned long long) progress->entries);
        return 0;
}

static int run(struct mayfly_container *container, const char *line, unsigned long long *ret_us,
               struct mayfly_error *err)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result;

        command.argv = argv;
        if (mayfly_container_run(container, &command, &result, err) < 0)
                return -1;
        printf("$ %s\n%s%s", line, result->out, result->err);
        *ret_us = (unsigned long long) result->elapsed_us;
        mayfly_result_free(result);
        return 0;
}

int main(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_timings timings = { .size = sizeof(timings) };
        struct mayfly_container *container = NULL;
        unsigned long long exec_us = 0;
        char *log = NULL;

        options.progress = show_progress;
        if (mayfly_container_start(
                    &container,
                    MAYFLY_SPEC(.image = getenv("MAYFLY_DEMO_IMAGE"), .run_app = 1, .image_options = &options),
                    &err) < 0)
                goto failed;
        printf("container %s is up, by the engine \"%s\"\n", mayfly_container_name(container),
               mayfly_container_engine(container) == MAYFLY_ENGINE_SYSTEMD ? "systemd" : "direct");
        if (run(container, "id; ps; hostname", &exec_us, &err) < 0 ||
            run(container, "echo hello", &exec_us, &err) < 0 || mayfly_container_stop(container, &err) < 0 ||
            mayfly_container_logs(container, &log, NULL, &err) < 0)
                goto failed;
        mayfly_container_timings(container, &timings);
        printf("its log:\n%s\n", log);
        printf("image  %8.1f ms\nboot   %8.1f ms\napp    %8.1f ms (settling included)\nexec   %8.1f ms\nstop   %8.1f "
               "ms\n",
               (double) timings.image_us / 1000, (double) timings.boot_us / 1000, (double) timings.app_us / 1000,
               (double) exec_us / 1000, (double) timings.stop_us / 1000);
        free(log);
        mayfly_container_free(container);
        return 0;

failed:
        fprintf(stderr, "%s\n", err.message);
        mayfly_container_free(container);
        return 1;
}
