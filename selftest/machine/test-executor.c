/* SPDX-License-Identifier: MIT */

/* What an executor owes an app: the rules of appc ("Executor"), each with the number in its test's name; the apps are
 * those of machine/apps. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
static void read_file(const char *directory, const char *name, char text[256])
{
        char path[300];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "re");
        if (!f)
                fail_msg("%s: %s", path, strerror(errno));
        size_t n = fread(text, 1, 255, f);
        text[n] = '\0';
        fclose(f);
}
/* --- environment, directory, program, user */

static void appc_executor_1_environment_of_app_and_hooks(void **state)
{
        struct mayfly_container *c =
                start_spec((struct mayfly_spec){ .metadata_url = "http://127.0.0.1:1/token" }, "environment");
        char *log = await_log(c, "own=a b$c $OWN"); /* nothing is substituted */

        (void) state;
        assert_non_null(strstr(log, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin cwd=/var/work "
                                    "name=app-environment url=http://127.0.0.1:1/token own=a b$c"));
        assert_non_null(strstr(log, "hook PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
                                    "cwd=/var/work name=app-environment own=a b$c"));
        assert_true(strstr(log, "hook PATH") < strstr(log, "url="));
        free(log);
        expect_output(c, "echo $AC_APP_NAME $AC_METADATA_URL $container",
                      "app-environment http://127.0.0.1:1/token systemd-nspawn\n");
        mayfly_container_free(c);
}

static void appc_executor_2_missing_directory_is_an_error(void **state)
{
        (void) state;
        start_fails((struct mayfly_spec){ 0 }, "no-directory", -ENOENT, "working directory \"/not/there\"", NULL);
}

static void appc_executor_2_program_is_searched_in_path(void **state)
{
        (void) state;
        expect_log("path", "found /opt/bin/tool"); /* past a directory and a file without x bit of that name */
}

static void appc_executor_3_users_and_groups(void **state)
{
        (void) state;
        expect_log("owner", "1001:1002:1002 44 1234\n");
        expect_log("member", "33:44:44 7\n");
        if (geteuid() == 0) { /* others have no container with all IDs */
                struct mayfly_container *c = start_spec((struct mayfly_spec){ .userns = MAYFLY_USERNS_HOST }, "number");
                free(await_log(c, "4000000000:77:77\n"));
                mayfly_container_free(c);
        }
        start_fails((struct mayfly_spec){ 0 }, "number", -EINVAL, "becoming user 4000000000",
                    "the container has no ID 4000000000: set userns_ids", NULL);
        start_fails((struct mayfly_spec){ 0 }, "nobody", -ENOENT, "user \"no-such-user\" is not in the image's", NULL);
        start_fails((struct mayfly_spec){ 0 }, "no-group", -ENOENT, "group \"no-such-group\" is not in", NULL);
        start_fails((struct mayfly_spec){ 0 }, "no-owner", -ENOENT, "user \"/no/such/file\": the file whose owner",
                    NULL);
}

/* --- hooks */

struct directory {
        char path[64];
};

static int make_directory(void **state)
{
        struct directory *directory = calloc(1, sizeof(*directory));

        snprintf(directory->path, sizeof(directory->path), "/var/tmp/mayfly-executor-XXXXXX");
        *state = directory;
        return mkdtemp(directory->path) ? 0 : -1;
}

static int remove_directory(void **state)
{
        struct directory *directory = *state;
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", directory->path);
        int r = system(command);
        free(directory);
        return r;
}

static void appc_executor_4_hooks_run_before_and_after(void **state)
{
        struct directory *directory = *state;
        char text[256];

        struct mayfly_container *c = start_spec(
                (struct mayfly_spec){ .volumes = MAYFLY_VOLUMES({ .name = "data", .source = directory->path }) },
                "hooks");
        expect_output(c, "while ! [ -e /main ]; do sleep 0.01; done; echo up", "up\n");
        read_file(directory->path, "order", text);
        assert_string_equal(text, "pre-start\napp\n");
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        read_file(directory->path, "order", text);
        assert_string_equal(text, "pre-start\napp\npost-stop value\n");
        mayfly_container_free(c);
}

