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

#include <mayfly/cmocka.h>

static const char *app(const char *name)
{
        char variable[100] = "MAYFLY_TEST_APP_";
        size_t n = strlen(variable);

        for (; *name && n + 1 < sizeof(variable); name++)
                variable[n++] = (char) (*name == '-' ? '_' : *name >= 'a' && *name <= 'z' ? *name - 32 : *name);
        variable[n] = '\0';
        const char *reference = getenv(variable);
        if (!reference) {
                fprintf(stderr, "%s is not set; run selftest/support/make-images and source its images.env\n",
                        variable);
                exit(1);
        }
        return reference;
}

static struct mayfly_container *start_spec(struct mayfly_spec spec, const char *name)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        spec.size = sizeof(spec);
        spec.image = app(name);
        if (mayfly_container_start(&c, &spec, &err) < 0)
                fail_msg("%s: %s", name, err.message);
        return c;
}

static struct mayfly_container *start(const char *name)
{
        return start_spec((struct mayfly_spec){ 0 }, name);
}

/* The start must fail, with each of the words (up to NULL) in its message. */
static void start_fails(struct mayfly_spec spec, const char *name, int code, ...)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        va_list words;
        const char *word;

        spec.size = sizeof(spec);
        spec.image = app(name);
        int r = mayfly_container_start(&c, &spec, &err);
        assert_null(c);
        if (r != code)
                fail_msg("%s: %d, not %d: %s", name, r, code, err.message);
        va_start(words, code);
        while ((word = va_arg(words, const char *)))
                if (!strstr(err.message, word))
                        fail_msg("%s: no \"%s\" in \"%s\"", name, word, err.message);
        va_end(words);
}

/* The app's output, once it has all of the text, within 5 s. */
static char *await_log(struct mayfly_container *c, const char *text)
{
        char *log = NULL;

        for (unsigned i = 0; i < 500; i++) {
                free(log);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
                if (strstr(log, text))
                        return log;
                usleep(10000);
        }
        fail_msg("no \"%s\" in \"%s\"", text, log);
        return log;
}

static void expect_log(const char *name, const char *text)
{
        struct mayfly_container *c = start(name);

        free(await_log(c, text));
        assert_null(mayfly_container_free(c));
}

/* A shell command's output. */
static void expect_output(struct mayfly_container *c, const char *line, const char *output)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        command.argv = argv;
        if (mayfly_container_run(c, &command, &result, &err) < 0)
                fail_msg("%s", err.message);
        if (strcmp(result->out, output) != 0)
                fail_msg("%s\ngave \"%s\", not \"%s\" (%s)", line, result->out, output, result->err);
        mayfly_result_free(result);
}

static void read_file(const char *folder, const char *name, char text[256])
{
        char path[300];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *f = fopen(path, "re");
        if (!f)
                fail_msg("%s: %s", path, strerror(errno));
        size_t n = fread(text, 1, 255, f);
        text[n] = '\0';
        fclose(f);
}

/* --- environment, folder, program, user */

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

static void appc_executor_2_missing_folder_is_an_error(void **state)
{
        (void) state;
        start_fails((struct mayfly_spec){ 0 }, "no-folder", -ENOENT, "working directory \"/not/there\"", NULL);
}

static void appc_executor_2_program_is_searched_in_path(void **state)
{
        (void) state;
        expect_log("path", "found /opt/bin/tool"); /* past a folder and a file without x bit of that name */
}

static void appc_executor_3_users_and_groups(void **state)
{
        (void) state;
        expect_log("owner", "1001:1002:1002 44 1234\n");
        expect_log("member", "33:44:44 7\n");
        struct mayfly_container *c = start_spec((struct mayfly_spec){ .userns = MAYFLY_USERNS_HOST }, "number");
        free(await_log(c, "4000000000:77:77\n"));
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ 0 }, "number", -EINVAL, "becoming user 4000000000", "IDs 0 to 65,535",
                    "MAYFLY_USERNS_HOST", NULL);
        start_fails((struct mayfly_spec){ 0 }, "nobody", -ENOENT, "user \"no-such-user\" is not in the image's", NULL);
        start_fails((struct mayfly_spec){ 0 }, "no-group", -ENOENT, "group \"no-such-group\" is not in", NULL);
        start_fails((struct mayfly_spec){ 0 }, "no-owner", -ENOENT, "user \"/no/such/file\": the file whose owner",
                    NULL);
}

/* --- hooks */

struct folder {
        char path[64];
};

static int make_folder(void **state)
{
        struct folder *folder = calloc(1, sizeof(*folder));

        snprintf(folder->path, sizeof(folder->path), "/var/tmp/mayfly-executor-XXXXXX");
        *state = folder;
        return mkdtemp(folder->path) ? 0 : -1;
}

