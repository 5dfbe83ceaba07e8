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

#include "container/seccomp.h"
#include "image/open.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/time.h"

#define STOP_MARGIN_MS 500U /* for nspawn and systemd to clean up once the app has ended */
#define FORCE_MS 1000U      /* for each of the harder ways */
#define BUS_RETRY_MS 20U
#define MESSAGES_MAX 64U

/* --- the spec ------------------------------------------------------------------------------------------------- */

static int check_spec(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        if (!spec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the spec is NULL; give a struct mayfly_spec");
        if (spec->size != sizeof(*spec))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec's size is %zu, not %zu; start it with MAYFLY_SPEC_INIT or MAYFLY_SPEC(), and build "
                        "with the headers of this library",
                        spec->size, sizeof(*spec));
        if (!spec->image)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec has no image; set .image = \"aci:URL@sha512-<128 hex>\"");
        if (spec->network != MAYFLY_NETWORK_PRIVATE && spec->network != MAYFLY_NETWORK_HOST)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "network %d is none of enum mayfly_network",
                                (int) spec->network);
        if (spec->stop_signal < 0 || spec->stop_signal > SIGRTMAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "stop_signal %d is no signal; leave it 0 for SIGTERM",
                                spec->stop_signal);
        if (spec->log_size > (UINT64_C(1) << 30))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "log_size %llu is over 1 GiB; the log is kept in memory",
                                (unsigned long long) spec->log_size);
        return mf_env_check(spec->env, "the spec's env", MAYFLY_STAGE_SPEC, err);
}

static void set_defaults(struct mayfly_spec *spec)
{
        if (!spec->stop_signal)
                spec->stop_signal = SIGTERM;
        if (!spec->stop_timeout_ms)
                spec->stop_timeout_ms = 5000;
        if (!spec->start_timeout_ms)
                spec->start_timeout_ms = 30000;
        if (!spec->settle_ms)
                spec->settle_ms = 50;
        if (!spec->max_runtime_s)
                spec->max_runtime_s = 3600;
        if (!spec->log_size)
                spec->log_size = UINT64_C(1) << 20;
}

/* "NAME-RANDOM" in what machined allows: letters, digits and single dashes, at most 64. */
static int choose_name(struct mayfly_container *container, struct mayfly_error *err)
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

static int left_ms(uint64_t deadline_us)
{
        uint64_t now = mf_now_us();

        return now >= deadline_us ? 0 : (int) ((deadline_us - now + 999) / 1000);
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

void mf_container_receive(struct mayfly_container *container)
{
        /* Bounded: who got hold of the other end shall not keep us here by writing without end. */
        for (unsigned n = 0; container->control >= 0 && n < MESSAGES_MAX; n++) {
                struct mf_message message;
                pid_t pid = 0;

                int r = mf_message_recv(container->control, &message, NULL, NULL, &pid, MSG_DONTWAIT);
                if (r == -EAGAIN)
                        return;
                if (r <= 0) {
                        container->control = mf_close(container->control);
                        return;
                }
                switch ((enum mf_message_type) message.type) {
                case MF_MESSAGE_READY:
                        container->leader = pid;
                        container->leader_fd = (int) syscall(SYS_pidfd_open, pid, 0);
                        container->ready = 1;
                        break;
                case MF_MESSAGE_LIMITS:
                        note_limits(container, message.value[0]);
                        break;
                case MF_MESSAGE_HOOK:
                        container->hook_started = 1;
                        break;
                case MF_MESSAGE_APP:
                        container->app_started = message.value[0] ? -message.value[0] : 1;
                        if (message.value[0]) {
                                (void) ftruncate(container->boot_log, 0);
                                dprintf(container->boot_log, "%s\n", message.text);
                        }
                        break;
                case MF_MESSAGE_EXIT:
                        container->app_ended = 1;
                        container->app_end.si_code = message.value[0];
                        container->app_end.si_status = message.value[1];
                        break;
                default:
                        break;
                }
        }
}

int mf_container_gone(const struct mayfly_container *container)
{
        return !container->engine || container->engine->gone;
}

int mf_container_poll(struct mayfly_container *container, struct pollfd *extra, int timeout_ms,
                      struct mayfly_error *err)
{
        struct pollfd fds[5] = { { .fd = container->control, .events = POLLIN },
                                 { .fd = container->leader_fd, .events = POLLIN } };
        int engine_timeout = -1;
        size_t n = 2;

        if (container->engine)
                n += container->engine->type->poll_fds(container->engine, fds + 2, &engine_timeout);

        if (extra)
                fds[n] = *extra;
        if (engine_timeout >= 0 && (timeout_ms < 0 || engine_timeout < timeout_ms))
                timeout_ms = engine_timeout;
        if (poll(fds, n + (extra ? 1 : 0), timeout_ms) < 0 && errno != EINTR)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_BUS, "poll");
        if (extra)
                extra->revents = fds[n].revents;
        mf_container_receive(container);
        /* Its end of the socket may live on in a child that this process happened to fork at the wrong moment. */
        if (container->leader_fd >= 0 && fds[1].revents) {
                container->leader_fd = mf_close(container->leader_fd);
                mf_container_receive(container);
                container->control = mf_close(container->control);
        }
        return container->engine ? container->engine->type->dispatch(container->engine, err) : 0;
}

