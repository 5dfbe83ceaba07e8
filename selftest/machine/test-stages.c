/* SPDX-License-Identifier: MIT */

/* With MAYFLY_DEBUG the library tells the stages of a container's life. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"

static char directory[] = "/tmp/test-stages-XXXXXX", path[64], store[64];

static void live(void)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;

        options.store = store[0] ? store : NULL;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = test_image("busybox"), .image_options = &options,
                                            .entrypoint = MAYFLY_STRINGS("httpd", "-f", "-p", "80"),
                                            .publish = MAYFLY_PORTS({ .port = 80 }),
                                            .files = MAYFLY_FILES({ .path = "/x", .text = "x" })));

        assert_int_equal(sh(c, "exit 3"), 3);
        mayfly_container_free(c);
}

static void the_stages_are_told(void **state)
{
        static const char *const stages[] = { "open", "render", "ports",   "launch", "IDs",   "init up", "files",
                                              "app",  "waits",  "command", "stop",   "fetch", "verify",  "unpack" };
        static char text[65536];

        (void) state;
        size_t n_stages = sizeof(stages) / sizeof(stages[0]);

        if (geteuid() == 0) /* an ordinary user cannot simply remove a store */
                snprintf(store, sizeof(store), "%s/store", directory);
        else
                n_stages -= 3;
        snprintf(path, sizeof(path), "%s/trace.json", directory);
        assert_int_equal(setenv("MAYFLY_DEBUG", path, 1), 0);
        live();
        assert_int_equal(unsetenv("MAYFLY_DEBUG"), 0);
        live(); /* of which nothing is told */
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        size_t n = fread(text, 1, sizeof(text) - 1, f);
        fclose(f);
        assert_int_equal(unlink(path), 0);
        text[n] = '\0';
        for (size_t i = 0; i < n_stages; i++) {
                char event[64];
                snprintf(event, sizeof(event), "{\"name\":\"%s\",", stages[i]);
                const char *found = strstr(text, event);
                if (!found)
                        fail_msg("there is no stage %s in %s", stages[i], text);
                if (strcmp(stages[i], "stop") == 0 && strstr(found + 1, event))
                        fail_msg("there are two in %s", text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(the_stages_are_told) };

        if (!mkdtemp(directory))
                return 1;
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        char command[64];
        snprintf(command, sizeof(command), "rm -r %s", directory);
        return system(command) == 0 ? r : 1;
}
