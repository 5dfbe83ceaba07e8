/* SPDX-License-Identifier: MIT */

/* Files of a container: put, got, looked at and changed. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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

static const char *busybox, *bare; /* the latter has one program, and no shell */
char work[] = "/dev/shm/test-files.XXXXXX";

#define PUT(...) (&(const struct mayfly_file){ .size = sizeof(struct mayfly_file), __VA_ARGS__ })

static void put(struct mayfly_container *c, const struct mayfly_file *file)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_put(c, file, &err) < 0)
                fail_msg("%s", err.message);
}

static void get(struct mayfly_container *c, const char *path, const char *target, int keep_owners)
{
        struct mayfly_get_options options = MAYFLY_GET_OPTIONS_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        options.keep_owners = keep_owners;
        if (mayfly_container_get(c, path, target, &options, &err) < 0)
                fail_msg("%s", err.message);
}

static void has(struct mayfly_container *c, const char *path, const char *content)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *data = NULL;
        size_t size = 0;

        if (mayfly_container_read_file(c, path, 0, &data, &size, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(data, content);
        assert_int_equal(size, strlen(content));
        free(data);
}

static void succeeds(int r, const struct mayfly_error *err)
{
        if (r < 0)
                fail_msg("%s", err->message);
}

#define DO(function, ...)                                                             \
        do {                                                                          \
                struct mayfly_error do_err = MAYFLY_ERROR_INIT;                       \
                succeeds(mayfly_container_##function(__VA_ARGS__, &do_err), &do_err); \
        } while (0)

/* --- single files --------------------------------------------------------------------------------------------- */

static void a_text_is_put_and_read(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        put(c, PUT(.path = "/srv/conf/a.conf", .text = "port 6379\n"));
        has(c, "/srv/conf/a.conf", "port 6379\n");
        prints_as(c, "0", "stat -c '%a %u %g' /srv/conf/a.conf /srv/conf; umask; ls -A /srv/conf",
                  "644 0 0\n755 0 0\n0022\na.conf\n");
        put(c, PUT(.path = "/srv/conf/a.conf", .text = "", .mode = 04750, .uid = 12, .gid = 34));
        has(c, "/srv/conf/a.conf", "");
        prints_as(c, "0", "stat -c '%a %u %g' /srv/conf/a.conf; ls -A /srv/conf", "4750 12 34\na.conf\n");
        put(c, PUT(.path = "/srv/binary", .data = "a\0b", .data_size = 3));
        prints_as(c, "0", "od -An -c /srv/binary | tr -s ' '", " a \\0 b\n");
        mayfly_container_free(c);
}

static void a_file_comes_from_the_host_and_goes_there(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("echo hello >one; chmod 4640 one; touch -d @1000000000 one; echo old >back");
        put(c, PUT(.path = "/one", .source = in_work("one")));
        prints_as(c, "0", "stat -c '%a %u %Y' one; cat one", "640 0 1000000000\nhello\n");
        get(c, "/one", in_work("back"), 0);
        on_host("test \"$(cat back)\" = hello; test $(stat -c %%u:%%a:%%Y back) = $(id -u):640:1000000000; test $(ls "
                "-A | wc -l) = 2; "
                "rm one back");
        mayfly_container_free(c);
}

static void open_files_keep_what_they_had(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        put(c, PUT(.path = "/file", .text = "old"));
        assert_int_equal(sh(c, "ln file other; ln -s file link"), 0);
        put(c, PUT(.path = "/file", .text = "new"));
        put(c, PUT(.path = "/link", .text = "no link"));
        prints_as(c, "0", "cat file other link; test -L link || echo replaced", "newoldno linkreplaced\n");
        mayfly_container_free(c);
}

static void nothing_is_needed_in_the_image(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = bare, .idle = 1));

        (void) state;
        put(c, PUT(.path = "/new/file", .text = "content"));
        has(c, "/new/file", "content");
        DO(remove, c, "/new");
        assert_int_equal(mayfly_container_exists(c, "/new", NULL), 0);
        mayfly_container_free(c);
}

static void files_of_the_kernel_are_read(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        char *data = NULL;

        (void) state;
        DO(read_file, c, "/proc/1/status", 0, &data, NULL);
        assert_non_null(strstr(data, "\nPid:\t1\n"));
        free(data);
        mayfly_container_free(c);
}

/* --- trees ---------------------------------------------------------------------------------------------------- */

