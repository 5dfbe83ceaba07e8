/* SPDX-License-Identifier: MIT */

/* Containers that mayfly-keep owns: that they outlive the program that started them, and what ends them. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/exec.h>
#include <mayfly/share.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"

static const char *busybox;

/* What the other program says of a container that it has kept, and how it is found here. */
struct kept {
        char name[65];
        pid_t pid; /* of its keeper */
        int keeper, leader;
        char file[160];
        struct mayfly_container *container;
};

/* --- the other program, which does not live to the end of a test ------------------------------------------------ */

/* Starts containers, keeps them, and says so. */
static _Noreturn void keep_in_child(int out, const struct mayfly_spec *spec, size_t n, unsigned seconds)
{
        struct mayfly_network *networks[] = { NULL, NULL };
        struct mayfly_spec own = *spec;

        if (n > 1) {
                CHECK(mayfly_network_create(&networks[0], fresh()) == 0);
                own.networks = networks;
        }
        for (size_t i = 0; i < n; i++) {
                struct mayfly_container *c = NULL;
                struct kept kept = { .pid = 0 };
                CHECK(mayfly_container_start(&c, &own, fresh()) == 0);
                CHECK(mayfly_container_keep(c, seconds, &kept.pid, fresh()) == 0);
                snprintf(kept.name, sizeof(kept.name), "%s", mayfly_container_name(c));
                CHECK(write(out, &kept, sizeof(kept)) == sizeof(kept));
                if (i == 0)
                        mayfly_container_free(c); /* the others just go with this process */
        }
        kill(getpid(), SIGKILL);
        _exit(1);
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

static int pidfd_of(pid_t pid)
{
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        assert_true(fd >= 0);
        return fd;
}

static void await_end(int pidfd)
{
        assert_int_equal(poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, -1), 1);
        close(pidfd);
}

static void await_absence(const char *path)
{
        while (access(path, F_OK) == 0) /* until ctest's limit */
                usleep(1000);
}

/* Where the command looks for it. */
static void find_file(struct kept *kept)
{
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        if (geteuid() == 0)
                snprintf(kept->file, sizeof(kept->file), "/run/mayfly/containers/%s.json", kept->name);
        else if (runtime && *runtime && strlen(runtime) < 24) /* a longer one has no room for a socket's name */
                snprintf(kept->file, sizeof(kept->file), "%.60s/mayfly/containers/%s.json", runtime, kept->name);
        else
                snprintf(kept->file, sizeof(kept->file), "/tmp/mayfly-%u.run/containers/%s.json", (unsigned) geteuid(),
                         kept->name);
}

static void has_keeper(const struct kept *kept)
{
        char path[64], line[400] = "", expected[160];

        snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) kept->pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        size_t n = fread(line, 1, sizeof(line) - 1, f);
        fclose(f);
        for (size_t i = 0; i < n; i++)
                line[i] = line[i] ? line[i] : ' ';
        snprintf(expected, sizeof(expected), "/mayfly-keep --machine %s --seconds ", kept->name);
        assert_non_null(strstr(line, expected));
}

/* Lets another program start and keep containers, which the caller then uses. */
static void keep(const struct mayfly_spec *spec, struct kept *ret, size_t n, unsigned seconds)
{
        int ends[2], status;

        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                keep_in_child(ends[1], spec, n, seconds);
        close(ends[1]);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(read(ends[0], &ret[i], sizeof(ret[i])), sizeof(ret[i]));
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        for (size_t i = 0; i < n && seconds != 1; i++) {
                find_file(&ret[i]);
                ret[i].keeper = pidfd_of(ret[i].pid);
                has_keeper(&ret[i]);
                works(mayfly_container_attach(&ret[i].container, ret[i].file, fresh()));
                assert_string_equal(mayfly_container_name(ret[i].container), ret[i].name);
                ret[i].leader = pidfd_of(mayfly_container_leader(ret[i].container));
        }
}

/* Nothing is left of the container. */
static void has_ended(struct kept *kept)
{
        await_end(kept->leader);
        await_end(kept->keeper);
        await_absence(kept->file);
        mayfly_container_free(kept->container);
}

