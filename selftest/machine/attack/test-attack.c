/* SPDX-License-Identifier: MIT */

/* What a hostile image, or somebody who took over a service, tries from inside a container. attacks.c has the attacks.
 * They run on each engine in a nested machine, and in engine direct on the host itself: in a nested machine the outer
 * container's filter denies much by itself.
 *
 * With mayfly as of commit d625bb5, in engine direct on a host, with an image that asks for nothing, these were seen to succeed:
 * pidfd_getfd-of-init, files-of-init, trace-init, files-of-supervisor, trace-supervisor, raw-socket on the host's network,
 * set-user-id in a volume, personality, AF_VSOCK, AF_XDP, NETLINK_AUDIT, 32-bit-socketcall, 32-bit-io_uring, kernel-files and
 * boot-log. io_uring, process_madvise and vmsplice got past the filter: they met the errors of their wrong arguments. scheduler
 * and immutable failed for such an image, and were reported to succeed for one that asks for the capabilities. Of the others
 * nobody looked whether they ever succeeded.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/small-image.h"

static const char *plain, *greedy;
static char directory[] = "/tmp/mayfly-attack-XXXXXX"; /* volumes are in it */

/* The right result of each attack. Alternatives are for what a kernel may lack. */
static const struct {
        const char *name, *results;
} expected[] = {
        { "pidfd_getfd-of-init", "EPERM" },
        { "files-of-init", "EACCES EPERM" },
        { "trace-init", "EPERM" },
        { "files-of-supervisor", "EACCES EPERM" },
        { "trace-supervisor", "EPERM" },
        { "overwrite-init", "EACCES EROFS EPERM EBUSY" },
        { "overwrite-own-copy-of-init", "EROFS EACCES" },
        { "descriptors", "EBADF" },
        { "open_tree", "EPERM" },
        { "open_tree_attr", "EPERM ENOSYS" },
        { "fsopen", "EPERM" },
        { "fspick", "EPERM" },
        { "fsmount", "EPERM" },
        { "mount_setattr", "EPERM" },
        { "move_mount", "EPERM" },
        { "mount", "EPERM" },
        { "umount", "EPERM" },
        { "pivot_root", "EPERM" },
        { "unshare", "EPERM" },
        { "setns", "EPERM" },
        { "clone-namespace", "EPERM" },
        { "clone3-namespace", "ENOSYS" },
        { "keyctl", "EPERM" },
        { "add_key", "EPERM" },
        { "request_key", "EPERM" },
        { "io_uring_setup", "EPERM" },
        { "io_uring_enter", "EPERM" },
        { "io_uring_register", "EPERM" },
        { "bpf", "EPERM" },
        { "perf_event_open", "EPERM" },
        { "userfaultfd", "EPERM" },
        { "kcmp", "EPERM" },
        { "fanotify_init", "EPERM" },
        { "process_madvise", "EPERM" },
        { "open_by_handle_at", "EPERM" },
        { "name_to_handle_at", "EPERM" },
        { "syslog", "EPERM" },
        { "sethostname", "EPERM" },
        { "setdomainname", "EPERM" },
        { "quotactl", "EPERM" },
        { "acct", "EPERM" },
        { "swapon", "EPERM" },
        { "reboot", "EPERM" },
        { "kexec_load", "EPERM" },
        { "init_module", "EPERM" },
        { "finit_module", "EPERM" },
        { "delete_module", "EPERM" },
        { "settimeofday", "EPERM" },
        { "clock_settime", "EPERM" },
        { "move_pages", "EPERM" },
        { "vmsplice", "EPERM" },
#ifdef __x86_64__
        { "iopl", "EPERM" },
        { "ioperm", "EPERM" },
        { "32-bit-socketcall", "ENOSYS" },
        { "32-bit-socket", "ENOSYS EAFNOSUPPORT" },
        { "32-bit-keyctl", "EPERM ENOSYS" },
        { "32-bit-mount", "EPERM ENOSYS" },
        { "32-bit-unshare", "EPERM ENOSYS" },
        { "32-bit-io_uring", "EPERM ENOSYS" },
        { "x32", "ENOSYS" },
#endif
        { "personality", "ENOSYS" },
        { "scheduler", "EPERM EACCES" },
        { "AF_VSOCK", "EAFNOSUPPORT" },
        { "AF_XDP", "EAFNOSUPPORT" },
        { "AF_ALG", "EAFNOSUPPORT" },
        { "AF_KEY", "EAFNOSUPPORT" },
        { "AF_BLUETOOTH", "EAFNOSUPPORT" },
        { "NETLINK_AUDIT", "EPROTONOSUPPORT" },
        { "core_pattern", "EROFS EACCES" },
        { "proc-sys", "EROFS EACCES" },
        { "sysrq", "ENOENT EROFS EACCES" },
        { "kernel-files", "ENOENT" },
        { "sys-files", "EROFS" },
        { "proc-files", "EROFS" },
        { "cgroup-files", "EROFS EACCES ENOENT" },
        { "cgroup-of-others", "ENOENT" },
        { "id-maps", "EPERM EACCES" },
        { "device-nodes", "EPERM" },
        { "new-device", "EPERM" },
        { "devices", "ENOENT" },
        { "kernel-log", "ENOENT" },
        { "boot-log", "EACCES ENXIO EFBIG" },
};

