/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/container.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/leader.h"
#include "container/logs.h"
#include "container/network.h"
#include "container/postmortem.h"
#include "container/run-options.h"
#include "container/seccomp.h"
#include "container/snapshot.h"
#include "container/volumes.h"
#include "image/open.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/id-range.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/time.h"
#include "util/timeout.h"
#include "util/trace.h"

#define LAST_WORDS_MS 500U
#define MESSAGES_MAX 64U

/* --- its name ------------------------------------------------------------------------------------------------- */

/* "NAME-RANDOM" in what machined allows: letters, digits and single dashes, at most 64. */
int mf_container_choose_name(struct mayfly_container *container, struct mayfly_error *err)
{
        const char *wanted = container->spec.name ? container->spec.name : program_invocation_short_name;
        uint64_t number;
        size_t n = 0;

        if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "random numbers");
        for (; *wanted && n < 47; wanted++) {
                unsigned char c = (unsigned char) *wanted;
                if (isascii(c) && isalnum(c))
                        container->machine[n++] = (char) tolower(c);
                else if (n > 0 && container->machine[n - 1] != '-')
                        container->machine[n++] = '-';
        }
        if (n > 0 && container->machine[n - 1] == '-')
                n--;
        snprintf(container->machine + n, sizeof(container->machine) - n, "%s%012llx", n ? "-" : "",
                 (unsigned long long) (number & UINT64_C(0xffffffffffff)));
        return 0;
}

/* --- the way up ----------------------------------------------------------------------------------------------- */

static void note_limits(struct mayfly_container *container, int missing)
{
        static const struct {
                enum mf_limit limit;
                enum mf_isolator_kind isolator;
                const char *controller;
        } limits[] = {
                { MF_LIMIT_MEMORY, MF_ISOLATOR_MEMORY, "there is no memory controller for its limit" },
                { MF_LIMIT_MEMORY_LOW, MF_ISOLATOR_MEMORY, "there is no memory controller for its request" },
                { MF_LIMIT_CPU, MF_ISOLATOR_CPU, "there is no cpu controller for its limit" },
                { MF_LIMIT_CPU_SHARES, MF_ISOLATOR_CPU_SHARES, "there is no cpu controller" },
                { MF_LIMIT_OOM_SCORE, MF_ISOLATOR_OOM_SCORE_ADJ,
                  "this host has no CAP_SYS_RESOURCE to give, which a lower score needs" },
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(limits); i++)
                if (missing & (int) limits[i].limit)
                        (void) mf_isolators_note(&container->isolators, limits[i].isolator, MAYFLY_ISOLATOR_IGNORED,
                                                 limits[i].controller);
}

/* Takes the sender of READY as the container's PID 1. It may have died since: then the container has. */
static void on_ready(struct mayfly_container *container, pid_t pid)
{
        struct mf_engine *parent = mf_privilege_is_delegated() ? container->engine : NULL;

        if (container->leader) { /* this process is not the owner, and knows */
                container->broke_protocol = pid != container->leader;
                return;
        }
        int r = mf_leader_open(pid, container->machine, parent, &container->leader_fd);

        container->leader = pid;
        if (r < 0 && r != -ESRCH)
                container->broke_protocol = 1;
}

/* Whether the container's PID 1 was seen to be dead, or never found. */
static int is_leader_dead(const struct mayfly_container *container)
{
        return container->reports.ready && container->leader_fd < 0;
}

/* Takes one message. Returns 0, or -EPROTO for one that may not come. */
static int take_report(struct mayfly_container *container, const struct mf_message *message, int *fds, size_t n_fds,
                       pid_t pid)
{
        int known = container->reports.missing_limits;

        if (message->type == MF_MESSAGE_CURRENT && container->owner != getpid()) {
                container->is_current = 1;
                return 0;
        }
        int r = mf_reports_take(&container->reports, message, n_fds);

        if (r < 0)
                container->broke_protocol = 1;
        else if (message->type == MF_MESSAGE_READY)
                on_ready(container, pid);
        else if (message->type == MF_MESSAGE_SCRATCH) {
                mf_close(container->scratch);
                container->scratch = mf_take_fd(&fds[0]);
        } else if (message->type == MF_MESSAGE_HOSTS)
                mf_membership_give_hosts(container->membership, mf_take_fd(&fds[0]));
        else if (message->type == MF_MESSAGE_LIMITS)
                note_limits(container, container->reports.missing_limits & ~known);
        return container->broke_protocol ? -EPROTO : 0;
}

