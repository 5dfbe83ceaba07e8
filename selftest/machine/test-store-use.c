/* SPDX-License-Identifier: MIT */

/* What a container runs from is not collected, as long as it runs, whoever has died meanwhile. Wants
 * MAYFLY_TEST_BUSYBOX. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <mayfly/mayfly.h>

#include "support/host.h"

static char store[512];
static struct mayfly_image_options image_options = MAYFLY_IMAGE_OPTIONS_INIT;

static struct mayfly_container *start(void)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_start(
                    &container, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .image_options = &image_options),
                    &err) < 0)
                fail_msg("%s", err.message);
        return container;
}

static struct mayfly_gc_result collect(void)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.store = store;
        options.all = 1;
        if (mayfly_store_gc(&result, &options, &err) < 0)
                fail_msg("%s", err.message);
        return result;
}

static void assert_runs(struct mayfly_container *container)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        command.argv = (const char *const[]){ "/bin/ls", "-lR", "/bin", NULL };
        if (mayfly_container_run(container, &command, &result, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(result->exit->exited && result->exit->status == 0);
        mayfly_result_free(result);
}

/* The one image of the store. */
static void in_store(const char *name, char path[1024])
{
        const char *id = strrchr(test_image("busybox"), '@') + 1;

        snprintf(path, 1024, "%s/images/%s/%s", store, id, name);
}

