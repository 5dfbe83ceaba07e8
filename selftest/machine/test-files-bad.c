/* SPDX-License-Identifier: MIT */

/* Files of a container: what cannot be done, each with one error, and with nothing left in the container or outside of it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/file.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/work.h"

static const char *busybox;
char work[] = "/dev/shm/test-files-bad.XXXXXX";

#define PUT(...) (&(const struct mayfly_file){ .size = sizeof(struct mayfly_file), __VA_ARGS__ })

#define SHELL(line) .entrypoint = (const char *const[]){ "sh", "-c", line, NULL }, .user = "0"

static void fails(int r, int code, const struct mayfly_error *err, const char *words)
{
        if (r != code || err->code != code || !strstr(err->message, words))
                fail_msg("it returned %d, not %d, or there is no \"%s\" in \"%s\"", r, code, words, err->message);
}

/* The function of mayfly must fail with this code and a message that has these words. */
#define FAILS(code, words, function, ...)                                                             \
        do {                                                                                          \
                struct mayfly_error fails_err = MAYFLY_ERROR_INIT;                                    \
                fails(mayfly_container_##function(__VA_ARGS__, &fails_err), code, &fails_err, words); \
        } while (0)

static void get_fails(struct mayfly_container *c, const char *path, int code, const char *words)
{
        char target[128];
        struct stat st;

        snprintf(target, sizeof(target), "%s/target", work);
        FAILS(code, words, get, c, path, target, NULL);
        assert_int_equal(lstat(target, &st), -1);
}

/* Nothing may be left of what was begun. */
static void nothing_is_left(struct mayfly_container *c)
{
        prints_as(c, "0", "find / -xdev -name '.mayfly-*'", "");
        on_host("test -z \"$(ls -A)\"");
}

/* --- paths ---------------------------------------------------------------------------------------------------- */

static void wrong_paths_are_named(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        static const struct {
                const char *path;
                const char *words;
        } wrong[] = { { "", "the path \"\" is not absolute" },
                      { "relative", "the path \"relative\" is not absolute" },
                      { "/a/../b", "has \"..\"" },
                      { "/..", "has \"..\"" },
                      { "/a/b/..", "has \"..\"" } };
        char longest[PATH_MAX + 1], name[300];
        char *data = NULL;

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                FAILS(-EINVAL, wrong[i].words, put, c, PUT(.path = wrong[i].path, .text = "x"));
                FAILS(-EINVAL, wrong[i].words, read_file, c, wrong[i].path, 0, &data, NULL);
                FAILS(-EINVAL, wrong[i].words, remove, c, wrong[i].path);
                FAILS(-EINVAL, wrong[i].words, exists, c, wrong[i].path);
                get_fails(c, wrong[i].path, -EINVAL, wrong[i].words);
        }
        memset(longest, 'a', PATH_MAX);
        longest[0] = '/';
        longest[PATH_MAX] = '\0';
        FAILS(-ENAMETOOLONG, "has 4096 bytes; it can have 4095", put, c, PUT(.path = longest, .text = "x"));
        memset(name, 'a', sizeof(name));
        name[0] = '/';
        name[sizeof(name) - 1] = '\0';
        FAILS(-ENAMETOOLONG, "File name too long", put, c, PUT(.path = name, .text = "x"));
        FAILS(-ENAMETOOLONG, "File name too long", stat, c, name, &(struct mayfly_file_info *){ NULL });
        FAILS(-ENOENT, "/none in the container cannot be opened: No such file", read_file, c, "/none", 0, &data, NULL);
        FAILS(-ENOENT, "/none in the container cannot be removed: No such file", remove, c, "/none");
        FAILS(-ENOENT, "/none in the container cannot be listed", list, c, "/none",
              &(struct mayfly_file_info **){ NULL });
        FAILS(-ENOENT, "/none", chmod, c, "/none", 0644);
        FAILS(-ENOENT, "/none", chown, c, "/none", 0, 0);
        FAILS(-ENOTDIR, "/etc/passwd in the container cannot be listed", list, c, "/etc/passwd",
              &(struct mayfly_file_info **){ NULL });
        FAILS(-ENOTDIR, "/etc/passwd in the container", mkdir, c, "/etc/passwd/below", 0755);
        FAILS(-EBUSY, "/ in the container cannot be", remove, c, "/");
        FAILS(-EINVAL, "/. in the container cannot be made, replaced or removed: its last part is \".\"", remove, c,
              "/.");
        FAILS(-EINVAL, "/etc/.// in the container cannot be", remove, c, "/etc/.//");
        FAILS(-EINVAL, "/none/. in the container cannot be", put, c, PUT(.path = "/none/.", .text = "x"));
        prints_as(c, "0", "test -s /etc/passwd && echo whole; ls -d /none 2>/dev/null", "whole\n");
        nothing_is_left(c);
        mayfly_container_free(c);
}