static void it_ends_when_its_keeper_is_killed(void **state)
{
        struct kept kept;

        (void) state;
        keep(MAYFLY_SPEC(.image = busybox, .idle = 1), &kept, 1, 0);
        prints_as(kept.container, NULL, "echo alive", "alive\n");
        assert_int_equal(kill(kept.pid, SIGTERM), 0);
        has_ended(&kept);
}

static void it_is_stopped_by_all_who_use_it(void **state)
{
        struct kept kept;

        (void) state;
        keep(MAYFLY_SPEC(.image = busybox, .idle = 1), &kept, 1, 600);
        works(mayfly_container_stop(kept.container, fresh()));
        has_ended(&kept);
}

static void it_ends_with_its_time_and_its_app(void **state)
{
        struct kept kept;

        (void) state;
        keep(MAYFLY_SPEC(.image = busybox, .idle = 1), &kept, 1, 1);
        find_file(&kept);
        await_absence(kept.file);
        keep(MAYFLY_SPEC(.image = busybox,
                         .argv = ((const char *const[]){
                                 "/bin/sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done", NULL })),
             &kept, 1, 0);
        await_words(kept.container, "up");
        works(mayfly_container_kill(kept.container, SIGTERM, fresh()));
        has_ended(&kept);
}

/* The networks outlive the program that made them, and the first of their containers. */
static void its_networks_stay(void **state)
{
        struct kept kept[3];
        char line[256];

        (void) state;
        keep(MAYFLY_SPEC(.image = busybox, .idle = 1), kept, 3, 0);
        for (size_t i = 0; i < 3; i++) {
                snprintf(line, sizeof(line),
                         "ping -c 1 -w 20 %s >/dev/null && ping -c 1 -w 20 %s >/dev/null && echo reached",
                         kept[(i + 1) % 3].name, kept[(i + 2) % 3].name);
                prints_as(kept[i].container, NULL, line, "reached\n");
        }
        assert_int_equal(kill(kept[0].pid, SIGKILL), 0);
        has_ended(&kept[0]);
        snprintf(line, sizeof(line), "ping -c 1 -w 20 %s >/dev/null && echo reached", kept[2].name);
        prints_as(kept[1].container, NULL, line, "reached\n");
        for (size_t i = 1; i < 3; i++) {
                works(mayfly_container_stop(kept[i].container, fresh()));
                has_ended(&kept[i]);
        }
}

/* A container that the program kept, and has freed the handle of, still has its number, and goes on to know the others by name. */
static void others_join_its_network_later(void **state)
{
        struct mayfly_network *networks[] = { NULL, NULL };
        struct kept kept = { .pid = 0 };
        char line[256];

        (void) state;
        works(mayfly_network_create(&networks[0], fresh()));
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .networks = networks));
        works(mayfly_container_keep(c, 0, &kept.pid, fresh()));
        snprintf(kept.name, sizeof(kept.name), "%s", mayfly_container_name(c));
        find_file(&kept);
        kept.keeper = pidfd_of(kept.pid);
        kept.leader = pidfd_of(mayfly_container_leader(c));
        mayfly_container_free(c);
        works(mayfly_container_attach(&kept.container, kept.file, fresh()));
        struct mayfly_container *later =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .networks = networks,
                                            .aliases = ((const char *const[]){ "later", NULL })));
        prints_as(kept.container, NULL, "ping -c 1 -w 20 later >/dev/null && echo reached", "reached\n");
        snprintf(line, sizeof(line), "ping -c 1 -w 20 %s >/dev/null && echo reached", kept.name);
        prints_as(later, NULL, line, "reached\n");
        assert_int_equal(kill(kept.pid, SIGKILL), 0);
        has_ended(&kept);
        struct mayfly_container *last = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .networks = networks));
        snprintf(line, sizeof(line), "grep -c %s /etc/hosts; true", kept.name); /* it was taken off */
        prints_as(last, NULL, line, "0\n");
        mayfly_container_free(last);
        mayfly_container_free(later);
        mayfly_network_free(networks[0]);
}

