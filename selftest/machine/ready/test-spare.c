/* SPDX-License-Identifier: MIT */

/* Spares: a test that gets one does not notice, and nothing of them is left. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"
#include "waits.h"

#define ALL 16U
#define COUNTED_MAX 32U

static char *image;

/* --- looking from outside --------------------------------------------------------------------------------------- */

#define NAME_SIZE 65U

/* The container whose mayfly-launch the process is, in the words of the process. Returns whether it is one. */
static int machine_of(const char *pid, char ret[NAME_SIZE])
{
        char path[64], line[512] = "";

        snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;
        if (f)
                fclose(f);
        const char *option = line + strlen(line) + 1;
        const char *machine = option < line + n ? option + strlen(option) + 1 : line + n;
        if (machine >= line + n || !strstr(line, "mayfly-launch") || strcmp(option, "--machine") != 0)
                return 0;
        snprintf(ret, NAME_SIZE, "%s", machine);
        return 1;
}

static int is_listed(char names[][NAME_SIZE], unsigned n, const char *name)
{
        for (unsigned i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return 1;
        return 0;
}

/* Counts the containers whose names begin so, without `except`, and sends their mayfly-launch the signal, if not 0. */
static unsigned count(const char *name, const struct mayfly_container *except, int signal_number)
{
        const char *other = except ? mayfly_container_name(except) : "";
        char names[COUNTED_MAX][NAME_SIZE], machine[NAME_SIZE];
        DIR *dir = opendir("/proc");
        unsigned n = 0;

        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !machine_of(entry->d_name, machine) ||
                    strncmp(machine, name, strlen(name)) != 0 || strcmp(machine, other) == 0)
                        continue;
                if (!is_listed(names, n, machine) && n < COUNTED_MAX)
                        strcpy(names[n++], machine);
                if (signal_number)
                        (void) kill(atoi(entry->d_name), signal_number);
        }
        closedir(dir);
        return n;
}

static void await_some(const char *name, const struct mayfly_container *except)
{
        while (count(name, except, 0) == 0)
                usleep(2000);
}

static void await_none(const char *name, const struct mayfly_container *except)
{
        while (count(name, except, 0) > 0)
                usleep(2000);
}

static double uptime(void)
{
        double now = 0;
        FILE *f = fopen("/proc/uptime", "re");

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lf", &now), 1);
        fclose(f);
        return now;
}

/* The time at which an app of STAMPED began. */
#define STAMPED(line)                                                                 \
        SH("read up rest < /proc/uptime; " line "; echo stamp $up; exec sleep 1000"), \
                .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^stamp"))

static double stamp_of(struct mayfly_container *c)
{
        char *log = NULL;
        double stamp = 0;

        works(mayfly_container_logs(c, &log, NULL, fresh()));
        const char *found = strstr(log, "stamp ");
        assert_non_null(found);
        assert_int_equal(sscanf(found, "stamp %lf", &stamp), 1);
        free(log);
        return stamp;
}

/* Starts containers, whose app is STAMPED, until one was a spare: it ran before it was asked for. */
static struct mayfly_container *get_spare(const struct mayfly_spec *spec)
{
        char name[NAME_SIZE];

        snprintf(name, sizeof(name), "%s-", spec->name);
        for (;;) {
                double asked = uptime();
                struct mayfly_container *c = start_container(spec);
                if (stamp_of(c) < asked)
                        return c;
                await_some(name, c);
                usleep((useconds_t) ((uptime() - asked) * 1000000)); /* it has about the same time to become ready */
                mayfly_container_free(c);
        }
}

static void all_is_gone(const char *name, unsigned descriptors)
{
        mayfly_spares_stop();
        assert_int_equal(count(name, NULL, 0), 0);
        assert_int_equal(count_descriptors(), descriptors);
}

/* --- what a test sees ------------------------------------------------------------------------------------------- */

static void a_spare_is_like_any_other(void **state)
{
        const struct mayfly_spec *spec =
                MAYFLY_SPEC(.image = image, .name = "alike", .spare = 1, STAMPED("httpd -p 80; cat /etc/greeting"),
                            .publish = MAYFLY_PORTS({ .port = 80 }), .volumes = MAYFLY_VOLUMES({ .path = "/data" }),
                            .files = MAYFLY_FILES({ .path = "/etc/greeting", .text = "hello\n" }));
        unsigned descriptors = count_descriptors();

        (void) state;
        for (unsigned i = 0; i < 2; i++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                struct mayfly_container *c = get_spare(spec);
                prints_as(c, NULL, "ls /data /tmp; cat /etc/greeting", "/data:\n\n/tmp:\nhello\n");
                assert_int_equal(sh(c, "touch /data/x /tmp/x; echo changed > /etc/greeting"), 0);
                works(mayfly_container_address(c, "80", &address, fresh()));
                works(mayfly_container_restart(c, fresh()));
                prints_as(c, NULL, "ls /data; cat /etc/greeting", "x\nchanged\n");
                assert_int_equal(stats_of(c).state, MAYFLY_STATE_RUNNING);
                stops(c, 0);
        }
        all_is_gone("alike-", descriptors);
}

