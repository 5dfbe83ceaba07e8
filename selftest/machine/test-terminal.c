/* SPDX-License-Identifier: MIT */

/* Commands in a terminal. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <mayfly/exec.h>

#include <mayfly/cmocka.h>

#include "machine/commands.h"
#include "support/containers.h"
#include "support/host.h"

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

/* The options of a command line in a terminal; valid until the next call. */
static struct mayfly_command *line(const char *text)
{
        struct mayfly_command *command = command_line(text);

        command->tty = 1;
        return command;
}

static void outputs(struct mayfly_container *c, const struct mayfly_command *command, const char *expected)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        if (mayfly_container_run(c, command, &result, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(result->out, expected);
        assert_int_equal(result->err_size, 0);
        assert_int_equal(result->timed_out, 0);
        mayfly_result_free(result);
}

/* Reads until the output ends with `end`. */
static void reads_to(struct mayfly_exec *exec, const char *end)
{
        char text[8192] = "";
        size_t size = 0;

        do {
                ssize_t n = mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text + size, sizeof(text) - 1 - size,
                                             FOREVER_MS, NULL);
                if (n <= 0)
                        fail_msg("there is no \"%s\" in \"%s\"", end, text);
                size += (size_t) n;
                text[size] = '\0';
        } while (size < strlen(end) || strcmp(text + size - strlen(end), end) != 0);
}

static void it_is_a_terminal(void **state)
{
        static const char *const env[] = { "TERM=vt100", NULL };
        struct mayfly_command *command =
                line("tty; stty size; echo $TERM; test -t 2 && echo error >&2; echo x >/dev/tty");

        outputs(*state, command, "/dev/pts/0\r\n24 80\r\nxterm\r\nerror\r\nx\r\n");
        command = line("stty size; echo $TERM; echo x >/dev/stdout; ls -l $(tty) | cut -c1-10; stat -c %U $(tty)");
        command->rows = 50;
        command->columns = 132;
        command->env = env;
        command->user = "www";
        outputs(*state, command, "50 132\r\nvt100\r\nx\r\ncrw-------\r\nwww\r\n");
}

static void input_is_typed(void **state)
{
        outputs(*state, line("cat"), "");
        struct mayfly_command *command = line("cat; echo end");
        command->input = "typed";
        command->input_size = 5;
        outputs(*state, command, "typedtypedend\r\n"); /* the first is the echo */
        struct mayfly_exec *exec = start_command(*state, line("stty -echo; echo go; cat; echo end"));
        reads_to(exec, "go\r\n");
        write_to(exec, "line\nrest");
        reads_to(exec, "line\r\n");
        assert_int_equal(mayfly_exec_close_input(exec, NULL), 0);
        reads_to(exec, "restend\r\n");
        mayfly_exec_free(exec);

        command = line("cat; echo end");
        command->input = "typed\n";
        command->input_size = 6;
        outputs(*state, command, "typed\r\ntyped\r\nend\r\n");
        exec = NULL;
        assert_int_equal(mayfly_exec_start(&exec, *state, command, NULL), -EINVAL);
}

static void much_passes_through(void **state)
{
        struct mayfly_result *result = NULL;

        assert_int_equal(
                mayfly_container_run(*state, line("stty -opost; head -c 1000000 /dev/zero; printf end"), &result, NULL),
                0);
        assert_int_equal(result->out_size, 1000003);
        assert_string_equal(result->out + 1000000, "end");
        mayfly_result_free(result);
}

static void it_is_resized(void **state)
{
        struct mayfly_exec *exec =
                start_command(*state, line("trap 'stty size' WINCH; echo go; while :; do sleep 0.02; done"));

        reads_to(exec, "go\r\n");
        assert_int_equal(mayfly_exec_resize(exec, 33, 111, NULL), 0);
        reads_to(exec, "33 111\r\n");
        assert_int_equal(mayfly_exec_resize(exec, 0, 111, NULL), -EINVAL);
        assert_int_equal(mayfly_exec_resize(exec, 33, 70000, NULL), -EINVAL);
        write_to(exec, "\3"); /* Ctrl-C */
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        assert_int_equal(mayfly_exec_wait(exec, FOREVER_MS, &end, NULL), 0);
        assert_int_equal(end.signal, SIGINT);
        mayfly_exec_free(exec);
}

#define PROMPT "$ \33[6n" /* with the question where the cursor is, which busybox asks */