/* Until *flag is set. */
static int await(struct mayfly_container *container, const int *flag, uint64_t deadline_us, const char *what,
                 struct mayfly_error *err)
{
        while (!*flag) {
                if (container->control < 0 || mf_container_gone(container))
                        return mf_container_dead(container, -ESRCH, MAYFLY_STAGE_START, what, err);
                int left = left_ms(deadline_us);
                if (left == 0)
                        return mf_container_mute(container, what, err);
                int r = mf_container_poll(container, NULL, left, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int await_app(struct mayfly_container *container, uint64_t deadline_us, struct mayfly_error *err)
{
        int r = await(container, &container->app_started, deadline_us, "starting", err);

        if (r < 0)
                return r;
        if (container->app_started < 0)
                return mf_container_dead(container, container->app_started, MAYFLY_STAGE_START, "starting", err);
        if (container->spec.settle_ms == UINT32_MAX)
                return 0;
        for (uint64_t settled = mf_now_us() + (uint64_t) container->spec.settle_ms * 1000; left_ms(settled) > 0;) {
                r = mf_container_poll(container, NULL, left_ms(settled), err);
                if (r < 0)
                        return r;
                if (container->app_ended || container->control < 0)
                        return mf_container_dead(container, -ESRCH, MAYFLY_STAGE_START, "starting", err);
        }
        return 0;
}

/* An app that has ended already may have taken along what is to be looked at. */
static int verify(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = container->engine->type->verify(container->engine, container->leader, &why);

        if (r == 0)
                return 0;
        mf_container_receive(container);
        if (container->app_ended && container->spec.settle_ms == UINT32_MAX)
                return 0;
        if (container->app_ended || container->app_started < 0)
                return mf_container_dead(container, container->app_ended ? -ESRCH : container->app_started,
                                         MAYFLY_STAGE_START, "starting", err);
        return mf_error(err, r, why.stage, "%s", why.message);
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

static int boot(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), deadline = begin + (uint64_t) container->spec.start_timeout_ms * 1000;

        int r = mf_container_launch(container, err);
        if (r == 0)
                r = await(container, &container->ready, deadline, "starting", err);
        if (r == 0)
                r = verify(container, err);
        if (r == 0 && container->spec.strict_isolators)
                r = check_isolators(container, err);
        uint64_t ready = mf_now_us();
        container->timings.boot_us = ready - begin;
        if (r == 0 && container->spec.run_app)
                r = await_app(container, deadline, err);
        container->timings.app_us = mf_now_us() - ready;
        return r;
}

MF_EXPORT int mayfly_container_start(struct mayfly_container **ret, const struct mayfly_spec *spec,
                                     struct mayfly_error *err)
{
        const struct mf_engine_type *engine_type;
        int r = check_spec(spec, err);

        if (r == 0 && !ret)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_start() needs a place for its result");
        if (r == 0)
                r = mf_engine_choose(spec->engine, &engine_type, err);
        if (r == 0)
                r = mf_host_check(engine_type, err);
        if (r < 0)
                return r;

        struct mayfly_container *container = calloc(1, sizeof(*container));
        if (!container)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *container = (struct mayfly_container){ .spec = *spec,
                                                .owner = getpid(),
                                                .engine_type = engine_type,
                                                .control = -1,
                                                .boot_log = -1,
                                                .log = -1,
                                                .leader_fd = -1 };
        set_defaults(&container->spec);
        r = choose_name(container, err);
        uint64_t begin = mf_now_us();
        if (r == 0)
                r = mayfly_image_open(&container->image, spec->image, spec->image_options, err);
        container->timings.image_us = mf_now_us() - begin;
        if (r == 0)
                r = boot(container, err);
        if (r < 0) {
                mayfly_container_free(container);
                return r;
        }
        *ret = container;
        return 0;
}

/* --- the way down --------------------------------------------------------------------------------------------- */

/* The engine may give up on a process that it cannot kill; we do not. */
static int is_gone(const struct mayfly_container *container)
{
        return mf_container_gone(container) && container->leader_fd < 0;
}

static void await_gone(struct mayfly_container *container, uint64_t deadline_us)
{
        while (!is_gone(container) && left_ms(deadline_us) > 0)
                if (mf_container_poll(container, NULL, left_ms(deadline_us), NULL) < 0)
                        usleep(BUS_RETRY_MS * 1000); /* the bus is not well: it may only be restarting */
}

static int stop(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_spec *spec = &container->spec;

        const struct mf_message message = { .type = MF_MESSAGE_STOP,
                                            .value = { spec->stop_signal, (int32_t) spec->stop_timeout_ms } };
        (void) mf_container_poll(container, NULL, 0, NULL);
        if (container->control >= 0 && container->ready &&
            mf_message_send(container->control, &message, NULL, 0) == 0) {
                /* The app's time, and then its post-stop hook's. */
                unsigned times = spec->run_app && container->image->config->post_stop ? 2 : 1;
                await_gone(container, mf_now_us() + ((uint64_t) times * spec->stop_timeout_ms + STOP_MARGIN_MS) * 1000);
        } else {
                container->control = mf_close(container->control);
                await_gone(container, mf_now_us() + (uint64_t) STOP_MARGIN_MS * 1000);
        }
        struct mayfly_error last = MAYFLY_ERROR_INIT;
        for (unsigned attempt = 0; !is_gone(container) && attempt < 4; attempt++) {
                last = (struct mayfly_error) MAYFLY_ERROR_INIT;
                (void) container->engine->type->terminate(container->engine, container->leader_fd, attempt, &last);
                await_gone(container, mf_now_us() + (uint64_t) FORCE_MS * 1000);
        }
        if (is_gone(container))
                return 0;
        return mf_error(
                err, -ETIMEDOUT, MAYFLY_STAGE_STOP,
                "container %s (PID %d) is still there after being killed%s%s; look for a process of it in state D "
                "with `ps -eo pid,ppid,state,wchan,args`: only what it waits for can let it go",
                container->machine, (int) container->leader, last.code ? ": " : "", last.message);
}

MF_EXPORT int mayfly_container_stop(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return 0;
        int r = mf_container_check_owner(container, err);
        if (r < 0 || is_gone(container))
                return r;

        uint64_t begin = mf_now_us();
        r = stop(container, err);
        container->timings.stop_us = mf_now_us() - begin;
        container->control = mf_close(container->control);
        return r;
}

MF_EXPORT struct mayfly_container *mayfly_container_free(struct mayfly_container *container)
{
        if (!container)
                return NULL;
        /* Nothing was started while there is no control socket. In a forked child the container is not ours to stop. */
        if (container->owner == getpid()) {
                if (container->control >= 0 || container->ready)
                        (void) mayfly_container_stop(container, NULL);
                if (container->engine)
                        container->engine->type->release(container->engine);
        }
        mf_close(container->control);
        mf_close(container->leader_fd);
        mf_close(container->boot_log);
        mf_close(container->log);
        mayfly_image_close(container->image);
        for (char **e = container->env; e && *e; e++)
                free(*e);
        free(container->env);
        mf_isolators_clear(&container->isolators);
        free(container);
        return NULL;
}

/* --- the rest ------------------------------------------------------------------------------------------------- */

int mf_container_check_owner(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->owner == getpid())
                return 0;
        return mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                        "container %s belongs to process %d; a forked child (this is %d) cannot use it",
                        container->machine, (int) container->owner, (int) getpid());
}

static void set_exit(const siginfo_t *end, struct mayfly_exit *ret)
{
        int exited = end->si_code == CLD_EXITED;

        *ret = (struct mayfly_exit){ .exited = exited,
                                     .status = exited ? end->si_status : 0,
                                     .signal = exited ? 0 : end->si_status };
}

MF_EXPORT int mayfly_container_wait(struct mayfly_container *container, unsigned timeout_ms, struct mayfly_exit *ret,
                                    struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_wait() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r < 0)
                return r;
        if (!container->spec.run_app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "container %s runs no app to wait for; set run_app in its spec", container->machine);

