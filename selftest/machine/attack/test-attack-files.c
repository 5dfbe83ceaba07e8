/* SPDX-License-Identifier: MIT */

/* What somebody inside a container can do to who puts and gets its files: exchange what the paths lead to, all the time, and look for the
 * process that does it. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/file.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/work.h"

#define TURNS 400

static const char *busybox;
char work[] = "/tmp/test-attack-files.XXXXXX";

#define SHELL(line) .entrypoint = (const char *const[]){ "sh", "-c", line, NULL }, .user = "0"

/* Starts an app that goes on exchanging /race, once it has written a line. */
static struct mayfly_container *start_racer(const char *line)
{
        char script[2048];

        snprintf(script, sizeof(script), "mkdir -p /d/sub%s; echo inside >/d%s/secret; echo; while :; do %s; done",
                 work, work, line);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, SHELL(script)));
        await_output(c);
        return c;
}

static void write_secret(void)
{
        FILE *f = fopen(in_work("secret"), "we");

        assert_non_null(f);
        fputs("the host's", f);
        fclose(f);
}

static void the_host_is_as_it_was(void)
{
        char text[32] = "";
        FILE *f = fopen(in_work("secret"), "re");

        assert_non_null(f);
        assert_non_null(fgets(text, sizeof(text), f));
        fclose(f);
        assert_string_equal(text, "the host's");
        assert_int_equal(access(in_work("put"), F_OK), -1);
}

/* /race is a directory, then a link to the root, then one that goes up: on the way to a path of the host. */
static void exchanged_directories_lead_nowhere_outside(void **state)
{
        struct mayfly_container *c =
                start_racer("mv /d /race; mv /race /d; ln -s / /race; rm /race; ln -s ../../../../.. /race; rm /race; "
                            "ln -s /proc/1/root /race; rm /race");
        char path[512];

        (void) state;
        write_secret();
        for (unsigned i = 0; i < TURNS; i++) {
                struct mayfly_file file = MAYFLY_FILE_INIT;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char *data = NULL;
                snprintf(path, sizeof(path), "/race%s/secret", work);
                if (mayfly_container_read_file(c, path, 0, &data, NULL, NULL) == 0) {
                        assert_string_equal(data, "inside\n");
                        free(data);
                }
                snprintf(path, sizeof(path), "/race%s/put", work);
                file.path = path;
                file.text = "put";
                (void) mayfly_container_put(c, &file, &err);
                assert_int_not_equal(err.code, -ESRCH);
                (void) mayfly_container_remove(c, path, NULL);
        }
        the_host_is_as_it_was();
        assert_int_equal(mayfly_container_exists(c, "/bin/busybox", NULL), 1);
        mayfly_container_free(c);
        unlink(in_work("secret"));
}

/* /race is a file, a FIFO, a link to a device and a directory in turn: none is waited for. */
static void exchanged_files_hold_nobody_up(void **state)
{
        struct mayfly_container *c =
                start_racer("echo file >/race; rm /race; mkfifo /race; rm /race; ln -s /dev/zero /race; rm /race; "
                            "mkdir /race; rmdir /race");

        (void) state;
        for (unsigned i = 0; i < TURNS; i++) {
                struct mayfly_file file = MAYFLY_FILE_INIT;
                char *data = NULL;
                if (mayfly_container_read_file(c, "/race", 0, &data, NULL, NULL) == 0) {
                        assert_true(!*data || strcmp(data, "file\n") == 0 || strcmp(data, "put") == 0);
                        free(data);
                }
                if (mayfly_container_get(c, "/race", in_work("got"), NULL, NULL) == 0)
                        assert_int_equal(remove(in_work("got")), 0);
                file.path = "/race";
                file.text = "put";
                (void) mayfly_container_put(c, &file, NULL);
        }
        assert_int_equal(mayfly_container_exists(c, "/bin/busybox", NULL), 1);
        mayfly_container_free(c);
}