static void appc_executor_4_failing_pre_start_fails_the_start(void **state)
{
        (void) state;
        start_fails((struct mayfly_spec){ 0 }, "bad-hook", -ESRCH, "could not be started",
                    "its pre-start hook \"sh\" exited with status 3", "  | no database", NULL);
        start_fails((struct mayfly_spec){ 0 }, "no-hook", -ENOENT,
                    "its pre-start hook: \"no-such-program\": not found in the container's PATH", NULL);
        start_fails((struct mayfly_spec){ .start_timeout_ms = 500 }, "slow-hook", -ETIMEDOUT,
                    "the pre-start hook of container", "still runs after start_timeout_ms = 500",
                    "  | waiting for ever", NULL);
}

static void appc_executor_4_post_stop_has_its_time(void **state)
{
        struct mayfly_container *c = start_spec((struct mayfly_spec){ .stop_timeout_ms = 300 }, "endless-post-stop");
        char *log = NULL;

        (void) state;
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_non_null(strstr(log, "still here"));
        assert_non_null(
                strstr(log, "the post-stop hook \"sh\" was killed by SIGKILL, because it had not ended in time"));
        free(log);
        mayfly_container_free(c);
}

static void appc_executor_4_failing_post_stop_is_logged(void **state)
{
        struct mayfly_container *c = start_spec((struct mayfly_spec){ 0 }, "bad-post-stop");
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        (void) state;
        assert_int_equal(mayfly_container_wait(c, 5000, &end, NULL), 0);
        assert_true(end.exited && end.status == 0); /* the app's end, not the hook's */
        char *log = await_log(c, "the post-stop hook \"sh\" exited with status 4");
        assert_non_null(strstr(log, "cannot clean"));
        free(log);
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        mayfly_container_free(c);
}

/* --- volumes */

static void write_file(const char *directory, const char *name, const char *text)
{
        char path[300];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void appc_executor_5_host_directories_and_files(void **state)
{
        struct directory *directory = *state;
        char data[128], odd[128], file[128], text[256];

        snprintf(data, sizeof(data), "%s/da ta", directory->path);
        snprintf(odd, sizeof(odd), "%s/$HOME:\\x", directory->path);
        snprintf(file, sizeof(file), "%s/one file", directory->path);
        assert_int_equal(mkdir(data, 0755) | mkdir(odd, 0755), 0);
        write_file(directory->path, "one file", "of the host");
        write_file(data, "there", "yes");

        struct mayfly_container *c = start_spec(
                (struct mayfly_spec){ .volumes = MAYFLY_VOLUMES(
                                              { .name = "data", .source = data }, { .name = "config", .source = odd },
                                              { .path = "/opt/link/a:b \\$c/d", .source = data, .read_only = 1 },
                                              { .path = "/srv/new/file", .source = file }) },
                "mounts");
        expect_output(c, "cat /data/there /srv/new/file; echo out > /data/out; stat -c %a:%u:%g /srv /srv/new",
                      "yesof the host755:0:0\n755:0:0\n");
        read_file(data, "out", text);
        assert_string_equal(text, "out\n");
        /* A mount point's readOnly, and a volume's. */
        expect_output(c, "touch /etc/thing/x 2>&1", "touch: /etc/thing/x: Read-only file system\n");
        expect_output(c, "cat '/opt/bin/a:b \\$c/d/out'; touch '/opt/bin/a:b \\$c/d/x' 2>/dev/null; echo $?",
                      "out\n1\n");
        mayfly_container_free(c);
        assert_int_not_equal(access("/opt/bin/a:b \\$c", F_OK), 0); /* nothing is made on the host */
}

static void appc_executor_5_empty_directories(void **state)
{
        (void) state;
        /* What the spec asks for; without a word, mode and owner of what is covered; over a file; read-only. */
        struct mayfly_container *c = start_spec(
                (struct mayfly_spec){ .volumes = MAYFLY_VOLUMES({ .name = "data", .mode = 01770, .uid = 33, .gid = 44 },
                                                                { .path = "/opt/dangling" }) },
                "mounts");
        expect_output(c, "stat -c %a:%u:%g /data /opt/owned /opt/file /etc/thing /opt/dangling",
                      "1770:33:44\n2750:1001:1002\n755:0:0\n755:0:0\n755:0:0\n");
        expect_output(c, "ls -A /data /opt/owned /opt/dangling | grep -v :$; echo x > /data/x && cat /data/x",
                      "\n\nx\n");
        expect_output(c, "test -d /opt/file; echo $?; touch /etc/thing/x 2>/dev/null; echo $?", "0\n1\n");
        expect_output(c, "grep -c ' /data ' /proc/self/mountinfo", "1\n");
        mayfly_container_free(c);
        /* Each start has a clean copy. */
        c = start("mounts");
        expect_output(c, "ls -A /data; cat /opt/file/x 2>/dev/null; echo", "\n");
        mayfly_container_free(c);
}

/* On Linux before 6.3, which cannot show a tmpfs with other IDs, or on this one. The other is simulated by personality(2),
 * which is the thread's. */
static struct mayfly_tmpfs *create_tmpfs(uint64_t max_size, int on_old_linux)
{
        struct mayfly_tmpfs *tmpfs = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int before = personality(0xffffffff);

        if (on_old_linux)
                assert_true(personality((unsigned long) before | UNAME26) >= 0);
        int r = mayfly_tmpfs_create(&tmpfs, max_size, &err);
        assert_true(personality((unsigned long) before) >= 0);
        if (r < 0)
                fail_msg("%s", err.message);
        return tmpfs;
}

static uint32_t ids_of(struct mayfly_container *c)
{
        char path[64];
        unsigned base = 0;

        snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) mayfly_container_leader(c));
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*u %u", &base), 1);
        fclose(f);
        return base;
}

