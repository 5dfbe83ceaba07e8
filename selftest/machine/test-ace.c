/* SPDX-License-Identifier: MIT */

/* The appc specification's own App Container Executor validator: a pod of two apps that share a volume, whose prestart,
 * main, sidekick and poststop each look at what they were given, and say so. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

static const char *need(const char *variable)
{
        const char *value = getenv(variable);

        if (!value) {
                fprintf(stderr, "%s is not set; run selftest/support/make-images and source its images.env\n",
                        variable);
                exit(1);
        }
        return value;
}

/* "APP=FILE" of a reference "aci:file://FILE@..." */
static char *as_argument(const char *app, const char *reference)
{
        const char *file = strstr(reference, "://") + 3;
        char *argument;

        assert_true(asprintf(&argument, "%s=%.*s", app, (int) (strchr(file, '@') - file), file) > 0);
        return argument;
}

struct service {
        pid_t pid;
        int input;
        char url[200];
};

static int start_service(void **state)
{
        struct service *service = calloc(1, sizeof(*service));
        char *arguments[] = { as_argument("ace-validator-main", need("MAYFLY_TEST_ACE_MAIN")),
                              as_argument("ace-validator-sidekick", need("MAYFLY_TEST_ACE_SIDEKICK")) };
        int input[2], output[2];

        if (pipe2(input, 0) < 0 || pipe2(output, 0) < 0)
                return -1;
        service->pid = fork();
        if (service->pid == 0) {
                dup2(input[0], 0);
                dup2(output[1], 1);
                close(input[1]);
                execl(METADATA_SERVICE, METADATA_SERVICE, arguments[0], arguments[1], NULL);
                perror(METADATA_SERVICE);
                _exit(127);
        }
        close(input[0]);
        close(output[1]);
        service->input = input[1];
        FILE *f = fdopen(output[0], "re");
        char *line = fgets(service->url, sizeof(service->url), f);
        fclose(f);
        service->url[strcspn(service->url, "\n")] = '\0';
        free(arguments[0]);
        free(arguments[1]);
        *state = service;
        return line ? 0 : -1;
}

static int stop_service(void **state)
{
        struct service *service = *state;

        close(service->input);
        waitpid(service->pid, NULL, 0);
        free(service);
        return 0;
}

static struct mayfly_container *start(const char *image, const struct service *service,
                                      const struct mayfly_volume *volumes)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_start(&c,
                                   MAYFLY_SPEC(.image = need(image), .network = MAYFLY_NETWORK_HOST,
                                               .metadata_url = service->url, .volumes = volumes),
                                   &err) < 0)
                fail_msg("%s: %s", image, err.message);
        return c;
}

static void expect(struct mayfly_container *c, const char *const *words)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *log = NULL;

        if (mayfly_container_wait(c, 20000, &end, &err) < 0)
                fail_msg("%s", err.message);
        if (mayfly_container_stop(c, &err) < 0) /* which is after its post-stop hook */
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        if (!end.exited || end.status != 0 || strstr(log, "FAIL"))
                fail_msg("status %d, signal %d: %s", end.status, end.signal, log);
        for (const char *from = log; *words; words++) {
                from = strstr(from, *words); /* in this order */
                if (!from)
                        fail_msg("no \"%s\" in \"%s\"", *words, log);
        }
        free(log);
        mayfly_container_free(c);
}

static void appc_executor_passes_the_validator(void **state)
{
        static const char *const of_main[] = { "prestart OK\n", "main OK\n", "poststop OK\n", NULL };
        static const char *const of_sidekick[] = { "sidekick OK\n", NULL };
        struct mayfly_tmpfs *database = NULL;

        assert_int_equal(mayfly_tmpfs_create(&database, 0, NULL), 0);
        const struct mayfly_volume *volumes = MAYFLY_VOLUMES({ .name = "database", .tmpfs = database });
        struct mayfly_container *app = start("MAYFLY_TEST_ACE_MAIN", *state, volumes);
        struct mayfly_container *sidekick = start("MAYFLY_TEST_ACE_SIDEKICK", *state, volumes);
        expect(app, of_main);
        expect(sidekick, of_sidekick);
        mayfly_tmpfs_free(database);
}

/* It would tell: without the service it fails. */
static void appc_executor_validator_can_fail(void **state)
{
        struct service nobody = { .url = "http://127.0.0.1:1/token" };
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char *log = NULL;

        (void) state;
        struct mayfly_container *c = start("MAYFLY_TEST_ACE_MAIN", &nobody, NULL);
        assert_int_equal(mayfly_container_wait(c, 20000, &end, NULL), 0);
        assert_int_equal(end.status, 1);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_non_null(strstr(log, "main FAIL"));
        free(log);
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(appc_executor_passes_the_validator, start_service, stop_service),
                cmocka_unit_test(appc_executor_validator_can_fail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
