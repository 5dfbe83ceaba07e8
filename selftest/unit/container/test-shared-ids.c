/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/ids.h"

/* AddressSanitizer's allocator is not made for forks of threaded programs: a child may wait for a lock of it for ever. */
#define CAN_FORK 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef CAN_FORK
#define CAN_FORK 0
#endif
#elif defined(__SANITIZE_ADDRESS__)
#undef CAN_FORK
#define CAN_FORK 0
#endif

/* The range that containers share when they share a tmpfs, before Linux 6.3. */

static atomic_int is_over;

static void *share_again_and_again(void *userdata)
{
        struct mf_id_range range;

        while (!is_over)
                if (mf_ids_share(&range, NULL) == 0)
                        mf_ids_unshare(&range);
        return userdata;
}

static void all_have_the_same(void **state)
{
        struct mf_id_range a, b, c;

        (void) state;
        assert_int_equal(mf_ids_share(&a, NULL), 0);
        assert_int_equal(mf_ids_share(&b, NULL), 0);
        assert_int_equal(a.base, b.base);
        assert_int_equal(b.size, MF_ID_RANGE_SIZE);
        assert_int_not_equal(a.lock, b.lock);
        assert_int_equal(mf_ids_take(&c, MF_ID_RANGE_SIZE, NULL), 0);
        assert_int_not_equal(a.base, c.base);
        mf_ids_unshare(&a);
        assert_int_equal(mf_ids_share(&a, NULL), 0);
        assert_int_equal(a.base, b.base);
        mf_ids_unshare(&a);
        mf_ids_unshare(&b);
        mf_ids_clear(&c);
}

/* A fork copies the lock as another thread has it. */
static void a_child_waits_for_nobody(void **state)
{
        pthread_t thread;

        (void) state;
        assert_int_equal(pthread_create(&thread, NULL, share_again_and_again, NULL), 0);
        for (unsigned i = 0; i < 200; i++) {
                struct mf_id_range range;
                int status;
                pid_t pid = fork();
                if (pid == 0) {
                        alarm(20);
                        _exit(mf_ids_share(&range, NULL) == 0 ? 0 : 1);
                }
                assert_true(pid > 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(status, 0);
        }
        is_over = 1;
        pthread_join(thread, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(all_have_the_same) };
        const struct CMUnitTest forking[] = { cmocka_unit_test(a_child_waits_for_nobody) };

        int r = cmocka_run_group_tests(tests, NULL, NULL);
        return CAN_FORK && r == 0 ? cmocka_run_group_tests(forking, NULL, NULL) : r;
}