static void share_a_tmpfs(int on_old_linux)
{
        /* All containers of an ordinary user have the same IDs. */
        const int have_same_ids = on_old_linux || geteuid() != 0;
        struct mayfly_tmpfs *tmpfs = create_tmpfs(1 << 20, on_old_linux);
        struct stat st;

        const struct mayfly_volume *shared = MAYFLY_VOLUMES({ .name = "data", .tmpfs = tmpfs });
        const struct mayfly_volume *seen = MAYFLY_VOLUMES({ .path = "/seen", .tmpfs = tmpfs, .read_only = 1 },
                                                          { .path = "/again", .tmpfs = tmpfs });
        struct mayfly_container *a = start_spec((struct mayfly_spec){ .volumes = shared }, "mounts");
        struct mayfly_container *b = start_spec((struct mayfly_spec){ .volumes = seen }, "mounts");
        expect_output(a, "echo from a > /data/a; df -k /data | awk 'END{print $2}'", "1024\n");
        expect_output(b, "cat /seen/a; touch /seen/b 2>/dev/null; echo $?; echo from b > /again/b", "from a\n1\n");
        expect_output(a, "cat /data/b; stat -c %u:%g /data /data/b", "from b\n0:0\n0:0\n");
        assert_int_equal(fstatat(mayfly_tmpfs_fd(tmpfs), "a", &st, 0), 0); /* for the test, too */
        assert_int_equal(st.st_size, 7);
        assert_int_equal(ids_of(a) == ids_of(b), have_same_ids);
        assert_int_equal(st.st_uid, have_same_ids ? ids_of(a) : 0);
        /* It is as long as anybody has it. */
        mayfly_container_free(a);
        assert_null(mayfly_tmpfs_free(tmpfs));
        expect_output(b, "cat /again/a /again/b", "from a\nfrom b\n");
        mayfly_container_free(b);
}

static void appc_executor_5_containers_share_a_tmpfs(void **state)
{
        (void) state;
        share_a_tmpfs(0);
        share_a_tmpfs(1);
}

static void own_a_tmpfs(int on_old_linux)
{
        struct mayfly_tmpfs *tmpfs = create_tmpfs(0, on_old_linux);
        struct stat st;

        const struct mayfly_volume *owned =
                MAYFLY_VOLUMES({ .name = "data", .tmpfs = tmpfs, .mode = 01770, .uid = 33, .gid = 44 });
        const struct mayfly_volume *seen = MAYFLY_VOLUMES({ .path = "/seen", .tmpfs = tmpfs });
        struct mayfly_container *c = start_spec((struct mayfly_spec){ .volumes = owned }, "mounts");
        expect_output(c, "stat -c %a:%u:%g /data", "1770:33:44\n");
        mayfly_container_free(c);
        c = start_spec((struct mayfly_spec){ .volumes = seen }, "mounts"); /* which asks for nothing */
        expect_output(c, "stat -c %a:%u:%g /seen", "1770:33:44\n");
        mayfly_container_free(c);
        assert_int_equal(fstat(mayfly_tmpfs_fd(tmpfs), &st), 0);
        assert_int_equal(st.st_mode & 07777, 01770);
        mayfly_tmpfs_free(tmpfs);
}

static void appc_executor_5_a_tmpfs_has_its_owner(void **state)
{
        (void) state;
        own_a_tmpfs(0);
        own_a_tmpfs(1);
}

