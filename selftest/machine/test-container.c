/* SPDX-License-Identifier: MIT */

/* Real containers on the engine that $MAYFLY_ENGINE (or the host) chooses. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/host.h"

static int start_busybox(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
}

static int start_app(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = test_image("busybox")));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static struct mayfly_result *run(struct mayfly_container *c, struct mayfly_command command, const char *line)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        command.size = sizeof(command);
        command.argv = argv;
        if (mayfly_container_run(c, &command, &result, &err) < 0)
                fail_msg("%s", err.message);
        return result;
}

static void assert_output(struct mayfly_container *c, struct mayfly_command command, const char *line,
                          const char *expected)
{
        struct mayfly_result *result = run(c, command, line);

        assert_string_equal(result->out, expected);
        mayfly_result_free(result);
}

static void commands_run_as_asked(void **state)
{
        const char *const env[] = { "A=1", "B=2=3", NULL };
        struct mayfly_command plain = MAYFLY_COMMAND_INIT;

        assert_output(
                *state, plain, "echo $PATH; echo $GREETING; echo $AC_APP_NAME; echo $container; pwd",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nhello\nbusybox\nsystemd-nspawn\n/\n");
        assert_output(*state, (struct mayfly_command){ .env = env, .cwd = "/etc" }, "echo $A $B; pwd", "1 2=3\n/etc\n");
        assert_output(*state, (struct mayfly_command){ .user = "www" }, "id -u; id -g; id -G; echo $HOME",
                      "33\n33\n33 44\n/srv\n");
        assert_output(*state, (struct mayfly_command){ .user = "1234", .group = "www" }, "id -u; id -g", "1234\n33\n");
        assert_output(*state, (struct mayfly_command){ .user = "/etc/passwd" }, "id -u", "0\n");
        assert_output(*state, (struct mayfly_command){ .user = "www" }, "echo x > /dev/stdout; echo y > /dev/stderr",
                      "x\n");
        assert_output(*state, plain, "grep Cap /proc/self/status | grep -c 00000000a80425fb", "3\n");
        assert_output(*state, plain, "mount -t tmpfs none /tmp 2>/dev/null; echo $?", "1\n");
        assert_output(*state, plain, "stat -c %a /tmp", "1777\n");
}

static void ends_are_told_apart(void **state)
{
        struct mayfly_result *r = run(*state, (struct mayfly_command){ 0 }, "exit 42");

        assert_true(r->exit->exited && r->exit->status == 42 && r->exit->signal == 0);
        mayfly_result_free(r);
        r = run(*state, (struct mayfly_command){ 0 }, "kill -9 $$");
        assert_true(!r->exit->exited && r->exit->status == 0 && r->exit->signal == SIGKILL && !r->timed_out);
        mayfly_result_free(r);
        r = run(*state, (struct mayfly_command){ 0 }, "echo out; echo err >&2");
        assert_string_equal(r->out, "out\n");
        assert_string_equal(r->err, "err\n");
        mayfly_result_free(r);
}

static void streams_are_binary_bounded_and_never_block(void **state)
{
        enum { SIZE = 5 << 20 };
        char *data = malloc(SIZE);

        for (size_t i = 0; i < SIZE; i++)
                data[i] = (char) (i * 7 + i / 251);
        struct mayfly_result *r =
                run(*state, (struct mayfly_command){ .input = data, .input_size = SIZE }, "cat; cat >&2 </etc/passwd");
        assert_int_equal(r->out_size, SIZE);
        assert_memory_equal(r->out, data, SIZE);
        mayfly_result_free(r);
        /* Nobody reads the input. */
        r = run(*state, (struct mayfly_command){ .input = data, .input_size = SIZE }, "exec true");
        assert_true(r->exit->exited && r->exit->status == 0);
        mayfly_result_free(r);
        r = run(*state, (struct mayfly_command){ .output_max = 1000 },
                "dd if=/dev/zero bs=1M count=3; dd if=/dev/zero bs=1M count=2 >&2");
        assert_int_equal(r->out_size, 1000);
        assert_int_equal(r->out_dropped, (3 << 20) - 1000);
        assert_int_equal(r->err_size, 1000);
        mayfly_result_free(r);
        /* A daemon that keeps the pipes open does not keep the command from ending. */
        r = run(*state, (struct mayfly_command){ 0 }, "sleep 100 & echo started");
        assert_string_equal(r->out, "started\n");
        mayfly_result_free(r);
        free(data);
}