#define MAKE_TREE                                                                                                  \
        "mkdir tree; cd tree; "                                                                                    \
        "for d in $(seq 50); do mkdir -p d$d/e/f; for f in $(seq 100); do echo $d $f >d$d/file-$f; done; "         \
        "ln d$d/file-1 d$d/e/hard; ln -s ../file-2 d$d/e/link; done; "                                             \
        "ln -s /etc/passwd absolute; ln -s nowhere dangling; mkfifo fifo; mkdir empty closed; touch closed/file; " \
        "chmod 4755 d1/file-3; chmod 2711 d2; chmod 1777 d3; chmod 000 d4/file-1; chmod 400 d5/file-5; "           \
        "truncate -s 40M sparse; printf x | dd of=sparse bs=1 seek=20000000 conv=notrunc status=none; "            \
        "head -c 5000000 /dev/urandom >large; touch 'a name with\nan end'; touch $(printf '\\377\\376'); "         \
        "touch -d '2001-02-03 04:05:06.789' large d1 d1/file-9; touch -h -d @5 dangling; : >none; chmod 500 closed; "

#define FINGERPRINT                                                                                               \
        "tar --sort=name --xattrs --format=pax --pax-option=delete=atime,delete=ctime --numeric-owner -cf - . | " \
        "sha256sum"

/* The test's own user has all files; root has some of others' as well. */
static void make_tree(void)
{
        on_host(MAKE_TREE "setfattr -n user.test -v value none 2>/dev/null || true; "
                          "if [ $(id -u) = 0 ]; then chown 12:34 d6 d6/file-6; chown -h 7:8 dangling; "
                          "setcap cap_net_raw+ep none 2>/dev/null || true; fi; chmod 600 d4/file-1");
}

static void five_thousand_files_return_identical(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        make_tree();
        put(c, PUT(.path = "/srv/tree", .source = in_work("tree"), .keep_owners = 1));
        prints_as(c, "0",
                  "cd /srv/tree; find . | wc -l; cat d50/file-100; readlink absolute; stat -c '%h %a' d1/e/hard; stat "
                  "-c %a d2 d3 closed; "
                  "test -p fifo && test $(du -k sparse | cut -f1) -lt 1024 && stat -c %s sparse",
                  "5263\n50 100\n/etc/passwd\n2 644\n2711\n1777\n500\n41943040\n");
        get(c, "/srv/tree", in_work("back"), 1);
        on_host("a=$(cd tree; " FINGERPRINT "); b=$(cd back; " FINGERPRINT "); test \"$a\" = \"$b\"; "
                "test $(du -k back/sparse | cut -f1) -lt 1024; test back/d1/file-1 -ef back/d1/e/hard; "
                "diff -r --no-dereference -x fifo tree back; test $(ls -A | wc -l) = 2; chmod 700 tree/closed "
                "back/closed; rm -r back tree");
        mayfly_container_free(c);
}

static void owners_are_the_callers_unless_kept(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("mkdir dir; echo x >dir/x; chmod 6755 dir/x; chmod 2755 dir");
        put(c, PUT(.path = "/dir", .source = in_work("dir"), .uid = 1, .gid = 2));
        prints_as(c, "0", "stat -c '%a %u %g' dir dir/x", "755 1 2\n755 1 2\n");
        assert_int_equal(sh(c, "chmod 6711 dir/x"), 0);
        get(c, "/dir", in_work("back"), 0);
        on_host("test $(stat -c %%a:%%u back/x) = 711:$(id -u); rm -r dir back");
        mayfly_container_free(c);
}

/* Also of a file that its owner may not write to, and of a directory. */
static void attributes_of_users_are_kept(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("mkdir tree; echo x >tree/file; setfattr -n user.test -v value tree tree/file; chmod 444 tree/file; "
                "chmod 555 "
                "tree");
        put(c, PUT(.path = "/tree", .source = in_work("tree")));
        get(c, "/tree", in_work("back"), 0);
        on_host("test $(stat -c %%a back/file) = 444; test $(stat -c %%a back) = 555; for f in back back/file; do test "
                "$(getfattr "
                "--only-values -n user.test $f) = value; done; chmod 700 tree back; rm -r tree back");
        mayfly_container_free(c);
}