/* --- the same spec, and no other -------------------------------------------------------------------------------- */

static void says(struct mayfly_container *c, const char *words)
{
        char *log = NULL;

        works(mayfly_container_logs(c, &log, NULL, fresh()));
        if (!strstr(log, words))
                fail_msg("there is no \"%s\" in \"%s\"", words, log);
        free(log);
        mayfly_container_free(c);
}

static void a_changed_spec_gets_its_own(void **state)
{
        char word[16] = "WORD=one";
        const char *const env[] = { word, NULL };
        struct mayfly_spec spec =
                *MAYFLY_SPEC(.image = image, .name = "changed", .spare = 1, .env = env, STAMPED("echo $WORD $(id -u)"));

        (void) state;
        says(get_spare(&spec), "one 0\n");
        strcpy(word, "WORD=two"); /* all pointers are the same */
        says(start_container(&spec), "two 0\n");
        spec.user = "7";
        says(start_container(&spec), "two 7\n");
        says(get_spare(&spec), "two 7\n");
        mayfly_spares_stop();
}

static struct mayfly_snapshot *snapshot_with(const char *line)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .idle = 1));
        struct mayfly_snapshot *snapshot = NULL;

        assert_int_equal(sh(c, line), 0);
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        mayfly_container_free(c);
        return snapshot;
}

static void a_new_snapshot_gets_its_own(void **state)
{
        struct mayfly_spec spec = *MAYFLY_SPEC(.image = image, .name = "rows", .spare = 1, STAMPED("cat /rows"));

        (void) state;
        for (unsigned i = 0; i < 2; i++) {
                char line[64], rows[64];
                snprintf(line, sizeof(line), "echo rows %u > /rows", i);
                snprintf(rows, sizeof(rows), "rows %u\n", i);
                struct mayfly_snapshot *snapshot = snapshot_with(line);
                spec.snapshot = snapshot;
                says(start_container(&spec), rows);
                says(get_spare(&spec), rows);
                mayfly_snapshot_free(snapshot); /* the next one may have its address */
        }
        mayfly_spares_stop();
}

/* --- spares that fail ------------------------------------------------------------------------------------------- */

static void a_dead_spare_is_replaced(void **state)
{
        const struct mayfly_spec *ready = MAYFLY_SPEC(.image = image, .name = "dead", .spare = 1, STAMPED("true"));
        const struct mayfly_spec *slow =
                MAYFLY_SPEC(.image = image, .name = "slow", .spare = 1, LISTENER_("500", "tcp", "127.0.0.1", "7"),
                            .publish = MAYFLY_PORTS({ .port = 7 }));
        unsigned descriptors = count_descriptors();

        (void) state;
        for (unsigned i = 0; i < 2; i++) {
                const char *name = i == 0 ? "dead-" : "slow-";
                struct mayfly_container *c = i == 0 ? get_spare(ready) : start_container(slow);
                await_some(name, c);
                /* Perhaps before it was ready. A process that is forked while others are counted is killed next time. */
                while (count(name, c, SIGKILL) > 0)
                        usleep(2000);
                struct mayfly_container *next = start_container(i == 0 ? ready : slow);
                assert_int_equal(sh(next, "true"), 0);
                mayfly_container_free(c);
                mayfly_container_free(next);
                all_is_gone(name, descriptors);
        }
}

/* --- how many --------------------------------------------------------------------------------------------------- */

static void there_are_as_many_as_asked_for(void **state)
{
        struct mayfly_spec spec =
                *MAYFLY_SPEC(.image = image, .name = "many", .spare = 3, SH("exec sleep 1000"), .log_size = 4096);
        unsigned descriptors = count_descriptors();
        struct mayfly_container *c = start_container(&spec), *another = NULL;

        (void) state;
        while (count("many-", c, 0) < 3)
                usleep(5000);
        another = start_container(&spec);
        while (count("many-", c, 0) < 4)
                usleep(5000);
        assert_int_equal(count("many-", c, 0), 4);
        mayfly_container_free(c);
        mayfly_container_free(another);
        assert_int_equal(count("many-", NULL, 0), 3);
        all_is_gone("many-", descriptors);
}

/* --- specs that cannot have any --------------------------------------------------------------------------------- */

static int is_never_called(struct mayfly_container *c, void *userdata)
{
        (void) c;
        (void) userdata;
        return 1;
}

