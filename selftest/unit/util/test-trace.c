/* SPDX-License-Identifier: MIT */

/* What MAYFLY_DEBUG tells. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log-dir.h"
#include "util/trace.h"

#define PROCESSES 4U
#define THREADS 4U
#define EVENTS 25U

static char directory[] = "/tmp/test-trace-XXXXXX", path[64];

static void want(const char *value, const char *file)
{
        snprintf(path, sizeof(path), "%s/%s", directory, file);
        (void) unlink(path);
        assert_int_equal(setenv("MAYFLY_DEBUG", value ? value : path, 1), 0);
}

static void stage(const char *name, const char *detail)
{
        MF_TRACE(name, detail);
}

/* What is in a file, up to a buffer of the test's. */
static const char *content(const char *file)
{
        static char text[4096];
        FILE *f = fopen(file, "re");

        assert_non_null(f);
        size_t n = fread(text, 1, sizeof(text) - 1, f);
        fclose(f);
        text[n] = '\0';
        return text;
}

/* Runs a stage with standard error in the file, and returns what that has then. */
static const char *said(const char *name, const char *detail)
{
        char file[64];

        snprintf(file, sizeof(file), "%s/stderr", directory);
        int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), old = dup(STDERR_FILENO);
        assert_true(fd >= 0 && old >= 0 && dup2(fd, STDERR_FILENO) >= 0);
        stage(name, detail);
        assert_true(dup2(old, STDERR_FILENO) >= 0);
        close(old);
        close(fd);
        return content(file);
}

static void a_line_has_times_and_what(void **state)
{
        int pid = 0, tid = 0;
        double begin = 0, took = -1;
        char what[64] = "";

        (void) state;
        want("1", "unused");
        errno = ENOTTY;
        const char *line = said("launch", "a\nb");
        assert_int_equal(errno, ENOTTY);
        assert_int_equal(sscanf(line, "mayfly[%d.%d] %lf +%lf %63[^\n]", &pid, &tid, &begin, &took, what), 5);
        assert_int_equal(pid, getpid());
        assert_int_equal(tid, gettid());
        assert_true(begin > 0 && took >= 0);
        assert_string_equal(what, "launch a\\012b");
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void it_is_off_by_default(void **state)
{
        (void) state;
        want("0", "unused");
        assert_string_equal(said("launch", "a"), "");
        assert_int_equal(setenv("MAYFLY_DEBUG", "", 1), 0);
        assert_string_equal(said("launch", "a"), "");
        assert_int_equal(unsetenv("MAYFLY_DEBUG"), 0);
        assert_string_equal(said("launch", "a"), "");
}

static void a_file_gets_lines(void **state)
{
        (void) state;
        want(NULL, "log");
        assert_string_equal(said("launch", "a"), "");
        stage("stop", NULL);
        const char *text = content(path);
        assert_non_null(strstr(text, " launch a\nmayfly["));
        assert_string_equal(text + strlen(text) - 6, " stop\n");
}

/* --- a trace ---------------------------------------------------------------------------------------------------- */

static void *write_some(void *unused)
{
        (void) unused;
        for (unsigned i = 0; i < EVENTS; i++)
                stage("waits", "\"quoted\\ \xff\"");
        return NULL;
}

static void write_from_threads(void)
{
        pthread_t threads[THREADS];

        for (unsigned i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, write_some, NULL) != 0)
                        abort();
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
}

static void several_processes_write_one_trace(void **state)
{
        unsigned named = 0, complete = 0;
        size_t i;
        json_t *event;

        (void) state;
        want(NULL, "trace.json");
        stage("open", NULL);
        for (unsigned n = 0; n < PROCESSES; n++)
                if (fork() == 0) {
                        write_from_threads();
                        _exit(0);
                }
        for (unsigned n = 0; n < PROCESSES; n++)
                assert_true(wait(NULL) > 0);
        json_t *trace = json_load_file(path, 0, NULL);
        assert_true(json_is_array(trace));
        json_array_foreach(trace, i, event) {
                const char *kind = json_string_value(json_object_get(event, "ph"));
                assert_non_null(kind);
                assert_true(json_is_integer(json_object_get(event, "pid")));
                if (strcmp(kind, "M") == 0) {
                        named++;
                        continue;
                }
                assert_string_equal(kind, "X");
                assert_true(json_is_integer(json_object_get(event, "ts")));
                assert_true(json_is_integer(json_object_get(event, "dur")));
                assert_non_null(json_string_value(json_object_get(json_object_get(event, "args"), "of")));
                complete++;
        }
        assert_int_equal(named, PROCESSES + 1);
        assert_int_equal(complete, 1 + PROCESSES * THREADS * EVENTS);
        json_decref(trace);
}

static void another_file_is_left_alone(void **state)
{
        (void) state;
        want(NULL, "mine.json");
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs("{ \"mine\": 1 }\n", f);
        fclose(f);
        assert_non_null(strstr(said("launch", "a"), "mine.json, which is there and is no trace"));
        assert_string_equal(content(path), "{ \"mine\": 1 }\n");
        assert_string_equal(said("launch", "a"), ""); /* once is enough */
}

/* Where MAYFLY_DEBUG says nothing. */
static void the_log_directory_has_a_trace(void **state)
{
        char name[64];

        (void) state;
        want("", "unused");
        assert_int_equal(setenv("MAYFLY_LOG_DIR", directory, 1), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_string_equal(said("launch", "a"), "");
        assert_int_equal(mf_log_dir_path("a b/../c\n\xc3", "-x", path, sizeof(path)), 0);
        assert_string_equal(path + strlen(directory), "/a-b-..-c---x");
        assert_int_equal(mf_log_dir_path("name", ".log", path, strlen(directory) + 9), -ENAMETOOLONG);
        snprintf(name, sizeof(name), "%s-%d", program_invocation_short_name, (int) getpid());
        assert_int_equal(mf_log_dir_path(name, ".trace.json", path, sizeof(path)), 0);
        json_t *trace = json_load_file(path, 0, NULL);
        assert_int_equal(json_array_size(trace), 3);
        json_decref(trace);
        assert_int_equal(setenv("MAYFLY_DEBUG", "0", 1), 0);
        stage("launch", "b");
        assert_null(strstr(content(path), "\"b\""));
        assert_int_equal(unsetenv("MAYFLY_LOG_DIR"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_has_times_and_what),  cmocka_unit_test(it_is_off_by_default),
                cmocka_unit_test(a_file_gets_lines),          cmocka_unit_test(several_processes_write_one_trace),
                cmocka_unit_test(another_file_is_left_alone), cmocka_unit_test(the_log_directory_has_a_trace),
        };

        if (!mkdtemp(directory))
                return 1;
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        char command[96];
        snprintf(command, sizeof(command), "rm -r %s", directory);
        return system(command) == 0 ? r : 1;
}
