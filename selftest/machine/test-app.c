/* SPDX-License-Identifier: MIT */

/* The app that a container runs: what the spec replaces of it, and what is said of its end. */

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/small-image.h"

#define APP(words) "{\"exec\":[" words "],\"user\":\"0\",\"group\":\"0\"}"

static char *with_app, *without_app, *working;

/* Runs a shell command or, by its path, a program, which must fail with `code` and all words up to NULL in the message. */
static void run_fails(struct mayfly_container *c, const char *line, int code, const char *words, const char *more)
{
        const char *const shell[] = { "sh", "-c", line, NULL }, *const bare[] = { line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *result = NULL;

        command.argv = line[0] == '/' ? bare : shell;
        assert_int_equal(mayfly_container_run(c, &command, &result, &err), code);
        if (!strstr(err.message, words) || !strstr(err.message, more))
                fail_msg("no \"%s\" and \"%s\" in \"%s\"", words, more, err.message);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void an_image_runs_its_app(void **state)
{
        (void) state;
        ends(start_container(MAYFLY_SPEC(.image = with_app)), 7, "the app of the image in / as 0:0 0\n");
}

static void an_idle_container_runs_none(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = with_app, .idle = 1));
        assert_int_equal(mayfly_container_wait(c, 0, NULL, &err), -EINVAL);
        assert_non_null(strstr(err.message, "idle is set in its spec"));
        mayfly_container_free(c);

        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        c = start_container(MAYFLY_SPEC(.image = without_app));
        assert_int_equal(mayfly_container_wait(c, 0, NULL, &err), -EINVAL);
        assert_non_null(strstr(err.message, "its image has none"));
        mayfly_container_free(c);
}

static void the_spec_replaces_the_words(void **state)
{
        (void) state;
        /* appc's exec is all arguments, so argv replaces the program, too */
        ends(start_container(MAYFLY_SPEC(.image = with_app, .argv = WORDS("echo", "one", "", "a b"))), 0, "one  a b\n");
        ends(start_container(MAYFLY_SPEC(.image = with_app, .entrypoint = WORDS("pwd"))), 0,
             "/\n"); /* no arguments remain */
        ends(start_container(MAYFLY_SPEC(.image = with_app, .entrypoint = WORDS("sh", "-c", "echo $0 $1"),
                                         .argv = WORDS("a", "b"))),
             0, "a b\n");
        /* An image without an app gets one. */
        ends(start_container(MAYFLY_SPEC(.image = without_app, .argv = WORDS("echo", "argv"))), 0, "argv\n");
        ends(start_container(MAYFLY_SPEC(.image = without_app, .entrypoint = WORDS("echo", "entrypoint"))), 0,
             "entrypoint\n");
}

static void the_spec_replaces_user_and_directory(void **state)
{
        (void) state;
        ends(start_container(MAYFLY_SPEC(.image = with_app, .user = "www", .cwd = "/tmp")), 7,
             "the app of the image in /tmp as 33:34 34 44\n");
        ends(start_container(MAYFLY_SPEC(.image = with_app, .user = "/srv/file")), 7,
             "the app of the image in / as 33:34 34 44\n");
        ends(start_container(MAYFLY_SPEC(.image = without_app, .argv = WORDS("id", "-u"), .user = "12")), 0, "12\n");
}

static void wrong_specs_are_named(void **state)
{
        static const char *const none[] = { NULL };

        (void) state;
        start_fails(MAYFLY_SPEC(.image = with_app, .idle = 1, .argv = WORDS("x")), -EINVAL, "both idle and argv");
        start_fails(MAYFLY_SPEC(.image = with_app, .idle = 1, .entrypoint = WORDS("x")), -EINVAL,
                    "both idle and entrypoint");
        start_fails(MAYFLY_SPEC(.image = with_app, .argv = none), -EINVAL, "argv leaves no program to run");
        start_fails(MAYFLY_SPEC(.image = with_app, .entrypoint = none), -EINVAL, "entrypoint leaves no program to run");
        start_fails(MAYFLY_SPEC(.image = with_app, .argv = WORDS("")), -EINVAL, "argv leaves no program to run");
        start_fails(MAYFLY_SPEC(.image = with_app, .user = ""), -EINVAL, "the spec's user is empty");
        start_fails(MAYFLY_SPEC(.image = with_app, .cwd = "tmp"), -EINVAL, "the spec's cwd is \"tmp\"");
        start_fails(MAYFLY_SPEC(.image = with_app, .user = "somebody"), -ENOENT,
                    "user \"somebody\" is not in the image's /etc/passwd");
        start_fails(MAYFLY_SPEC(.image = with_app, .cwd = "/not/there"), -ENOENT, "working directory \"/not/there\"");
        start_fails(MAYFLY_SPEC(.image = with_app, .argv = WORDS("no-such-program")), -ENOENT,
                    "\"no-such-program\": not found in the container's PATH");
}

