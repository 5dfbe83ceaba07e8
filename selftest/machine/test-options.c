/* SPDX-License-Identifier: MIT */

/* What a spec has as docker's and podman's "run" have it: limits, sysctls, names, devices, a read-only root, labels. */

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

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"

static const char *image, *linked_image;

#define APP(line) MAYFLY_STRINGS("/bin/sh", "-c", line)
#define IDLE(...) MAYFLY_SPEC(.image = image, .idle = 1, __VA_ARGS__)

/* Each program has the limits: the app, commands, and those of other users. PID 1 goes on without them. */
static void limits_hold_for_every_program(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, .argv = APP("echo app $(ulimit -Sn) $(ulimit -Hn); exec sleep 1000"),
                            .ulimits = MAYFLY_STRINGS("nofile=9:20", "core=0", "fsize=2048:-1", "nproc=70:80",
                                                      "stack=1048576"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^app 9 20$"))));
        static const char look[] = "ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -Hs; ulimit -Hf";

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL, look, "9\n20\n0\n1024\nunlimited\n");
                prints_as(c, "www", look, "9\n20\n0\n1024\nunlimited\n");
                works(mayfly_container_restart(c, fresh()));
        }
        await_words(c, "app 9 20\napp 9 20\n");
        stops(c, 0);
}

/* A hard limit that nobody can give: more files than fs.nr_open allows. */
static void limits_that_cannot_be_had_fail_the_start(void **state)
{
        (void) state;
        start_fails(IDLE(.ulimits = MAYFLY_STRINGS("nofile=10:2147483648")), -ESRCH,
                    "ulimits of the spec has \"nofile=10:2147483648\", but the hard limit here is ");
        start_fails(IDLE(.ulimits = MAYFLY_STRINGS("nofile=3:2")), -EINVAL,
                    "ulimits of the spec has \"nofile=3:2\": the soft limit, which comes first, is above the hard");
        start_fails(IDLE(.ulimits = MAYFLY_STRINGS("core=0", "nofile=3", "core=1")), -EINVAL,
                    "\"core=1\": an earlier entry has that name");
}

static void sysctls_are_of_the_containers_namespaces(void **state)
{
        static const char look[] = "cd /proc/sys; cat net/core/somaxconn kernel/msgmax kernel/domainname "
                                   "fs/mqueue/msg_max; echo $(cat kernel/sem)";
        struct mayfly_container *c = start_container(
                IDLE(.sysctls = MAYFLY_STRINGS("net.core.somaxconn=77", "kernel.msgmax=9999", "fs.mqueue.msg_max=7",
                                               "kernel.sem=100 3200 30 40", "kernel.domainname=example.test")));
        struct mayfly_container *other = start_container(IDLE());

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL, look, "77\n9999\nexample.test\n7\n100 3200 30 40\n");
                assert_int_not_equal(sh(c, "echo 1 > /proc/sys/kernel/msgmax"), 0);
                works(mayfly_container_restart(c, fresh()));
        }
        assert_int_equal(sh(other, "! grep -qx 77 /proc/sys/net/core/somaxconn && "
                                   "! grep -qx 9999 /proc/sys/kernel/msgmax"),
                         0);
        mayfly_container_free(other);
        mayfly_container_free(c);
}

static void other_sysctls_are_refused(void **state)
{
        static const char *const hosts[] = { "vm.swappiness=1", "kernel.pid_max=100", "fs.file-max=1",
                                             "kernel.msgmaxx=1" };

        (void) state;
        for (unsigned i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
                start_fails(IDLE(.sysctls = MAYFLY_STRINGS(hosts[i])), -EINVAL, "it is the whole host's");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("kernel.hostname=x")), -EINVAL, "set .hostname instead");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("net..core=1")), -EINVAL, "is not of the form");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("net/../kernel.pid_max=1")), -EINVAL, "is not of the form");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("net.core.somaxconn")), -EINVAL, "it has no value");
        start_fails(IDLE(.network = MAYFLY_NETWORK_HOST, .sysctls = MAYFLY_STRINGS("net.core.somaxconn=1")), -EINVAL,
                    "it would be the host's");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("net.core.nothing=1")), -ESRCH,
                    "sysctls of the spec has \"net.core.nothing=1\": the namespaces of a container have no such");
        start_fails(IDLE(.sysctls = MAYFLY_STRINGS("net.core.somaxconn=many")), -ESRCH,
                    "sysctls of the spec has \"net.core.somaxconn=many\": the kernel refuses this value");
}