static int remove_folder(void **state)
{
        struct folder *folder = *state;
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", folder->path);
        int r = system(command);
        free(folder);
        return r;
}

static void appc_executor_4_hooks_run_before_and_after(void **state)
{
        struct folder *folder = *state;
        char text[256];

        struct mayfly_container *c = start_spec(
                (struct mayfly_spec){ .volumes = MAYFLY_VOLUMES({ .name = "data", .source = folder->path }) }, "hooks");
        expect_output(c, "while ! [ -e /main ]; do sleep 0.01; done; echo up", "up\n");
        read_file(folder->path, "order", text);
        assert_string_equal(text, "pre-start\napp\n");
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        read_file(folder->path, "order", text);
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
        assert_non_null(strstr(log, "the post-stop hook \"sh\" was killed by SIGKILL, for it had not ended in time"));
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

static void write_file(const char *folder, const char *name, const char *text)
{
        char path[300];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void appc_executor_5_host_folders_and_files(void **state)
{
        struct folder *folder = *state;
        char data[128], odd[128], file[128], text[256];

        snprintf(data, sizeof(data), "%s/da ta", folder->path);
        snprintf(odd, sizeof(odd), "%s/$HOME:\\x", folder->path);
        snprintf(file, sizeof(file), "%s/one file", folder->path);
        assert_int_equal(mkdir(data, 0755) | mkdir(odd, 0755), 0);
        write_file(folder->path, "one file", "of the host");
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

static void appc_executor_5_empty_folders(void **state)
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
        assert_int_equal(ids_of(a) == ids_of(b), on_old_linux);
        assert_int_equal(st.st_uid, on_old_linux ? ids_of(a) : 0);
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
        struct folder *folder = *state;
        struct mayfly_tmpfs *tmpfs = NULL;
        char real[128], link[128], through[160], missing[128], file[128];

        snprintf(file, sizeof(file), "%s/file", folder->path);
        snprintf(real, sizeof(real), "%s/real", folder->path);
        snprintf(link, sizeof(link), "%s/link", folder->path);
        snprintf(through, sizeof(through), "%s/link/below", folder->path);
        snprintf(missing, sizeof(missing), "%s/missing", folder->path);
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
                     "a folder above it in the container");
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
        expect_output(c, "test -e /etc/hosts; echo $?", "1\n"); /* the image has none, and gets none */
        mayfly_container_free(c);
}

/* --- isolators */

static const struct mayfly_isolator *isolator(const struct mayfly_container *c, const char *name)
{
        for (const struct mayfly_isolator *const *i = mayfly_container_isolators(c); *i; i++)
                if (strcmp((*i)->name, name) == 0)
                        return *i;
        fail_msg("no isolator %s", name);
        return NULL;
}

static void outcome(const struct mayfly_container *c, const char *name, enum mayfly_isolator_outcome wanted,
                    const char *detail)
{
        const struct mayfly_isolator *i = isolator(c, name);

        if (i->outcome != wanted || (detail ? !i->detail || !strstr(i->detail, detail) : i->detail != NULL))
                fail_msg("%s: outcome %d, \"%s\"", name, (int) i->outcome, i->detail ? i->detail : "");
}

static void appc_executor_7_capabilities(void **state)
{
        (void) state;
        struct mayfly_container *c = start("path");
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n");
        assert_null(mayfly_container_isolators(c)[0]);
        mayfly_container_free(c);

        c = start("remove-capabilities"); /* the 14 without SYS_CHROOT (18) and MKNOD (27) */
        char *log = await_log(c, "CapBnd:\t00000000a00025fb\n");
        assert_non_null(strstr(log, "CapEff:\t00000000a00025fb\n"));
        free(log);
        outcome(c, "os/linux/capabilities-remove-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        /* NET_BIND_SERVICE 10, NET_ADMIN 12, IPC_LOCK 14, and they do something. */
        const char *const granted[] = { "CAP_NET_ADMIN", "CAP_IPC_LOCK", "CAP_SYS_PTRACE", NULL };
        c = start_spec((struct mayfly_spec){ .capabilities = granted }, "retain-capabilities");
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80c75fb\n");
        free(await_log(c, "changed\n"));
        log = await_log(c, "CapBnd:\t0000000000005400\n");
        assert_non_null(strstr(log, "CapPrm:\t0000000000005400\n"));
        free(log);
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        c = start("too-many-capabilities");
        free(await_log(c, "CapBnd:\t0000000000000020\n"));
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_CHANGED,
                "the spec does not grant CAP_SYS_ADMIN");
        mayfly_container_free(c);
        c = start("retain-capabilities"); /* the image asks, the spec grants */
        free(await_log(c, "CapBnd:\t0000000000000400\n"));
        outcome(c, "os/linux/capabilities-retain-set", MAYFLY_ISOLATOR_CHANGED,
                "the spec does not grant CAP_NET_ADMIN");
        mayfly_container_free(c);
        const char *const unknown[] = { "CAP_NET_ADMIM", NULL };
        start_fails((struct mayfly_spec){ .capabilities = unknown }, "path", -EINVAL, "CAP_NET_ADMIM",
                    "did you mean \"CAP_NET_ADMIN\"?", NULL);
        start_fails((struct mayfly_spec){ .capabilities = granted, .userns = MAYFLY_USERNS_HOST }, "path", -EINVAL,
                    "CAP_NET_ADMIN", "acts on the host", NULL);
        c = start_spec((struct mayfly_spec){ .network = MAYFLY_NETWORK_HOST },
                       "path"); /* no NET_RAW, NET_BIND_SERVICE */
        expect_output(c, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80401fb\n");
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ .strict_isolators = 1 }, "too-many-capabilities", -ENOTSUP,
                    "strict_isolators is set", "os/linux/capabilities-retain-set",
                    "is changed: the spec does not grant CAP_SYS_ADMIN", NULL);
}