/* Whatever was written to the boot log before: the reason does not travel there. */
static void the_reason_of_a_failed_start_is_told(void **state)
{
        (void) state;
        char directory[] = "/tmp/mayfly-libexec-XXXXXX", line[512];
        char *libexec = strdup(getenv("MAYFLY_LIBEXEC"));

        assert_non_null(mkdtemp(directory));
        snprintf(line, sizeof(line),
                 "cd %s && ln -s '%s'/mayfly-* . && rm mayfly-launch && printf '#!/bin/sh\\necho a warning >&2\\n"
                 "exec %s/mayfly-launch \"$@\"\\n' > mayfly-launch && chmod +x mayfly-launch",
                 directory, libexec, libexec);
        assert_int_equal(system(line), 0);
        setenv("MAYFLY_LIBEXEC", directory, 1);
        start_fails(MAYFLY_SPEC(.image = with_app, .argv = WORDS("/etc")), -EACCES, "could not be started: \"/etc\"");
        setenv("MAYFLY_LIBEXEC", libexec, 1);
        free(libexec);
        snprintf(line, sizeof(line), "rm -r %s", directory);
        assert_int_equal(system(line), 0);
}

/* Waits until the app has ended, by the exit that it has then. */
static void await_end(struct mayfly_container *c)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_wait(c, 30000, NULL, &err) < 0)
                fail_msg("%s", err.message);
}

static void an_early_end_is_told_by_what_comes_next(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = with_app));

        (void) state;
        await_end(c);
        run_fails(c, "true", -ESRCH, "exited with status 7", "  | the app of the image in /");
        run_fails(c, "true", -ESRCH, "exited with status 7", "  | the app of the image in /");
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        ends(c, 7, "the app of the image in / as 0:0 0\n");
}

static void an_end_during_a_command_is_told(void **state)
{
        (void) state;
        for (unsigned i = 0; i < 5; i++) {
                struct mayfly_container *c = start_container(
                        MAYFLY_SPEC(.image = with_app,
                                    .argv = WORDS("sh", "-c", "mkfifo /go; echo up; read x < /go; exit 7")));
                run_fails(c, "while ! [ -p /go ]; do sleep 0.01; done; echo > /go; sleep 1000", -ESRCH,
                          "exited with status 7", "  | up");
                mayfly_container_free(c);

                c = start_container(
                        MAYFLY_SPEC(.image = with_app,
                                    .argv = WORDS("sh", "-c", "mkfifo /go; echo up; read x < /go; kill -9 $$")));
                run_fails(c, "while ! [ -p /go ]; do sleep 0.01; done; echo > /go; sleep 1000", -ESRCH,
                          "was killed by SIGKILL", "  | up");
                mayfly_container_free(c);
        }
}

static void a_killed_supervisor_is_told(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = working));

        (void) state;
        run_fails(c, "kill -9 $PPID", -ESRCH, "its supervisor", "was killed from inside");
        mayfly_container_free(c);
}

static void a_stopped_container_says_so(void **state)
{
        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = working));
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        run_fails(c, "true", -ESRCH, "the app of container", "was killed by SIGTERM (Terminated) when it was stopped");
        mayfly_container_free(c);

        c = start_container(MAYFLY_SPEC(.image = working, .idle = 1));
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        run_fails(c, "true", -ESRCH, "is stopped", "sh: container");
        mayfly_container_free(c);
}

/* Stops the container, and checks whether the app was too late, and which signal ended it (0: it exited). */
static void stop_as(struct mayfly_container *c, int timed_out, int signal_number)
{
        struct mayfly_stop_result result = MAYFLY_STOP_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        assert_int_equal(mayfly_container_stop_result(c, &result, NULL), 0);
        assert_int_equal(result.timed_out, 0);
        assert_int_equal(result.elapsed_us, 0);
        if (mayfly_container_stop(c, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_stop_result(c, &result, NULL), 0);
        assert_int_equal(result.timed_out, timed_out);
        assert_int_equal(result.stop_signal, SIGTERM);
        assert_int_equal(result.timeout_ms, timed_out ? 300 : 5000);
        assert_true(result.elapsed_us > 0);
        if (signal_number >= 0) {
                assert_int_equal(mayfly_container_wait(c, 0, &end, NULL), 0);
                assert_int_equal(end.signal, signal_number);
        }
        mayfly_container_free(c);
}

/* Starts a shell as the app and waits until it has written its first line: then its trap is set. */
static struct mayfly_container *start_shell(const char *line, unsigned stop_timeout_ms)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = with_app, .argv = WORDS("sh", "-c", line), .stop_timeout_ms = stop_timeout_ms));

        await_output(c);
        return c;
}