void mf_container_receive(struct mayfly_container *container)
{
        MF_ANCHOR_GUARD(container->anchor);

        /* Bounded: an attacker at the other end could write without end. */
        for (unsigned n = 0; container->control >= 0 && n < MESSAGES_MAX; n++) {
                int fds[MF_MESSAGE_FDS_MAX];
                struct mf_message message;
                size_t n_fds = 0;
                pid_t pid = 0;

                int r = mf_message_recv(container->control, &message, fds, &n_fds, &pid, MSG_DONTWAIT);
                if (r == -EAGAIN && !is_leader_dead(container))
                        return;
                if (r > 0)
                        r = take_report(container, &message, fds, n_fds, pid) < 0 ? -EPROTO : 1;
                else if (r == -EPROTO)
                        container->broke_protocol = 1;
                for (size_t i = 0; i < n_fds; i++)
                        mf_close(fds[i]);
                if (r <= 0)
                        container->control = mf_close(container->control);
        }
}

static struct mf_facts facts_of(const struct mayfly_container *container)
{
        return (struct mf_facts){ .machine = container->machine,
                                  .reports = &container->reports,
                                  .was_stopped = container->was_stopped,
                                  .owner = container->owner == getpid() ? 0 : container->owner,
                                  .broke_protocol = container->broke_protocol,
                                  .log = &container->log,
                                  .boot_log = container->boot_log };
}

void mf_container_hear_last_words(struct mayfly_container *container)
{
        const uint64_t deadline = mf_timeout_end(LAST_WORDS_MS);

        /* All processes that may have a message about it have written it when they are gone. */
        while (!mf_container_gone(container) && mf_now_us() < deadline)
                if (mf_container_poll(container, NULL, 0, 10, NULL) < 0)
                        break;
}

/* Asks the engine why a container died that never answered. Returns 0 when the engine does not know. */
static int diagnose(struct mayfly_container *container, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *boot_log = NULL;

        mf_container_hear_last_words(container);
        if (!container->engine)
                return 0;
        (void) mf_boot_log_read(container->boot_log, 1, &boot_log);
        return container->engine->type->diagnose(container->engine, boot_log && *boot_log, err);
}

int mf_container_explain_death(struct mayfly_container *container, int code, enum mayfly_stage stage, const char *what,
                               struct mayfly_error *err)
{
        if (!err || err->code)
                return code;
        if (!container->reports.ready && diagnose(container, err) < 0)
                return err->code;
        const struct mf_facts facts = facts_of(container);
        return mf_explain_death(&facts, code, stage, what, err);
}

int mf_container_explain_wait(const struct mayfly_container *container, int code, enum mayfly_stage stage,
                              const char *text, struct mayfly_error *err)
{
        const struct mf_facts facts = facts_of(container);

        return mf_explain_wait(&facts, code, stage, text, err);
}

int mf_container_check_cancelled(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (mf_anchor_is_ending(container->anchor))
                return mf_error(err, -ECANCELED, MAYFLY_STAGE_START, "container %s is being freed by another thread",
                                container->machine);
        if (container->cancel < 0 || poll(&(struct pollfd){ .fd = container->cancel, .events = POLLIN }, 1, 0) <= 0)
                return 0;
        return mf_error(err, -ECANCELED, MAYFLY_STAGE_START, "the start of container %s was given up",
                        container->machine);
}

int mf_container_gone(const struct mayfly_container *container)
{
        return !container->engine || container->engine->gone;
}