static void wrong_files_are_named(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        FAILS(-EINVAL, "none of text, data and source", put, c, PUT(.path = "/x"));
        FAILS(-EINVAL, "more than one of text, data and source", put, c, PUT(.path = "/x", .text = "", .data = ""));
        FAILS(-EINVAL, "data_size without data", put, c, PUT(.path = "/x", .text = "", .data_size = 1));
        FAILS(-EINVAL, "has mode 0100644", put, c, PUT(.path = "/x", .text = "", .mode = S_IFREG | 0644));
        FAILS(-EINVAL, "whose files keep their own", put, c, PUT(.path = "/x", .source = work, .mode = 0600));
        FAILS(-ENOENT, "the source /nonexistent for /x: No such file", put, c,
              PUT(.path = "/x", .source = "/nonexistent"));
        FAILS(-EINVAL, "/dev/zero is a device", put, c, PUT(.path = "/x", .source = "/dev/zero"));
        on_host("mkfifo fifo; mkdir dir; ln -s /dev/zero link");
        FAILS(-EINVAL, "/fifo is a FIFO", put, c, PUT(.path = "/x", .source = in_work("fifo")));
        FAILS(-EINVAL, "/link is a device", put, c, PUT(.path = "/x", .source = in_work("link")));
        FAILS(-EINVAL, "/proc is made up by the kernel", put, c, PUT(.path = "/x", .source = "/proc"));
        on_host("rm -r fifo dir link");
        assert_int_equal(mayfly_container_exists(c, "/x", NULL), 0);
        nothing_is_left(c);
        mayfly_container_free(c);
}

/* --- out of the container ------------------------------------------------------------------------------------- */

static void links_lead_nowhere_outside(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char *data = NULL;

        (void) state;
        on_host("echo the host >secret");
        assert_int_equal(
                sh(c, "ln -s /etc abs; ln -s ../../../../../../etc rel; mkdir -p d/e; ln -s ../../../../../.. d/e/up"),
                0);
        FAILS(-ENOENT, "cannot be opened", read_file, c, in_work("secret"), 0, &data, NULL);
        assert_int_equal(sh(c, "ln -s / d/root"), 0);
        char through[300];
        snprintf(through, sizeof(through), "/d/e/up%s", in_work("secret"));
        FAILS(-ENOENT, "cannot be opened", read_file, c, through, 0, &data, NULL);
        static const char *const paths[] = { "/abs/put-by-test-files", "/rel/put-by-test-files",
                                             "/d/e/up/etc/put-by-test-files" };
        for (unsigned i = 0; i < 3; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mayfly_container_put(c, PUT(.path = paths[i], .text = "inside"), &err) < 0)
                        fail_msg("%s", err.message);
                prints_as(c, "0", "cat /etc/put-by-test-files; rm /etc/put-by-test-files", "inside");
                assert_int_equal(access("/etc/put-by-test-files", F_OK), -1);
        }
        /* Links of /proc do not go by names. */
        int r = mayfly_container_read_file(c, "/proc/1/root/etc/passwd", 0, &data, NULL, NULL);
        assert_true(r == -ELOOP || r == -EACCES);
        FAILS(-ENOENT, "/proc/self/exe in the container", read_file, c, "/proc/self/exe", 0, &data, NULL);
        on_host("rm secret");
        nothing_is_left(c);
        mayfly_container_free(c);
}