static void a_stop_that_timed_out_can_be_asked(void **state)
{
        (void) state;
        stop_as(start_shell("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", 0), 0, 0);
        stop_as(start_shell("echo up; exec sleep 1000", 0), 0, SIGTERM);
        stop_as(start_shell("trap '' TERM; echo up; while :; do sleep 0.01; done", 300), 1, SIGKILL);
        stop_as(start_container(MAYFLY_SPEC(.image = with_app, .idle = 1)), 0, -1);

        /* Nobody inside is left to do it. */
        struct mayfly_container *c = start_shell("echo up; exec sleep 1000", 300);
        assert_int_equal(kill(mayfly_container_leader(c), SIGSTOP), 0);
        stop_as(c, 1, -1);
}

static void *use_one(void *failed)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        const char *const argv[] = { "sh", "-c", "head -c 300000 /dev/zero; echo x >&2", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = working), &err);
        if (r == 0)
                r = mayfly_container_run(c, &command, &result, &err);
        if (r == 0 && result->out_size != 300000)
                r = -EIO;
        mayfly_result_free(result);
        if (r == 0)
                r = mayfly_container_stop(c, &err);
        mayfly_container_free(c);
        *(int *) failed = r;
        return NULL;
}

/* What mayfly_container_start(3) promises. */
static void a_small_stack_is_enough(void **state)
{
        pthread_attr_t attributes;
        pthread_t thread;
        int r = 1;

        (void) state;
        assert_int_equal(pthread_attr_init(&attributes), 0);
        assert_int_equal(pthread_attr_setstacksize(&attributes, 128 * 1024), 0);
        assert_int_equal(pthread_create(&thread, &attributes, use_one, &r), 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attributes);
        assert_int_equal(r, 0);
}

/* Whatever call it is that finds no descriptor left. */
static void too_few_descriptors_are_named(void **state)
{
        struct rlimit old, few;
        unsigned failures = 0;
        int r = -1, next = dup(0);

        (void) state;
        close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        for (few = old, few.rlim_cur = (rlim_t) next; r < 0; few.rlim_cur++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c = NULL;
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
                r = mayfly_container_start(&c, MAYFLY_SPEC(.image = working), &err);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
                mayfly_container_free(c);
                if (r == 0)
                        break;
                if (!strstr(err.message, "Too many open files") ||
                    (r == -EMFILE && !strstr(err.message, "`ulimit -n`")))
                        fail_msg("with %lu descriptors: %d: %s", (unsigned long) few.rlim_cur, r, err.message);
                failures++;
        }
        assert_true(failures > 3);
}

/* --- other architectures */

#if defined(__aarch64__)
#define THIS_ARCH "aarch64"
#define OTHER_ARCH "amd64"
#define OTHER_MACHINE EM_X86_64
#else
#define THIS_ARCH "amd64"
#define OTHER_ARCH "aarch64"
#define OTHER_MACHINE EM_AARCH64
#endif

/* A program for another architecture, as far as Linux looks at it, and one for i386, which calls exit(7). */
static const Elf64_Ehdr other_program = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = OTHER_MACHINE,
        .e_version = EV_CURRENT,
        .e_phentsize = sizeof(Elf64_Phdr),
};
static const struct i386_program {
        Elf32_Ehdr header;
        Elf32_Phdr segment;
        unsigned char code[12];
} i386_program = {
        .header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_version = EV_CURRENT,
                    .e_entry = 0x8048000 + offsetof(struct i386_program, code),
                    .e_phoff = offsetof(struct i386_program, segment),
                    .e_ehsize = sizeof(Elf32_Ehdr),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = 1 },
        .segment = { .p_type = PT_LOAD,
                     .p_vaddr = 0x8048000,
                     .p_filesz = sizeof(struct i386_program),
                     .p_memsz = sizeof(struct i386_program),
                     .p_flags = PF_R | PF_X,
                     .p_align = 4096 },
        .code = { 0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80 }, /* mov $1, %eax; mov $7, %ebx; int $0x80 */
};

static char programs[] = "/tmp/mayfly-programs-XXXXXX"; /* a directory */
static char *for_other, *for_other_in_name, *for_i386;

static void write_program(const char *name, const void *data, size_t size)
{
        char path[64];

        snprintf(path, sizeof(path), "%s/%s", programs, name);
        FILE *f = fopen(path, "we");
        if (!f || fwrite(data, size, 1, f) != 1 || fclose(f) != 0 || chmod(path, 0755) < 0)
                exit(1);
}