static void a_running_container_keeps_its_image(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        struct mayfly_container *container = start();
        struct mayfly_gc_result result = collect();
        assert_int_equal(result.in_use, 1);
        assert_int_equal(result.removed, 0);
        assert_runs(container);
        if (mayfly_container_stop(container, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_container_free(container);
        assert_int_equal(collect().removed, 1);
}

/* Dropped while it is in use: its container goes on, the next one gets a new image. */
static void a_damaged_image_is_replaced_beside_its_container(void **state)
{
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        char path[1024];

        (void) state;
        struct mayfly_container *old = start();
        in_store("rootfs/etc/passwd", path);
        FILE *f = fopen(path, "ae");
        assert_non_null(f);
        fputs("evil:x:0:0::/:/bin/sh\n", f);
        fclose(f);
        options.store = store;
        assert_int_equal(mayfly_store_verify(&result, &options, NULL), 0);
        assert_int_equal(result.dropped, 1);
        struct mayfly_container *new = start();
        assert_runs(old);
        assert_runs(new);
        struct mayfly_gc_result kept = collect();
        assert_int_equal(kept.in_use, 1);
        assert_int_equal(kept.leftovers, 0);
        mayfly_container_free(old);
        assert_int_equal(collect().leftovers, 1);
        mayfly_container_free(new);
        assert_int_equal(collect().removed, 1);
}

/* A snapshot has what the container wrote, and not the image: that is fetched again, or the start says why not. */
static void a_snapshot_outlives_its_image(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_snapshot *snapshot = NULL;
        struct mayfly_container *container = NULL;
        char away[1024], command[2200], path[1024];
        const char *from = test_image("busybox") + strlen("aci:file://");

        (void) state;
        snprintf(path, sizeof(path), "%.*s", (int) strcspn(from, "@"), from);
        snprintf(command, sizeof(command), "cp '%s' '%s/copy.aci'", path, store);
        assert_int_equal(system(command), 0);
        snprintf(path, sizeof(path), "aci:file://%s/copy.aci%s", store, strrchr(from, '@'));
        snprintf(away, sizeof(away), "%s/copy.aci", store);
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = path, .idle = 1, .image_options = &image_options);
        if (mayfly_container_start(&container, spec, &err) < 0 || mayfly_container_halt(container, &err) < 0 ||
            mayfly_container_snapshot(container, &snapshot, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_container_free(container);
        assert_int_equal(collect().removed, 1);
        spec = MAYFLY_SPEC(.image = path, .idle = 1, .image_options = &image_options, .snapshot = snapshot);
        if (mayfly_container_start(&container, spec, &err) < 0)
                fail_msg("%s", err.message);
        assert_runs(container);
        mayfly_container_free(container);
        assert_int_equal(collect().removed, 1);
        assert_int_equal(unlink(away), 0);
        container = NULL;
        assert_int_equal(mayfly_container_start(&container, spec, &err), -ENOENT);
        assert_null(container);
        assert_non_null(strstr(err.message, "copy.aci"));
        mayfly_snapshot_free(snapshot);
}

/* The state of a process as a letter, its parent, and its name, as in proc(5). */
static char state_of(pid_t pid, pid_t *ret_parent, char name[32])
{
        char path[64], state = 0;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d (%31[^)]) %c %d", name, &state, ret_parent), 3);
        fclose(f);
        return state;
}

static void freeze(pid_t pid)
{
        char name[32];
        pid_t parent;

        assert_int_equal(kill(pid, SIGSTOP), 0);
        while (state_of(pid, &parent, name) != 'T')
                usleep(1000);
}

/* The supervisor of a container: the nearest mayfly-launch above its PID 1. */
static pid_t supervisor_of(pid_t leader)
{
        char name[32] = "";
        pid_t pid = leader, parent = 0;

        for (;;) {
                (void) state_of(pid, &parent, name);
                if (strcmp(name, "mayfly-launch") == 0)
                        return pid;
                assert_true(parent > 1);
                pid = parent;
        }
}

/* The supervisor and the container's first process, stopped, cannot follow the owner into death: the container runs
 * without an owner. */
static void an_owners_death_does_not_free_what_still_runs(void **state)
{
        int report[2];
        pid_t leader = 0;

        (void) state;
        assert_int_equal(pipe2(report, O_CLOEXEC), 0);
        pid_t owner = fork();
        if (owner == 0) {
                struct mayfly_container *container = start();
                leader = mayfly_container_leader(container);
                (void) !write(report[1], &leader, sizeof(leader));
                for (;;)
                        pause();
        }
        close(report[1]);
        assert_int_equal(read(report[0], &leader, sizeof(leader)), sizeof(leader));
        close(report[0]);
        pid_t supervisor = supervisor_of(leader);
        freeze(supervisor);
        freeze(leader);
        assert_int_equal(kill(owner, SIGKILL), 0);
        assert_int_equal(waitpid(owner, NULL, 0), owner);

        struct mayfly_gc_result result = collect();
        assert_int_equal(result.removed, 0);
        assert_int_equal(result.in_use, 1);
        assert_int_equal(kill(leader, SIGCONT), 0);
        assert_int_equal(kill(supervisor, SIGCONT), 0);
        for (unsigned i = 0; i < 5000 && result.removed == 0; i++) { /* what cleans up after it has a lock, too */
                usleep(1000);
                result = collect();
        }
        assert_int_equal(result.removed, 1);
}

static int set_up(void **state)
{
        (void) state;
        /* Beside the store of the other tests, which is on a file system that containers can run from. */
        const char *beside = getenv("MAYFLY_STORE");
        snprintf(store, sizeof(store), "%s-use-XXXXXX", beside ? beside : "/tmp/mayfly");
        if (!mkdtemp(store))
                return -1;
        image_options.store = store;
        return 0;
}

static int tear_down(void **state)
{
        static const char *const names[] = { "images", "locks", "tmp", "collected", "" };
        char path[1024];
        int r = 0;

        (void) state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) { /* nothing is in them any more */
                snprintf(path, sizeof(path), "%s/%s", store, names[i]);
                r |= remove(path) < 0 && errno != ENOENT;
        }
        return r;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_running_container_keeps_its_image),
                cmocka_unit_test(a_snapshot_outlives_its_image),
                cmocka_unit_test(a_damaged_image_is_replaced_beside_its_container),
                cmocka_unit_test(an_owners_death_does_not_free_what_still_runs),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