static void timeouts_kill_the_whole_family(void **state)
{
        struct mayfly_result *r = run(*state, (struct mayfly_command){ .timeout_ms = 300 },
                                      "echo begun; setsid sh -c 'sleep 77 & sleep 77' & (sleep 77 &) ; sleep 77");

        assert_int_equal(r->timed_out, 1);
        assert_int_equal(r->exit->signal, SIGKILL);
        assert_string_equal(r->out, "begun\n");
        mayfly_result_free(r);
        assert_output(*state, (struct mayfly_command){ 0 }, "ps | grep -c '[s]leep 77'", "0\n");
}

static void bad_commands_are_named(void **state)
{
        static const struct {
                struct mayfly_command command;
                const char *program, *message;
                int code;
        } cases[] = {
                { { 0 },
                  "nosuch",
                  "\"nosuch\": not found in the container's PATH; check its name, or give its path",
                  -ENOENT },
                { { 0 }, "/no/such", "\"/no/such\": No such file or directory; check the path", -ENOENT },
                { { 0 },
                  "/etc/passwd",
                  "\"/etc/passwd\": Permission denied; let its user execute it (chmod +x in the image)",
                  -EACCES },
                { { .cwd = "/nowhere" }, "true", "working directory \"/nowhere\": No such file", -ENOENT },
                { { .cwd = "etc" }, "true", "working directory \"etc\" must be absolute", -EINVAL },
                { { .user = "nobody" }, "true", "user \"nobody\" is not in the image's /etc/passwd", -ENOENT },
                { { .group = "staff" }, "true", "group \"staff\" is not in the image's /etc/group", -ENOENT },
                { { .user = "4294967295" }, "true", "user \"4294967295\" is not in", -ENOENT },
                { { .user = "/none" }, "true", "user \"/none\"", -ENOENT },
                { { .user = "" }, "true", "user is empty", -EINVAL },
                { { 0 }, "", "has no argv[0]", -EINVAL },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *const argv[] = { cases[i].program, NULL };
                struct mayfly_command command = cases[i].command;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_result *result = NULL;
                command.size = sizeof(command);
                command.argv = argv;
                assert_int_equal(mayfly_container_run(*state, &command, &result, &err), cases[i].code);
                if (!strstr(err.message, cases[i].message))
                        fail_msg("%s gives \"%s\"", cases[i].program, err.message);
                assert_null(result);
        }
}

static void the_app_runs_and_is_logged(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char *log = NULL;

        await_output(*state);
        /* Two of them while the shell forks. */
        assert_output(*state, (struct mayfly_command){ 0 },
                      "ps -o user,args | grep -q '^www .*/bin/sh -c trap' && echo it runs", "it runs\n");
        assert_int_equal(mayfly_container_wait(*state, 0, &end, NULL), -ETIMEDOUT);
        assert_int_equal(mayfly_container_stop(*state, &err), 0);
        assert_int_equal(mayfly_container_logs(*state, &log, NULL, &err), 0);
        assert_string_equal(log, "app of busybox\nbye\n"); /* it was asked to stop before it was killed */
        free(log);
        assert_int_equal(mayfly_container_wait(*state, 0, &end, NULL), 0);
        assert_true(end.exited && end.status == 0);
        assert_int_equal(mayfly_container_stop(*state, &err), 0);
}