static void a_tree_is_added_to_a_directory(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("mkdir -p dir/old/deep dir/linked dir/new; echo 1 >dir/old/a; echo 2 >dir/old/deep/b; echo 3 "
                ">dir/linked/c; "
                "ln dir/old/a dir/old/d; ln -s a dir/old/s; chmod 700 dir dir/old");
        assert_int_equal(
                sh(c, "mkdir -p /srv/old /srv/real; echo kept >/srv/old/kept; echo x >/srv/old/a; ln -s /srv/real "
                      "/srv/linked; chmod 711 /srv/old; ln -s nowhere /srv/old/s"),
                0);
        put(c, PUT(.path = "/srv", .source = in_work("dir")));
        prints_as(c, "0",
                  "cd /srv; cat old/a old/d old/deep/b real/c old/kept; stat -c %a old new; readlink old/s; find . "
                  "-name '.mayfly*'",
                  "1\n1\n2\n3\nkept\n711\n755\na\n");
        on_host("mkdir top; echo root >top/in-root; chmod 700 top");
        put(c, PUT(.path = "/", .source = in_work("top")));
        prints_as(c, "0", "cat /in-root; stat -c %a /", "root\n755\n");
        on_host("rm -r dir top");
        mayfly_container_free(c);
}

static void hard_links_go_through_links_inside(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        on_host("mkdir -p dir/a/below dir/b; echo 1 >dir/a/below/one; echo 2 >dir/a/two; ln dir/a/below/one dir/b/one; "
                "ln dir/a/two "
                "dir/b/two; ln dir/a/two dir/two");
        assert_int_equal(sh(c, "mkdir -p /srv/real; ln -s /srv/real /srv/a; ln -s real /srv/b"), 0);
        put(c, PUT(.path = "/srv", .source = in_work("dir")));
        prints_as(c, "0",
                  "cd /srv; cat real/one real/two; test real/below/one -ef real/one; echo $?; stat -c %h real/one "
                  "real/two two; find . "
                  "-name '.mayfly*'",
                  "1\n2\n0\n2\n2\n2\n");
        on_host("rm -r dir");
        mayfly_container_free(c);
}

static void sockets_are_left_out(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        assert_int_equal(sh(c, "mkdir dir; echo x >dir/x; (nc -l -p 1 local:/dir/socket || nc -lU /dir/socket) "
                               "2>/dev/null & sleep 0"),
                         0);
        get(c, "/dir", in_work("dir"), 0);
        on_host("test -f dir/x; test ! -e dir/socket; rm -r dir");
        mayfly_container_free(c);
}

/* --- information and changes ---------------------------------------------------------------------------------- */

static void files_are_looked_at(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_file_info *info = NULL, **list = NULL;

        (void) state;
        assert_int_equal(
                sh(c, "mkdir /d; cd /d; printf abc >b; ln -s b a; ln b c; chown 5:6 b; chmod 640 b; touch -d @1000 b"),
                0);
        DO(stat, c, "/d/a", &info);
        assert_string_equal(info->name, "a");
        assert_int_equal(info->mode, S_IFREG | 0640);
        assert_int_equal(info->uid, 5);
        assert_int_equal(info->gid, 6);
        assert_int_equal(info->bytes, 3);
        assert_int_equal(info->links, 2);
        assert_int_equal(info->mtime_ns, 1000 * INT64_C(1000000000));
        assert_null(info->target);
        assert_null(mayfly_file_info_free(info));
        DO(lstat, c, "/d/a", &info);
        assert_true(S_ISLNK(info->mode));
        assert_string_equal(info->target, "b");
        mayfly_file_info_free(info);
        DO(stat, c, "/", &info);
        assert_string_equal(info->name, "/");
        assert_true(S_ISDIR(info->mode));
        mayfly_file_info_free(info);
        DO(list, c, "/d", &list);
        assert_string_equal(list[0]->name, "a");
        assert_string_equal(list[0]->target, "b");
        assert_string_equal(list[1]->name, "b");
        assert_int_equal(list[1]->mode, S_IFREG | 0640);
        assert_string_equal(list[2]->name, "c");
        assert_null(list[3]);
        assert_null(mayfly_file_list_free(list));
        assert_int_equal(mayfly_container_exists(c, "/d/a", NULL), 1);
        assert_int_equal(mayfly_container_exists(c, "/d/none", NULL), 0);
        assert_int_equal(mayfly_container_exists(c, "/d/b/below", NULL), 0);
        mayfly_container_free(c);
}

static void long_lists_are_whole(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct mayfly_file_info **list = NULL;
        unsigned n = 0;

        (void) state;
        assert_int_equal(sh(c, "mkdir /d; cd /d; seq -w 5000 | xargs touch"), 0);
        DO(list, c, "/d", &list);
        for (; list[n]; n++) {
                char name[8];
                snprintf(name, sizeof(name), "%04u", n + 1);
                assert_string_equal(list[n]->name, name);
        }
        assert_int_equal(n, 5000);
        mayfly_file_list_free(list);
        mayfly_container_free(c);
}

