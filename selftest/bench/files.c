/* SPDX-License-Identifier: MIT */

/* Files put into a container and got from it, beside tar(1) through a command, in turns: prints a table. Nothing is judged.
 *
 *   bench-files DIRECTORY [ROUNDS [PART]]
 *
 * DIRECTORY is where the host's files are; in memory, the disk is not measured. $MAYFLY_TEST_BUSYBOX is the image. With PART there is
 * only that part of the bytes and files: 100 for a hundredth. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "measure.h"

#define ROUNDS_MAX 100U
#define LARGE ((size_t) 500 << 20)
#define MANY 10000U
#define ASKED 1000U

static struct mayfly_container *container;
static struct mayfly_error err = MAYFLY_ERROR_INIT;
static const char *directory;
static unsigned part = 1;

static void check(int r)
{
        if (r >= 0)
                return;
        fprintf(stderr, "bench-files: %s\n", err.message);
        exit(1);
}

/* Runs a command line on the host. */
static void sh(const char *line)
{
        if (system(line) == 0)
                return;
        fprintf(stderr, "bench-files: failed: %s\n", line);
        exit(1);
}

static char *path_of(const char *name)
{
        static char path[512];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static struct mayfly_result *run(const char *const *argv, const void *input, size_t size)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        command.input = input;
        command.input_size = size;
        command.output_max = UINT64_C(1) << 30;
        command.timeout_ms = 3600000; /* a busy machine */
        check(mayfly_container_run(container, &command, &result, &err));
        if (result->exit->status != 0) {
                fprintf(stderr, "bench-files: %s failed: %s\n", argv[0], result->err);
                exit(1);
        }
        return result;
}

/* --- the ways that are compared ------------------------------------------------------------------------------- */

static void put(const char *name)
{
        struct mayfly_file file = MAYFLY_FILE_INIT;

        file.path = "/copy";
        file.source = path_of(name);
        check(mayfly_container_put(container, &file, &err));
}

static void get(const char *name)
{
        (void) name;
        check(mayfly_container_get(container, "/copy", path_of("back"), NULL, &err));
}

/* Runs tar on the host, whose output or input is the archive. */
static FILE *host_tar(const char *format, const char *mode)
{
        char line[1024];

        snprintf(line, sizeof(line), format, directory);
        FILE *pipe = popen(line, mode);
        if (!pipe)
                sh("false");
        return pipe;
}

static void put_by_tar(const char *name)
{
        static char archive[LARGE + (64 << 20)];
        char format[512];

        snprintf(format, sizeof(format), "tar -C %%s --transform 's,^%s,copy,' -cf - %s", name, name);
        FILE *pipe = host_tar(format, "r");
        size_t size = fread(archive, 1, sizeof(archive), pipe);
        pclose(pipe);
        mayfly_result_free(run(MAYFLY_STRINGS("tar", "-xf", "-", "-C", "/"), archive, size));
}

static void get_by_tar(const char *name)
{
        struct mayfly_result *result = run(MAYFLY_STRINGS("tar", "-cf", "-", "-C", "/", "copy"), NULL, 0);
        FILE *pipe = host_tar("tar -C %s --transform 's,^copy,back,' -xf -", "w");

        (void) name;
        fwrite(result->out, 1, result->out_size, pipe);
        pclose(pipe);
        mayfly_result_free(result);
}

static void ask(const char *name)
{
        (void) name;
        for (unsigned i = 0; i < ASKED; i++)
                check(mayfly_container_exists(container, "/bin/busybox", &err));
}

static void ask_by_command(const char *name)
{
        (void) name;
        for (unsigned i = 0; i < ASKED / 10; i++)
                mayfly_result_free(run(MAYFLY_STRINGS("test", "-e", "/bin/busybox"), NULL, 0));
}

/* --- the table ------------------------------------------------------------------------------------------------ */

static void nothing(void)
{
}

static void forget_inside(void)
{
        if (mayfly_container_exists(container, "/copy", &err) > 0)
                check(mayfly_container_remove(container, "/copy", &err));
}

static void forget_outside(void)
{
        char line[600];

        snprintf(line, sizeof(line), "rm -rf '%s'", path_of("back"));
        sh(line);
}

static double measure(void (*prepare)(void), void (*work)(const char *name), const char *name)
{
        prepare();
        double begin = bench_now_ms();
        work(name);
        return bench_now_ms() - begin;
}

static void row(const char *what, unsigned rounds, void (*prepare)(void), void (*ours)(const char *name),
                void (*others)(const char *name), const char *name, double scale)
{
        double us[ROUNDS_MAX], them[ROUNDS_MAX];

        for (unsigned i = 0; i < rounds; i++) {
                us[i] = measure(prepare, ours, name);
                them[i] = measure(prepare, others, name) * scale;
        }
        bench_print_row(what, bench_median(us, rounds), bench_median(them, rounds));
}

static void make_sources(void)
{
        char line[1024];

        snprintf(line, sizeof(line),
                 "cd '%s' && head -c %zu /dev/urandom >large && mkdir many && cd many && "
                 "for d in $(seq 100); do mkdir $d; for f in $(seq %u); do echo $d $f >$d/$f; done; done",
                 directory, LARGE / part, MANY / 100 / part);
        sh(line);
}

int main(int argc, char **argv)
{
        unsigned rounds = argc > 2 ? (unsigned) atoi(argv[2]) : 3;
        struct mayfly_spec spec = MAYFLY_SPEC_INIT;

        part = argc > 3 ? (unsigned) atoi(argv[3]) : 1;
        if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || part < 1 || part > MANY / 100 ||
            !getenv("MAYFLY_TEST_BUSYBOX")) {
                fprintf(stderr, "usage: MAYFLY_TEST_BUSYBOX=REFERENCE bench-files DIRECTORY [ROUNDS [PART]]\n");
                return 2;
        }
        directory = argv[1];
        spec.image = getenv("MAYFLY_TEST_BUSYBOX");
        spec.idle = 1;
        check(mayfly_container_start(&container, &spec, &err));
        make_sources();
        char large[64], many[64];
        snprintf(large, sizeof(large), "put a file of %zu MiB | tar", LARGE / part >> 20);
        snprintf(many, sizeof(many), "put a tree of %u files | tar", MANY / part);
        bench_print_head("files, medians", "mayfly ms", "command ms");
        row(large, rounds, forget_inside, put, put_by_tar, "large", 1);
        row("get it | tar", rounds, forget_outside, get, get_by_tar, "large", 1);
        row(many, rounds, forget_inside, put, put_by_tar, "many", 1);
        row("get it | tar", rounds, forget_outside, get, get_by_tar, "many", 1);
        row("ask 1,000 times whether a file exists | test -e", rounds, nothing, ask, ask_by_command, "", 10);
        forget_outside();
        mayfly_container_free(container);
        return 0;
}
