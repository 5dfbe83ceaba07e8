/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/debugger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege/raw-start.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* util-linux and coreutils, which every Debian has, confine gdb: nothing of ours runs between them. gdb is PID 1 of a PID namespace, which
 * ends with unshare(1), unshare with timeout(1), and timeout with the process that asked and those that it forked meanwhile. timeout
 * itself cannot be PID 1: from coreutils 9.10 on it takes PID 1 as its parent for a sign that its parent has died. */

#define NOBODY 65534U
#define LIMIT_MS 60000U
#define MORE_MS 5000U /* for timeout(1) to end it first */
#define OUTPUT_MAX ((size_t) 1 << 20)
#define WORDS_MAX 64U

struct words {
        char *list[WORDS_MAX + 1];
        size_t n;
};

static void add(struct words *words, const char *const *more)
{
        for (; *more && words->n < WORDS_MAX; more++)
                words->list[words->n++] = (char *) (uintptr_t) *more;
}

/* Writes the command line, with `seconds` as its limit. */
static void make_words(struct words *ret, const char *seconds, const char *const *more)
{
        static const char *const limit[] = { "/usr/bin/timeout", "--signal=KILL", NULL };
        static const char *const enclosed[] = { "setpriv", "--pdeathsig=KILL", "unshare",      "--net", "--ipc",
                                                "--pid",   "--fork",           "--kill-child", NULL };
        static const char *const as_root[] = { "setpriv",          "--reuid=65534",
                                               "--regid=65534",    "--clear-groups",
                                               "--inh-caps=-all",  "--bounding-set=-all",
                                               "--pdeathsig=KILL", NULL };
        static const char *const as_user[] = { "--user", "--map-current-user", "setpriv", NULL };
        static const char *const no_more[] = { "--no-new-privs", "prlimit", "--core=0", "--fsize=0", NULL };
        static const char *const gdb[] = { "gdb",  "-nx",
                                           "-nh",  "-batch",
                                           "-iex", "set auto-load off",
                                           "-iex", "set debuginfod enabled off",
                                           "-iex", "set width 0",
                                           NULL };

        add(ret, limit);
        add(ret, (const char *const[]){ seconds, NULL });
        add(ret, enclosed);
        add(ret, geteuid() == 0 ? as_root : as_user);
        add(ret, no_more);
        add(ret, gdb);
        add(ret, more);
}

/* Reads to the end. Returns 0 or negative errno. */
static int read_output(int fd, uint64_t deadline_us, struct mf_buffer *ret)
{
        struct pollfd readable = { .fd = fd, .events = POLLIN };
        char part[4096];

        while (ret->size < OUTPUT_MAX) {
                int n_ready = poll(&readable, 1, mf_left_ms(deadline_us));
                if (n_ready == 0)
                        return -ETIMEDOUT;
                ssize_t n = n_ready > 0 ? read(fd, part, sizeof(part)) : -1;
                if (n == 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0 && mf_buffer_add(ret, part, (size_t) n) < 0)
                        return -ENOMEM;
        }
        return -EFBIG;
}

/* Waits until the process, which was ended, is gone. */
static void end(int process, int reaper)
{
        struct pollfd gone = { .fd = process, .events = POLLIN };

        mf_pidfd_signal(process, SIGKILL);
        while (poll(&gone, 1, -1) < 0 && errno == EINTR)
                ;
        mf_close(process);
        if (reaper >= 0)
                mf_raw_start_await(reaper);
        mf_close(reaper);
}

static int run(struct words *words, unsigned limit_ms, struct mf_buffer *ret)
{
        static char *const env[] = { (char *) (uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin",
                                     (char *) (uintptr_t) "LC_ALL=C.UTF-8", (char *) (uintptr_t) "HOME=/nonexistent",
                                     NULL };
        int process = -1, reaper = -1, output[2], life[2];

        if (pipe2(output, O_CLOEXEC) < 0)
                return -errno;
        mf_cleanup(mf_closep) int from = output[0];
        if (pipe2(life, O_CLOEXEC) < 0) {
                int r = -errno;
                mf_close(output[1]);
                return r;
        }
        const struct mf_raw_start request = {
                .argv = words->list, .env = env, .control = life[0], .boot_log = output[1], .is_tied = 1
        };
        int r = mf_raw_start_program(&request, &process, &reaper);
        mf_close(life[0]);
        mf_close(output[1]);
        if (r == 0)
                r = read_output(from, mf_timeout_end(limit_ms), ret);
        mf_close(life[1]);
        if (process >= 0)
                end(process, reaper);
        return r;
}

/* Whether it is where run() looks for it. */
static int is_installed(void)
{
        return access("/usr/local/bin/gdb", X_OK) == 0 || access("/usr/bin/gdb", X_OK) == 0 ||
               access("/bin/gdb", X_OK) == 0;
}

int mf_debugger_run(const char *const *more, struct mf_buffer *ret, struct mayfly_error *err)
{
        struct words words = { .n = 0 };
        char seconds[16];

        if (!is_installed())
                return mf_error(
                        err, -ENOPKG, MAYFLY_STAGE_FILES,
                        "a backtrace needs gdb on this host, which is not in /usr/bin; install it (Debian: gdb), "
                        "or get the core file with mayfly_container_core()");
        snprintf(seconds, sizeof(seconds), "%u", mf_timeout_ms(LIMIT_MS) / 1000);
        make_words(&words, seconds, more);
        int r = run(&words, LIMIT_MS + MORE_MS, ret);
        if (r == -ETIMEDOUT)
                return mf_error(err, r, MAYFLY_STAGE_FILES, "gdb was not done with the core file within %s s", seconds);
        if (r == -EFBIG)
                return mf_error(err, r, MAYFLY_STAGE_FILES, "gdb says more than %zu MiB about the core file",
                                OUTPUT_MAX >> 20);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_FILES, "running gdb") : 0;
}

int mf_debugger_give(int dirfd, const char *name)
{
        struct stat st;

        if (geteuid() != 0)
                return 0;
        /* Not its owner: it must not change what we go on writing to. */
        return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                               fchownat(dirfd, name, (uid_t) -1, NOBODY, AT_SYMLINK_NOFOLLOW) < 0 ||
                               fchmodat(dirfd, name, S_ISDIR(st.st_mode) ? 0750 : 0640, 0) < 0
                       ? -errno
                       : 0;
}