static void files_are_changed(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        DO(mkdir, c, "/a/b/c", 0711);
        DO(mkdir, c, "/a/b", 0700); /* it is there */
        prints_as(c, "0", "stat -c %a /a /a/b /a/b/c", "755\n755\n711\n");
        DO(chmod, c, "/a/b", 01770);
        DO(chown, c, "/a/b", 7, (gid_t) -1);
        prints_as(c, "0", "stat -c '%a %u %g' /a/b", "1770 7 0\n");
        assert_int_equal(sh(c, "ln -s /etc /a/b/c/link; echo x >/a/b/c/x; chmod 000 /a/b/c"), 0);
        DO(remove, c, "/a");
        prints_as(c, "0", "ls -d /a /etc 2>/dev/null", "/etc\n");
        mayfly_container_free(c);
}

/* --- before the app ------------------------------------------------------------------------------------------- */

#define SHELL(line) .entrypoint = (const char *const[]){ "sh", "-c", line, NULL }, .user = "0"

static void files_are_there_before_the_app(void **state)
{
        (void) state;
        on_host("mkdir www; echo page >www/index.html");
        struct mayfly_container *c = start_container(MAYFLY_SPEC(
                        .image = busybox,
                        SHELL("cat /etc/app/conf /srv/index.html /vol/x; stat -c '%a %u %g' /etc/app/conf /etc/app"),
                        .volumes = MAYFLY_VOLUMES({ .path = "/vol" }, { .path = "/closed", .read_only = 1 }),
                        .files = MAYFLY_FILES(
                                { .path = "/etc/app/conf", .text = "conf\n", .mode = 0600, .uid = 7, .gid = 8 },
                                { .path = "/srv", .source = in_work("www") },
                                { .path = "/vol/x", .data = "x\n", .data_size = 2 })));
        ends(c, 0, "conf\npage\nx\n600 7 8\n755 0 0\n");
        on_host("rm -r www");
}

static void volumes_are_seen(void **state)
{
        (void) state;
        on_host("mkdir vol; echo content >vol/file");
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .idle = 1,
                            .volumes = MAYFLY_VOLUMES({ .path = "/data/vol", .source = in_work("vol"), .read_only = 1 },
                                                      { .path = "/own" })));
        has(c, "/data/vol/file", "content\n");
        put(c, PUT(.path = "/own/file", .text = "x"));
        prints_as(c, "0", "cat /own/file", "x");
        mayfly_container_free(c);
        on_host("rm -r vol");
}

/* --- after the end -------------------------------------------------------------------------------------------- */

static void kept_files_outlive_the_container(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox,
                            SHELL("echo last words >/var/app.log; mkdir /d; ln -s /var/app.log /d/log; exit 3"),
                            .keep_files = 1, .volumes = MAYFLY_VOLUMES({ .path = "/vol" }),
                            .files = MAYFLY_FILES({ .path = "/vol/x", .text = "in a volume" })));
        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, NULL, NULL), 0);
        has(c, "/var/app.log", "last words\n");
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        has(c, "/d/log", "last words\n");
        has(c, "/vol/x", "in a volume");
        get(c, "/d", in_work("d"), 0);
        on_host("test -L d/log; rm -r d");
        put(c, PUT(.path = "/late", .text = "put later"));
        has(c, "/late", "put later");
        mayfly_container_free(c);
}

/* Runs a command that does nothing. Returns what the function does. */
static int run_nothing(struct mayfly_container *c)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = MAYFLY_STRINGS("true");
        int r = mayfly_container_run(c, &command, &result, NULL);
        mayfly_result_free(result);
        return r;
}