static void some_specs_are_refused(void **state)
{
        struct mayfly_pending *pending = NULL;
        struct mayfly_container *c = NULL;
        struct mayfly_tmpfs *tmpfs = NULL;

        (void) state;
        works(mayfly_tmpfs_create(&tmpfs, 0, fresh()));
#define REFUSED(words, ...) start_fails(MAYFLY_SPEC(.image = image, __VA_ARGS__), -EINVAL, words)
        REFUSED("spare is 17", .spare = ALL + 1);
        REFUSED("spare and publish with a host_port", .spare = 1,
                .publish = MAYFLY_PORTS({ .port = 7, .host_port = 7007 }));
        REFUSED("spare and a volume with a source", .spare = 1,
                .volumes = MAYFLY_VOLUMES({ .path = "/v", .source = "/tmp" }));
        REFUSED("spare and a volume with a tmpfs", .spare = 1,
                .volumes = MAYFLY_VOLUMES({ .path = "/v", .tmpfs = tmpfs }));
        REFUSED("spare and files with a source", .spare = 1,
                .files = MAYFLY_FILES({ .path = "/f", .source = "/etc/passwd" }));
        REFUSED("spare and host_ports", .spare = 1, .host_ports = MAYFLY_HOST_PORTS({ .port = 7 }));
        REFUSED("spare and MAYFLY_NETWORK_HOST", .spare = 1, .network = MAYFLY_NETWORK_HOST);
        REFUSED("spare and a wait with a callback", .spare = 1,
                .wait = MAYFLY_WAIT(MAYFLY_WAIT_ANY(MAYFLY_WAIT_CALLBACK(is_never_called))));
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, .spare = 1);
        is_error(mayfly_container_begin(&pending, spec, fresh()), -EINVAL, "only mayfly_container_start() has spares");
        is_error(mayfly_containers_start(&spec, 1, &c, fresh()), -EINVAL, "only mayfly_container_start() has spares");
        mayfly_tmpfs_free(tmpfs);
}

/* --- fork ------------------------------------------------------------------------------------------------------- */

static void a_forked_child_has_its_own(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, .name = "forked", .spare = 1, STAMPED("true"));
        struct mayfly_container *c = get_spare(spec);
        int status = 0;

        (void) state;
        pid_t child = fork();
        if (child == 0) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *own = NULL;
                int r = mayfly_container_start(&own, spec, &err);
                if (r < 0)
                        fprintf(stderr, "%s\n", err.message);
                mayfly_container_free(own);
                mayfly_spares_stop(); /* its own */
                _exit(r == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        mayfly_container_free(c);
        mayfly_container_free(get_spare(spec));
        mayfly_spares_stop();
}

static int use_some(void)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = image, .name = "crowd", .spare = 2, SH("exec sleep 1000"),
                                                     .publish = MAYFLY_PORTS({ .port = 80 }), .wait = MAYFLY_WAIT_NONE);

        for (unsigned i = 0; i < 4; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c = NULL;
                int r = mayfly_container_start(&c, spec, &err);
                if (r < 0)
                        fprintf(stderr, "%s\n", err.message);
                int is_fresh = r == 0 && sh(c, "test ! -e /tmp/x && touch /tmp/x") == 0;
                mayfly_container_free(c);
                if (!is_fresh)
                        return 1;
        }
        return 0;
}

/* As with ctest -j. They end as programs do. */
static void several_programs_have_their_own(void **state)
{
        pid_t children[3];

        (void) state;
        for (unsigned i = 0; i < 3; i++) {
                children[i] = fork();
                if (children[i] == 0)
                        exit(use_some());
        }
        for (unsigned i = 0; i < 3; i++) {
                int status = 0;
                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_int_equal(status, 0);
        }
        await_none("crowd-", NULL);
}

/* --- the fixture ------------------------------------------------------------------------------------------------ */

static int set_up(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = image, .spare = 1, STAMPED("true")));
}

/* Each of the tests that run this has another name, but one spec. */
static void uses_its_container(void **state)
{
        assert_memory_equal(mayfly_container_name(*state), "test-spare-", 11);
        assert_int_equal(sh(*state, "test ! -e /tmp/x && touch /tmp/x"), 0);
        await_some("test-spare-", *state); /* the spare of the next */
}

static int run_group(void)
{
        const struct CMUnitTest tests[] = {
                { "first", uses_its_container, set_up, mayfly_cmocka_teardown, NULL },
                { "second", uses_its_container, set_up, mayfly_cmocka_teardown, NULL },
                { "third", uses_its_container, set_up, mayfly_cmocka_teardown, NULL },
        };

        int r = cmocka_run_group_tests_name("spares of the fixture", tests, NULL, NULL);
        unsigned left = count("test-spare-", NULL, 0);
        if (left > 0)
                fprintf(stderr, "the group has ended, and %u spares are left\n", left);
        return r + (int) left;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_spare_is_like_any_other),      cmocka_unit_test(a_changed_spec_gets_its_own),
                cmocka_unit_test(a_new_snapshot_gets_its_own),    cmocka_unit_test(a_dead_spare_is_replaced),
                cmocka_unit_test(there_are_as_many_as_asked_for), cmocka_unit_test(some_specs_are_refused),
                cmocka_unit_test(a_forked_child_has_its_own),     cmocka_unit_test(several_programs_have_their_own),
        };

        image = strdup(small_image("spare", NULL, "cp '" LISTENER "' bin/listener"));
        (void) mayfly_host_check(MAYFLY_ENGINE_DEFAULT, NULL); /* a user's namespace is kept from here on */
        int r = cmocka_run_group_tests_name("spares", tests, NULL, NULL);
        r += run_group();
        /* One is left on purpose: it ends with the program. */
        mayfly_container_free(start_container(MAYFLY_SPEC(.image = image, .spare = 2, SH("exec sleep 1000"))));
        free(image);
        return r;
}