static const char *file(const char *name)
{
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static void write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

/* Runs it, and returns its output, in a buffer that lives until the next call. */
static const char *output(struct mayfly_container *c, const char *const *argv)
{
        static struct mayfly_result *r;
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        command.argv = argv;
        r = mayfly_result_free(r);
        if (mayfly_container_run(c, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        if (r->err_size > 0)
                print_message("%s", r->err);
        return r->out;
}

static const char *attack(struct mayfly_container *c, const char *name, const char *argument)
{
        return output(c, (const char *const[]){ "/bin/attacks", name, argument, NULL });
}

/* Whether `word` is one of those in `words`. */
static int is_one_of(const char *word, const char *words)
{
        size_t length = strlen(word);

        for (const char *found = words; (found = strstr(found, word)); found++)
                if ((found == words || found[-1] == ' ') && (found[length] == ' ' || !found[length]))
                        return 1;
        return 0;
}

/* Compares the lines "NAME RESULT" with the table, and prints all that differ. */
static void each_fails_as_expected(const char *lines, int is_app)
{
        const size_t n = sizeof(expected) / sizeof(expected[0]);
        char name[64], met[64];
        unsigned wrong = 0;
        size_t i = 0;
        int used;

        for (; sscanf(lines, "%63s %63s\n%n", name, met, &used) == 2; lines += used, i++) {
                if (i < n && strcmp(name, expected[i].name) == 0 && is_one_of(met, expected[i].results))
                        continue;
                if (is_app && strstr(name, "-supervisor") && strcmp(met, "ESRCH") == 0)
                        continue; /* only commands have one */
                print_message("%s: %s, expected %s\n", name, met, i < n ? expected[i].results : "nothing");
                wrong++;
        }
        assert_int_equal(i, n);
        assert_int_equal(wrong, 0);
}

static void attacks_from_a_command_fail(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));

        (void) state;
        each_fails_as_expected(attack(c, "all", NULL), 0);
        mayfly_container_free(c);
}

/* The image asks for each capability that there is. */
static void attacks_by_an_image_that_asks_for_all_fail(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = greedy));

        (void) state;
        each_fails_as_expected(attack(c, "all", NULL), 0);
        mayfly_container_free(c);
}

static void attacks_from_the_app_fail(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = greedy, .argv = (const char *const[]){ "/bin/attacks", "all", NULL }));
        char *log = NULL, *lines;
        size_t size = 0;

        (void) state;
        assert_int_equal(mayfly_container_wait(c, UINT32_MAX, NULL, &err), 0);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, &err), 0);
        /* Without what the attacks say on standard error. */
        FILE *f = open_memstream(&lines, &size);
        for (char *save = NULL, *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (line[0] != '/')
                        fprintf(f, "%s\n", line);
        fclose(f);
        each_fails_as_expected(lines, 1);
        free(lines);
        free(log);
        mayfly_container_free(c);
}

/* An ordinary user has no container without a user namespace. Returns 1 if that was so. */
static int is_refused_without_userns(void)
{
        if (geteuid() == 0)
                return 0;
        start_fails(MAYFLY_SPEC(.image = greedy, .userns = MAYFLY_USERNS_HOST), -EPERM, "only root can have");
        return 1;
}

/* Without a user namespace the rest has to hold alone. */
static void attacks_without_a_user_namespace_fail(void **state)
{
        (void) state;
        if (is_refused_without_userns())
                return;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = greedy, .userns = MAYFLY_USERNS_HOST));
        each_fails_as_expected(attack(c, "all", NULL), 0);
        mayfly_container_free(c);
}

