/* SPDX-License-Identifier: MIT */

/* Libraries that are loaded late: by several threads at once, in children, where one is missing, and once more when it is there. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/libarchive.h"
#include "fetch/curl.h"
#include "fetch/tags.h"
#include "util/error.h"
#include "util/macro.h"

#define THREADS 8
#define ROUNDS 200

void *__real_dlopen(const char *file, int flags);
void *__wrap_dlopen(const char *file, int flags);
void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);

static int is_missing;
static const char *lacking; /* this function */
static atomic_int n_opened;

void *__wrap_dlopen(const char *file, int flags)
{
        atomic_fetch_add(&n_opened, 1);
        return __real_dlopen(is_missing ? "libnowhere.so.7" : file, flags);
}

void *__wrap_dlsym(void *handle, const char *name)
{
        return __real_dlsym(handle, lacking && strcmp(name, lacking) == 0 ? "mayfly_nowhere" : name);
}

/* --- a library that is missing ----------------------------------------------------------------------------------- */

/* Nothing has loaded libarchive before this test. */
static void test_missing(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        is_missing = 1;
        assert_int_equal(mf_libarchive_load(&err), -ENOPKG);
        is_missing = 0;
        assert_int_equal(err.code, -ENOPKG);
        assert_int_equal(err.stage, MAYFLY_STAGE_ARCHIVE);
        assert_non_null(strstr(err.message, "libarchive.so."));
        assert_non_null(
                strstr(err.message, "cannot be loaded: libnowhere.so.7: cannot open shared object file: No such file"));
        assert_non_null(strstr(err.message, "; install it, on Debian: apt-get install libarchive1"));
        assert_null(mf_libarchive.read_new);
        assert_int_equal(mf_libarchive_load(NULL), 0); /* somebody has installed it */
        struct archive *a = mf_libarchive.read_new();
        assert_non_null(a);
        assert_int_equal(mf_libarchive.read_free(a), ARCHIVE_OK);
}

static void test_too_old(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_tags tags;

        (void) state;
        lacking = "gumbo_parse_with_options";
        assert_int_equal(mf_tags_parse(&tags, "", 0, &err), -ENOPKG);
        lacking = NULL;
        assert_int_equal(err.stage, MAYFLY_STAGE_DISCOVERY);
        assert_non_null(strstr(err.message, "cannot be read: libgumbo.so."));
        assert_non_null(strstr(err.message, "undefined symbol: mayfly_nowhere"));
        assert_int_equal(mf_tags_parse(&tags, "", 0, NULL), 0);
        mf_tags_clear(&tags);
}

/* --- threads and children ---------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *use_curl(void *data)
{
        int *ok = data;

        pthread_barrier_wait(&barrier);
        if (mf_curl_load(MAYFLY_STAGE_HTTP, NULL) == 0) {
                CURL *curl = mf_curl.easy_init();
                *ok = curl != NULL;
                mf_curl.easy_cleanup(curl);
        }
        return NULL;
}

/* Nothing has loaded libcurl before this test. */
static void test_threads(void **state)
{
        pthread_t threads[THREADS];
        int ok[THREADS] = { 0 };

        (void) state;
        atomic_store(&n_opened, 0);
        assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, use_curl, &ok[i]), 0);
        for (size_t i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(ok[i], 1);
        }
        assert_int_equal(atomic_load(&n_opened), 1);
        pthread_barrier_destroy(&barrier);
}

/* Loads what is loaded already, as often as the test goes on: never fast enough not to be met by a fork(). */
static void *load_again(void *data)
{
        atomic_int *end = data;

        while (!atomic_load(end)) {
                struct mf_curl table;
                struct mf_library_calls calls = MF_LIBRARY_CALLS(MF_LIBRARY_CURL, MF_CURL_LIST, table);
                if (mf_library_load(&calls, MAYFLY_STAGE_HTTP, NULL) < 0)
                        abort();
        }
        return NULL;
}

static void test_children(void **state)
{
        atomic_int end = 0;
        pthread_t thread;
        int status;

        (void) state;
        assert_int_equal(pthread_create(&thread, NULL, load_again, &end), 0);
        for (int i = 0; i < ROUNDS; i++) {
                pid_t child = fork();
                if (child == 0) {
                        alarm(60); /* a child that waits for a mutex for ever is killed, and fails the test */
                        _exit(mf_library_check(MF_LIBRARY_CURL, NULL) < 0);
                }
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_int_equal(status, 0);
        }
        atomic_store(&end, 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_missing), cmocka_unit_test(test_too_old),
                                            cmocka_unit_test(test_threads), cmocka_unit_test(test_children) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