static void appc_executor_7_system_calls(void **state)
{
        (void) state;
        struct mayfly_container *c = start("remove-syscalls");
        char *log = await_log(c, "NoNewPrivs:\t0\n"); /* setuid programs go on to work */
        assert_non_null(strstr(log, "not supported\nmkdir 1\nchmod 0\n"));
        assert_non_null(strstr(log, "CapPrm:\t00000000a80425fb\n")); /* what loaded the filter is gone */
        free(log);
        outcome(c, "os/linux/seccomp-remove-set", MAYFLY_ISOLATOR_CHANGED, "no_such_call is no system call");
        expect_output(c, "mkdir /x; echo $?", "0\n"); /* commands are not the app */
        mayfly_container_free(c);

        c = start("fatal-syscalls"); /* mkdir is killed, the shell goes on */
        free(await_log(c, "before\nBad system call\nmkdir 159\n"));
        outcome(c, "os/linux/seccomp-remove-set", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        c = start_spec((struct mayfly_spec){ 0 }, "retain-syscalls");
        assert_int_equal(mayfly_container_wait(c, 5000, &end, NULL), 0);
        assert_true(end.exited);
        free(await_log(c, "hello from 1 argument"));
        outcome(c, "os/linux/seccomp-retain-set", MAYFLY_ISOLATOR_CHANGED, "stays blocked");
        mayfly_container_free(c);
        c = start("too-few-syscalls");
        assert_int_equal(mayfly_container_wait(c, 5000, &end, NULL), 0);
        assert_int_equal(end.signal, SIGSYS);
        mayfly_container_free(c);

        expect_log("all-syscalls", "mkdir 0\n");
}

static int has_capability(unsigned number)
{
        unsigned long long bits = 0;
        char line[200];
        FILE *f = fopen("/proc/self/status", "re");

        assert_non_null(f);
        while (fgets(line, sizeof(line), f) && sscanf(line, "CapBnd: %llx", &bits) != 1)
                ;
        fclose(f);
        return (int) (bits >> number & 1);
}

static void appc_executor_7_no_new_privileges_and_oom_score(void **state)
{
        (void) state;
        struct mayfly_container *c = start("no-new-privileges");
        char *log = await_log(c, "NoNewPrivs:\t1\n321\n");
        assert_non_null(strstr(log, "Permission denied\nmkdir 1\n"));
        free(log);
        outcome(c, "os/linux/no-new-privileges", MAYFLY_ISOLATOR_ENFORCED, NULL);
        mayfly_container_free(c);

        c = start("low-oom-score");
        if (isolator(c, "os/linux/oom-score-adj")->outcome == MAYFLY_ISOLATOR_IGNORED) {
                outcome(c, "os/linux/oom-score-adj", MAYFLY_ISOLATOR_IGNORED, "no CAP_SYS_RESOURCE");
                assert_false(has_capability(24));
                free(await_log(c, "hook 0\n0\nCapBnd:\t00000000a80425fb\n"));
        } else {
                assert_true(has_capability(24));
                free(await_log(c, "hook -500\n-500\nCapBnd:\t00000000a80425fb\n"));
        }
        expect_output(c, "echo -800 2>/dev/null > /proc/self/oom_score_adj || echo refused", "refused\n");
        mayfly_container_free(c);
}

/* Enforced, or told to be ignored and why: which one depends on the host's controllers. */
static void appc_executor_7_resources(void **state)
{
        static const struct {
                const char *isolator, *file, *value;
        } cases[] = {
                { "resource/memory", "memory.max", "134217728\n" },
                { "resource/cpu", "cpu.max", "50000 100000\n" },
                { "os/linux/cpu-shares", "cpu.weight", "50\n" },
        };
        struct mayfly_container *c = start("resources");

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char path[400] = "/sys/fs/cgroup", line[300], value[64] = "";
                snprintf(line, sizeof(line), "/proc/%d/cgroup", (int) mayfly_container_leader(c));
                FILE *f = fopen(line, "re");
                assert_non_null(f);
                while (fgets(line, sizeof(line), f))
                        if (strncmp(line, "0::", 3) == 0)
                                snprintf(path, sizeof(path), "/sys/fs/cgroup%s", line + 3);
                fclose(f);
                path[strcspn(path, "\n")] = '\0';
                /* nspawn puts its payload one or two below. */
                for (unsigned up = 0; up < 3 && strlen(path) > 15 && !*value; up++) {
                        char file[500];
                        snprintf(file, sizeof(file), "%s/%s", path, cases[i].file);
                        f = fopen(file, "re");
                        if (f) {
                                if (!fgets(value, sizeof(value), f) || strcmp(value, cases[i].value) != 0)
                                        *value = '\0';
                                fclose(f);
                        }
                        *strrchr(path, '/') = '\0';
                }
                if (*value)
                        assert_int_equal(isolator(c, cases[i].isolator)->outcome, MAYFLY_ISOLATOR_ENFORCED);
                else if (isolator(c, cases[i].isolator)->outcome == MAYFLY_ISOLATOR_IGNORED)
                        assert_non_null(strstr(isolator(c, cases[i].isolator)->detail, "controller"));
        }
        mayfly_container_free(c);
}

