/* SPDX-License-Identifier: MIT */
#include "container/logs.h"

#include <errno.h>

#include "container/container.h"
#include "container/life.h"
#include "container/look.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define DRAIN_MS 1000 /* mayfly-init answers at once, unless the host is overloaded */

/* Waits until all is in the log that the app has written so far: it goes through a pipe, and mayfly-init may not have read that yet. So
 * a test that got an app's answer finds what the app wrote before it answered. Without an answer the log is as it is. */
static void catch_up(struct mayfly_container *container)
{
        const struct mf_message drain = { .type = MF_MESSAGE_DRAIN };
        const uint64_t deadline = mf_timeout_end(DRAIN_MS);
        mf_cleanup(mf_closep) int reply = -1;

        if (!container->has_lived || container->control < 0 || mf_container_is_paused(container))
                return;
        if (mf_container_ask(container, &drain, deadline, &reply) == 0)
                (void) mf_await_answer(reply, container->leader_fd, deadline);
}

MF_EXPORT int mayfly_container_logs(struct mayfly_container *container, char **ret, size_t *ret_size,
                                    struct mayfly_error *err)
{
        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                                "mayfly_container_logs() needs a container and a result");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        catch_up(container);
        r = mf_log_read(&container->log, SIZE_MAX, ret, ret_size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_LOGS, "reading the log of %s", container->machine);
        return 0;
}

/* Returns -EINVAL for a position that the log has not reached. */
static int check_position(const struct mayfly_container *container, uint64_t position, struct mayfly_error *err)
{
        uint64_t end = mf_log_end(&container->log);

        if (position <= end)
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                        "the position %llu is beyond the end of the log of %s, %llu; give 0, or what an earlier "
                        "reading of this container returned",
                        (unsigned long long) position, container->machine, (unsigned long long) end);
}

int mf_container_log_read(const struct mayfly_container *container, uint64_t position, struct mayfly_log **ret,
                          struct mayfly_error *err)
{
        int r = check_position(container, position, err);

        if (r < 0)
                return r;
        r = mf_log_read_lines(&container->log, position, ret);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_LOGS, "reading the log of %s", container->machine) : 0;
}

MF_EXPORT int mayfly_container_log_read(struct mayfly_container *container, uint64_t position, struct mayfly_log **ret,
                                        struct mayfly_error *err)
{
        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                                "mayfly_container_log_read() needs a container and a place for its result");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        catch_up(container);
        return mf_container_log_read(container, position, ret, err);
}

MF_EXPORT int mayfly_container_log_tail(struct mayfly_container *container, size_t n_lines, struct mayfly_log **ret,
                                        struct mayfly_error *err)
{
        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                                "mayfly_container_log_tail() needs a container and a place for its result");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_ENTER(container->anchor);
        catch_up(container);
        r = mf_log_read_tail(&container->log, n_lines, ret);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_LOGS, "reading the log of %s", container->machine) : 0;
}

/* A follower of a log. */
struct follower {
        uint64_t position; /* after the last line that was taken */
        uint64_t seen;     /* end of the log when it was read last */
        mayfly_log_fn take;
        void *userdata;
};

/* Calls the follower with a line, without the lock: another thread may run a command meanwhile. */
static int give_line(struct mayfly_container *container, const struct follower *follower,
                     const struct mayfly_log_line *line)
{
        int had_lock = mf_anchor_pause(container->anchor);
        int r = follower->take(line, follower->userdata);

        mf_anchor_resume(container->anchor, had_lock);
        return r;
}

/* Gives all new lines to the follower: at the end of the container also those without an end. Of two streams, such a line may lie
 * before the position of a follower that has it already; the container remembers that. Returns what it returned, 0, or negative
 * errno with an error. */
static int give_lines(struct mayfly_container *container, struct follower *follower, int has_ended,
                      struct mayfly_error *err)
{
        unsigned given = follower->position == container->rest_position ? container->rest_streams : 0;
        struct mayfly_log *log = NULL;

        int r = has_ended ? mf_log_read_rest(&container->log, follower->position, &log)
                          : mf_log_read_lines(&container->log, follower->position, &log);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_LOGS, "reading the log of %s", container->machine);
        for (const struct mayfly_log_line *const *line = log->lines; r == 0 && *line; line++) {
                unsigned stream = 1U << (*line)->stream;
                if (!(*line)->is_complete && (!has_ended || (given & stream)))
                        continue;
                if (!(*line)->is_complete)
                        given |= stream;
                if ((*line)->end > follower->position)
                        follower->position = (*line)->end;
                r = give_line(container, follower, *line);
        }
        if (has_ended) {
                container->rest_position = follower->position;
                container->rest_streams = given;
        }
        follower->seen = log->next;
        mayfly_log_free(log);
        return r;
}

#define FOLLOW_PAUSE_MS 1

static int follow(struct mayfly_container *container, struct follower *follower, unsigned timeout_ms,
                  struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(timeout_ms);

        mf_container_receive(container);
        for (;;) {
                int has_ended = container->control < 0; /* what it wrote is in the log by now */
                int r = 0;
                if (has_ended || mf_log_end(&container->log) != follower->seen)
                        r = give_lines(container, follower, has_ended, err);
                if (r != 0 || has_ended)
                        return r;
                int left = timeout_ms == UINT32_MAX ? FOLLOW_PAUSE_MS : mf_left_ms(deadline);
                if (left == 0)
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_LOGS,
                                        "following the log of %s has not ended after timeout_ms = %u",
                                        container->machine, timeout_ms);
                r = mf_container_poll(container, NULL, 0, left < FOLLOW_PAUSE_MS ? left : FOLLOW_PAUSE_MS, err);
                if (r < 0)
                        return r;
        }
}

MF_EXPORT int mayfly_container_log_follow(struct mayfly_container *container, uint64_t *position, unsigned timeout_ms,
                                          mayfly_log_fn take, void *userdata, struct mayfly_error *err)
{
        struct follower follower = { .position = position ? *position : 0, .take = take, .userdata = userdata };

        if (!container || !take)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_LOGS,
                                "mayfly_container_log_follow() needs a container and a function that takes lines");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = check_position(container, follower.position, err);
        if (r < 0)
                return r;
        follower.seen = follower.position;
        r = follow(container, &follower, timeout_ms, err);
        if (position)
                *position = follower.position;
        return r;
}