        uint64_t deadline = mf_now_us() + (uint64_t) timeout_ms * 1000;
        mf_container_receive(container);
        while (!container->app_ended) {
                if (container->control < 0)
                        return mf_container_dead(container, -ESRCH, MAYFLY_STAGE_STOP, "waiting", err);
                int left = timeout_ms == UINT32_MAX ? -1 : left_ms(deadline);
                if (left == 0)
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_STOP, "the app of %s still runs after %u ms",
                                        container->machine, timeout_ms);
                r = mf_container_poll(container, NULL, left, err);
                if (r < 0)
                        return r;
        }
        if (ret)
                set_exit(&container->app_end, ret);
        return 0;
}

MF_EXPORT const char *mayfly_container_name(const struct mayfly_container *container)
{
        return container->machine;
}

MF_EXPORT enum mayfly_engine mayfly_container_engine(const struct mayfly_container *container)
{
        return container->engine_type->id;
}

MF_EXPORT pid_t mayfly_container_leader(const struct mayfly_container *container)
{
        return container->leader;
}

MF_EXPORT void mayfly_container_timings(const struct mayfly_container *container, struct mayfly_timings *timings)
{
        struct mayfly_timings all = container->timings;
        size_t size = timings->size < sizeof(all) ? timings->size : sizeof(all);

        all.size = timings->size;
        memcpy(timings, &all, size);
}

MF_EXPORT const struct mayfly_isolator *const *mayfly_container_isolators(const struct mayfly_container *container)
{
        return mf_isolators_list(&container->isolators);
}

MF_EXPORT int mayfly_container_port(const struct mayfly_container *container, const char *name, struct mayfly_port *ret,
                                    struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        char known[300] = "";
        size_t used = 0;

        for (size_t i = 0; i < config->n_ports; i++) {
                const struct mf_port *port = &config->ports[i];
                if (strcmp(port->name, name) == 0) {
                        const struct mayfly_port all = { ret->size,  port->name,  port->protocol,
                                                         port->port, port->count, port->socket_activated };
                        memcpy(ret, &all, ret->size < sizeof(all) ? ret->size : sizeof(all));
                        return 0;
                }
                if (used < sizeof(known))
                        used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                                  port->name);
        }
        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC, "image %s has no port \"%.100s\"; it has %s%s", config->name,
                        name, config->n_ports > 0 ? "only these: " : "none", known);
}
