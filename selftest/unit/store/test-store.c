/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/directory.h"
#include "support/support.h"
#include "world.h"

#define NOBODY 65534

/* --- fetched once --------------------------------------------------------------------------------------------- */

static void fetches_once(void **state)
{
        struct world *w = *state;
        struct stat st;

        assert_int_equal(fetched(w), 1);
        assert_int_equal(fetched(w), 0);
        assert_entries(w, 1, 1, 0);
        assert_int_equal(stat(w->store, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
}

struct job {
        const struct world *world;
        const char *reference;
        pthread_barrier_t *start;
        struct mayfly_image *image;
        int result;
};

static void *open_in_thread(void *argument)
{
        struct job *job = argument;

        pthread_barrier_wait(job->start);
        job->result = mayfly_image_open(&job->image, job->reference, &job->world->options, NULL);
        return NULL;
}

#define JOBS 32

static void run_jobs(const struct world *w, const char *reference, struct job jobs[JOBS])
{
        pthread_t threads[JOBS];
        pthread_barrier_t start;

        pthread_barrier_init(&start, NULL, JOBS);
        for (size_t i = 0; i < JOBS; i++) {
                jobs[i] = (struct job){ .world = w, .reference = reference, .start = &start };
                assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, &jobs[i]), 0);
        }
        for (size_t i = 0; i < JOBS; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&start);
}

static void one_of_many_threads_fetches(void **state)
{
        struct world *w = *state;
        struct job jobs[JOBS];
        int n = 0;

        run_jobs(w, w->reference, jobs);
        for (size_t i = 0; i < JOBS; i++) {
                assert_int_equal(jobs[i].result, 0);
                n += mayfly_image_was_fetched(jobs[i].image);
                mayfly_image_close(jobs[i].image);
        }
        assert_int_equal(n, 1);
        assert_entries(w, 1, 1, 0);
}

static void one_of_many_processes_fetches(void **state)
{
        struct world *w = *state;
        pid_t pids[16];
        int gate[2], n = 0, status;

        assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
        for (size_t i = 0; i < 16; i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        struct mayfly_image *image = NULL;
                        char c;
                        close(gate[1]);
                        (void) !read(gate[0], &c, 1); /* all at once, when the gate closes */
                        _exit(open_image(w, &image) < 0 ? 99 : mayfly_image_was_fetched(image));
                }
                assert_true(pids[i] > 0);
        }
        close(gate[0]);
        close(gate[1]);
        for (size_t i = 0; i < 16; i++) {
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
                n += WEXITSTATUS(status);
        }
        assert_int_equal(n, 1);
        assert_entries(w, 1, 1, 0);
}

/* --- failures leave nothing ----------------------------------------------------------------------------------- */

static void a_failed_pull_leaves_nothing(void **state)
{
        struct world *w = *state;
        struct mayfly_image *image = NULL;
        struct job jobs[JOBS];

        assert_int_equal(mayfly_image_open(&image, w->wrong, &w->options, &w->err), -EBADMSG);
        assert_null(image);
        assert_int_equal(w->err.stage, MAYFLY_STAGE_DIGEST);
        assert_entries(w, 0, 0, 0);
        run_jobs(w, w->wrong, jobs);
        for (size_t i = 0; i < JOBS; i++)
                assert_int_equal(jobs[i].result, -EBADMSG);
        assert_entries(w, 0, 0, 0);
        assert_int_equal(fetched(w), 1);
}