static void a_tree_with_links_stays_in_place(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("mkdir outside dir; echo x >dir/x");
        assert_int_equal(sh(c, "mkdir /tree"), 0);
        prints_as(c, "0", "ln -s /none /tree/dangling; ln -s loop /tree/loop; ls /tree", "dangling\nloop\n");
        FAILS(-EEXIST, "/tree/dangling in the container cannot be made as a directory", put, c,
              PUT(.path = "/tree/dangling/a/b", .text = "x"));
        FAILS(-ELOOP, "/tree/loop", put, c, PUT(.path = "/tree/loop/a", .text = "x"));
        FAILS(-EEXIST, "/tree/dangling in the container cannot be made", put, c,
              PUT(.path = "/tree/dangling", .source = in_work("dir")));
        on_host("rm -r outside dir");
        nothing_is_left(c);
        mayfly_container_free(c);
}

/* --- places --------------------------------------------------------------------------------------------------- */

static void the_kernels_files_are_no_place(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        FAILS(-EPERM, "/proc/x is in a file system that the kernel makes up (proc)", put, c,
              PUT(.path = "/proc/x", .text = "x"));
        FAILS(-EPERM, "(proc)", put, c, PUT(.path = "/proc/sys/kernel/hostname", .text = "x"));
        FAILS(-EPERM, "(proc)", put, c, PUT(.path = "/proc", .source = work));
        get_fails(c, "/proc", -EINVAL, "/proc in the container is made up by the kernel");
        nothing_is_left(c);
        mayfly_container_free(c);
}

static void directories_and_files_do_not_replace_each_other(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char *data = NULL;

        (void) state;
        assert_int_equal(sh(c, "mkdir -p /d/below; echo file >/f; echo file >/d/f"), 0);
        on_host("mkdir -p dir/f; echo below >dir/below");
        FAILS(-EISDIR, "/d in the container is a directory; give the path of the file in it", put, c,
              PUT(.path = "/d", .text = "x"));
        FAILS(-EISDIR, "in the container is a directory", put, c, PUT(.path = "/", .text = "x"));
        FAILS(-EEXIST, "/f in the container cannot be made as a directory", put, c,
              PUT(.path = "/f", .source = in_work("dir")));
        FAILS(-EISDIR, "/d/below in the container cannot be replaced", put, c,
              PUT(.path = "/d", .source = in_work("dir")));
        FAILS(-ENOTDIR, "/f in the container cannot be opened as a directory", put, c,
              PUT(.path = "/f/x", .text = "x"));
        FAILS(-EISDIR, "/d in the container is a directory, and not one file", read_file, c, "/d", 0, &data, NULL);
        FAILS(-EEXIST, "/dir cannot be made as a directory", get, c, "/d", in_work("dir"), NULL);
        FAILS(-EISDIR, "/dir cannot be replaced", get, c, "/f", in_work("dir"), NULL);
        FAILS(-ENOENT, "the directory ", get, c, "/f", in_work("none/x"), NULL);
        FAILS(-EINVAL, "has no last part", get, c, "/f", "/", NULL);
        FAILS(-EINVAL, "needs a target", get, c, "/f", "", NULL);
        prints_as(c, "0", "cat /f /d/f; ls /d", "file\nfile\nbelow\nf\n");
        on_host("rm -r dir");
        nothing_is_left(c);
        mayfly_container_free(c);
}

