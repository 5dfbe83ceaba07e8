/* SPDX-License-Identifier: MIT */

/* What a container may use: processes, memory, scratch, log. */

#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/cmocka-versions.h"
#include "support/containers.h"
#include "support/host.h"

static const char *busybox;
static int is_systemd; /* the engine */

/* Whether `file` has this word. */
static int has_word(const char *file, const char *word)
{
        char text[512] = "";
        FILE *f = fopen(file, "re");

        if (f && fgets(text, sizeof(text), f))
                text[strcspn(text, "\n")] = '\0';
        if (f)
                fclose(f);
        for (char *save = NULL, *found = strtok_r(text, " ", &save); found; found = strtok_r(NULL, " ", &save))
                if (strcmp(found, word) == 0)
                        return 1;
        return 0;
}

/* Whether a container can have this limit here: for engine direct the controller must be handed down to the children of
 * our own cgroup; systemd sees to that itself, wherever the kernel has the controller. */
static int controller_is_there(const char *controller)
{
        char line[300] = "", path[400];

        if (is_systemd) {
                snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", controller);
                return has_word("/sys/fs/cgroup/cgroup.controllers", controller) ||
                       (geteuid() == 0 && access(path, F_OK) == 0);
        }
        FILE *f = fopen("/proc/self/cgroup", "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0)
                ;
        fclose(f);
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s%s/cgroup.subtree_control",
                 access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "" : "/unified", line + 3);
        return has_word(path, controller);
}

/* How many processes the container has. */
static unsigned count_processes(struct mayfly_container *c)
{
        char path[300], ours[64] = "", theirs[64];
        struct dirent *entry;
        unsigned n = 0;
        DIR *dir = opendir("/proc");

        snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int) mayfly_container_leader(c));
        assert_non_null(dir);
        assert_true(readlink(path, ours, sizeof(ours) - 1) > 0);
        while ((entry = readdir(dir))) {
                snprintf(path, sizeof(path), "/proc/%s/ns/pid", entry->d_name);
                ssize_t length = readlink(path, theirs, sizeof(theirs) - 1);
                if (length > 0) {
                        theirs[length] = '\0';
                        n += strcmp(ours, theirs) == 0;
                }
        }
        closedir(dir);
        return n;
}

#define FORKS "i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i + 1)); done"
#define BOMB "echo 'f() { f | f & f; }; f' > /bomb; "

static void a_fork_bomb_stays_in_its_limit(void **state)
{
        const struct mayfly_spec *limited = MAYFLY_SPEC(.image = busybox, .idle = 1, .tasks_max = 100);
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        unsigned n;

        (void) state;
        if (controller_is_there("pids")) {
                c = start_container(limited);
                assert_int_not_equal(sh(c, FORKS), 0); /* the 98th fork or so fails, and the shell with it */
                n = count_processes(c);
                assert_true(n > 90 && n <= 100);
                stops(c, 0);
                c = start_container(limited);
                sh(c, BOMB "timeout 1 sh /bomb 2>/dev/null");
                assert_true(count_processes(c) <= 100);
        } else {
                assert_true(mayfly_container_start(&c, limited, &err) < 0);
                if (!strstr(err.message, (geteuid() == 0 || is_systemd)
                                                 ? "pids.max = 100: there is no \"pids\" controller"
                                                 : "tasks_max = 100 needs a cgroup that belongs to the user"))
                        fail_msg("%s", err.message);
                /* A user's own limit holds everywhere. */
                c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .stop_timeout_ms = FOREVER_MS));
                assert_int_not_equal(sh(c, "exec su -s /bin/sh www -c 'ulimit -u 60; " FORKS "'"), 0);
                n = count_processes(c);
                assert_true(n > 30 && n <= 61); /* with mayfly-init; the host's own user 33 counts, too */
                sh(c, BOMB "su -s /bin/sh www -c 'ulimit -u 60; timeout 1 sh /bomb' 2>/dev/null");
                assert_true(count_processes(c) <= 62);
        }
        stops(c, 0);
}

static void memory_has_a_limit(void **state)
{
        const struct mayfly_spec *limited =
                MAYFLY_SPEC(.image = busybox, .idle = 1, .memory_max = 48 << 20, .stop_timeout_ms = FOREVER_MS);
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        (void) state;
        if (!controller_is_there("memory")) { /* refused: never started without it */
                assert_true(mayfly_container_start(&c, limited, &err) < 0);
                assert_null(c);
                if (!strstr(err.message, (geteuid() == 0 || is_systemd)
                                                 ? "memory.max = 50331648: there is no \"memory\" controller"
                                                 : "memory_max = 50331648 needs a cgroup that belongs to the user"))
                        fail_msg("%s", err.message);
                return;
        }
        c = start_container(limited);
        /* tail keeps the one endless line */
        assert_int_equal(sh(c, "head -c 200000000 /dev/zero | tail -n 1 >/dev/null; true"), 0);
        assert_int_equal(sh(c, "exec tail -n 1 /dev/zero"), -SIGKILL);
        assert_int_equal(sh(c, "exit 3"), 3); /* the rest lives on */
        stops(c, 0);
}