static void shared_memory_has_its_size(void **state)
{
        struct mayfly_container *c = start_container(IDLE(.shm_size = 1 << 20));

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, "www", "cd /dev/shm; stat -c %a .; echo x > mine; df -k . | awk 'END { print $2 }'",
                          "1777\n1024\n");
                prints_as(c, NULL, "dd if=/dev/zero of=/dev/shm/big bs=4096 count=300 2>&1 | grep -o 'No space.*'",
                          "No space left on device\n");
                works(mayfly_container_restart(c, fresh()));
        }
        mayfly_container_free(c);
}

static void the_host_has_its_name(void **state)
{
        struct mayfly_container *c = start_container(IDLE(.hostname = "web.example"));

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL, "hostname; cat /proc/sys/kernel/hostname; grep web /etc/hosts",
                          "web.example\nweb.example\n127.0.1.1\tweb.example\n");
                works(mayfly_container_restart(c, fresh()));
        }
        mayfly_container_free(c);
        start_fails(IDLE(.hostname = "web_1"), -EINVAL, "hostname of the spec is \"web_1\": it may have letters");
        start_fails(IDLE(.hostname = ""), -EINVAL, "it is empty");
        start_fails(IDLE(.hostname = "a-name-that-is-longer-than-the-64-characters.which-the-kernel-takes"), -EINVAL,
                    "longer than 64 characters");
}

/* Members of a network know it by that name, too. */
static void members_know_the_host_name(void **state)
{
        struct mayfly_network *network = NULL;

        (void) state;
        works(mayfly_network_create(&network, fresh()));
        struct mayfly_network *list[] = { network, NULL };
        struct mayfly_container *c = start_container(IDLE(.hostname = "web.example", .networks = list));
        struct mayfly_container *other = start_container(IDLE(.networks = list));
        assert_int_equal(sh(c, "ping -c 1 web.example > /dev/null"), 0);
        assert_int_equal(sh(other, "ping -c 1 web.example > /dev/null"), 0);
        mayfly_container_free(other);
        mayfly_container_free(c);
        mayfly_network_free(network);
}

static void hosts_are_added(void **state)
{
        struct mayfly_container *c =
                start_container(IDLE(.extra_hosts = MAYFLY_STRINGS("db:10.0.0.7", "db6=[fd00::7]", "localhost:10.9.9.9",
                                                                   "up:host-gateway"),
                                     .host_ports = MAYFLY_HOST_PORTS({ .port = 1 }),
                                     .files = MAYFLY_FILES({ .path = "/kept", .text = "" })));
        struct mayfly_snapshot *snapshot = NULL;

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL, "head -n 4 /etc/hosts; grep -c own /etc/hosts",
                          "10.0.0.7\tdb\nfd00::7\tdb6\n10.9.9.9\tlocalhost\n127.77.70.1\tup\n1\n");
                works(mayfly_container_restart(c, fresh()));
        }
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        works(mayfly_container_reset(c, fresh()));
        prints_as(c, NULL, "head -n 1 /etc/hosts", "10.0.0.7\tdb\n");
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
        start_fails(IDLE(.extra_hosts = MAYFLY_STRINGS("db")), -EINVAL,
                    "extra_hosts of the spec has \"db\": write NAME");
        start_fails(IDLE(.extra_hosts = MAYFLY_STRINGS("db:10.0.0")), -EINVAL, "its address is neither");
        start_fails(IDLE(.extra_hosts = MAYFLY_STRINGS("db:10.0.0.7 x")), -EINVAL, "its address is neither");
        start_fails(IDLE(.extra_hosts = MAYFLY_STRINGS("d\nb:10.0.0.7")), -EINVAL, "it may have letters");
        start_fails(IDLE(.extra_hosts = MAYFLY_STRINGS("up:host-gateway")), -EINVAL, "the spec has none");
}