static void a_full_scratch_is_told(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .scratch_size = 8 << 20));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *data = calloc(1, 16 << 20);

        (void) state;
        assert_non_null(data);
        FAILS(-ENOSPC,
              "/large in the container cannot be written: No space left on device; remove something, or raise the "
              "spec's "
              "scratch_size",
              put, c, PUT(.path = "/large", .data = data, .data_size = 16 << 20));
        on_host("mkdir dir; for i in $(seq 16); do head -c 1048576 /dev/urandom >dir/$i; done");
        FAILS(-ENOSPC, "/tree/", put, c, PUT(.path = "/tree", .source = in_work("dir")));
        on_host("rm -r dir");
        prints_as(c, "0", "ls -d /large /tree 2>/dev/null; test $(du -smx / | cut -f1) -lt 7 && echo empty", "empty\n");
        nothing_is_left(c);
        if (mayfly_container_put(c, PUT(.path = "/small", .text = "fits"), &err) < 0)
                fail_msg("%s", err.message);
        free(data);
        mayfly_container_free(c);
}

static void volumes_are_left_alone(void **state)
{
        (void) state;
        on_host("mkdir vol; echo content >vol/file; echo conf >conf");
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox, .idle = 1,
                                            .volumes = MAYFLY_VOLUMES({ .path = "/data/vol", .source = in_work("vol") },
                                                                      { .path = "/closed", .read_only = 1 },
                                                                      { .path = "/conf", .source = in_work("conf") })));
        FAILS(-EXDEV, "/data/vol in the container cannot be removed", remove, c, "/data/vol");
        FAILS(-EXDEV, "/data in the container cannot be removed", remove, c, "/data");
        FAILS(-EROFS, "choose a path outside of read-only volumes", put, c, PUT(.path = "/closed/x", .text = "x"));
        FAILS(-EBUSY, "/conf in the container cannot be replaced", put, c, PUT(.path = "/conf", .text = "x"));
        on_host("mkdir -p dir/a dir/vol; echo x >dir/a/one; ln dir/a/one dir/vol/one");
        FAILS(-EXDEV, "put what is below the volume by itself", put, c, PUT(.path = "/data", .source = in_work("dir")));
        on_host("rm -r dir");
        prints_as(c, "0", "cat /conf /data/vol/file", "conf\ncontent\n");
        on_host("echo x >vol/removed");
        assert_int_equal(mayfly_container_remove(c, "/data/vol/removed", NULL), 0); /* what is named is meant */
        on_host("test ! -e vol/removed");
        mayfly_container_free(c);
        on_host("test $(cat vol/file) = content; test $(ls -A vol | wc -l) = 1; rm -r vol conf");
        start_fails(MAYFLY_SPEC(.image = busybox, .idle = 1,
                                .volumes = MAYFLY_VOLUMES({ .path = "/closed", .read_only = 1 }),
                                .files = MAYFLY_FILES({ .path = "/closed/x", .text = "x" })),
                    -EROFS, "/closed/x in the container cannot be made: Read-only file system");
}

/* --- contents ------------------------------------------------------------------------------------------------- */

static void what_has_no_content_is_not_read(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char *data = NULL;

        (void) state;
        assert_int_equal(sh(c, "mkfifo /fifo; ln -s /dev/zero /zero; mkdir /d; mkfifo /d/fifo"), 0);
        get_fails(c, "/fifo", -EINVAL, "/fifo in the container is a FIFO");
        get_fails(c, "/dev/zero", -EINVAL, "/dev/zero in the container is a device");
        get_fails(c, "/zero", -EINVAL, "/zero in the container is a device");
        get_fails(c, "/dev", -EINVAL, "in the container is ");
        FAILS(-EINVAL, "is a FIFO", read_file, c, "/fifo", 0, &data, NULL);
        FAILS(-EINVAL, "is a device", read_file, c, "/dev/zero", 0, &data, NULL);
        FAILS(-EFBIG, "has more than 10 bytes", read_file, c, "/bin/busybox", 10, &data, NULL);
        assert_int_equal(sh(c, "truncate -s 100G /sparse"), 0);
        FAILS(-EFBIG, "/sparse in the container has more than", read_file, c, "/sparse", 0, &data, NULL);
        nothing_is_left(c);
        mayfly_container_free(c);
}