/* A program without a terminal, as one that a debugger has attached to, says how a shell is opened elsewhere. */
static void a_shell_from_elsewhere(void **state)
{
        struct mayfly_container *c = NULL;
        char told[256] = "", *name = NULL;
        int said[2], go[2];
        struct kept kept;

        (void) state;
        assert_int_equal(pipe(said), 0);
        assert_int_equal(pipe(go), 0);
        pid_t pid = fork();
        if (pid == 0) {
                setsid();
                close(go[1]);
                CHECK(mayfly_container_start(&c, MAYFLY_SPEC(.image = busybox, .idle = 1), fresh()) == 0);
                dup2(said[1], 2);
                CHECK(mayfly_container_shell(c) == 0 && mayfly_container_shell(c) == 0);
                (void) !read(go[0], told, 1);
                mayfly_container_free(c);
                _exit(0);
        }
        close(said[1]);
        close(go[0]);
        FILE *f = fdopen(said[0], "r");
        for (unsigned i = 0; i < 2; i++) {
                assert_non_null(fgets(told, sizeof(told), f));
                name = strstr(told, "run in another one: mayfly shell test-keeper-");
                assert_non_null(name);
        }
        snprintf(kept.name, sizeof(kept.name), "%.64s", strrchr(name, ' ') + 1);
        kept.name[strcspn(kept.name, "\n")] = '\0';
        find_file(&kept);
        works(mayfly_container_attach(&c, kept.file, fresh()));
        prints_as(c, NULL, "echo inside", "inside\n");
        mayfly_container_free(c);
        close(go[1]);
        fclose(f);
        ends_well(pid);
}

static void what_cannot_be_kept(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        pid_t pid = -1;

        (void) state;
        is_error(mayfly_container_keep(c, 2592001, &pid, fresh()), -EINVAL, "2592001 s; give at most 2592000");
        works(mayfly_container_halt(c, fresh()));
        is_error(mayfly_container_keep(c, 0, &pid, fresh()), -ESRCH, "keeping it");
        works(mayfly_container_start_again(c, fresh()));
        works(mayfly_container_pause(c, fresh()));
        assert_int_equal(pid, -1);
        works(mayfly_container_keep(c, 0, &pid, fresh()));
        assert_true(pid > 0);
        prints_as(c, NULL, "echo it goes on", "it goes on\n");
        is_error(mayfly_container_keep(c, 0, &pid, fresh()), -ECHILD, "belongs to process");
        works(mayfly_container_stop(c, fresh()));
        mayfly_container_free(c);
}

/* The container still ends with this program. */
static void a_keeper_that_ends_at_once(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char directory[] = "/tmp/mayfly-keeper-XXXXXX", path[64];
        char *libexec = strdup(getenv("MAYFLY_LIBEXEC"));
        struct mayfly_tmpfs *disk = NULL;
        pid_t pid = -1;

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/mayfly-keep", directory);
        assert_int_equal(symlink("/bin/false", path), 0);
        setenv("MAYFLY_LIBEXEC", directory, 1);
        is_error(mayfly_container_keep(c, 0, &pid, fresh()), -ESRCH,
                 ": the program mayfly-keep has ended at once; it was killed, or is not of this version");
        is_error(mayfly_tmpfs_create_on_disk(&disk, NULL, fresh()), -ESRCH,
                 ": the program mayfly-keep has ended at once; it was killed, or is not of this version");
        setenv("MAYFLY_LIBEXEC", libexec, 1);
        free(libexec);
        assert_int_equal(pid, -1);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(directory), 0);
        prints_as(c, NULL, "echo still here", "still here\n");
        works(mayfly_container_stop(c, fresh()));
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_ends_when_its_keeper_is_killed),
                cmocka_unit_test(it_is_stopped_by_all_who_use_it),
                cmocka_unit_test(it_ends_with_its_time_and_its_app),
                cmocka_unit_test(its_networks_stay),
                cmocka_unit_test(others_join_its_network_later),
                cmocka_unit_test(a_shell_from_elsewhere),
                cmocka_unit_test(what_cannot_be_kept),
                cmocka_unit_test(a_keeper_that_ends_at_once),
        };

        busybox = test_image("busybox");
        return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