/* Makes the images of this section. */
static void make_other_images(void)
{
        char prepare[64];

        if (!mkdtemp(programs))
                exit(1);
        write_program("other", &other_program, sizeof(other_program));
        write_program("i386", &i386_program, sizeof(i386_program));
        snprintf(prepare, sizeof(prepare), "cp %s/* .", programs);
        for_other = strdup(small_image_for(OTHER_ARCH, "other", APP("\"/other\""), prepare));
        for_other_in_name = strdup(small_image_for(OTHER_ARCH, "in-name", APP("\"sh\",\"-c\",\"exit 7\""), NULL));
        for_i386 = strdup(small_image_for("i386", "i386", APP("\"/i386\""), prepare));
        without_app = strdup(small_image("none", NULL, prepare));
}

static void clear_other_images(void)
{
        char line[64];

        snprintf(line, sizeof(line), "rm -r %s", programs);
        if (system(line) != 0)
                exit(1);
        free(for_other);
        free(for_other_in_name);
        free(for_i386);
}

static void another_architecture_is_named(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = for_other);

        (void) state;
        start_fails(spec, -ENOEXEC,
                    "image example.com/other is for " OTHER_ARCH ", this host is " THIS_ARCH
                    ": \"/other\": it is made for "
                    "another architecture, or is a script without \"#!\"; use an image for " THIS_ARCH
                    ", or register an emulator for " OTHER_ARCH " with binfmt_misc");
        /* An idle container starts: whether a program can be executed is known when it is. */
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = for_other, .idle = 1));
        run_fails(c, "/other", -ENOEXEC, "image example.com/other is for " OTHER_ARCH ", this host is " THIS_ARCH,
                  "/other");
        mayfly_container_free(c);
        /* The label alone keeps nothing from being executed. */
        ends(start_container(MAYFLY_SPEC(.image = for_other_in_name)), 7, "");
}

/* Without such a label the image is not blamed. */
static void a_damaged_program_is_no_other_architecture(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = without_app, .argv = WORDS("/other"));

        (void) state;
        start_fails(spec, -ENOEXEC,
                    "could not be started: \"/other\": it is made for another architecture, or is a script");
}

/* A kernel that executes programs of 32 bits does so in a container. */
static void a_program_of_32_bits_runs_where_it_can(void **state)
{
        const struct mayfly_spec *spec = MAYFLY_SPEC(.image = for_i386);
        char path[64];

        (void) state;
        snprintf(path, sizeof(path), "%s/i386 2>/dev/null", programs);
        const int status = system(path);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
                ends(start_container(MAYFLY_SPEC(.image = for_i386)), 7, "");
        else
                start_fails(spec, -ENOEXEC, "image example.com/i386 is for i386, this host is " THIS_ARCH);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_image_runs_its_app),
                cmocka_unit_test(an_idle_container_runs_none),
                cmocka_unit_test(the_spec_replaces_the_words),
                cmocka_unit_test(the_spec_replaces_user_and_directory),
                cmocka_unit_test(wrong_specs_are_named),
                cmocka_unit_test(the_reason_of_a_failed_start_is_told),
                cmocka_unit_test(an_early_end_is_told_by_what_comes_next),
                cmocka_unit_test(an_end_during_a_command_is_told),
                cmocka_unit_test(a_killed_supervisor_is_told),
                cmocka_unit_test(a_stopped_container_says_so),
                cmocka_unit_test(a_stop_that_timed_out_can_be_asked),
                cmocka_unit_test(a_small_stack_is_enough),
                cmocka_unit_test(too_few_descriptors_are_named),
                cmocka_unit_test(another_architecture_is_named),
                cmocka_unit_test(a_damaged_program_is_no_other_architecture),
                cmocka_unit_test(a_program_of_32_bits_runs_where_it_can),
        };

        make_other_images();
        const char *prepare = "mkdir tmp srv; printf 'root:x:0:0::/:/bin/sh\\nwww:x:33:34::/:/bin/sh\\n' >etc/passwd; "
                              "printf 'root:x:0:\\nwww:x:34:\\nmore:x:44:www\\n' >etc/group; touch srv/file; "
                              "chown 33:34 srv/file";
        with_app = strdup(small_image(
                "app",
                APP("\"sh\",\"-c\",\"echo the app of the image in $(pwd) as $(id -u):$(id -g) $(id -G); exit 7\""),
                prepare));
        working = strdup(small_image("working", APP("\"sleep\",\"1000\""), NULL));
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        clear_other_images();
        free(with_app);
        free(without_app);
        free(working);
        return r;
}