/* A file that cannot grow any more fails its write as a full disk does. */
static void a_full_disk_leaves_nothing(void **state)
{
        struct world *w = *state;
        int status;

        pid_t pid = fork();
        if (pid == 0) {
                const struct rlimit limit = { 32 << 10, 32 << 10 };
                struct mayfly_image *image = NULL;
                signal(SIGXFSZ, SIG_IGN);
                setrlimit(RLIMIT_FSIZE, &limit);
                int r = open_image(w, &image);
                _exit(r == -EFBIG && w->err.message[0] ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_entries(w, 0, 0, 0);
}

static void sweeps_what_dead_fetchers_left(void **state)
{
        struct world *w = *state;
        char path[700];

        assert_int_equal(fetched(w), 1);
        snprintf(path, sizeof(path), "%s/images/%s/manifest", w->store, w->id);
        assert_int_equal(unlink(path), 0);
        snprintf(path, sizeof(path), "%s/tmp/dead", w->store);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/tmp/dead/rootfs", w->store);
        write_file(path, "x", 1);
        snprintf(path, sizeof(path), "%s/tmp/live", w->store);
        assert_int_equal(mkdir(path, 0700), 0);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);

        assert_int_equal(fetched(w), 1);
        assert_int_equal(access(path, F_OK), 0);
        close(fd);
        assert_entries(w, 1, 1, 1);
}

static int die_when_fetching(const struct mayfly_progress *progress, void *userdata)
{
        (void) userdata;
        if (progress->phase == MAYFLY_PROGRESS_FETCH)
                raise(SIGKILL);
        return 0;
}

static void survives_a_killed_fetcher(void **state)
{
        struct world *w = *state;
        int status;

        pid_t pid = fork();
        if (pid == 0) {
                w->options.progress = die_when_fetching;
                _exit(fetched(w));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_entries(w, 0, 1, 1);
        assert_int_equal(fetched(w), 1);
        assert_entries(w, 1, 1, 0);
}

static int fork_when_fetching(const struct mayfly_progress *progress, void *userdata)
{
        struct world *w = userdata;

        w->waits += progress->phase == MAYFLY_PROGRESS_WAIT;
        if (progress->phase == MAYFLY_PROGRESS_FETCH && !w->child) {
                w->child = fork();
                if (w->child == 0)
                        for (;;)
                                pause();
        }
        return progress->phase == MAYFLY_PROGRESS_WAIT; /* nobody should have to */
}

/* Descriptors with locks are inherited, and a lock is held until the last of them is closed. */
static void a_forked_child_does_not_keep_the_lock(void **state)
{
        struct world *w = *state;

        w->options.progress = fork_when_fetching;
        assert_int_equal(fetched(w), 1);
        assert_true(w->child > 0);
        int again = fetched(w);
        kill(w->child, SIGKILL);
        waitpid(w->child, NULL, 0);
        assert_int_equal(again, 0);
        assert_int_equal(w->waits, 0);
}

/* --- waiting -------------------------------------------------------------------------------------------------- */

static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        struct world *w = userdata;

        assert_true(progress->size >= sizeof(*progress));
        assert_string_equal(progress->reference, w->reference);
        w->dones += progress->phase == MAYFLY_PROGRESS_DONE;
        if (progress->phase == MAYFLY_PROGRESS_WAIT) {
                w->waits++;
                if (w->held < 0)
                        return 1;
                close(w->held);
                w->held = -1;
        }
        return 0;
}

/* As another process that fetches holds it. */
static int hold_lock(struct world *w)
{
        struct mayfly_image *image = NULL;
        char path[700];

        assert_true(mayfly_image_open(&image, w->wrong, &w->options, NULL) < 0); /* makes the directories */
        snprintf(path, sizeof(path), "%s/locks/%s", w->store, w->id);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        return fd;
}

static void waiting_can_be_cancelled(void **state)
{
        struct world *w = *state;
        int fd = hold_lock(w);

        w->options.progress = on_progress;
        assert_int_equal(fetched(w), -ECANCELED);
        assert_error(w, "cancelled");
        assert_int_equal(w->waits, 1);
        assert_entries(w, 0, 1, 0);
        close(fd);
}

static void a_waiter_takes_over(void **state)
{
        struct world *w = *state;

        w->held = hold_lock(w);
        w->options.progress = on_progress;
        assert_int_equal(fetched(w), 1);
        assert_int_equal(w->waits, 1);
        assert_int_equal(w->dones, 1);
}

/* --- the store's directory ------------------------------------------------------------------------------------ */

static void refuses_the_store_of_another_user(void **state)
{
        struct world *w = *state;

        if (geteuid() == 0) {
                w->options.store = w->directory;
                assert_int_equal(chown(w->directory, NOBODY, NOBODY), 0);
        } else {
                w->options.store = "/"; /* root's */
        }
        assert_int_equal(fetched(w), -EPERM);
        assert_error(w, "belongs to user");
        assert_error(w, w->options.store);
}

static void refuses_a_store_that_others_write(void **state)
{
        struct world *w = *state;

        w->options.store = w->directory;
        assert_int_equal(chmod(w->directory, 0770), 0);
        assert_int_equal(fetched(w), -EPERM);
        assert_error(w, "chmod go-w");
}

/* Sets whether permissions stop root. Of an ordinary user's store mayfly-helper is root, whom they never stop. */
static void let_permissions_stop_root(int stop)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[2];

        assert_int_equal(syscall(SYS_capget, &header, sets), 0);
        if (geteuid() != 0)
                return;
        sets[0].effective &= ~(1U << CAP_DAC_OVERRIDE);
        if (!stop)
                sets[0].effective |= 1U << CAP_DAC_OVERRIDE;
        assert_int_equal(syscall(SYS_capset, &header, sets), 0);
}

