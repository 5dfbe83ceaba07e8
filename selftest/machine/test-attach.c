/* SPDX-License-Identifier: MIT */

/* Volumes that are mounted in a container while it runs, and file systems on disk that containers share. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/exec.h>
#include <mayfly/store.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"

static char work[] = "/tmp/test-attach-XXXXXX", path[128];

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

/* A path below the test's directory; valid until the next call. */
static const char *below(const char *name)
{
        snprintf(path, sizeof(path), "%s/%s", work, name);
        return path;
}

static void write_file(const char *name, const char *text)
{
        int fd = open(below(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static int attach(struct mayfly_container *c, struct mayfly_volume volume)
{
        return mayfly_container_attach_volume(c, &volume, fresh());
}

static int detach(struct mayfly_container *c, const char *where)
{
        return mayfly_container_detach_volume(c, where, fresh());
}

#define VOLUME(...) ((struct mayfly_volume) MAYFLY_VOLUME(__VA_ARGS__))

static void a_directory_comes_and_goes(void **state)
{
        struct mayfly_container *c = *state;
        struct stat st;

        works(attach(c, VOLUME(.path = "/srv/data", .source = below("data"))));
        prints_as(c, NULL, "cat /srv/data/greeting && stat -c %u:%g /srv/data/greeting", "hello\n0:0\n");
        prints_as(c, NULL, "echo back > /srv/data/answer && echo written", "written\n");
        assert_int_equal(stat(below("data/answer"), &st), 0);
        assert_int_equal(st.st_uid, geteuid());
        prints_as(c, NULL, "grep ' /srv/data ' /proc/mounts | grep -c nosuid,nodev", "1\n");
        works(detach(c, "/srv/data"));
        prints_as(c, NULL, "ls -d /srv/data && ls /srv/data", "/srv/data\n");
        works(attach(c, VOLUME(.path = "//srv/data/", .source = below("data"), .read_only = 1)));
        prints_as(c, NULL, "cat /srv/data/answer; { echo no > /srv/data/answer; } 2>/dev/null || echo refused",
                  "back\nrefused\n");
        works(detach(c, "/srv/data"));
        is_error(detach(c, "/srv/data"), -ENOENT, "no volume was attached");
}

static void a_file_goes_on_a_file(void **state)
{
        struct mayfly_container *c = *state;

        works(attach(c, VOLUME(.path = "/etc/extra/app.conf", .source = below("data/greeting"))));
        prints_as(c, NULL, "cat /etc/extra/app.conf", "hello\n");
        is_error(attach(c, VOLUME(.path = "/etc/extra", .source = below("data/greeting"))), -EISDIR,
                 "is a directory, but the volume is a file");
        is_error(attach(c, VOLUME(.path = "/bin/busybox", .source = below("data"))), -ENOTDIR,
                 "is no directory, but the volume is one");
        works(detach(c, "/etc/extra/app.conf"));
        prints_as(c, NULL, "wc -c < /etc/extra/app.conf", "0\n");
}

static void a_tmpfs_is_shared_at_run_time(void **state)
{
        struct mayfly_container *c = *state,
                                *other = start_container(MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
        struct mayfly_tmpfs *tmpfs = NULL;

        works(mayfly_tmpfs_create(&tmpfs, 1 << 20, fresh()));
        if (attach(c, VOLUME(.path = "/shared", .tmpfs = tmpfs, .mode = 01777)) == 0) {
                works(attach(other, VOLUME(.path = "/mnt/shared", .tmpfs = tmpfs)));
                mayfly_tmpfs_free(tmpfs);
                prints_as(c, NULL, "echo from here > /shared/note; stat -c %a /shared", "1777\n");
                prints_as(other, NULL, "cat /mnt/shared/note", "from here\n");
                works(detach(c, "/shared"));
                prints_as(other, NULL, "cat /mnt/shared/note", "from here\n");
        } else { /* before Linux 6.3, where a tmpfs is made for the IDs of its containers */
                is_error(-EINVAL, -EINVAL, "before Linux 6.3");
                mayfly_tmpfs_free(tmpfs);
        }
        mayfly_container_free(other);
}

static void who_uses_a_volume_is_told(void **state)
{
        static const char *const argv[] = { "/bin/sh", "-c", "cd /data && echo there && exec sleep 7777", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_container *c = *state;
        struct mayfly_exec *exec = NULL;
        char text[6] = "", words[64];

        works(attach(c, VOLUME(.path = "/data", .source = below("data"))));
        command.argv = argv;
        works(mayfly_exec_start(&exec, c, &command, fresh()));
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text, sizeof(text), FOREVER_MS, fresh()), 6);
        prints_as(c, NULL, "until grep -q sleep /proc/[0-9]*/comm; do :; done", "");
        snprintf(words, sizeof(words), "process %d of the container (sleep): its working directory",
                 (int) mayfly_exec_pid(exec));
        is_error(detach(c, "/data"), -EBUSY, words);
        works(mayfly_exec_kill(exec, fresh()));
        works(mayfly_exec_wait(exec, FOREVER_MS, NULL, fresh()));
        mayfly_exec_free(exec);
        works(detach(c, "/data"));
}

/* The container's links lead to places inside of it. */
static void links_do_not_lead_out(void **state)
{
        struct mayfly_container *c = *state;

        prints_as(c, NULL, "mkdir /inside && ln -s ../../../../../../inside /leads && ln -s /nowhere /dangles", "");
        works(attach(c, VOLUME(.path = "/leads", .source = below("data"))));
        prints_as(c, NULL, "cat /inside/greeting", "hello\n");
        is_error(detach(c, "/leads"), -ENOENT, "without links");
        works(detach(c, "/inside"));
        works(attach(c, VOLUME(.path = "/leads/new", .source = below("data"))));
        prints_as(c, NULL, "cat /inside/new/greeting", "hello\n");
        works(detach(c, "/inside/new"));
        is_error(attach(c, VOLUME(.path = "/dangles", .source = below("data"))), -EEXIST, "/dangles");
}

static void what_cannot_be_attached(void **state)
{
        struct mayfly_container *c = *state;

        is_error(attach(c, VOLUME(.path = "data", .source = work)), -EINVAL, "give an absolute path");
        is_error(attach(c, VOLUME(.path = "/a/../b", .source = work)), -EINVAL, "without \".\" and \"..\"");
        is_error(attach(c, VOLUME(.path = "/", .source = work)), -EINVAL, "the container's root");
        is_error(attach(c, VOLUME(.path = "/proc/sys", .source = work)), -EINVAL, "/proc belongs to the container");
        is_error(attach(c, VOLUME(.path = "/unmade")), -EINVAL, "needs a path, no name, and a source or a tmpfs");
        is_error(attach(c, VOLUME(.name = "data", .source = work)), -EINVAL, "needs a path, no name");
        is_error(attach(c, VOLUME(.path = "/unmade", .source = "relative")), -EINVAL, "give an absolute path");
        is_error(attach(c, VOLUME(.path = "/unmade", .source = below("missing"))), -ENOENT, "create it first");
        is_error(attach(c, VOLUME(.path = "/unmade", .source = below("link"))), -ELOOP, "symbolic link");
        prints_as(c, NULL, "ls -d /unmade 2>/dev/null || echo nothing", "nothing\n");
        is_error(detach(c, "/etc"), -ENOENT, "no volume was attached");
}

/* Does as root in the container might that has the right to mount. Returns 0 or an errno. */
static int mount_inside(struct mayfly_container *c, const char *source, const char *target, unsigned long flags)
{
        int status = -1, leader = (int) syscall(SYS_pidfd_open, mayfly_container_leader(c), 0);
        pid_t pid = fork();

        if (pid == 0) {
                if (setns(leader, CLONE_NEWUSER | CLONE_NEWNS) < 0)
                        _exit(255);
                _exit((flags == MNT_DETACH ? umount2(target, MNT_DETACH) : mount(source, target, NULL, flags, NULL)) < 0
                              ? errno
                              : 0);
        }
        close(leader);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Whether something is mounted at the path, as this process sees it. */
static int is_mounted(const char *where)
{
        char line[512];
        FILE *f = fopen("/proc/self/mounts", "re");
        int found = 0;

        while (f && fgets(line, sizeof(line), f))
                found |= strstr(line, where) != NULL;
        if (f)
                fclose(f);
        return found;
}

/* Has mounts that others see as well, as on a host with systemd. An ordinary user's process cannot. */
static void share_mounts(void)
{
        if (unshare(CLONE_NEWNS) == 0) {
                assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
                assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
        }
        assert_int_equal(mkdir(below("data/inner"), 0755), 0);
}

static void nothing_comes_back_to_the_host(void **state)
{
        struct mayfly_container *c = *state;

        share_mounts();
        works(attach(c, VOLUME(.path = "/outer", .source = below("data"))));
        works(attach(c, VOLUME(.path = "/outer/inner", .source = below("data"))));
        prints_as(c, NULL, "cat /outer/inner/greeting", "hello\n");
        assert_false(is_mounted(below("data/inner")));
        assert_int_equal(mount_inside(c, "/outer", "/outer/inner", MS_BIND), 0);
        assert_false(is_mounted(below("data/inner")));
        assert_int_equal(mount_inside(c, NULL, "/outer/inner", MNT_DETACH), 0);
        works(detach(c, "/outer/inner"));
        works(detach(c, "/outer"));
        assert_int_equal(rmdir(below("data/inner")), 0);
}

/* Where this process may mount. */
static void later_mounts_of_the_host_stay_outside(void **state)
{
        (void) state;
        share_mounts();
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1,
                                            .volumes = MAYFLY_VOLUMES({ .path = "/data", .source = below("data") })));
        const int mounted = mount("later", below("data/inner"), "tmpfs", 0, NULL) == 0;
        assert_true(mounted || geteuid() != 0);
        write_file("data/inner/later", "");
        prints_as(c, NULL, "ls /data/inner", mounted ? "" : "later\n");
        mayfly_container_free(c);
        assert_int_equal(mounted ? umount(below("data/inner")) : unlink(below("data/inner/later")), 0);
        assert_int_equal(rmdir(below("data/inner")), 0);
}

static void a_read_only_volume_stays_so(void **state)
{
        struct mayfly_container *c = *state;

        works(attach(c, VOLUME(.path = "/data", .source = below("data"), .read_only = 1)));
        assert_int_equal(mount_inside(c, NULL, "/data", MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV), EPERM);
        assert_int_equal(mount_inside(c, NULL, "/data", MS_REMOUNT | MS_BIND | MS_RDONLY), EPERM);
        works(detach(c, "/data"));
}

/* What was attached goes with the container's life. */
static void another_life_has_none(void **state)
{
        struct mayfly_container *c = *state;

        works(attach(c, VOLUME(.path = "/data", .source = below("data"))));
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "ls /data", "");
        is_error(detach(c, "/data"), -ENOENT, "in this life");
        works(attach(c, VOLUME(.path = "/data", .source = below("data"))));
        works(mayfly_container_halt(c, fresh()));
        is_error(attach(c, VOLUME(.path = "/other", .source = below("data"))), -ESRCH, "attaching a volume");
        is_error(detach(c, "/data"), -ESRCH, "detaching a volume");
}

/* --- a file system on disk -------------------------------------------------------------------------------------- */

/* Returns how many directories are there, and the name of one. */
static unsigned count_shared(char name[NAME_MAX + 1])
{
        DIR *dir = opendir(below("store/tmp"));
        unsigned n = 0;

        assert_non_null(dir);
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (entry->d_name[0] != '.') {
                        snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
                        n++;
                }
        closedir(dir);
        return n;
}

static void await_removal(void)
{
        char name[NAME_MAX + 1];

        while (count_shared(name) > 0) /* until ctest's limit */
                usleep(1000);
}

static void it_is_shared_on_disk(void **state)
{
        struct mayfly_tmpfs *disk = NULL;
        char name[NAME_MAX + 1];
        struct stat st;

        works(mayfly_tmpfs_create_on_disk(&disk, below("store"), fresh()));
        is_error(attach(*state, VOLUME(.path = "/disk", .tmpfs = disk)), -ENOTSUP, "put it into the spec's volumes");
        struct mayfly_container *one = start_container(
                MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1,
                            .volumes = MAYFLY_VOLUMES({ .path = "/disk", .tmpfs = disk, .mode = 01777 })));
        struct mayfly_container *other = start_container(
                MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1,
                            .volumes = MAYFLY_VOLUMES({ .path = "/here", .tmpfs = disk, .read_only = 1 })));
        assert_int_equal(fstatat(mayfly_tmpfs_fd(disk), ".", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 01777);
        mayfly_tmpfs_free(disk);
        prints_as(one, NULL, "dd if=/dev/zero of=/disk/big bs=1M count=8 2>/dev/null; chown 1:2 /disk/big", "");
        prints_as(other, NULL, "stat -c '%u:%g %s' /here/big; { touch /here/no; } 2>/dev/null || echo refused",
                  "1:2 8388608\nrefused\n");
        assert_int_equal(count_shared(name), 1);
        mayfly_container_free(one);
        works(mayfly_container_restart(other, fresh()));
        prints_as(other, NULL, "stat -c %s /here/big", "8388608\n");
        assert_int_equal(count_shared(name), 1);
        mayfly_container_free(other);
        await_removal();
}