/* /dev/zero under other names stands for a device that each user of the host may have. */
static void devices_are_there(void **state)
{
        struct mayfly_container *c =
                start_container(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/more/zeros", "/dev/full:/dev/filled")));

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, "www", "head -c 3 /dev/more/zeros | wc -c; stat -c '%F %a' /dev/more/zeros",
                          "3\ncharacter special file 666\n");
                prints_as(c, "www", "echo x 2>&1 > /dev/filled | grep -o 'No space.*'", "No space left on device\n");
                works(mayfly_container_restart(c, fresh()));
        }
        mayfly_container_free(c);
}

static void devices_that_cannot_be_had_fail_the_start(void **state)
{
        (void) state;
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/no-such-device")), -ENOENT,
                    "devices of the spec has \"/dev/no-such-device\", which this host does not have");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/shm")), -EINVAL, "a file of its own there");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/shm:/dev/mine")), -ENODEV, "which is no device");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero")), -EINVAL, "the container has a file of its own");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/z:rwm")), -EINVAL, "permissions cannot be given");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/etc/z")), -EINVAL, "write /dev/NAME");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/../etc/z")), -EINVAL, "write /dev/NAME");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/etc/../dev/zero")), -EINVAL, "write /dev/NAME");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev//null")), -EINVAL,
                    "devices of the spec has \"/dev/zero:/dev//null\": write /dev/NAME");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev//zero:/dev/z")), -EINVAL, "write /dev/NAME");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/z/")), -EINVAL, "write /dev/NAME");
        start_fails(
                IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/z", "/dev/full:/dev/z")), -EINVAL,
                "devices of the spec has \"/dev/full:/dev/z\": an earlier entry, \"/dev/zero:/dev/z\", has the same");
        start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/zero:/dev/z/a", "/dev/full:/dev/z")), -EINVAL,
                    "has the same path in the container, or one within it");
}

/* An ordinary user's device is the host's node, and here one that the user owns. */
static void a_device_keeps_its_mode_and_times(void **state)
{
        const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        char device[64];
        struct stat before, after;

        (void) state;
        assert_return_code(terminal, errno);
        assert_return_code(grantpt(terminal), errno);
        assert_return_code(unlockpt(terminal), errno);
        const char *source = geteuid() == 0 ? "/dev/zero" : ptsname(terminal);
        snprintf(device, sizeof(device), "%s:/dev/mine", source);
        assert_return_code(stat(source, &before), errno);
        struct mayfly_container *c = start_container(IDLE(.devices = MAYFLY_STRINGS(device)));
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL,
                          "chmod 606 /dev/mine 2>&1 | grep -o 'Read-only.*'; touch -d 1999-01-01 /dev/mine 2>&1 | "
                          "grep -o 'Read-only.*'; : <> /dev/mine && echo can be used",
                          "Read-only file system\nRead-only file system\ncan be used\n");
                works(mayfly_container_restart(c, fresh()));
        }
        mayfly_container_free(c);
        assert_return_code(stat(source, &after), errno);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(after.st_mtime, before.st_mtime);
        close(terminal);
}

