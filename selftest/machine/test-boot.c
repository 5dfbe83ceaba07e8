/* SPDX-License-Identifier: MIT */

/* Containers that run the image's systemd. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/snapshot.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/reach.h"

static const char *image;

/* Loaded systems take their time. */
#define BOOT(...) \
        MAYFLY_SPEC(.image = image, .boot = 1, .start_timeout_ms = 90000, .stop_timeout_ms = 60000, __VA_ARGS__)

#define UNIT "/etc/systemd/system/"
#define WANTED(name)                                                                          \
        {                                                                                     \
                .path = UNIT "sockets.target.d/more.conf", .text = "[Unit]\nWants=" name "\n" \
        }

/* Whoever connects gets back what was sent. */
#define ECHO_SOCKET                                                                          \
        {                                                                                    \
                .path = UNIT "echo.socket", .text = "[Socket]\nListenStream=7\nAccept=yes\n" \
        }
#define ECHO_SERVICE                                                                                             \
        {                                                                                                        \
                .path = UNIT "echo@.service",                                                                    \
                .text = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nDynamicUser=yes\nPrivateTmp=yes\n" \
        }

#define BROKEN                                                                                                       \
        {                                                                                                            \
                .path = UNIT "broken.service", .text = "[Unit]\nDefaultDependencies=no\n[Service]\nType="            \
                                                       "oneshot\nExecStart=/bin/sh -c 'echo what it says; exit 3'\n" \
        }

static int set_up(void **state)
{
        image = test_image("system");
        *state = start_container(BOOT(.files = MAYFLY_FILES(ECHO_SOCKET, ECHO_SERVICE, WANTED("echo.socket")),
                                      .publish = MAYFLY_PORTS({ .port = 7 })));
        return 0;
}

static int tear_down(void **state)
{
        mayfly_container_free(*state);
        return 0;
}

static void systemd_is_pid_1_and_runs(void **state)
{
        prints_as(*state, NULL, "systemctl is-system-running; readlink /proc/1/exe; systemd-detect-virt",
                  "running\n/usr/lib/systemd/systemd\nsystemd-nspawn\n");
        /* There is nothing else to be seen of mayfly's: what is PID 1 of the container has no number there. */
        prints_as(*state, NULL,
                  "cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^mayfly-init$'; kill -0 $PPID && cat /proc/$PPID/comm",
                  "0\nmayfly-command\n");
        prints_as(*state, NULL, "grep 0:: /proc/self/cgroup; cat /sys/fs/cgroup/init.scope/cgroup.procs",
                  "0::/mayfly-init\n1\n");
}

static void services_are_asked_and_restarted(void **state)
{
        prints_as(*state, NULL,
                  "before=$(systemctl show -P MainPID dbus) && systemctl restart dbus && "
                  "systemctl is-active dbus echo.socket && [ $(systemctl show -P MainPID dbus) != $before ] && echo "
                  "another",
                  "active\nactive\nanother\n");
        prints_as(*state, NULL, "hostnamectl chassis", "container\n"); /* which D-Bus starts */
        /* What units are confined by has effect. */
        prints_as(*state, NULL,
                  "touch /tmp/seen; systemd-run -qP -p PrivateTmp=yes -p ProtectSystem=strict -p PrivateDevices=yes "
                  "-p PrivateNetwork=yes -p SystemCallFilter=@system-service -p User=nobody -- "
                  "/bin/sh -c 'ls /tmp /sys/class/net | grep -v ^lo; touch /usr/x; id -un' 2>&1",
                  "/sys/class/net:\n\n/tmp:\ntouch: cannot touch '/usr/x': Read-only file system\nnobody\n");
}

static void a_socket_starts_its_service(void **state)
{
        int fd = reach_port(*state, "7/tcp", SOCK_STREAM);

        assert_true(fd >= 0);
        echoes(fd, "to the unit");
        prints_as(*state, NULL, "systemctl list-units --plain --no-legend 'echo@*' | wc -l", "1\n");
        close(fd);
}

static void the_journal_is_the_log(void **state)
{
        works(sh(*state, "echo words of mine | systemd-cat -t teller"));
        await_words(*state, "teller[");
        await_words(*state, ": words of mine\n");
        await_words(*state, "systemd[1]: Startup finished in ");
        prints_as(*state, NULL, "journalctl --no-pager -q -o cat -t teller", "words of mine\n");
}

static void it_is_counted_and_paused(void **state)
{
        assert_true(stats_of(*state).processes >= 4);
        works(mayfly_container_pause(*state, fresh()));
        works(mayfly_container_resume(*state, fresh()));
        prints_as(*state, NULL, "systemctl is-active dbus", "active\n");
}

static void machinectl_knows_it(void **state)
{
        char command[300], said[64] = "";

        if (!mayfly_container_is_registered(*state))
                return; /* of engine direct, or of an ordinary user */
        snprintf(command, sizeof(command),
                 "machinectl -q shell %1$s /bin/systemctl is-system-running </dev/null && machinectl status %1$s "
                 ">/dev/null",
                 mayfly_container_name(*state));
        FILE *f = popen(command, "re");
        assert_non_null(f);
        assert_non_null(fgets(said, sizeof(said), f));
        assert_int_equal(pclose(f), 0);
        assert_int_equal(strncmp(said, "running", 7), 0);
}

/* By systemd itself, and not by a signal after its time. */
static void it_shuts_down_and_starts_again(void **state)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        works(sh(*state, "echo kept > /var/kept; echo gone > /run/gone; systemctl poweroff --no-block"));
        works(mayfly_container_wait(*state, 60000, &end, fresh()));
        assert_true(end.exited && end.status == 0);
        await_words(*state, "systemd[1]: Reached target shutdown.target");
        works(mayfly_container_restart(*state, fresh()));
        prints_as(*state, NULL, "systemctl is-system-running; cat /var/kept; ls /run/gone 2>&1",
                  "running\nkept\nls: cannot access '/run/gone': No such file or directory\n");
        works(mayfly_container_halt(*state, fresh()));
        works(mayfly_container_wait(*state, 0, &end, fresh()));
        assert_true(end.exited && end.status == 0);
}