static void one_static_program_is_enough(void **state)
{
        const char *const argv[] = { "/hello", "3", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_container *c = NULL;
        struct mayfly_result *r = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        command.argv = argv;
        if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("static"), .idle = 1), &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_run(c, &command, &r, &err), 0);
        assert_string_equal(r->out, "hello from 1 argument\n");
        assert_int_equal(r->exit->status, 3);
        mayfly_result_free(r);
        mayfly_container_free(c);
}

static void devices_and_namespaces_are_out_of_reach(void **state)
{
        const char *const argv[] = { "/hello", "new-user-namespace", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_container *c = NULL;
        struct mayfly_result *r = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        assert_output(*state, command,
                      "for f in /dev/x /x /tmp/x /run/x; do mknod $f b 7 0 || mknod $f c 1 1; done 2>&1",
                      "mknod: /dev/x: Operation not permitted\nmknod: /dev/x: Operation not permitted\n"
                      "mknod: /x: Operation not permitted\nmknod: /x: Operation not permitted\n"
                      "mknod: /tmp/x: Operation not permitted\nmknod: /tmp/x: Operation not permitted\n"
                      "mknod: /run/x: Operation not permitted\nmknod: /run/x: Operation not permitted\n");
        assert_output(*state, command,
                      "mkfifo /dev/f /f && ls -d /f; grep -c '^[^ ]* / overlay [^ ]*nodev' /proc/mounts", "/f\n1\n");
        command.argv = argv;
        if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("static"), .idle = 1), &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_run(c, &command, &r, &err), 0);
        assert_string_equal(r->out, "clone: Operation not permitted\nclone, of another kind: Operation not permitted\n"
                                    "clone3: Function not implemented\na plain clone: allowed\n");
        mayfly_result_free(r);
        mayfly_container_free(c);
}

static void debian_has_its_bash(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *log;

        (void) state;
        if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("debian")), &err) < 0)
                fail_msg("%s", err.message);
        assert_output(c, (struct mayfly_command){ 0 },
                      "bash -c 'echo ${BASH_VERSINFO[0]}'; cut -d. -f1 /etc/debian_version", "5\n12\n");
        assert_output(c, (struct mayfly_command){ .user = "www-data" }, "id -un; touch /tmp/x && ls /tmp",
                      "www-data\nx\n");
        await_output(c);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, &err), 0);
        assert_memory_equal(log, "bash 5", 6);
        free(log);
        mayfly_container_free(c);
}

static void each_start_is_clean(void **state)
{
        struct mayfly_container *c = NULL;

        assert_output(*state, (struct mayfly_command){ 0 }, "echo dirt > /etc/passwd; touch /dirt; ls /dirt",
                      "/dirt\n");
        assert_int_equal(mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1), NULL), 0);
        assert_output(c, (struct mayfly_command){ 0 }, "ls /dirt 2>/dev/null; head -n1 /etc/passwd",
                      "root:x:0:0::/root:/bin/sh\n");
        assert_string_not_equal(mayfly_container_name(c), mayfly_container_name(*state));
        mayfly_container_free(c);
}

static void the_scratch_is_bounded(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(
                mayfly_container_start(
                        &c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .scratch_size = 1 << 20), &err),
                0);
        assert_output(c, (struct mayfly_command){ 0 },
                      "dd if=/dev/zero of=/big bs=1M count=8 2>&1 | grep -c 'No space left'", "1\n");
        mayfly_container_free(c);
}

static void the_network_is_private_unless_asked(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char host[64] = "", inside[128];
        ssize_t n = readlink("/proc/self/ns/net", host, sizeof(host) - 2);

        assert_true(n > 0);
        strcat(host, "\n");
        struct mayfly_result *r =
                run(*state, (struct mayfly_command){ 0 }, "readlink /proc/self/ns/net; ls /sys/class/net");
        assert_null(strstr(r->out, host));
        snprintf(inside, sizeof(inside), "%s", strchr(r->out, '\n') + 1);
        assert_string_equal(inside, "lo\n");
        mayfly_result_free(r);
        assert_int_equal(mayfly_container_start(
                                 &c,
                                 MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .network = MAYFLY_NETWORK_HOST),
                                 &err),
                         0);
        assert_output(c, (struct mayfly_command){ 0 }, "readlink /proc/self/ns/net", host);
        mayfly_container_free(c);
}