/* Root has a device of the host whatever its mode is; an ordinary user hears why not. */
static void fuse_is_there_or_a_reason(void **state)
{
        struct stat st;

        (void) state;
        if (stat("/dev/fuse", &st) < 0) {
                start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/fuse")), -ENOENT, "which this host does not have");
                return;
        }
        if (access("/dev/fuse", R_OK | W_OK) < 0) {
                start_fails(IDLE(.devices = MAYFLY_STRINGS("/dev/fuse")), -ESRCH,
                            geteuid() == 0 ? "a device cgroup that allows it"
                                           : "devices of the spec has \"/dev/fuse\": the user who runs the test may "
                                             "not read and write it");
                return;
        }
        struct mayfly_container *c = start_container(IDLE(.devices = MAYFLY_STRINGS("/dev/fuse")));
        assert_int_equal(sh(c, "test -c /dev/fuse && : <> /dev/fuse"), 0);
        mayfly_container_free(c);
}

#define WRITES "for d in / /etc /tmp /var/tmp /run /dev/shm /data; do echo x 2>/dev/null > $d/written && echo $d; done"

static void the_root_is_read_only(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, .read_only = 1, .argv = APP(WRITES "; echo done; exec sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("^done$")),
                            .files = MAYFLY_FILES({ .path = "/etc/app.conf", .text = "conf\n" }),
                            .volumes = MAYFLY_VOLUMES({ .path = "/data" })));
        struct mayfly_snapshot *snapshot = NULL;

        (void) state;
        await_words(c, "/tmp\n/var/tmp\n/run\n/dev/shm\n/data\ndone\n");
        prints_as(c, NULL, "cat /etc/app.conf; echo 2>&1 > /x | grep -o 'Read-only.*'",
                  "conf\nRead-only file system\n");
        assert_int_not_equal(sh(c, "mount -o remount,rw / 2>/dev/null"), 0);
        is_error(mayfly_container_put(c, &(const struct mayfly_file) MAYFLY_FILE(.path = "/etc/more", .text = ""),
                                      fresh()),
                 -EROFS, "/etc/more");
        works(mayfly_container_put(c, &(const struct mayfly_file) MAYFLY_FILE(.path = "/tmp/more", .text = "more\n"),
                                   fresh()));
        works(mayfly_container_restart(c, fresh()));
        prints_as(c, NULL, "cat /etc/app.conf /tmp/more; " WRITES,
                  "conf\nmore\n/tmp\n/var/tmp\n/run\n/dev/shm\n/data\n");
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        works(mayfly_container_reset(c, fresh()));
        prints_as(c, NULL, "cat /etc/app.conf /tmp/more; " WRITES,
                  "conf\nmore\n/tmp\n/var/tmp\n/run\n/dev/shm\n/data\n");
        mayfly_container_free(c);
        mayfly_snapshot_free(snapshot);
}

/* In this image /tmp is a link to the root and /var/tmp one to /usr. */
static void links_of_an_image_lead_to_no_writable_root(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = linked_image, .idle = 1, .read_only = 1));

        (void) state;
        for (unsigned life = 0; life < 2; life++) {
                prints_as(c, NULL,
                          "for d in / /.. /tmp /tmp/.. /usr /tmp/usr /var/tmp /run; do echo x 2>/dev/null > $d/written "
                          "&& echo $d; done",
                          "/run\n");
                works(mayfly_container_restart(c, fresh()));
        }
        mayfly_container_free(c);
}

/* What the shell command prints with $NAME and $TOOL. */
static void tool_prints(struct mayfly_container *c, const char *line, const char *expected)
{
        char text[1024] = "", command[512];

        snprintf(command, sizeof(command), "NAME=%s; \"$MAYFLY_TEST_TOOL\" %s", mayfly_container_name(c), line);
        FILE *f = popen(command, "r");
        assert_non_null(f);
        (void) !fread(text, 1, sizeof(text) - 1, f);
        assert_int_equal(pclose(f), 0);
        assert_string_equal(text, expected);
}