static void appc_executor_7_what_is_ignored_is_told(void **state)
{
        struct mayfly_container *c = start("unknown-isolators");

        (void) state;
        outcome(c, "example.com/magic", MAYFLY_ISOLATOR_IGNORED, "does not know it");
        outcome(c, "os/linux/no-new-privileges", MAYFLY_ISOLATOR_ENFORCED, NULL);
        outcome(c, "resource/network-bandwidth", MAYFLY_ISOLATOR_IGNORED, "shapes no traffic");
        outcome(c, "os/linux/selinux-context", MAYFLY_ISOLATOR_IGNORED, "labels nothing");
        outcome(c, "os/unix/sysctl", MAYFLY_ISOLATOR_IGNORED, "read-only");
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ .strict_isolators = 1 }, "unknown-isolators", -ENOTSUP, "example.com/magic",
                    "ignored: mayfly does not know it", NULL);
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
        /* Bound in the container's own network, where no other container is in the way. */
        struct mayfly_container *other = start("sockets");
        expect_output(c, "netstat -ltun | awk '/:80 |:5300 |:5301 /{print $1, $4}' | sort",
                      "tcp :::80\nudp :::5300\nudp :::5301\n");
        mayfly_container_free(other);
        mayfly_container_free(c);
        start_fails((struct mayfly_spec){ 0 }, "sctp", -EPROTONOSUPPORT, "the port \"odd\"", "\"sctp\"", NULL);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_executor_1_environment_of_app_and_hooks),
                cmocka_unit_test(appc_executor_2_missing_folder_is_an_error),
                cmocka_unit_test(appc_executor_2_program_is_searched_in_path),
                cmocka_unit_test(appc_executor_3_users_and_groups),
                WITH_FOLDER(appc_executor_4_hooks_run_before_and_after),
                cmocka_unit_test(appc_executor_4_failing_pre_start_fails_the_start),
                cmocka_unit_test(appc_executor_4_post_stop_has_its_time),
                cmocka_unit_test(appc_executor_4_failing_post_stop_is_logged),
                WITH_FOLDER(appc_executor_5_host_folders_and_files),
                cmocka_unit_test(appc_executor_5_empty_folders),
                cmocka_unit_test(appc_executor_5_containers_share_a_tmpfs),
                cmocka_unit_test(appc_executor_5_a_tmpfs_has_its_owner),
                cmocka_unit_test(appc_executor_5_several_tmpfs_have_the_same_ids),
                WITH_FOLDER(appc_executor_5_bad_volumes_are_errors),
                cmocka_unit_test(appc_executor_6_special_files),
                cmocka_unit_test(appc_executor_7_capabilities),
                cmocka_unit_test(appc_executor_7_system_calls),
                cmocka_unit_test(appc_executor_7_no_new_privileges_and_oom_score),
                cmocka_unit_test(appc_executor_7_resources),
                cmocka_unit_test(appc_executor_7_what_is_ignored_is_told),
                cmocka_unit_test(appc_executor_8_ports_have_names),
                cmocka_unit_test(appc_executor_8_sockets_are_handed_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
