/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/ids.h"
#include "container/life-calls.h"
#include "container/life.h"
#include "container/network.h"
#include "container/snapshot.h"
#include "container/volumes.h"
#include "image/open.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/time.h"
#include "util/timeout.h"
#include "util/trace.h"

#define STOP_MARGIN_MS 500U /* for nspawn and systemd to clean up once the app has ended */
#define FORCE_MS 1000U      /* for each of the harder ways */
#define BUS_RETRY_MS 20U

int mf_container_is_down(const struct mayfly_container *container)
{
        return mf_container_gone(container) && container->leader_fd < 0;
}

static void await_gone(struct mayfly_container *container, uint64_t deadline_us)
{
        while (!mf_container_is_down(container) && mf_left_ms(deadline_us) > 0)
                if (mf_container_poll(container, NULL, 0, mf_left_ms(deadline_us), NULL) < 0)
                        usleep(BUS_RETRY_MS * 1000); /* the bus is not well: it may only be restarting */
}

/* Asks mayfly-init to end the app and the container, and waits as long as that may take. */
static void ask_to_stop(struct mayfly_container *container)
{
        const struct mayfly_spec *spec = &container->spec;
        const struct mf_message message = { .type = MF_MESSAGE_STOP,
                                            .value = { spec->stop_signal, (int32_t) spec->stop_timeout_ms } };
        /* The app's time, and then its post-stop hook's. */
        unsigned times = container->reports.expects_app && container->image->config->post_stop ? 2 : 1;

        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (container->control < 0 || !container->reports.ready ||
            mf_container_send(container, &message, NULL, 0, mf_timeout_end(STOP_MARGIN_MS)) < 0) {
                /* Its end tells mayfly-init to end, too. What is still sent to us is taken. */
                (void) shutdown(container->control, SHUT_WR);
                times = 0;
        }
        await_gone(container, mf_timeout_end(STOP_MARGIN_MS) + (uint64_t) times * spec->stop_timeout_ms * 1000);
}

static int stop(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_error last = MAYFLY_ERROR_INIT;

        ask_to_stop(container);
        if (!mf_container_is_down(container) && container->reports.app == MF_APP_STARTED)
                container->stop_timed_out = 1;
        for (unsigned attempt = 0; !mf_container_is_down(container) && attempt < 4; attempt++) {
                last = (struct mayfly_error) MAYFLY_ERROR_INIT;
                (void) container->engine->type->terminate(container->engine, container->leader_fd, attempt, &last);
                await_gone(container, mf_timeout_end(FORCE_MS));
        }
        if (mf_container_is_down(container))
                return 0;
        return mf_error(
                err, -ETIMEDOUT, MAYFLY_STAGE_STOP,
                "container %s (PID %d) is still there after it was killed%s%s; look for a process of it in state D "
                "with `ps -eo pid,ppid,state,wchan,args`: only the event that it waits for can end it",
                container->machine, (int) container->leader, last.code ? ": " : "", last.message);
}

/* Takes what the processes that are gone have sent: without the last copy of its mount, what the container wrote would be lost. */
static void take_last(struct mayfly_container *container)
{
        mf_container_receive(container);
        container->control = mf_close(container->control);
}

int mf_container_end(struct mayfly_container *container, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(container->anchor);

        if (mf_container_is_down(container)) {
                take_last(container);
                return 0;
        }
        MF_TRACE("stop", container->machine);
        if (container->spec.spare)
                mf_peak_note(container);
        uint64_t begin = mf_now_us();
        if (container->is_paused)
                (void) mayfly_container_resume(container, NULL);
        container->was_stopped = 1;
        if (container->engine->type->wake)
                container->engine->type->wake(container->engine);
        int r = stop(container, err);
        if (container->engine->type->rest)
                container->engine->type->rest(container->engine);
        container->timings.stop_us = mf_now_us() - begin;
        if (r == 0)
                take_last(container);
        if (!container->spec.keep_files)
                mf_files_close(container);
        return r;
}

/* Its end tells mayfly-init to end. */
void mf_container_abandon(struct mayfly_container *container)
{
        container->control = mf_close(container->control);
}

/* Gives up what a container that is gone has for another life. */
static void release(struct mayfly_container *container)
{
        mf_membership_leave(container->membership);
        container->scratch = mf_close(container->scratch);
        container->snapshot = mayfly_snapshot_free(container->snapshot);
        container->taken = mayfly_snapshot_free(container->taken);
        mf_ports_release(container);
        mf_volumes_release(container->volumes);
}

MF_EXPORT int mayfly_container_stop(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return 0;
        int r = container->is_given ? mf_container_check_use(container, err) : mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const int called = mf_call_before_stop(container, &why);
        r = mf_container_end(container, err);
        if (r == 0)
                release(container);
        return mf_call_result(r, called, &why, err);
}