static void labels_are_shown(void **state)
{
        struct mayfly_container *c =
                start_container(IDLE(.labels = MAYFLY_STRINGS("test=labels", "x=a=b", "bare", "odd=\033[1m $HOME %n")));
        struct mayfly_container *other = start_container(IDLE(.labels = MAYFLY_STRINGS("test=other", "bared=")));
        char expected[128];

        (void) state;
        works(mayfly_container_restart(c, fresh()));
        tool_prints(c, "ps | grep $NAME | grep -o 'test=.*'", "test=labels,x=a=b,bare,odd=\\033[1m $HOME %n\n");
        snprintf(expected, sizeof(expected), "%s\n", mayfly_container_name(c));
        tool_prints(c, "ps --quiet --label bare --label x=a=b", expected);
        tool_prints(c, "ps --quiet --label x=a", "");
        tool_prints(c, "ps --json --label test=labels | grep -c '\"x\": *\"a=b\"'", "1\n");
        mayfly_container_free(other);
        works(mayfly_container_stop(c, fresh()));
        tool_prints(c, "ps --quiet --label test=labels", "");
        mayfly_container_free(c);
        start_fails(IDLE(.labels = MAYFLY_STRINGS("=x")), -EINVAL, "labels of the spec has \"=x\": it has no name");
        start_fails(IDLE(.labels = MAYFLY_STRINGS("a=1", "a=2")), -EINVAL, "an earlier entry has that name");
        start_fails(IDLE(.labels = MAYFLY_STRINGS("a=1", "b=\xff")), -EINVAL,
                    "labels of the spec has \"b=\\377\": it is not UTF-8");
}

static void large_labels_are_refused(void **state)
{
        char half[10000] = "half=", *other = half + 1;

        (void) state;
        memset(half + strlen(half), 'l', sizeof(half) - strlen(half) - 1);
        struct mayfly_container *c = start_container(IDLE(.labels = MAYFLY_STRINGS(half)));
        tool_prints(c, "ps --quiet --label half | grep -c $NAME", "1\n");
        mayfly_container_free(c);
        start_fails(IDLE(.labels = MAYFLY_STRINGS(half, other)), -E2BIG, "labels of the spec has \"alf=llll");
        start_fails(IDLE(.labels = MAYFLY_STRINGS(half, other)), -E2BIG, "all labels together may have 16384 bytes");
}

/* A program that does nothing, with the arguments of a supervisor of the container NAME. */
#define FAKE(name, label) "/fake/mayfly-launch", "--machine", name, "--label", label

/* A process inside can give itself any arguments. */
static void containers_cannot_be_faked_inside(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, .argv = MAYFLY_STRINGS(FAKE("victim", "test=faked")),
                                            .labels = MAYFLY_STRINGS("test=true")));
        char expected[128];

        (void) state;
        await_output(c);
        snprintf(expected, sizeof(expected), "%s\n", mayfly_container_name(c));
        tool_prints(c, "ps --quiet --label test=true", expected);
        tool_prints(c, "ps --quiet --label test=faked", "");
        mayfly_container_free(c);
}

/* Starts the program, as this user, once a name is written to *ret_name. It has executed the program when *ret_up is closed. */
static pid_t fake_outside(const char *program, uid_t uid, int *ret_name, int *ret_up)
{
        int name[2], up[2];

        assert_return_code(pipe2(name, O_CLOEXEC), errno);
        assert_return_code(pipe2(up, O_CLOEXEC), errno);
        const pid_t pid = fork();
        assert_return_code(pid, errno);
        if (pid == 0) {
                char text[128] = "";
                if (read(name[0], text, sizeof(text) - 1) <= 0 || !freopen("/dev/null", "w", stdout) ||
                    (uid != geteuid() && setresuid(uid, uid, uid) < 0))
                        _exit(1);
                execl(program, FAKE(text, "test=outside"), NULL);
                _exit(1);
        }
        close(name[0]);
        close(up[1]);
        *ret_name = name[1];
        *ret_up = up[0];
        return pid;
}

/* Processes of the host that have the name of a container: one has another program, which can be seen, and one is another user's. The
 * container itself is listed all the same. */