/* Two links that are exchanged lead into each other in a tree that is got. */
static void exchanged_trees_are_got_as_they_are(void **state)
{
        struct mayfly_container *c =
                start_racer("mkdir -p /race/a; echo x >/race/a/x; mv /race/a /race/b; ln -s /etc /race/a; rm /race/a; "
                            "rm -r /race");
        struct stat st;

        (void) state;
        for (unsigned i = 0; i < TURNS; i++) {
                char line[300];
                if (mayfly_container_get(c, "/race", in_work("got"), NULL, NULL) < 0)
                        continue;
                assert_true(lstat(in_work("got/a/passwd"), &st) < 0 || lstat(in_work("got/a"), &st) < 0 ||
                            S_ISLNK(st.st_mode));
                snprintf(line, sizeof(line), "rm -r '%s'", in_work("got"));
                assert_int_equal(system(line), 0);
        }
        mayfly_container_free(c);
}

/* --- the process ---------------------------------------------------------------------------------------------- */

static int same_namespace(const char *pid, pid_t leader, const char *name)
{
        char path[PATH_MAX], one[64] = "", other[64] = "";

        snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, name);
        if (readlink(path, one, sizeof(one) - 1) < 0)
                return 0;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int) leader, name);
        return readlink(path, other, sizeof(other) - 1) > 0 && strcmp(one, other) == 0;
}

/* Finds the process, by the user namespace that it joined: it is no child of the container's PID 1. */
static int find_process(pid_t leader, char ret[32])
{
        DIR *dir = opendir("/proc");
        char path[PATH_MAX], name[32] = "";
        int found = 0;

        assert_non_null(dir);
        for (const struct dirent *entry; !found && (entry = readdir(dir));) {
                snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                FILE *f = fopen(path, "re");
                found = f && fgets(name, sizeof(name), f) && strcmp(name, "mayfly-files\n") == 0 &&
                        same_namespace(entry->d_name, leader, "user");
                if (f)
                        fclose(f);
                if (found)
                        snprintf(ret, 32, "%.31s", entry->d_name);
        }
        closedir(dir);
        return found;
}

static void the_process_is_out_of_reach(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        const pid_t leader = mayfly_container_leader(c);
        char pid[32], path[64], line[128], seen[512] = "";

        (void) state;
        assert_int_equal(mayfly_container_exists(c, "/bin/busybox", NULL), 1);
        prints_as(c, "0", "grep -l mayfly-files /proc/[0-9]*/comm", "");
        assert_true(find_process(leader, pid));
        assert_true(same_namespace(pid, leader, "mnt"));
        assert_false(same_namespace(pid, leader, "pid"));
        assert_false(same_namespace(pid, leader, "ipc"));
        assert_false(same_namespace(pid, leader, "cgroup"));
        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
                if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0)
                        strcat(seen, line);
        fclose(f);
        /* chown, dac_override, dac_read_search, fowner, fsetid, setfcap */
        assert_string_equal(seen, "CapInh:\t0000000000000000\nCapPrm:\t000000008000001f\nCapEff:\t000000008000001f\n"
                                  "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
        mayfly_container_free(c);
        while (access(path, F_OK) == 0) /* its parent has yet to take its status */
                usleep(1000);
}

/* Nor does one that was stopped hold up the container's end. */
static void a_stopped_process_is_ended(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char pid[32], path[64];

        (void) state;
        assert_int_equal(mayfly_container_exists(c, "/bin/busybox", NULL), 1);
        assert_true(find_process(mayfly_container_leader(c), pid));
        if (geteuid() == 0) /* a user may not signal it */
                assert_int_equal(kill(atoi(pid), SIGSTOP), 0);
        mayfly_container_free(c);
        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        while (access(path, F_OK) == 0)
                usleep(1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(exchanged_directories_lead_nowhere_outside),
                cmocka_unit_test(exchanged_files_hold_nobody_up),
                cmocka_unit_test(exchanged_trees_are_got_as_they_are),
                cmocka_unit_test(the_process_is_out_of_reach),
                cmocka_unit_test(a_stopped_process_is_ended),
        };

        busybox = test_image("busybox");
        return cmocka_run_group_tests(tests, make_work, remove_work);
}