/* CVE-2019-5736: an entry point that is a link to the program that executes it. */
static void an_image_cannot_execute_its_supervisor(void **state)
{
        const char *const argv[] = { "/proc/self/exe", NULL };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;

        (void) state;
        command.argv = argv;
        /* It is mayfly-init, but as a program of the container's that finds no control socket. */
        if (mayfly_container_run(c, &command, &r, &err) == 0)
                assert_false(r->exit->exited && r->exit->status == 0);
        mayfly_result_free(r);
        mayfly_container_free(c);
}

/* CVE-2024-21626: no working directory leads through a descriptor that was left open. */
static void no_working_directory_is_outside(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));
        const char *const argv[] = { "/bin/attacks", "climb", file("secret"), NULL };
        char cwd[64];

        (void) state;
        write_file(argv[2], "secret\n");
        for (int fd = 0; fd < 64; fd++) {
                struct mayfly_command command = MAYFLY_COMMAND_INIT;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_result *r = NULL;
                snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
                command.argv = argv;
                command.cwd = cwd;
                if (mayfly_container_run(c, &command, &r, &err) == 0)
                        assert_string_equal(r->out, "climb ENOENT\n");
                else
                        assert_non_null(strstr(err.message, cwd));
                mayfly_result_free(r);
        }
        mayfly_container_free(c);
}

/* Makes a device node that everybody may open. */
static void make_device(int dirfd, const char *name)
{
        assert_int_equal(mknodat(dirfd, name, S_IFCHR | 0666, makedev(1, 5)), 0);
        assert_int_equal(fchmodat(dirfd, name, 0666, 0), 0);
}

/* An ordinary user makes no device node, but has those of the host's /dev to mount. */
static void devices_in_volumes_stay_closed(void **state)
{
        const int is_root = geteuid() == 0;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_tmpfs *tmpfs = NULL;

        (void) state;
        assert_int_equal(mkdir(file("devices"), 0755), 0);
        int fd = open(file("devices"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (is_root)
                make_device(fd, "zero");
        close(fd);
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 1 << 20, &err), 0);
        if (is_root)
                make_device(mayfly_tmpfs_fd(tmpfs), "zero");
        else
                assert_int_equal(mknodat(mayfly_tmpfs_fd(tmpfs), "zero", S_IFCHR | 0666, makedev(1, 5)), -1);
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = plain,
                            .volumes = MAYFLY_VOLUMES({ .path = "/host", .source = is_root ? file("devices") : "/dev" },
                                                      { .path = "/shared", .tmpfs = tmpfs })));
        assert_string_equal(attack(c, "device", "/host/zero"), "device EACCES\n");
        assert_string_equal(attack(c, "device", "/shared/zero"), is_root ? "device EACCES\n" : "device ENOENT\n");
        assert_string_equal(attack(c, "device", "/dev/zero"), "device SUCCESS\n");
        mayfly_container_free(c);
        mayfly_tmpfs_free(tmpfs);
}

/* A file in a volume that nobody on the host could remove. */
static void no_file_becomes_immutable(void **state)
{
        (void) state;
        assert_int_equal(mkdir(file("immutable"), 0755), 0);
        write_file(file("immutable/file"), "x");
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = greedy,
                            .volumes = MAYFLY_VOLUMES({ .path = "/host", .source = file("immutable") })));
        assert_string_equal(attack(c, "immutable", "/host/file"), "immutable EPERM\n");
        mayfly_container_free(c);
        assert_int_equal(unlink(file("immutable/file")), 0);
}

/* What is in a volume, by whoever, gives no rights in the container. */
static void set_user_id_has_no_effect_in_volumes(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_tmpfs *tmpfs = NULL;
        static const char *const places[] = { "/host", "/shared" };
        char line[256], path[64];

        (void) state;
        assert_int_equal(mkdir(file("set-user-id"), 0755), 0);
        assert_int_equal(mayfly_tmpfs_create(&tmpfs, 4 << 20, &err), 0);
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = plain,
                            .volumes = MAYFLY_VOLUMES({ .path = "/host", .source = file("set-user-id") },
                                                      { .path = "/shared", .tmpfs = tmpfs })));
        for (size_t i = 0; i < 2; i++) {
                snprintf(line, sizeof(line), "cp /bin/attacks %s/x && chown 33:33 %s/x && chmod 6755 %s/x", places[i],
                         places[i], places[i]);
                assert_string_equal(output(c, (const char *const[]){ "sh", "-c", line, NULL }), "");
                snprintf(path, sizeof(path), "%s/x", places[i]);
                assert_string_equal(attack(c, "set-user-id", path), "set-user-id EPERM\n");
        }
        mayfly_container_free(c);
        mayfly_tmpfs_free(tmpfs);
}