static void fakes_outside_hide_no_container(void **state)
{
        char directory[] = "/tmp/mayfly-options-XXXXXX", copy[64], expected[300], byte;
        const uid_t other_user = geteuid() == 0 ? 65534 : geteuid();
        int names[2], ups[2];

        (void) state;
        assert_non_null(mkdtemp(directory));
        assert_return_code(chmod(directory, 0755), errno);
        snprintf(copy, sizeof(copy), "%s/mayfly-launch", directory);
        snprintf(expected, sizeof(expected), "cp '%s' '%s'; cp '%s' '%s/other'", VFORKS, copy, VFORKS, directory);
        assert_int_equal(system(expected), 0);
        char other[64];
        snprintf(other, sizeof(other), "%s/other", directory);
        const pid_t fakes[] = { fake_outside(other, geteuid(), &names[0], &ups[0]),
                                fake_outside(copy, other_user, &names[1], &ups[1]) };
        struct mayfly_container *c = start_container(IDLE(.labels = MAYFLY_STRINGS("test=inside")));
        const char *name = mayfly_container_name(c);
        const size_t length = strlen(name);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(write(names[i], name, length), length);
                assert_int_equal(read(ups[i], &byte, 1), 0);
                close(names[i]);
                close(ups[i]);
        }
        snprintf(expected, sizeof(expected), "%s\n", name);
        if (geteuid() == 0) { /* else all are of one user, who can fake as much as the user likes */
                tool_prints(c, "ps --quiet --label test=inside", expected);
                tool_prints(c, "ps | grep -c \"^$NAME .*test=\"", "2\n");
                tool_prints(c, "ps --quiet --label test=outside", expected);
        }
        kill(fakes[1], SIGKILL);
        assert_int_equal(waitpid(fakes[1], NULL, 0), fakes[1]);
        /* A child of it lives a moment longer. */
        tool_prints(c,
                    "ps > /dev/null; while \"$MAYFLY_TEST_TOOL\" ps | grep -q test=outside; do sleep 0.01; done; "
                    "\"$MAYFLY_TEST_TOOL\" ps | grep \"^$NAME \" | grep -o 'test=.*'",
                    "test=inside\n");
        kill(fakes[0], SIGKILL);
        assert_int_equal(waitpid(fakes[0], NULL, 0), fakes[0]);
        mayfly_container_free(c);
        unlink(copy);
        unlink(other);
        assert_return_code(rmdir(directory), errno);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(limits_hold_for_every_program),
                cmocka_unit_test(limits_that_cannot_be_had_fail_the_start),
                cmocka_unit_test(sysctls_are_of_the_containers_namespaces),
                cmocka_unit_test(other_sysctls_are_refused),
                cmocka_unit_test(shared_memory_has_its_size),
                cmocka_unit_test(the_host_has_its_name),
                cmocka_unit_test(members_know_the_host_name),
                cmocka_unit_test(hosts_are_added),
                cmocka_unit_test(devices_are_there),
                cmocka_unit_test(devices_that_cannot_be_had_fail_the_start),
                cmocka_unit_test(a_device_keeps_its_mode_and_times),
                cmocka_unit_test(fuse_is_there_or_a_reason),
                cmocka_unit_test(the_root_is_read_only),
                cmocka_unit_test(links_of_an_image_lead_to_no_writable_root),
                cmocka_unit_test(labels_are_shown),
                cmocka_unit_test(large_labels_are_refused),
                cmocka_unit_test(containers_cannot_be_faked_inside),
                cmocka_unit_test(fakes_outside_hide_no_container),
        };

        image = small_image(
                "options", NULL,
                "mkdir -p etc var/tmp data && chmod 1777 var/tmp && echo 'www:x:33:33::/:/bin/sh' > etc/passwd && "
                "echo '127.0.0.1 own' > etc/hosts && mkdir fake && cp '" VFORKS "' fake/mayfly-launch");
        linked_image = small_image("options-links", NULL, "mkdir usr var && ln -s / tmp && ln -s /usr var/tmp");
        return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