/* A file that is written to all the time is got once it rests, and never in a mixture of old and new. */
static void a_growing_file_is_not_taken(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, SHELL("echo begin >/file; echo; while :; do echo more >>/file; done")));
        char target[128];

        (void) state;
        await_output(c);
        snprintf(target, sizeof(target), "%s/target", work);
        for (int r = 0; r != -EBUSY;) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                r = mayfly_container_get(c, "/file", target, NULL, &err);
                if (r < 0 && (r != -EBUSY || !strstr(err.message, "/file in the container changed while it was read")))
                        fail_msg("%s", err.message);
                if (r == 0)
                        on_host("test \"$(head -1 target)\" = begin; rm target");
        }
        on_host("test -z \"$(ls -A)\"");
        mayfly_container_free(c);
}

/* --- too much ------------------------------------------------------------------------------------------------- */

static void a_get_is_bounded(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_get_options options = MAYFLY_GET_OPTIONS_INIT;
        char target[128];

        (void) state;
        snprintf(target, sizeof(target), "%s/target", work);
        prints_as(c, "0", "mkdir -p /tree/c; echo 12345 > /tree/a; echo 12345 > /tree/b; truncate -s 1T /tree/b", "");
        options.max_bytes = 11;
        FAILS(-EFBIG, "has more than 11 bytes; raise max_bytes", get, c, "/tree", target, &options);
        options.max_entries = 3;
        options.max_bytes = 1 << 20;
        FAILS(-EFBIG, "has more than 3 files and directories; raise max_entries", get, c, "/tree", target, &options);
        options.max_entries = 2;
        FAILS(-EFBIG, "has more files than max_entries allows", get, c, "/tree", target, &options);
        nothing_is_left(c);
        options.max_entries = 4;
        assert_int_equal(mayfly_container_get(c, "/tree", target, &options, NULL), 0);
        on_host("test \"$(head -c 6 target/b)\" = 12345 && rm -r target");
        mayfly_container_free(c);
}

/* --- the container's end -------------------------------------------------------------------------------------- */

struct killing {
        pid_t pid;
};

static void *kill_soon(void *userdata)
{
        usleep(20000);
        kill(((struct killing *) userdata)->pid, SIGKILL);
        return NULL;
}

static void a_container_may_die_meanwhile(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct killing killing = { mayfly_container_leader(c) };
        const size_t size = (size_t) 4 << 30; /* it takes a second, and no memory here, to begin with */
        char *data = calloc(1, size);
        pthread_t thread;

        (void) state;
        assert_non_null(data);
        assert_int_equal(pthread_create(&thread, NULL, kill_soon, &killing), 0);
        FAILS(-ESRCH, "using its files, which keep_files in its spec would have kept: container ", put, c,
              PUT(.path = "/large", .data = data, .data_size = size));
        pthread_join(thread, NULL);
        free(data);
        FAILS(-ESRCH, "using its files, which keep_files in its spec would have kept: container ", put, c,
              PUT(.path = "/x", .text = "x"));
        mayfly_container_free(c);
}

static void a_stopped_container_has_no_files(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        assert_int_equal(mayfly_container_exists(c, "/bin", NULL), 1);
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        FAILS(-ESRCH, "is stopped", exists, c, "/bin");
        FAILS(-ESRCH, "is stopped", put, c, PUT(.path = "/x", .text = "x"));
        mayfly_container_free(c);
}