static void failed_units_fail_the_start(void **state)
{
        (void) state;
        start_fails(BOOT(.files = MAYFLY_FILES(BROKEN, WANTED("broken.service"))), -EPROTO,
                    "is degraded, because these units have failed: broken.service; ");
}

/* Stops mayfly-init in its cgroup, once the command that asked for it has ended. */
#define FREEZE                                                                                  \
        "systemd-run -q --no-block sh -c 'cd /sys/fs/cgroup/mayfly-init; "                      \
        "while [ $(wc -l < cgroup.procs) != 1 ]; do sleep 0.01; done; echo 1 > cgroup.freeze; " \
        "while ! grep -q \"frozen 1\" cgroup.events; do sleep 0.01; done; touch /frozen'"

/* Root inside has more rights than elsewhere, all of them in the container. */
static void root_inside_stays_there(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, .boot = 1, .start_timeout_ms = 90000, .stop_timeout_ms = 500,
                            .files = MAYFLY_FILES(BROKEN, WANTED("broken.service")),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY()),
                            .volumes = MAYFLY_VOLUMES({ .path = "/volume", .read_only = 1 })));

        (void) state;
        prints_as(c, NULL, "systemctl is-system-running", "degraded\n");
        prints_as(c, NULL,
                  "exec 2>/dev/null; mount -o remount,bind,rw /volume || touch /volume/x || echo read-only; "
                  "mount -t devtmpfs none /mnt || echo no devices; mknod /tmp/null c 1 3 || echo no nodes; "
                  "systemctl -ff reboot || echo no reboot; echo 1 > /proc/sys/kernel/sysrq || echo no switch",
                  "read-only\nno devices\nno nodes\nno reboot\nno switch\n");
        /* Under the /proc that can be taken away there is none that shows PID 1 of the container. */
        prints_as(c, NULL, "umount -l /proc && ls /proc", "");
        assert_int_equal(sh(c, FREEZE), 0);
        while (mayfly_container_exists(c, "/frozen", fresh()) == 0)
                usleep(5000);
        stops(c, 1);
}

static int count_calls(struct mayfly_container *c, void *userdata)
{
        (void) c;
        ++*(unsigned *) userdata;
        return 0;
}