static int count_fetched_read_only(struct world *w, int keep_lock, int keep_image)
{
        char path[700];
        int r;

        r = fetched(w);
        if (r < 0)
                return r;
        if (!keep_lock) {
                snprintf(path, sizeof(path), "%s/locks/%s", w->store, w->id);
                unlink(path);
        }
        if (!keep_image) {
                char away[600];
                snprintf(path, sizeof(path), "%s/images/%s", w->store, w->id);
                snprintf(away, sizeof(away), "%s/away", w->directory);
                (void) rename(path, away);
        }
        static const char *const directories[] = { "/images", "/locks", "/tmp", "" };
        for (size_t i = 0; i < 4; i++) {
                snprintf(path, sizeof(path), "%s%s", w->store, directories[i]);
                chmod(path, 0500);
        }
        r = fetched(w);
        for (size_t i = 4; i-- > 0;) {
                snprintf(path, sizeof(path), "%s%s", w->store, directories[i]);
                chmod(path, 0700);
        }
        return r;
}

static void a_read_only_store_serves_what_it_has(void **state)
{
        struct world *w = *state;

        let_permissions_stop_root(1);
        int with_lock = count_fetched_read_only(w, 1, 1);
        int without_lock = count_fetched_read_only(w, 0, 1);
        int without_image = count_fetched_read_only(w, 1, 0);
        let_permissions_stop_root(0);
        assert_int_equal(with_lock, 0);
        assert_int_equal(without_lock, 0);
        if (geteuid() != 0) {
                assert_int_equal(without_image, 1);
                return;
        }
        assert_int_equal(without_image, -EACCES);
        assert_error(w, "cannot be put there");
        assert_error(w, "MAYFLY_STORE");
}

static void a_read_only_store_tells_of_a_damaged_image(void **state)
{
        struct world *w = *state;
        char path[700];

        let_permissions_stop_root(1);
        int first = fetched(w);
        snprintf(path, sizeof(path), "%s/images/%s/record", w->store, w->id);
        int cut = truncate(path, 10);
        snprintf(path, sizeof(path), "%s/tmp", w->store);
        int mode = chmod(path, 0500);
        int again = fetched(w);
        chmod(path, 0700);
        let_permissions_stop_root(0);
        assert_true(first == 1 && cut == 0 && mode == 0);
        if (geteuid() != 0) {
                assert_int_equal(again, 1);
                return;
        }
        assert_int_equal(again, -EACCES);
        assert_error(w, "is damaged (its record was cut, or never finished)");
        assert_error(w, "MAYFLY_STORE");
}

static void repairs_half_an_image(void **state)
{
        struct world *w = *state;
        char path[700];

        assert_int_equal(fetched(w), 1);
        snprintf(path, sizeof(path), "%s/images/%s/rootfs/big", w->store, w->id);
        assert_int_equal(unlink(path), 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(fetched(w), 1);
        assert_entries(w, 1, 1, 0);
}

static void fetches_again_what_is_damaged(void **state)
{
        static const struct {
                const char *name, *content, *link; /* NULL: removed */
                off_t cut;                         /* from its end */
        } cases[] = {
                { "manifest", "{", NULL, 0 },           { "manifest", "", NULL, 0 },     { "manifest", NULL, NULL, 0 },
                { "manifest", NULL, "/etc/passwd", 0 }, { "record", NULL, NULL, 0 },     { "record", "", NULL, 0 },
                { "record", NULL, "manifest", 0 },      { "record", NULL, NULL, 1 },     { "record", NULL, NULL, 100 },
                { "record", "end of it\n", NULL, 0 },   { "rootfs/big", NULL, NULL, 0 },
        };
        struct world *w = *state;
        char path[700];
        struct stat st;

        assert_int_equal(fetched(w), 1);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                snprintf(path, sizeof(path), "%s/images/%s/%s", w->store, w->id, cases[i].name);
                if (cases[i].cut) {
                        assert_int_equal(stat(path, &st), 0);
                        assert_int_equal(truncate(path, st.st_size - cases[i].cut), 0);
                } else {
                        assert_int_equal(unlink(path), 0);
                }
                if (cases[i].link)
                        assert_int_equal(symlink(cases[i].link, path), 0);
                if (cases[i].content)
                        write_file(path, cases[i].content, strlen(cases[i].content));
                int r = fetched(w);
                if (r != (strchr(cases[i].name, '/') == NULL)) /* opening looks no deeper: that is for verify */
                        fail_msg("case %zu, %s: %d %s", i, cases[i].name, r, w->err.message);
                assert_entries(w, 1, 1, 0);
        }
}