static int listen_abstract(const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path + 1, name);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
                         0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void sockets_of_the_host_are_out_of_reach(void **state)
{
        int fd = listen_abstract(directory + 1);
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));

        (void) state;
        assert_string_equal(attack(c, "abstract-socket", directory + 1), "abstract-socket ECONNREFUSED\n");
        mayfly_container_free(c);
        close(fd);
}

/* On the host's network every packet is the host's. */
static void the_hosts_packets_are_not_seen(void **state)
{
        static const enum mayfly_userns namespaces[] = { MAYFLY_USERNS_PRIVATE, MAYFLY_USERNS_HOST };

        (void) state;
        for (size_t i = 0; i < (is_refused_without_userns() ? 1 : 2); i++) {
                struct mayfly_container *c = start_container(
                        MAYFLY_SPEC(.image = greedy, .network = MAYFLY_NETWORK_HOST, .userns = namespaces[i]));
                const char *met = attack(c, "raw-socket", NULL);
                if (strcmp(met, "raw-socket EPERM\n") != 0 && strcmp(met, "raw-socket EAFNOSUPPORT\n") != 0)
                        fail_msg("%s", met);
                mayfly_container_free(c);
        }
}

/* A file of the container's that makes its readers wait: the command is refused, and at once. */
static void a_user_database_may_be_no_file(void **state)
{
        static const char *const what[] = { "mkfifo", "ln -s /dev/zero", "mkdir" };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char line[128];

        (void) state;
        for (size_t i = 0; i < 3; i++) {
                struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));
                struct mayfly_command command = MAYFLY_COMMAND_INIT;
                struct mayfly_result *r = NULL;
                snprintf(line, sizeof(line), "rm /etc/passwd; %s /etc/passwd", what[i]);
                assert_string_equal(output(c, (const char *const[]){ "sh", "-c", line, NULL }), "");
                command.argv = (const char *const[]){ "true", NULL };
                command.user = "www";
                command.timeout_ms = UINT32_MAX; /* a command that waits for the file runs into the test's own limit */
                assert_int_equal(mayfly_container_run(c, &command, &r, &err), -EINVAL);
                assert_non_null(strstr(err.message, "the image's /etc/passwd is not a regular file"));
                mayfly_container_free(c);
        }
}

/* An image that comes so does not start, and does not hold up who starts it. */
static void an_image_with_a_fifo_for_users_is_refused(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        const char *image = small_image("fifo", "{\"exec\":[\"true\"],\"user\":\"www\",\"group\":\"www\"}",
                                        "rm etc/passwd; ln -s /run/fifo etc/passwd");

        (void) state;
        c = start_container(MAYFLY_SPEC(.image = image, .idle = 1));
        mayfly_container_free(c);
        assert_int_equal(mkdir(file("fifo"), 0755), 0);
        assert_int_equal(mkfifo(file("fifo/fifo"), 0644), 0);
        c = NULL;
        assert_true(mayfly_container_start(&c,
                                           MAYFLY_SPEC(.image = image, .start_timeout_ms = 600000,
                                                       .volumes = MAYFLY_VOLUMES(
                                                               { .path = "/run/fifo", .source = file("fifo/fifo") })),
                                           &err) < 0);
        assert_non_null(strstr(err.message, "/etc/passwd is not a regular file"));
}

/* What somebody writes who has PID 1's own output: it ends at the bound. */
static void the_boot_log_is_bounded(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = plain));
        static char block[1 << 16];
        char path[64];
        long written = 0;

        (void) state;
        snprintf(path, sizeof(path), "/proc/%d/fd/1", (int) mayfly_container_leader(c));
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        for (ssize_t n; (n = write(fd, block, sizeof(block))) > 0 && written < 300L << 20;)
                written += n;
        assert_true(written > 0 && written <= 1 << 20);
        close(fd);
        mayfly_container_free(c);
}

static atomic_int enough;

/* Exchanges a directory and a link to another place as fast as it can, as a container that writes to a volume does. */
static void *exchange(void *unused)
{
        char one[256], other[256];

        (void) unused;
        snprintf(one, sizeof(one), "%s", file("race/volume"));
        snprintf(other, sizeof(other), "%s", file("race/link"));
        while (!enough)
                (void) renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
        return NULL;
}