int mf_container_poll(struct mayfly_container *container, struct pollfd *extra, size_t n_extra, int timeout_ms,
                      struct mayfly_error *err)
{
        struct pollfd fds[5 + MF_POLL_EXTRA_MAX] = { { .fd = container->control, .events = POLLIN },
                                                     { .fd = container->leader_fd, .events = POLLIN },
                                                     { .fd = container->cancel, .events = POLLIN } };
        int engine_timeout = -1;
        size_t n = 3;

        if (container->engine)
                n += container->engine->type->poll_fds(container->engine, fds + 3, &engine_timeout);
        for (size_t i = 0; i < n_extra; i++)
                fds[n + i] = extra[i];
        if (engine_timeout >= 0 && (timeout_ms < 0 || engine_timeout < timeout_ms))
                timeout_ms = engine_timeout;
        int had_lock = mf_anchor_pause(container->anchor);
        int r = poll(fds, n + n_extra, timeout_ms) < 0 && errno != EINTR ? -errno : 0;
        mf_anchor_resume(container->anchor, had_lock);
        MF_ANCHOR_GUARD(container->anchor);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_BUS, "poll");
        for (size_t i = 0; i < n_extra; i++)
                extra[i].revents = fds[n + i].revents;
        mf_container_receive(container);
        /* Its end of the socket may live on in a child that this process happened to fork at the wrong moment. */
        if (fds[1].revents && mf_pidfd_has_ended(container->leader_fd)) {
                container->leader_fd = mf_close(container->leader_fd);
                mf_container_receive(container);
                container->control = mf_close(container->control);
        }
        return container->engine ? container->engine->type->dispatch(container->engine, err) : 0;
}

int mf_container_send(struct mayfly_container *container, const struct mf_message *message, const int *fds,
                      size_t n_fds, uint64_t deadline_us)
{
        for (;;) {
                int r = container->control < 0 ? -EPIPE : mf_message_try_send(container->control, message, fds, n_fds);
                if (r != -EAGAIN && r != -ETOOMANYREFS)
                        return r;
                if (mf_left_ms(deadline_us) == 0)
                        return -ETIMEDOUT;
                (void) mf_container_poll(container, NULL, 0, 1, NULL);
        }
}

static int is_ready(const struct mayfly_container *container)
{
        return container->reports.ready;
}

static int is_app_decided(const struct mayfly_container *container)
{
        return container->reports.app != MF_APP_NONE;
}

/* Waits until `is_done` holds. */
static int await(struct mayfly_container *container, int (*is_done)(const struct mayfly_container *container),
                 uint64_t deadline_us, struct mayfly_error *err)
{
        while (!is_done(container)) {
                if (container->control < 0 || mf_container_gone(container))
                        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_START, "starting", err);
                int left = mf_left_ms(deadline_us);
                if (left == 0) {
                        const struct mf_facts facts = facts_of(container);
                        return mf_explain_unresponsive(&facts, container->spec.start_timeout_ms, "starting", err);
                }
                int r = mf_container_poll(container, NULL, 0, left, err);
                if (r == 0)
                        r = mf_container_check_cancelled(container, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* An app that was executed is started: whatever is called next says that it died early. */
static int await_app(struct mayfly_container *container, uint64_t deadline_us, struct mayfly_error *err)
{
        MF_TRACE("app", container->machine);
        int r = await(container, is_app_decided, deadline_us, err);

        if (r == 0 && container->reports.app == MF_APP_FAILED && container->reports.app_error == -ENOEXEC)
                mf_container_explain_arch(container, container->reports.app_failure, MAYFLY_STAGE_START, err);
        if (r == 0 && container->reports.app == MF_APP_FAILED)
                r = mf_container_explain_death(container, container->reports.app_error, MAYFLY_STAGE_START, "starting",
                                               err);
        return r;
}

/* Whether mayfly-init said what became of the app. A container whose app ended was started, and whatever is called next says
 * how the app ended. */
static int is_app_over(const struct mayfly_container *container)
{
        return container->reports.app == MF_APP_ENDED || container->reports.app == MF_APP_FAILED;
}

static int check_alive(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!is_leader_dead(container) || is_app_over(container))
                return 0;
        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_START, "starting", err);
}