/* What is changed between two lives is there in the next, and in what begins from it. */
static void kept_files_go_on(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_snapshot *snapshot = NULL;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = busybox,
                                            SHELL("echo life >> /lives; trap exit TERM; while :; do sleep 0.01; done"),
                                            .keep_files = 1, .volumes = MAYFLY_VOLUMES({ .path = "/vol" }),
                                            .files = MAYFLY_FILES({ .path = "/vol/x", .text = "given" })));

        (void) state;
        assert_int_equal(mayfly_container_halt(c, NULL), 0);
        put(c, PUT(.path = "/vol/x", .text = "changed"));
        assert_int_equal(mayfly_container_remove(c, "/bin/uname", NULL), 0);
        if (mayfly_container_start_again(c, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(sh(c, "grep -q changed /vol/x && ! test -e /bin/uname"), 0);
        put(c, PUT(.path = "/vol/x", .text = "again"));
        assert_int_equal(mayfly_container_restart(c, NULL), 0);
        assert_int_equal(mayfly_container_pause(c, NULL), 0);
        put(c, PUT(.path = "/paused", .text = "put"));
        assert_int_equal(mayfly_container_snapshot(c, &snapshot, NULL), 0);
        assert_int_equal(mayfly_container_remove(c, "/paused", NULL), 0);
        assert_int_equal(mayfly_container_reset(c, NULL), 0);
        assert_int_equal(sh(c, "grep -q again /vol/x && grep -q put /paused && ! test -e /bin/uname"), 0);
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        has(c, "/paused", "put");
        mayfly_container_free(c);
        c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .snapshot = snapshot));
        has(c, "/paused", "put");
        assert_int_equal(mayfly_container_halt(c, NULL), 0);
        assert_int_equal(mayfly_container_exists(c, "/paused", &err), -ESRCH);
        assert_non_null(strstr(err.message, "keep_files in its spec would have kept"));
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

static void a_killed_container_keeps_its_files(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1, .keep_files = 1));

        (void) state;
        put(c, PUT(.path = "/file", .text = "content"));
        assert_int_equal(kill(mayfly_container_leader(c), SIGKILL), 0);
        while (run_nothing(c) != -ESRCH)
                ;
        has(c, "/file", "content");
        mayfly_container_free(c);
}

/* The core file of an app that crashes is got after its end. */
static void the_core_file_of_the_app_is_got(void **state)
{
        const struct mayfly_spec *spec =
                MAYFLY_SPEC(.image = busybox, .argv = MAYFLY_STRINGS("/bin/sh", "-c", "kill -SEGV $$"), .cwd = "/tmp",
                            .keep_files = 1, .ulimits = MAYFLY_STRINGS("core=-1"));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char target[64], magic[4] = "", pattern[8] = "";

        (void) state;
        snprintf(target, sizeof(target), "%s/core", work);
        int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
        assert_true(read(fd, pattern, sizeof(pattern)) > 0);
        close(fd);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        assert_int_equal(mayfly_container_core(c, target, &err), -EBUSY);
        mayfly_container_free(c);
        c = start_container(spec);
        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, &end, NULL), 0);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mayfly_container_core(c, target, &err);
        mayfly_container_free(c);
        if (*pattern == '|') {
                assert_int_equal(r, -ENOTSUP);
                assert_non_null(strstr(err.message, "kernel.core_pattern=core"));
                return;
        }
        succeeds(r, &err);
        assert_int_equal(end.signal, SIGSEGV);
        fd = open(target, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, magic, 4), 4);
        close(fd);
        unlink(target);
        assert_memory_equal(magic, "\177ELF", 4);
        c = start_container(
                MAYFLY_SPEC(.image = busybox, .argv = MAYFLY_STRINGS("/bin/sh", "-c", "exit 3"), .keep_files = 1));
        assert_int_equal(mayfly_container_wait(c, FOREVER_MS, &end, NULL), 0);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_container_core(c, target, &err), -ENODATA);
        assert_non_null(strstr(err.message, "exited with status 3"));
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_text_is_put_and_read),
                cmocka_unit_test(a_file_comes_from_the_host_and_goes_there),
                cmocka_unit_test(open_files_keep_what_they_had),
                cmocka_unit_test(nothing_is_needed_in_the_image),
                cmocka_unit_test(files_of_the_kernel_are_read),
                cmocka_unit_test(five_thousand_files_return_identical),
                cmocka_unit_test(owners_are_the_callers_unless_kept),
                cmocka_unit_test(attributes_of_users_are_kept),
                cmocka_unit_test(a_tree_is_added_to_a_directory),
                cmocka_unit_test(hard_links_go_through_links_inside),
                cmocka_unit_test(sockets_are_left_out),
                cmocka_unit_test(files_are_looked_at),
                cmocka_unit_test(long_lists_are_whole),
                cmocka_unit_test(files_are_changed),
                cmocka_unit_test(files_are_there_before_the_app),
                cmocka_unit_test(volumes_are_seen),
                cmocka_unit_test(kept_files_outlive_the_container),
                cmocka_unit_test(a_killed_container_keeps_its_files),
                cmocka_unit_test(kept_files_go_on),
                cmocka_unit_test(the_core_file_of_the_app_is_got),
        };

        busybox = test_image("busybox");
        bare = test_image("static");
        return cmocka_run_group_tests(tests, make_work, remove_work);
}