static void a_race_of_links_leads_nowhere(void **state)
{
        static const char *const argv[] = { "cat", "/host/file", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char volume[256];
        pthread_t thread;

        (void) state;
        assert_int_equal(mkdir(file("race"), 0755), 0);
        assert_int_equal(mkdir(file("race/volume"), 0755), 0);
        assert_int_equal(mkdir(file("elsewhere"), 0755), 0);
        write_file(file("race/volume/file"), "right\n");
        write_file(file("elsewhere/file"), "wrong\n");
        assert_int_equal(symlink("../elsewhere", file("race/link")), 0);
        snprintf(volume, sizeof(volume), "%s", file("race/volume"));
        assert_int_equal(pthread_create(&thread, NULL, exchange, NULL), 0);
        for (int i = 0; i < 12; i++) {
                struct mayfly_container *c = NULL;
                if (mayfly_container_start(&c,
                                           MAYFLY_SPEC(.image = plain, .volumes = MAYFLY_VOLUMES(
                                                                               { .path = "/host", .source = volume })),
                                           &err) == 0)
                        assert_string_equal(output(c, argv), "right\n");
                else
                        assert_non_null(strstr(err.message, "symbolic link"));
                mayfly_container_free(c);
        }
        enough = 1;
        pthread_join(thread, NULL);
}

/* A target that is a link of the image's ends in the container, whatever it says. */
static void a_target_that_is_a_link_stays_inside(void **state)
{
        static const char *const argv[] = { "sh", "-c", "echo written >/escape/file; cat /escape/file", NULL };
        struct stat st;

        (void) state;
        assert_int_equal(mkdir(file("target"), 0755), 0);
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = plain,
                            .volumes = MAYFLY_VOLUMES({ .path = "/escape", .source = file("target") })));
        assert_string_equal(output(c, argv), "written\n");
        mayfly_container_free(c);
        assert_int_equal(stat(file("target/file"), &st), 0);
        assert_true(stat("/mayfly-escape", &st) < 0);
}

static void remove_directory(void)
{
        char line[128];

        snprintf(line, sizeof(line), "rm -rf %s", directory);
        if (system(line) != 0)
                fputs("the test's directory is left\n", stderr);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(attacks_from_a_command_fail),
                cmocka_unit_test(attacks_by_an_image_that_asks_for_all_fail),
                cmocka_unit_test(attacks_from_the_app_fail),
                cmocka_unit_test(attacks_without_a_user_namespace_fail),
                cmocka_unit_test(an_image_cannot_execute_its_supervisor),
                cmocka_unit_test(no_working_directory_is_outside),
                cmocka_unit_test(devices_in_volumes_stay_closed),
                cmocka_unit_test(no_file_becomes_immutable),
                cmocka_unit_test(set_user_id_has_no_effect_in_volumes),
                cmocka_unit_test(sockets_of_the_host_are_out_of_reach),
                cmocka_unit_test(the_hosts_packets_are_not_seen),
                cmocka_unit_test(a_user_database_may_be_no_file),
                cmocka_unit_test(an_image_with_a_fifo_for_users_is_refused),
                cmocka_unit_test(the_boot_log_is_bounded),
                cmocka_unit_test(a_race_of_links_leads_nowhere),
                cmocka_unit_test(a_target_that_is_a_link_stays_inside),
        };
        static const char prepare[] = "cp '" ATTACKS "' bin/attacks; ln -s ../../../../../mayfly-escape escape";

        if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
                return 1;
        atexit(remove_directory);
        plain = small_image("attacked", NULL, prepare);
        greedy = small_image(
                "greedy",
                "{\"exec\":[\"sleep\",\"1000\"],\"user\":\"0\",\"group\":\"0\",\"isolators\":[{\"name\":"
                "\"os/linux/"
                "capabilities-retain-set\",\"value\":{\"set\":[\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_"
                "SETGID\","
                "\"CAP_MKNOD\",\"CAP_NET_RAW\",\"CAP_SYS_PTRACE\",\"CAP_SYS_ADMIN\",\"CAP_SYS_NICE\",\"CAP_LINUX_"
                "IMMUTABLE\","
                "\"CAP_NET_ADMIN\",\"CAP_DAC_READ_SEARCH\",\"CAP_SYS_RESOURCE\",\"CAP_SYS_MODULE\",\"CAP_SYS_RAWIO\","
                "\"CAP_SYS_TIME\",\"CAP_SYSLOG\"]}}]}",
                prepare);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