static void bad_specs_are_named(void **state)
{
        const char *const env[] = { "no-equals-sign", NULL };
        const struct {
                const struct mayfly_spec *spec;
                const char *message;
        } cases[] = {
                { NULL, "the spec is NULL" },
                { &(const struct mayfly_spec){ 0 }, "start with MAYFLY_SPEC_INIT" },
                { MAYFLY_SPEC(.image = NULL), "the spec has no image" },
                { MAYFLY_SPEC(.image = "redis", .idle = 1), "does not start with aci:" },
                { MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .env = env),
                  "\"no-equals-sign\", which is not of the form NAME=value" },
                { MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .network = 9), "network 9" },
                { MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .engine = 9), "engine 9" },
                { MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .stop_signal = -1), "stop_signal -1" },
                { MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .log_size = UINT64_MAX), "over 1 GiB" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c = NULL;
                assert_true(mayfly_container_start(&c, cases[i].spec, &err) < 0);
                assert_null(c);
                if (!strstr(err.message, cases[i].message))
                        fail_msg("case %zu gives \"%s\"", i, err.message);
        }
}

static void a_user_without_ids_is_told_to_get_some(void **state)
{
        pid_t pid = fork();
        int status;

        (void) state;
        if (pid == 0) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c = NULL;
                if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
                        _exit(2);
                if (getuid() != 65534)
                        _exit(0); /* this test is an ordinary user's, with IDs */
                int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1), &err);
                if (r < 0 && !c && strstr(err.message, "/etc/subuid"))
                        _exit(0);
                fprintf(stderr, "%d: %s\n", r, err.message);
                _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void a_forked_child_cannot_stop_it(void **state)
{
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                int r = mayfly_container_stop(*state, &err);
                _exit(r == -ECHILD && strstr(err.message, "which alone can stop") ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_output(*state, (struct mayfly_command){ 0 }, "echo alive", "alive\n");
}

static void waits_for_others_are_left_alone(void **state)
{
        /* Containers are nobody's children: a test program's own wait(2) sees none of them. */
        (void) state;
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

/* Whether the process, seen from here, is gone within a second. */
static int is_gone(pid_t pid)
{
        for (unsigned i = 0; i < 100; i++) {
                char path[64], line[256] = "";
                snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
                FILE *f = fopen(path, "re");
                if (!f)
                        return 1;
                (void) !fgets(line, sizeof(line), f);
                fclose(f);
                if (strstr(line, ") Z "))
                        return 1; /* ended; the host's PID 1 reaps it when it pleases */
                usleep(10000);
        }
        return 0;
}

/* Starts a container in a child, which also leaves a grandchild behind that holds all its descriptors. */
static pid_t start_owner(pid_t *ret_leader, pid_t *ret_heir)
{
        int fds[2];
        pid_t leader_and_heir[2];

        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct mayfly_container *c = NULL;
                if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox")), NULL) < 0)
                        _exit(1);
                leader_and_heir[0] = mayfly_container_leader(c);
                leader_and_heir[1] = fork();
                if (leader_and_heir[1] == 0) {
                        sleep(30);
                        _exit(0);
                }
                (void) !write(fds[1], leader_and_heir, sizeof(leader_and_heir));
                pause();
        }
        assert_int_equal(read(fds[0], leader_and_heir, sizeof(leader_and_heir)), sizeof(leader_and_heir));
        close(fds[0]);
        close(fds[1]);
        *ret_leader = leader_and_heir[0];
        *ret_heir = leader_and_heir[1];
        return pid;
}

static void a_dead_owner_takes_its_container_along(void **state)
{
        pid_t leader, heir, owner = start_owner(&leader, &heir);

        (void) state;
        assert_int_equal(kill(leader, 0), 0);
        kill(owner, SIGKILL);
        waitpid(owner, NULL, 0);
        assert_true(is_gone(leader));
        kill(heir, SIGKILL);
}

static void a_dead_child_of_the_owner_changes_nothing(void **state)
{
        pid_t leader, heir, owner = start_owner(&leader, &heir);

        (void) state;
        kill(heir, SIGKILL);
        usleep(300000);
        assert_int_equal(kill(leader, 0), 0);
        assert_false(is_gone(leader));
        kill(owner, SIGKILL);
        waitpid(owner, NULL, 0);
        assert_true(is_gone(leader));
}

static void a_killed_container_is_reported_and_cleaned_up(void **state)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;
        const char *const argv[] = { "true", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;

        (void) state;
        command.argv = argv;
        assert_int_equal(mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox")), &err), 0);
        await_output(c);
        kill(mayfly_container_leader(c), SIGKILL);
        assert_true(is_gone(mayfly_container_leader(c)));
        assert_int_equal(mayfly_container_run(c, &command, &r, &err), -ESRCH);
        assert_non_null(strstr(err.message, "died"));
        assert_non_null(strstr(err.message, "\n  | app of busybox"));
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        mayfly_container_free(c);
}

/* Whether the command still succeeds after the second that the kernel and systemd have for cleaning up. */
static int left_over(const char *command)
{
        for (unsigned i = 0; i < 20; i++) {
                if (system(command) != 0)
                        return 0;
                usleep(50000);
        }
        return 1;
}

static void nothing_is_left(void **state)
{
        (void) state;
        /* Our own name is in every machine's. */
        assert_false(left_over("pgrep -f '[m]ayfly-launch --machine test-contain' >/dev/null"));
        assert_false(left_over("find /sys/fs/cgroup -maxdepth 3 -name '*test-container-*' | grep -q ."));
        assert_false(left_over("grep -Eq '^mayfly(-scratch|-nspawn)? ' /proc/self/mounts"));
        assert_false(left_over("test -d /run/systemd/system && machinectl list --no-legend | grep -q test-container"));
        assert_false(left_over(
                "test -d /run/systemd/system && systemctl list-units --all --no-legend 'mayfly-*' | grep -q ."));
        assert_false(
                left_over("ls -d /run/systemd/nspawn/*/test-container-* /tmp/nspawn-root-* 2>/dev/null | grep -q ."));
}

int main(void)
{
#define IDLE(f) cmocka_unit_test_setup_teardown(f, start_busybox, teardown)
#define APP(f) cmocka_unit_test_setup_teardown(f, start_app, teardown)
        const struct CMUnitTest tests[] = {
                IDLE(commands_run_as_asked),
                IDLE(ends_are_told_apart),
                IDLE(streams_are_binary_bounded_and_never_block),
                IDLE(timeouts_kill_the_whole_family),
                IDLE(bad_commands_are_named),
                APP(the_app_runs_and_is_logged),
                cmocka_unit_test(one_static_program_is_enough),
                IDLE(devices_and_namespaces_are_out_of_reach),
                cmocka_unit_test(debian_has_its_bash),
                IDLE(each_start_is_clean),
                cmocka_unit_test(the_scratch_is_bounded),
                IDLE(the_network_is_private_unless_asked),
                cmocka_unit_test(bad_specs_are_named),
                cmocka_unit_test(a_user_without_ids_is_told_to_get_some),
                IDLE(a_forked_child_cannot_stop_it),
                IDLE(waits_for_others_are_left_alone),
                cmocka_unit_test(a_dead_owner_takes_its_container_along),
                cmocka_unit_test(a_dead_child_of_the_owner_changes_nothing),
                cmocka_unit_test(a_killed_container_is_reported_and_cleaned_up),
                cmocka_unit_test(nothing_is_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