/* Reads a limit of the container's cgroup, or of the nearest one above that has a limit: systemd-nspawn puts its payload into
 * cgroups below ours. *ret is "max" if none has. */
static void read_limit(struct mayfly_container *c, const char *file, char *ret, size_t size)
{
        char name[300], path[500], line[300] = "";

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) mayfly_container_leader(c));
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f) && strncmp(line, "0::", 3) != 0)
                ;
        fclose(f);
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, sizeof(name), "%s", line + 3);
        snprintf(ret, size, "max");
        for (char *slash = name + strlen(name); slash; slash = strrchr(name, '/')) {
                *slash = '\0';
                snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", name, file);
                f = fopen(path, "re");
                int found = f && fgets(line, sizeof(line), f) && strncmp(line, "max", 3) != 0;
                if (f)
                        fclose(f);
                if (found) {
                        line[strcspn(line, "\n")] = '\0';
                        snprintf(ret, size, "%s", line);
                        return;
                }
        }
}

/* What systemd was asked for, whether or not the kernel has the controllers. */
static void check_properties(struct mayfly_container *c, const char *tasks, const char *memory)
{
        char command[200], expected[100], text[100] = "";

        snprintf(command, sizeof(command), "systemctl %sshow -p TasksMax -p MemoryMax mayfly-%s.service | sort",
                 geteuid() == 0 ? "" : "--user ", mayfly_container_name(c));
        snprintf(expected, sizeof(expected), "MemoryMax=%s\nTasksMax=%s\n", memory, tasks);
        FILE *f = popen(command, "re");
        assert_non_null(f);
        size_t n = fread(text, 1, sizeof(text) - 1, f);
        assert_int_equal(pclose(f), 0);
        text[n] = '\0';
        assert_string_equal(text, expected);
}

/* That the kernel enforces such limits is shown by the two tests above, where there are controllers. Without them this test
 * sees only that a container starts, and with the engine systemd which limits systemd was asked for. */
static void there_are_limits_by_default(void **state)
{
        const unsigned long long page = (unsigned long long) sysconf(_SC_PAGESIZE);
        const unsigned long long memory = (unsigned long long) sysconf(_SC_PHYS_PAGES) * page;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_container *unlimited =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .memory_max = MAYFLY_MEMORY_UNLIMITED,
                                            .tasks_max = MAYFLY_TASKS_UNLIMITED));
        /* An ordinary user's cgroup may be another's to limit. */
        int is_unified = geteuid() == 0 && access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0;
        char half[32], found[32];

        (void) state;
        snprintf(half, sizeof(half), "%llu", memory / 2);
        if (is_systemd) {
                check_properties(c, "4096", half);
                check_properties(unlimited, "infinity", "infinity");
        }
        if (is_unified && controller_is_there("pids")) {
                read_limit(c, "pids.max", found, sizeof(found));
                assert_string_equal(found, "4096");
                read_limit(unlimited, "pids.max", found, sizeof(found));
                assert_string_not_equal(found, "4096");
        }
        if (is_unified && controller_is_there("memory")) {
                snprintf(half, sizeof(half), "%llu", memory / 2 / page * page);
                read_limit(c, "memory.max", found, sizeof(found));
                assert_string_equal(found, half);
                read_limit(c, "memory.swap.max", found, sizeof(found));
                assert_string_equal(found, "0");
                read_limit(unlimited, "memory.max", found, sizeof(found));
                assert_string_not_equal(found, half);
        }
        stops(c, 0);
        stops(unlimited, 0);
}

static void scratch_and_log_may_be_full(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .scratch_size = 2 << 20,
                                                                 .log_size = 4096, .stop_timeout_ms = FOREVER_MS));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *log = NULL;
        size_t size;

        (void) state;
        assert_int_equal(sh(c, "! dd if=/dev/zero of=/big bs=64k 2>/dev/null"), 0);
        assert_int_equal(sh(c, "! echo x > /more"), 0);
        assert_int_equal(sh(c, "for i in 1 2 3 4; do yes $i > /proc/2/fd/1 & done; sleep 0.3"), 0);
        assert_int_equal(sh(c, "exit 4"), 4);
        assert_int_equal(mayfly_container_logs(c, &log, &size, &err), 0);
        assert_uint_in_range(size, 1, 4096);
        assert_non_null(strchr(log, '\n'));
        free(log);
        stops(c, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_fork_bomb_stays_in_its_limit),
                cmocka_unit_test(memory_has_a_limit),
                cmocka_unit_test(there_are_limits_by_default),
                cmocka_unit_test(scratch_and_log_may_be_full),
        };

        const char *engine = getenv("MAYFLY_ENGINE");

        is_systemd = engine && strcmp(engine, "systemd") == 0;
        busybox = test_image("busybox");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