/* A program that does not live to the end. */
static pid_t begin_to_share(void)
{
        int ready[2];
        char byte;

        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                const char *const argv[] = { "/bin/sh", "-c",
                                             "mkdir /disk/a && echo b > /disk/a/b && chown -R 7:7 /disk/a", NULL };
                struct mayfly_command command = MAYFLY_COMMAND_INIT;
                struct mayfly_result *result = NULL;
                struct mayfly_container *c = NULL;
                struct mayfly_tmpfs *disk = NULL;
                command.argv = argv;
                if (mayfly_tmpfs_create_on_disk(&disk, below("store"), NULL) < 0 ||
                    mayfly_container_start(&c,
                                           MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1,
                                                       .volumes = MAYFLY_VOLUMES({ .path = "/disk", .tmpfs = disk })),
                                           NULL) < 0 ||
                    mayfly_container_run(c, &command, &result, NULL) < 0 || write(ready[1], "", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void end_it(pid_t pid)
{
        int status;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

static void it_goes_with_a_program_that_is_killed(void **state)
{
        char name[NAME_MAX + 1];

        (void) state;
        pid_t pid = begin_to_share();
        assert_int_equal(count_shared(name), 1);
        end_it(pid);
        await_removal();
}

/* Kills the process that is to remove the directory. */
static void kill_remover(const char *name)
{
        DIR *proc = opendir("/proc");
        unsigned n = 0;

        assert_non_null(proc);
        for (const struct dirent *entry; (entry = readdir(proc));) {
                char file[64], words[512] = "";
                snprintf(file, sizeof(file), "/proc/%.20s/cmdline", entry->d_name);
                int fd = open(file, O_RDONLY | O_CLOEXEC);
                ssize_t size = fd < 0 ? 0 : read(fd, words, sizeof(words) - 1);
                if (fd >= 0)
                        close(fd);
                if (size > 0 && strstr(words, "mayfly-keep") && memmem(words, (size_t) size, name, strlen(name))) {
                        assert_int_equal(kill(atoi(entry->d_name), SIGKILL), 0);
                        n++;
                }
        }
        closedir(proc);
        assert_int_equal(n, 1);
}

/* Without the process that should remove it, it is garbage of the store. */
static void it_is_collected_at_last(void **state)
{
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        char name[NAME_MAX + 1], store[sizeof(path)];

        (void) state;
        pid_t pid = begin_to_share();
        assert_int_equal(count_shared(name), 1);
        snprintf(store, sizeof(store), "%s", below("store"));
        options.store = store;
        works(mayfly_store_gc(NULL, &options, fresh()));
        assert_int_equal(count_shared(name), 1); /* it is in use */
        kill_remover(name);
        end_it(pid);
        do
                works(mayfly_store_gc(NULL, &options, fresh())); /* until the container has ended, too */
        while (count_shared(name) > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_directory_comes_and_goes),
                cmocka_unit_test(a_file_goes_on_a_file),
                cmocka_unit_test(a_tmpfs_is_shared_at_run_time),
                cmocka_unit_test(who_uses_a_volume_is_told),
                cmocka_unit_test(links_do_not_lead_out),
                cmocka_unit_test(what_cannot_be_attached),
                cmocka_unit_test(it_is_shared_on_disk),
                cmocka_unit_test(it_goes_with_a_program_that_is_killed),
                cmocka_unit_test(it_is_collected_at_last),
                cmocka_unit_test(a_read_only_volume_stays_so),
                cmocka_unit_test(nothing_comes_back_to_the_host),
                cmocka_unit_test(later_mounts_of_the_host_stay_outside),
                cmocka_unit_test(another_life_has_none),
        };

        char line[64];

        assert_non_null(mkdtemp(work));
        assert_int_equal(chmod(work, 0755), 0);
        assert_int_equal(mkdir(below("data"), 0755), 0);
        write_file("data/greeting", "hello\n");
        assert_int_equal(symlink("data", below("link")), 0);
        int r = cmocka_run_group_tests_name("attach", tests, setup, teardown);
        snprintf(line, sizeof(line), "rm -r %s", work);
        return system(line) == 0 ? r : 1;
}