static void finds_the_default_store(void **state)
{
        struct world *w = *state;
        char cache[600], home[600], env[600], expected[800];
        const struct {
                const char *name, *value, *expected;
        } cases[] = {
                { "HOME", home, "home/.cache/mayfly" },
                { "XDG_CACHE_HOME", cache, "cache/mayfly" },
                { "MAYFLY_STORE", env, "env" },
        };

        snprintf(home, sizeof(home), "%s/home", w->directory);
        snprintf(cache, sizeof(cache), "%s/cache", w->directory);
        snprintf(env, sizeof(env), "%s/env", w->directory);
        const char *given_home = getenv("HOME");
        char *old_home = given_home ? strdup(given_home) : NULL;
        w->options.store = NULL;
        unsetenv("MAYFLY_STORE");
        unsetenv("XDG_CACHE_HOME");
        uid_t user = geteuid();
        assert_int_equal(seteuid(user == 0 ? NOBODY : user), 0);
        for (size_t i = 0; i < 3; i++) { /* each over those before it */
                char *path = NULL;
                setenv(cases[i].name, cases[i].value, 1);
                assert_int_equal(mf_store_path(NULL, &path, &w->err), 0);
                snprintf(expected, sizeof(expected), "%s/%s", w->directory, cases[i].expected);
                assert_string_equal(path, expected);
                free(path);
        }
        assert_int_equal(seteuid(user), 0);
        assert_int_equal(fetched(w), 1); /* into the last */
        snprintf(expected, sizeof(expected), "%s/images/%s", env, w->id);
        assert_int_equal(access(expected, F_OK), 0);
        setenv("MAYFLY_STORE", "relative/store", 1);
        assert_int_equal(fetched(w), -EINVAL);
        assert_error(w, "\"relative/store\" (from MAYFLY_STORE) must be an absolute path");
        w->options.store = "";
        assert_int_equal(fetched(w), -EINVAL);
        assert_error(w, "(from the option store)");
        unsetenv("MAYFLY_STORE");
        unsetenv("XDG_CACHE_HOME");
        if (old_home)
                setenv("HOME", old_home, 1);
        free(old_home);
}

/* --- options -------------------------------------------------------------------------------------------------- */

static void checks_the_options_size(void **state)
{
        struct world *w = *state;
        struct mayfly_image *image = NULL;
        struct {
                struct mayfly_image_options options;
                uint64_t newer[2];
        } longer = { .options = w->options };

        static const size_t wrong[] = { 0, 1, sizeof(size_t), offsetof(struct mayfly_image_options, trusted_keys),
                                        1U << 20 };
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                w->options.size = wrong[i];
                assert_int_equal(fetched(w), -EINVAL);
                assert_int_equal(w->err.stage, MAYFLY_STAGE_SPEC);
                assert_error(w, "MAYFLY_IMAGE_OPTIONS_INIT");
        }
        longer.options.size = sizeof(longer);
        longer.newer[1] = 1;
        w->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_image_open(&image, w->reference, &longer.options, &w->err), -EINVAL);
        assert_error(w, "the image options: the field at byte");
        assert_error(w, "is too old to know it");
        longer.newer[1] = 0;
        assert_int_equal(mayfly_image_open(&image, w->reference, &longer.options, NULL), 0);
        mayfly_image_close(image);
        assert_int_equal(mayfly_image_open(NULL, w->reference, &longer.options, NULL), -EINVAL);
        assert_null(mayfly_image_close(NULL));
}

int main(void)
{
#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                world_test(fetches_once),
                world_test(one_of_many_threads_fetches),
                world_test(one_of_many_processes_fetches),
                world_test(a_failed_pull_leaves_nothing),
                world_test(a_full_disk_leaves_nothing),
                world_test(sweeps_what_dead_fetchers_left),
                world_test(survives_a_killed_fetcher),
                world_test(a_forked_child_does_not_keep_the_lock),
                world_test(waiting_can_be_cancelled),
                world_test(a_waiter_takes_over),
                world_test(refuses_the_store_of_another_user),
                world_test(refuses_a_store_that_others_write),
                world_test(a_read_only_store_serves_what_it_has),
                world_test(a_read_only_store_tells_of_a_damaged_image),
                world_test(repairs_half_an_image),
                world_test(fetches_again_what_is_damaged),
                world_test(finds_the_default_store),
                world_test(checks_the_options_size),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