/* Lets the engine check the leader. A container that has died since took along what is to be looked at. */
static int verify(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = check_alive(container, err);

        if (r < 0)
                return r;
        r = container->engine->type->verify(container->engine, container->leader, &why);
        if (r == 0)
                return 0;
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (is_leader_dead(container) || is_app_over(container))
                return check_alive(container, err);
        mf_error_copy(err, r, why.stage, why.message);
        return r;
}

/* Makes what the app may need from its first moment on, and lets it start. A container that died meanwhile has none of it. */
static int prepare_app(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_message go = { .type = MF_MESSAGE_GO };
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        if (!mf_container_waits_for_go(container))
                return 0;
        int r = mf_files_prepare(container, &why);
        if (r == 0 && container->membership)
                r = mf_membership_join(container->membership, &why);
        if (r == 0)
                r = mf_ports_connect(container, &why);
        if (r == 0 && (r = mf_message_send(container->control, &go, NULL, 0)) < 0)
                (void) mf_error_errno(&why, r, MAYFLY_STAGE_START, "the control socket");
        if (r == 0)
                return 0;
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        int died = check_alive(container, err);
        if (died < 0)
                return died;
        mf_error_copy(err, r, why.stage, why.message);
        return r;
}

static int check_isolators(const struct mayfly_container *container, struct mayfly_error *err)
{
        for (const struct mayfly_isolator *const *i = mf_isolators_list(&container->isolators); *i; i++)
                if ((*i)->outcome != MAYFLY_ISOLATOR_ENFORCED)
                        return mf_error(err, -ENOTSUP, MAYFLY_STAGE_START,
                                        "strict_isolators is set, but the isolator %s of image %s is %s: %s",
                                        (*i)->name, mayfly_image_name(container->image),
                                        (*i)->outcome == MAYFLY_ISOLATOR_CHANGED ? "changed" : "ignored", (*i)->detail);
        return 0;
}

/* Starts the container and waits until it answers. */
static int start_until_ready(struct mayfly_container *container, struct mayfly_error *err)
{
        int r = mf_container_launch(container, err);

        if (r < 0)
                return r;
        MF_TRACE("init up", container->machine);
        return await(container, is_ready, container->start_deadline_us, err);
}

int mf_container_waits_for_go(const struct mayfly_container *container)
{
        return container->membership || mf_ports_need_host(container) || container->spec.keep_files ||
               (container->files && container->files[0].size);
}

int mf_container_boot(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us();

        container->start_deadline_us = begin + (uint64_t) container->spec.start_timeout_ms * 1000;
        int r = mf_container_check_cancelled(container, err);
        if (r == 0)
                r = mf_container_start_registered(container, start_until_ready, err);
        if (r == 0)
                r = verify(container, err);
        if (r == 0)
                r = mf_forward_enter(container, err);
        if (r == 0 && container->engine->type->rest)
                container->engine->type->rest(container->engine);
        if (r == 0 && container->spec.strict_isolators)
                r = check_isolators(container, err);
        if (r == 0)
                r = prepare_app(container, err);
        uint64_t ready = mf_now_us();
        container->timings.boot_us = ready - begin;
        if (r == 0 && container->reports.expects_app)
                r = await_app(container, container->start_deadline_us, err);
        if (r == 0)
                r = mf_ports_connect(container, err);
        container->timings.app_us = mf_now_us() - ready;
        return r;
}