/* What else a spec may have goes together with boot. */
static void it_begins_from_a_snapshot_and_may_be_read_only(void **state)
{
        struct mayfly_snapshot *snapshot = NULL;
        struct mayfly_volume volume = MAYFLY_VOLUME(.path = "/srv/more", .source = "/tmp");
        unsigned n_calls = 0;

        prints_as(*state, NULL, "echo kept > /etc/kept", "");
        works(mayfly_container_attach_volume(*state, &volume, fresh()));
        prints_as(*state, NULL, "grep -c ' /srv/more ' /proc/mounts", "1\n");
        works(mayfly_container_detach_volume(*state, "/srv/more", fresh()));
        works(mayfly_container_pause(*state, fresh()));
        works(mayfly_container_snapshot(*state, &snapshot, fresh()));
        works(mayfly_container_resume(*state, fresh()));
        struct mayfly_container *c = start_container(BOOT(.snapshot = snapshot, .read_only = 1, .on_ready = count_calls,
                                                          .before_stop = count_calls, .life_userdata = &n_calls,
                                                          .volumes = MAYFLY_VOLUMES({ .path = "/var" })));
        mayfly_snapshot_free(snapshot);
        assert_int_equal(n_calls, 1);
        prints_as(c, NULL, "cat /etc/kept; touch /etc/no 2>/dev/null || echo read-only; systemctl is-system-running",
                  "kept\nread-only\nrunning\n");
        mayfly_container_free(c);
        assert_int_equal(n_calls, 2);
}

/* leak-check, under which this test runs, finds what is left. */
static void it_goes_with_a_program_that_is_killed(void **state)
{
        int status;

        (void) state;
        pid_t pid = fork();
        if (pid == 0) {
                struct mayfly_container *c = NULL;
                if (mayfly_container_start(&c, BOOT(.argv = NULL), NULL) == 0)
                        kill(getpid(), SIGKILL);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

static void what_cannot_be_booted_is_refused(void **state)
{
        const char *busybox = test_image("busybox");

        (void) state;
        start_fails(BOOT(.idle = 1), -EINVAL, "both boot and idle");
        start_fails(BOOT(.user = "root"), -EINVAL, "both boot and user");
        start_fails(BOOT(.cwd = "/tmp"), -EINVAL, "both boot and cwd");
        start_fails(BOOT(.separate_streams = 1), -EINVAL, "both boot and separate_streams");
        start_fails(BOOT(.network = MAYFLY_NETWORK_HOST), -EINVAL, "both boot and MAYFLY_NETWORK_HOST");
        start_fails(BOOT(.userns = MAYFLY_USERNS_HOST), -EINVAL, "both boot and MAYFLY_USERNS_HOST");
        start_fails(BOOT(.publish = MAYFLY_PORTS({ .port = 80, .activate = 1 })), -EINVAL, "with boot");
        start_fails(BOOT(.entrypoint = MAYFLY_STRINGS("/no/init")), -ENOENT, "\"/no/init\"");
        start_fails(MAYFLY_SPEC(.image = busybox, .boot = 1), -ENOENT, "the image has no init system");
}

/* Without a cgroup that the user may write to there is nothing that systemd could be given. */
static void a_user_needs_a_cgroup(void **state)
{
        (void) state;
        image = test_image("system");
        start_fails(BOOT(.name = "boot"), -ESRCH, "the init system needs a cgroup that belongs to the user");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(systemd_is_pid_1_and_runs),
                cmocka_unit_test(services_are_asked_and_restarted),
                cmocka_unit_test(a_socket_starts_its_service),
                cmocka_unit_test(the_journal_is_the_log),
                cmocka_unit_test(it_is_counted_and_paused),
                cmocka_unit_test(machinectl_knows_it),
                cmocka_unit_test(it_begins_from_a_snapshot_and_may_be_read_only),
                cmocka_unit_test(it_shuts_down_and_starts_again),
                cmocka_unit_test(failed_units_fail_the_start),
                cmocka_unit_test(root_inside_stays_there),
                cmocka_unit_test(what_cannot_be_booted_is_refused),
                cmocka_unit_test(it_goes_with_a_program_that_is_killed),
        };
        const struct CMUnitTest without_cgroup[] = { cmocka_unit_test(a_user_needs_a_cgroup) };
        const char *engine = getenv("MAYFLY_ENGINE");

        if (geteuid() != 0 && engine && strcmp(engine, "direct") == 0 && !getenv("MAYFLY_TEST_DELEGATED"))
                return cmocka_run_group_tests(without_cgroup, NULL, NULL);
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