static void a_forked_child_has_a_helper_of_its_own(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        int status;

        (void) state;
        assert_int_equal(mayfly_container_exists(c, "/bin", NULL), 1);
        pid_t pid = fork();
        if (pid == 0) {
                int r = mayfly_container_exists(c, "/bin", NULL);
                mayfly_container_free(c);
                _exit(r == 1 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(mayfly_container_exists(c, "/bin", NULL), 1);
        mayfly_container_free(c);
}

static void descriptors_are_closed(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char *data = NULL;

        (void) state;
        assert_int_equal(mayfly_container_exists(c, "/bin", NULL), 1);
        unsigned before = count_descriptors();
        for (unsigned i = 0; i < 10; i++) {
                FAILS(-EPERM, "(proc)", put, c, PUT(.path = "/proc/x", .text = "x"));
                FAILS(-ENOENT, "/none", read_file, c, "/none", 0, &data, NULL);
                get_fails(c, "/dev/null", -EINVAL, "device");
        }
        assert_int_equal(count_descriptors(), before);
        mayfly_container_free(c);
}

/* --- the spec's ----------------------------------------------------------------------------------------------- */

/* The time that the files take is the start's. */
static void slow_files_end_the_start(void **state)
{
        enum { N = 9000 };
        struct mayfly_file *files = calloc(N + 2, sizeof(*files));
        char source[128];

        (void) state;
        assert_non_null(files);
        on_host("head -c 4M /dev/urandom > source");
        snprintf(source, sizeof(source), "%s/source", work);
        files[0].size = sizeof(*files);
        for (size_t i = 1; i <= N; i++)
                files[i] = (struct mayfly_file){ .size = sizeof(*files), .path = "/copy", .source = source };
        start_fails(MAYFLY_SPEC(.image = busybox, .idle = 1, .files = files, .start_timeout_ms = 3000), -ETIMEDOUT,
                    "within start_timeout_ms = 3000; raise that, or put less");
        on_host("rm source");
        free(files);
}

static void wrong_files_fail_the_start(void **state)
{
        (void) state;
        start_fails(MAYFLY_SPEC(.image = busybox, .files = MAYFLY_FILES({ .path = "relative", .text = "x" })), -EINVAL,
                    "is not absolute");
        start_fails(MAYFLY_SPEC(.image = busybox, .files = MAYFLY_FILES({ .path = "/x", .source = "/nonexistent" })),
                    -ENOENT, "the source /nonexistent for /x");
        start_fails(MAYFLY_SPEC(.image = busybox, SHELL("echo started; sleep 9"),
                                .files = MAYFLY_FILES({ .path = "/proc/x", .text = "x" })),
                    -EPERM, "(proc)");
        start_fails(MAYFLY_SPEC(.image = busybox, SHELL("echo started; sleep 9"),
                                .files = MAYFLY_FILES({ .path = "/etc", .text = "x" })),
                    -EISDIR, "/etc in the container is a directory");
        on_host("test -z \"$(ls -A)\"");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wrong_paths_are_named),
                cmocka_unit_test(wrong_files_are_named),
                cmocka_unit_test(links_lead_nowhere_outside),
                cmocka_unit_test(a_tree_with_links_stays_in_place),
                cmocka_unit_test(the_kernels_files_are_no_place),
                cmocka_unit_test(directories_and_files_do_not_replace_each_other),
                cmocka_unit_test(a_full_scratch_is_told),
                cmocka_unit_test(volumes_are_left_alone),
                cmocka_unit_test(what_has_no_content_is_not_read),
                cmocka_unit_test(a_growing_file_is_not_taken),
                cmocka_unit_test(a_container_may_die_meanwhile),
                cmocka_unit_test(a_stopped_container_has_no_files),
                cmocka_unit_test(a_forked_child_has_a_helper_of_its_own),
                cmocka_unit_test(descriptors_are_closed),
                cmocka_unit_test(a_get_is_bounded),
                cmocka_unit_test(slow_files_end_the_start),
                cmocka_unit_test(wrong_files_fail_the_start),
        };

        busybox = test_image("busybox");
        return cmocka_run_group_tests(tests, make_work, remove_work);
}