MF_EXPORT int mayfly_container_stop_result(const struct mayfly_container *container, struct mayfly_stop_result *ret,
                                           struct mayfly_error *err)
{
        static const struct mf_option_kind kind = MF_OPTION_KIND("the stop result to fill", "MAYFLY_STOP_RESULT_INIT",
                                                                 struct mayfly_stop_result, elapsed_us);

        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_stop_result() needs a container and a place for its result");
        const struct mayfly_stop_result all = { .timed_out =
                                                        container->stop_timed_out || container->reports.app_was_late,
                                                .stop_signal = container->spec.stop_signal,
                                                .timeout_ms = container->spec.stop_timeout_ms,
                                                .elapsed_us = container->timings.stop_us };
        int r = mf_result_check(ret, &kind, err);
        if (r == 0)
                mf_result_give(ret, &all, &kind);
        return r;
}

/* Frees what the last start has made for this life of the container. */
static void forget_life(struct mayfly_container *container)
{
        if (container->engine)
                container->engine = container->engine->type->release(container->engine);
        container->control = mf_close(container->control);
        container->share = mf_close(container->share);
        mf_strv_free(container->attached);
        container->attached = NULL;
        container->leader_fd = mf_close(container->leader_fd);
        container->freezer = mf_close(container->freezer);
        container->boot_log = mf_close(container->boot_log);
        mf_forward_close(&container->forward);
        mf_files_close(container);
        mf_strv_free(container->env);
        container->env = NULL;
        mf_isolators_clear(&container->isolators);
}

int mf_container_start_over(struct mayfly_container *container, struct mayfly_error *err)
{
        /* A dead container has no control socket any more, but its unit may not be gone yet. */
        int r = mf_container_end(container, err);

        if (r < 0)
                return r;
        forget_life(container);
        container->reports = (struct mf_reports){ 0 };
        container->was_stopped = container->is_shared = container->stop_timed_out = container->broke_protocol =
                container->is_paused = 0;
        container->leader = 0;
        container->life++;
        container->timings.stop_us = 0;
        if (container->has_lived)
                return 0;
        container->scratch = mf_close(container->scratch);
        mf_log_close(&container->log);
        mf_ids_clear(&container->ids);
        return mf_container_choose_name(container, err);
}

/* Wakes the threads that wait for something of a container that did not end. */
static void wake_others(struct mayfly_container *container)
{
        (void) shutdown(container->control, SHUT_RDWR);
        mf_files_kill(container);
}

/* Ends the container, and waits for the threads that are in a call on it; they see its end. Then the handles of its commands know of no
 * container any more. */
static void see_off(struct mayfly_container *container)
{
        MF_ANCHOR_GUARD(container->anchor);

        (void) mf_call_before_stop(container, NULL); /* later its calls would fail */
        mf_anchor_end(container->anchor);
        /* Nothing was started while there is no control socket. Only the owner may stop it. */
        if (container->owner == getpid() && (container->control >= 0 || container->reports.ready))
                (void) mayfly_container_stop(container, NULL);
        wake_others(container);
        /* One of them may have been about to start it again. */
        if (mf_anchor_await_alone(container->anchor) && container->owner == getpid() &&
            !mf_container_is_down(container))
                (void) mayfly_container_stop(container, NULL);
        container->anchor->container = NULL;
}

MF_EXPORT struct mayfly_container *mayfly_container_free(struct mayfly_container *container)
{
        if (!container)
                return NULL;
        /* In a forked child that has not used the container the lock may never be free. */
        int is_ours = container->user == getpid();
        int lives_on = is_ours && container->is_given && !mf_container_is_down(container);
        if (is_ours && container->anchor)
                see_off(container);
        forget_life(container);
        mf_close(container->scratch);
        mf_close(container->userns);
        mf_log_close(&container->log);
        mf_ids_clear(&container->ids);
        if (is_ours)
                mf_anchor_unref(container->anchor);
        mf_links_clear(&container->links);
        for (size_t i = 0; i < MF_ELEMENTSOF(container->expanded); i++)
                mf_strv_free(container->expanded[i]);
        container->membership =
                lives_on ? mf_membership_let_go(container->membership) : mf_membership_free(container->membership);
        mayfly_image_close(container->image);
        mayfly_snapshot_free(container->snapshot);
        mayfly_snapshot_free(container->taken);
        mf_volumes_release(container->volumes);
        free(container->volumes);
        mf_arena_clear(&container->spec_memory);
        free(container->publish);
        free(container->host_ports);
        free(container->files);
        free(container);
        return NULL;
}