/* Replaces the spec's arrays by copies, to be freed, of this library's size. */
static int take_arrays(struct mayfly_container *container, struct mayfly_error *err)
{
        static const struct mf_option_kind volumes =
                MF_OPTION_KIND("the spec's volumes", "MAYFLY_VOLUMES()", struct mayfly_volume, gid);
        static const struct mf_option_kind publish =
                MF_OPTION_KIND("the spec's publish", "MAYFLY_PORTS()", struct mayfly_publish, activate);
        static const struct mf_option_kind host_ports =
                MF_OPTION_KIND("the spec's host_ports", "MAYFLY_HOST_PORTS()", struct mayfly_host_port, protocol);
        static const struct mf_option_kind files =
                MF_OPTION_KIND("the spec's files", "MAYFLY_FILES()", struct mayfly_file, keep_owners);
        struct mayfly_spec *spec = &container->spec;

        int r = mf_options_take_array(&container->volumes, spec->volumes, &volumes, err);
        mf_volumes_hold(container->volumes);
        if (r == 0)
                r = mf_options_take_array(&container->publish, spec->publish, &publish, err);
        if (r == 0)
                r = mf_options_take_array(&container->host_ports, spec->host_ports, &host_ports, err);
        if (r == 0)
                r = mf_options_take_array(&container->files, spec->files, &files, err);
        spec->files = container->files;
        spec->volumes = container->volumes;
        container->snapshot = mf_snapshot_hold(spec->snapshot);
        spec->publish = container->publish;
        spec->host_ports = container->host_ports;
        return r;
}

struct mayfly_container *mf_container_alloc(void)
{
        struct mayfly_container *container = calloc(1, sizeof(*container));

        if (!container)
                return NULL;
        container->owner = container->user = getpid();
        container->share = container->userns = container->scratch = container->ids.lock = container->control =
                container->cancel = container->boot_log = container->leader_fd = container->freezer = -1;
        container->log = MF_LOG_NONE;
        container->forward.socket = -1;
        container->files_client = MF_FILES_NONE;
        container->anchor = mf_anchor_new(container);
        return container->anchor ? container : mayfly_container_free(container);
}

int mf_container_new(struct mayfly_container **ret, const struct mayfly_spec *given, struct mayfly_error *err)
{
        struct mayfly_container *container = mf_container_alloc();

        if (!container)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        int r = mf_spec_take(&container->spec, given, err);
        if (r == 0)
                r = take_arrays(container, err);
        if (r == 0)
                r = mf_files_check_all(container->files, err);
        if (r == 0)
                r = mf_run_options_check(&container->spec, err);
        if (r < 0) {
                mayfly_container_free(container);
                return r;
        }
        mf_spec_set_defaults(&container->spec);
        *ret = container;
        return 0;
}

int mf_container_check_host(struct mayfly_container *container, struct mayfly_error *err)
{
        int r = mf_engine_choose(container->spec.engine, &container->engine_type, err);

        if (r == 0)
                r = mf_host_check(container->engine_type, err);
        if (r == 0)
                r = mf_keep_take(container, err);
        if (r == 0)
                r = mf_membership_take(container, &container->membership, err);
        container->is_unregistered = mf_privilege_is_delegated();
        return r < 0 ? r : mf_container_choose_name(container, err);
}

int mf_container_open_image(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us();
        int r = mf_image_open_kept(&container->image, container->spec.image, container->spec.image_options,
                                   mf_keep_layers(container), err);

        container->timings.image_us = mf_now_us() - begin;
        if (r == 0)
                r = mf_snapshot_check(container, err);
        if (r == 0 && !container->spec.stop_signal) /* the image's is for its app */
                container->spec.stop_signal =
                        container->spec.boot ? SIGRTMIN + 3 : container->image->config->stop_signal;
        if (!container->spec.stop_signal)
                container->spec.stop_signal = SIGTERM;
        return r;
}

/* --- the rest ------------------------------------------------------------------------------------------------- */

int mf_container_check_owner(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->owner == getpid())
                return 0;
        if (!container->owner)
                return mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                                "this handle of container %s was made by mayfly_container_attach(); only the handle of "
                                "its start can stop, pause or change it",
                                container->machine);
        return mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                        "container %s belongs to process %d, which alone can stop, pause or change it; another process "
                        "(this is %d) can run commands, read logs, connect and use files",
                        container->machine, (int) container->owner, (int) getpid());
}
