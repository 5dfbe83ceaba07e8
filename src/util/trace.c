/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/escape.h"
#include "util/fd.h"
#include "util/log-dir.h"
#include "util/text.h"
#include "util/time.h"

/* Several threads, several processes and their forked children may write to one file: each event opens it anew, so that nothing is shared,
 * and is one write(2). The file of a trace is valid JSON between any two of them. */

#define EVENT_MAX 2048U
#define DETAIL_MAX 600U
#define JSON_END "\n]\n"
#define KEPT_MAX (4 << 20) /* bytes of a file in $MAYFLY_LOG_DIR */

/* What MAYFLY_DEBUG is, or NULL when nothing is to be told. */
static const char *wanted(void)
{
        const char *value = secure_getenv("MAYFLY_DEBUG");

        return value && *value && strcmp(value, "0") != 0 ? value : NULL;
}

/* Whether the events go to $MAYFLY_LOG_DIR, because MAYFLY_DEBUG says nothing. */
static int is_kept(void)
{
        const char *value = secure_getenv("MAYFLY_DEBUG");

        return (!value || !*value) && mf_log_dir_is_set();
}

struct mf_trace mf_trace_begin(const char *stage, const char *detail)
{
        if (!wanted() && !is_kept())
                return (struct mf_trace){ 0 };
        return (struct mf_trace){ .stage = stage, .detail = detail ? detail : "", .begin_us = mf_now_us() };
}

/* --- a line an event -------------------------------------------------------------------------------------------- */

/* "mayfly[PID.TID] BEGIN +DURATION STAGE DETAIL", in seconds. Returns its length. */
static size_t write_line(const struct mf_trace *trace, uint64_t end_us, char ret[EVENT_MAX])
{
        const uint64_t took_us = end_us - trace->begin_us;
        char detail[DETAIL_MAX];

        mf_escape(detail, sizeof(detail), trace->detail);
        int n = snprintf(ret, EVENT_MAX, "mayfly[%d.%d] %" PRIu64 ".%06u +%" PRIu64 ".%06u %s%s%s\n", (int) getpid(),
                         (int) gettid(), trace->begin_us / 1000000, (unsigned) (trace->begin_us % 1000000),
                         took_us / 1000000, (unsigned) (took_us % 1000000), trace->stage, *detail ? " " : "", detail);
        return n < 0 ? 0 : (size_t) n;
}

static int append_line(const char *path, const char *line, size_t size)
{
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

        return fd < 0 ? -errno : mf_write_full(fd, line, size);
}

/* --- Trace Event Format ----------------------------------------------------------------------------------------- */

/* A string of JSON; an empty one for a text that is too long. */
static void quote(char *ret, size_t size, const char *text)
{
        if (mf_json_quote(ret, size, text) >= size)
                snprintf(ret, size, "\"\"");
}

/* Writes the event and, where it is the process's first, one with the name of the process. Returns the length. */
static size_t write_json(const struct mf_trace *trace, uint64_t end_us, char ret[EVENT_MAX])
{
        static atomic_int named; /* a process */
        const int pid = (int) getpid();
        char detail[DETAIL_MAX], name[128];
        int n = 0;

        if (atomic_exchange(&named, pid) != pid) {
                quote(name, sizeof(name), program_invocation_short_name);
                n = snprintf(ret, EVENT_MAX,
                             "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":%s}},\n",
                             pid, (int) gettid(), name);
        }
        quote(detail, sizeof(detail), trace->detail);
        n += snprintf(ret + n, EVENT_MAX - (size_t) n,
                      "{\"name\":\"%s\",\"cat\":\"mayfly\",\"ph\":\"X\",\"ts\":%" PRIu64 ",\"dur\":%" PRIu64
                      ",\"pid\":%d,\"tid\":%d,\"args\":{\"of\":%s}}" JSON_END,
                      trace->stage, trace->begin_us, end_us - trace->begin_us, pid, (int) gettid(), detail);
        return (size_t) n;
}

/* Puts the events in front of the end of the array in the file, in one write(2), unless the file would have more than `max` bytes. Returns
 * 0 or negative errno. */
static int append_json(int fd, const char *events, size_t size, off_t max)
{
        char text[EVENT_MAX + 2], end[sizeof(JSON_END)] = "";
        struct stat st;

        if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size + (off_t) size > max)
                return 0;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        const off_t at = st.st_size - (off_t) strlen(JSON_END);
        if (st.st_size > 0 && (at < 0 || pread(fd, end, strlen(JSON_END), at) < 0 || strcmp(end, JSON_END) != 0))
                return -EEXIST;
        const char *before = st.st_size > 0 ? ",\n" : "[\n";
        memcpy(text, before, 2);
        memcpy(text + 2, events, size);
        return pwrite(fd, text, size + 2, st.st_size > 0 ? at : 0) < 0 ? -errno : 0;
}

static int append_json_to(const char *path, const char *events, size_t size)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

        return fd < 0 ? -errno : append_json(fd, events, size, LONG_MAX);
}

/* Writes it to a file of this process in $MAYFLY_LOG_DIR. */
static void keep(const struct mf_trace *trace, uint64_t end_us)
{
        char event[EVENT_MAX], name[NAME_MAX];

        snprintf(name, sizeof(name), "%.200s-%d", program_invocation_short_name, (int) getpid());
        mf_cleanup(mf_closep) int fd = mf_log_dir_open(name, ".trace.json");
        int r = fd < 0 ? 0 : append_json(fd, event, write_json(trace, end_us, event), KEPT_MAX);
        if (r < 0)
                mf_log_dir_warn(r);
}

/* --- all ------------------------------------------------------------------------------------------------------- */

/* Says once why nothing is told. */
static void complain(const char *path, int r)
{
        static atomic_flag told = ATOMIC_FLAG_INIT;
        char line[EVENT_MAX];

        if (atomic_flag_test_and_set(&told))
                return;
        int n = snprintf(line, sizeof(line),
                         "mayfly: MAYFLY_DEBUG names %.1000s, %s%s; write 1, or a file that can be written\n", path,
                         r == -EEXIST ? "which is there and is no trace" : "which cannot be written: ",
                         r == -EEXIST ? "" : strerrordesc_np(-r));
        (void) mf_write_full(STDERR_FILENO, line, (size_t) n);
}

/* Writes it where MAYFLY_DEBUG says. */
static void tell(const char *where, const struct mf_trace *trace, uint64_t end_us)
{
        char event[EVENT_MAX];
        int r;

        if (strcmp(where, "1") == 0)
                r = mf_write_full(STDERR_FILENO, event, write_line(trace, end_us, event));
        else if (mf_has_ending(where, ".json"))
                r = append_json_to(where, event, write_json(trace, end_us, event));
        else
                r = append_line(where, event, write_line(trace, end_us, event));
        if (r < 0)
                complain(where, r);
}

void mf_trace_end(const struct mf_trace *trace)
{
        const int before = errno;

        if (!trace->stage)
                return;
        const uint64_t end_us = mf_now_us();
        const char *where = wanted();
        if (where)
                tell(where, trace, end_us);
        else if (is_kept())
                keep(trace, end_us);
        errno = before;
}