/* Two that were made on an old Linux go into one container: the program has one range for all of them. */
static void appc_executor_5_several_tmpfs_have_the_same_ids(void **state)
{
        struct mayfly_tmpfs *one = create_tmpfs(0, 1), *other = create_tmpfs(0, 1);

        (void) state;
        struct mayfly_container *c =
                start_spec((struct mayfly_spec){ .volumes = MAYFLY_VOLUMES({ .path = "/one", .tmpfs = one },
                                                                           { .path = "/other", .tmpfs = other }) },
                           "mounts");
        expect_output(c, "touch /one/a /other/b && stat -c %u /one/a /other/b", "0\n0\n");
        mayfly_container_free(c);
        mayfly_tmpfs_free(one);
        mayfly_tmpfs_free(other);
}

static void volumes_fail(const struct mayfly_volume *volumes, const char *name, int code, const char *word)
{
        start_fails((struct mayfly_spec){ .volumes = volumes }, name, code, word, NULL);
}

static void appc_executor_5_bad_volumes_are_errors(void **state)
{
        struct directory *directory = *state;
        struct mayfly_tmpfs *tmpfs = NULL;
        char real[128], link[128], through[160], missing[128], file[128];

        snprintf(file, sizeof(file), "%s/file", directory->path);
        snprintf(real, sizeof(real), "%s/real", directory->path);
        snprintf(link, sizeof(link), "%s/link", directory->path);
        snprintf(through, sizeof(through), "%s/link/below", directory->path);
        snprintf(missing, sizeof(missing), "%s/missing", directory->path);
        assert_int_equal(mkdir(real, 0755) | symlink(real, link), 0);
        char below[160];
        snprintf(below, sizeof(below), "%s/below", real);
        assert_int_equal(mkdir(below, 0755), 0);
        assert_int_equal(mknod(file, S_IFREG | 0644, 0), 0);
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 0, NULL), 0);

        volumes_fail(MAYFLY_VOLUMES({ .name = "data", .source = missing }), "mounts", -ENOENT,
                     "/missing\" of the volume for /data cannot be opened: No such file or directory; create it first");
        volumes_fail(MAYFLY_VOLUMES({ .name = "data", .source = link }), "mounts", -ELOOP,
                     "/link\" of the volume for /data is, or leads through, a");
        volumes_fail(MAYFLY_VOLUMES({ .name = "data", .source = through }), "mounts", -ELOOP,
                     "/link/below\" of the volume for /data is, or leads");
        volumes_fail(MAYFLY_VOLUMES({ .name = "data", .source = "here" }), "mounts", -EINVAL,
                     "\"here\"; give an absolute");
        volumes_fail(MAYFLY_VOLUMES({ .name = "dada" }), "mounts", -ENOENT,
                     "\"dada\", but image example.com/app-mounts has only");
        volumes_fail(MAYFLY_VOLUMES({ .name = "dada" }), "path", -ENOENT, "has none; give the volume a path");
        volumes_fail(MAYFLY_VOLUMES({ .name = "data", .path = "/x" }), "mounts", -EINVAL,
                     "both the name \"data\" and the path");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/x", .source = real, .tmpfs = tmpfs }), "path", -EINVAL, "and a tmpfs");
        volumes_fail(MAYFLY_VOLUMES({ .path = "x" }), "path", -EINVAL, "is \"x\"; give an absolute path");
        volumes_fail(MAYFLY_VOLUMES({ .path = "//" }), "path", -EINVAL, "the container's root");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/a/../b" }), "path", -EINVAL, "without \".\" and \"..\"");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/proc/x" }), "path", -EINVAL, "/proc belongs to the container itself");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/a" }, { .path = "/a/" }), "path", -EINVAL, "overlaps \"/a\"");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/a/b/c" }, { .path = "/a/b" }), "path", -EINVAL, "overlaps \"/a/b/c\"");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/data/x" }), "mounts", -EINVAL, "overlaps \"/data/x\"");
        volumes_fail(NULL, "overlapping", -EINVAL,
                     "mount point \"inner\" is \"/data/inner\", which overlaps \"/data\"");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/bin/busybox/x" }), "path", -ESRCH,
                     "a directory above it in the container");
        volumes_fail(MAYFLY_VOLUMES({ .path = "/etc", .source = file }), "path", -ESRCH, "cannot be removed");
        assert_int_equal(mayfly_tmpfs_create(NULL, 0, NULL), -EINVAL);
        mayfly_tmpfs_free(tmpfs);

        struct mayfly_volume many[12] = { MAYFLY_VOLUME_INIT };
        char paths[10][16];
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 0, NULL), 0);
        for (size_t i = 0; i < 10; i++) {
                snprintf(paths[i], sizeof(paths[i]), "/v%zu", i);
                many[i + 1] = (struct mayfly_volume){ .path = paths[i], .tmpfs = tmpfs };
        }
        volumes_fail(many, "path", -E2BIG, "more than 8 volumes with a tmpfs");
        mayfly_tmpfs_free(tmpfs);
}