static void jobs_are_controlled(void **state)
{
        static const char *const argv[] = { "sh", "-i", NULL };
        static const char *const env[] = { "PS1=$ ", "ENV=", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;

        command.argv = argv;
        command.env = env;
        command.tty = 1;
        struct mayfly_exec *exec = start_command(*state, &command);
        reads_to(exec, PROMPT);
        write_to(exec, "sleep 1000\n");
        prints_as(*state, NULL, "while ! ps | grep -q '[s]leep 1000'; do sleep 0.01; done; echo up", "up\n");
        write_to(exec, "\32"); /* Ctrl-Z */
        reads_to(exec, "Stopped                    sleep 1000\r\n" PROMPT);
        write_to(exec, "jobs\n");
        reads_to(exec, "Stopped                    sleep 1000\r\n" PROMPT);
        write_to(exec, "bg >/dev/null\n");
        reads_to(exec, PROMPT);
        write_to(exec, "kill %1; wait\n");
        reads_to(exec, "Terminated                 sleep 1000\r\n" PROMPT);
        assert_int_equal(mayfly_exec_close_input(exec, NULL), 0); /* Ctrl-D */
        assert_int_equal(mayfly_exec_wait(exec, FOREVER_MS, NULL, NULL), 0);
        mayfly_exec_free(exec);
}

static void either_side_may_close_it(void **state)
{
        struct mayfly_exec *exec = start_command(*state, line("exec 0<&- 1>&- 2>&-; exec sleep 1000"));
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char byte;

        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, &byte, 1, FOREVER_MS, NULL), 0);
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_ERROR, &byte, 1, 0, NULL), -EINVAL);
        assert_int_equal(mayfly_exec_wait(exec, 0, NULL, NULL), -ETIMEDOUT);
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        assert_int_equal(mayfly_exec_wait(exec, FOREVER_MS, &end, NULL), 0);
        assert_int_equal(end.signal, SIGKILL);
        assert_int_equal(mayfly_exec_close_input(exec, NULL), 0);
        mayfly_exec_free(exec);

        exec = start_command(*state, line("echo $$; sleep 1000"));
        reads_to(exec, "\r\n");
        mayfly_exec_free(exec);
        prints_as(*state, NULL,
                  "while ls /dev/pts | grep -q '[0-9]' || ps | grep -q '[s]leep 1000'; do sleep 0.01; done", "");
}

static void bad_terminals_are_named(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;
        struct mayfly_command command = *line("true");

        command.rows = 70000;
        assert_int_equal(mayfly_container_run(*state, &command, &result, &err), -EINVAL);
        assert_non_null(strstr(err.message, "70000 rows"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        command.rows = 10;
        command.tty = 0;
        assert_int_equal(mayfly_container_run(*state, &command, &result, &err), -EINVAL);
        assert_non_null(strstr(err.message, "set tty, or leave them 0"));
}

/* --- mayfly_container_shell() ----------------------------------------------------------------------------------- */

/* Reads what a terminal shows until it has the words. */
static void shows(int terminal, const char *words)
{
        char text[8192] = "";
        size_t size = 0;

        while (!strstr(text, words)) {
                ssize_t n = read(terminal, text + size, sizeof(text) - 1 - size);
                if (n <= 0)
                        fail_msg("the terminal shows no \"%s\", but: %s", words, text);
                size += (size_t) n;
                text[size] = '\0';
        }
}

static void types(int terminal, const char *text)
{
        assert_int_equal(write(terminal, text, strlen(text)), strlen(text));
}

static void the_shell_of_a_debugger(void **state)
{
        struct winsize size = { .ws_row = 30, .ws_col = 90 }, other = { .ws_row = 40, .ws_col = 100 };
        struct termios before, after;
        int terminal, status;

        (void) state;
        pid_t pid = forkpty(&terminal, NULL, NULL, &size);
        assert_true(pid >= 0);
        if (pid == 0) {
                struct mayfly_container *c = NULL;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1), &err) < 0)
                        _exit(1);
                if (tcgetattr(0, &before) < 0 || mayfly_container_shell(c) != 0 || tcgetattr(0, &after) < 0)
                        _exit(2);
                mayfly_container_free(c);
                _exit(before.c_lflag == after.c_lflag && before.c_iflag == after.c_iflag ? 0 : 3);
        }
        shows(terminal, "\"exit\" ends it");
        types(terminal, "echo $((6*7)) $(stty size)\n");
        shows(terminal, "42 30 90");
        assert_int_equal(ioctl(terminal, TIOCSWINSZ, &other), 0);
        types(terminal, "until stty size | grep '40 100'; do sleep 0.05; done\n");
        shows(terminal, "40 100\r\n");
        types(terminal, "exit 7\n");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(terminal);
}

/* The container starts under a debugger, which does not mistake another process for the program. */
static void a_debugger_follows_the_test_alone(void **state)
{
        char line[1024], program[256] = "", text[8192] = "";
        FILE *f;

        (void) state;
        assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
        snprintf(line, sizeof(line),
                 "setsid -w gdb -batch -nx -q -ex 'set startup-with-shell off' -ex 'break in_debugger' -ex run"
                 " -ex 'call (int)mayfly_container_shell(c)' -ex continue --args %s debugged 2>&1 </dev/null",
                 program);
        f = popen(line, "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
                strncat(text, line, sizeof(text) - strlen(text) - 1);
        assert_int_equal(pclose(f), 0);
        if (!strstr(text, "exited normally") || !strstr(text, "$1 = 0"))
                fail_msg("%s", text);
}

/* Where the debugger stops. */
__attribute__((noinline)) int in_debugger(struct mayfly_container *c);
__attribute__((noinline)) int in_debugger(struct mayfly_container *c)
{
        __asm__ volatile("" : : "r"(c));
        return c != NULL;
}

/* The program that a debugger runs. */
static int debugged(void)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1), &err) < 0)
                return 1;
        int r = in_debugger(c) ? 0 : 1;
        mayfly_container_free(c);
        return r;
}

int main(int argc, char **argv)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                WITH(it_is_a_terminal),
                WITH(input_is_typed),
                WITH(much_passes_through),
                WITH(it_is_resized),
                WITH(jobs_are_controlled),
                WITH(either_side_may_close_it),
                WITH(bad_terminals_are_named),
                cmocka_unit_test(the_shell_of_a_debugger),
                cmocka_unit_test(a_debugger_follows_the_test_alone),
        };

        if (argc > 1 && strcmp(argv[1], "debugged") == 0)
                return debugged();

        return cmocka_run_group_tests(tests, NULL, NULL);
}