/* --- the file system */

static void appc_executor_6_special_files(void **state)
{
        struct mayfly_container *c = start("mounts");

        (void) state;
        expect_output(c, "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done", "");
        expect_output(c, "for d in ptmx console; do test -c /dev/$d || echo $d; done; test -d /dev/pts || echo pts",
                      "");
        expect_output(c, "awk '$5 ~ \"^/(proc|sys|dev/shm|dev/pts)$\" {print $5}' /proc/self/mountinfo | sort -u",
                      "/dev/pts\n/dev/shm\n/proc\n/sys\n");
        expect_output(c, "ls -n /etc/hosts | cut -c1-10", "-rw-r--r--\n"); /* the image has none, and gets one */
        mayfly_container_free(c);
}

/* --- ports */

static void appc_executor_8_ports_have_names(void **state)
{
        struct mayfly_container *c = start("ports");
        struct mayfly_port port = MAYFLY_PORT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mayfly_container_port(c, "dns", &port, &err), 0);
        assert_string_equal(port.name, "dns");
        assert_string_equal(port.protocol, "udp");
        assert_int_equal(port.port, 5300);
        assert_int_equal(port.count, 3);
        assert_int_equal(port.socket_activated, 0);
        assert_int_equal(mayfly_container_port(c, "wed", &port, &err), -ENOENT);
        assert_non_null(strstr(err.message, "no port \"wed\"; it has only these: web, dns"));
        mayfly_container_free(c);
}

static void appc_executor_8_sockets_are_handed_over(void **state)
{
        struct mayfly_container *c = start("sockets");
        char *log = await_log(c, "LISTEN_FDNAMES=web:dns:dns\n");
        int pid, listen_pid, n;

        (void) state;
        assert_non_null(strstr(log, "hook LISTEN_FDS=\n")); /* the app's alone */
        assert_int_equal(sscanf(strstr(log, "pid="), "pid=%d LISTEN_PID=%d LISTEN_FDS=%d", &pid, &listen_pid, &n), 3);
        assert_int_equal(pid, listen_pid);
        assert_int_equal(n, 3);
        free(log);
        /* Bound in the container's own network, where no other container is in the way. The kernel lists a socket twice when others
         * are opened meanwhile. */
        struct mayfly_container *other = start("sockets");
        expect_output(c, "netstat -ltun | awk '/:80 |:5300 |:5301 /{print $1, $4}' | sort -u",
                      "tcp :::80\nudp :::5300\nudp :::5301\n");
        mayfly_container_free(other);
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ 0 }, "sctp", -EPROTONOSUPPORT, "the port \"odd\"", "\"sctp\"", NULL);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_executor_1_environment_of_app_and_hooks),
                cmocka_unit_test(appc_executor_2_missing_directory_is_an_error),
                cmocka_unit_test(appc_executor_2_program_is_searched_in_path),
                cmocka_unit_test(appc_executor_3_users_and_groups),
                WITH_DIRECTORY(appc_executor_4_hooks_run_before_and_after),
                cmocka_unit_test(appc_executor_4_failing_pre_start_fails_the_start),
                cmocka_unit_test(appc_executor_4_post_stop_has_its_time),
                cmocka_unit_test(appc_executor_4_failing_post_stop_is_logged),
                WITH_DIRECTORY(appc_executor_5_host_directories_and_files),
                cmocka_unit_test(appc_executor_5_empty_directories),
                cmocka_unit_test(appc_executor_5_containers_share_a_tmpfs),
                cmocka_unit_test(appc_executor_5_a_tmpfs_has_its_owner),
                cmocka_unit_test(appc_executor_5_several_tmpfs_have_the_same_ids),
                WITH_DIRECTORY(appc_executor_5_bad_volumes_are_errors),
                cmocka_unit_test(appc_executor_6_special_files),
                cmocka_unit_test(appc_executor_8_ports_have_names),
                cmocka_unit_test(appc_executor_8_sockets_are_handed_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
