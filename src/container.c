/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container.h"

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

#include "error.h"
#include "store.h"
#include "util.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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

static int build_env(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_run_config *config = container->image->config;
        const char *const *sources[] = { (const char *const *) config->env, container->spec.env };
        size_t n = 2;

        for (size_t s = 0; s < MF_ELEMENTSOF(sources); s++)
                for (const char *const *e = sources[s]; e && *e; e++)
                        n++;
        container->env = calloc(n + 1, sizeof(char *));
        if (!container->env)
                return mf_error_oom(err, MAYFLY_STAGE_START);

        /* appc spec, "Execution Environment". A later assignment overrides an earlier one, in mayfly-init. */
        n = 0;
        container->env[n++] = strdup(DEFAULT_PATH);
        if (asprintf(&container->env[n], "AC_APP_NAME=%s",
                     strrchr(config->name, '/') ? strrchr(config->name, '/') + 1 : config->name) < 0)
                container->env[n] = NULL;
        n++;
        for (size_t s = 0; s < MF_ELEMENTSOF(sources); s++)
                for (const char *const *e = sources[s]; e && *e; e++)
                        container->env[n++] = strdup(*e);
        for (size_t i = 0; i < n; i++)
                if (!container->env[i])
                        return mf_error_oom(err, MAYFLY_STAGE_START);
        return 0;
}

static int check_app(const struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_run_config *config = container->image->config;

        if (config->n_dependencies > 0 || config->whitelist)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_MANIFEST,
                                "image %s has dependencies or a pathWhitelist, which mayfly does not render yet; use a flattened image",
                                config->name);
        if (container->spec.run_app && !config->exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "run_app is set, but image %s has no app in its manifest; unset it and run commands",
                                config->name);
        return 0;
}

static int left_ms(uint64_t deadline_us)
{
        uint64_t now = mf_now_us();

        return now >= deadline_us ? 0 : (int) ((deadline_us - now + 999) / 1000);
}

/* --- the way up ----------------------------------------------------------------------------------------------- */

static int queue_start_message(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_run_config *config = container->image->config;
        struct mf_word_list list = { 0 };
        mf_cleanup(mf_closep) int words = -1, owner = -1;

        if (container->spec.run_app) {
                mf_words_add_all(&list, MF_WORD_ARGV, config->exec);
                mf_words_add(&list, MF_WORD_CWD, config->cwd);
                mf_words_add(&list, MF_WORD_USER, config->user);
                mf_words_add(&list, MF_WORD_GROUP, config->group);
                for (size_t i = 0; i < config->n_extra_groups; i++) {
                        char number[16];
                        snprintf(number, sizeof(number), "%u", config->extra_groups[i]);
                        mf_words_add(&list, MF_WORD_EXTRA_GROUP, number);
                }
        }
        mf_words_add(&list, MF_WORD_ENV, "container=systemd-nspawn");
        mf_words_add_all(&list, MF_WORD_ENV, container->env);
        int r = mf_words_finish(&list, &words);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "the app's arguments");

        owner = (int) syscall(SYS_pidfd_open, getpid(), 0);
        if (owner < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "pidfd_open; mayfly needs Linux 5.14 or later");
        const int fds[] = { owner, container->log, words };
        r = mf_message_send(container->control, &(struct mf_message){ .type = MF_MESSAGE_START }, fds,
                            MF_ELEMENTSOF(fds));
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "the control socket") : 0;
}

static int launch(struct mayfly_container *container, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *program = NULL;
        mf_cleanup(mf_freep) char *init = NULL;
        mf_cleanup(mf_closep) int control = -1;
        char scratch[32], memory[32], tasks[16];
        const char *argv[24];
        size_t n = 0;
        int pair[2], one = 1;

        int r = mf_program_path("mayfly-launch", &program, err);
        if (r == 0)
                r = mf_program_path("mayfly-init", &init, err);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "socketpair");
        container->control = pair[0];
        control = pair[1];
        if (setsockopt(container->control, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "SO_PASSCRED");
        container->boot_log = memfd_create("mayfly-boot-log", MFD_CLOEXEC);
        if (container->boot_log < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "memfd_create");
        r = mf_log_create(container->spec.log_size, &container->log);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "the log of %llu bytes",
                                      (unsigned long long) container->spec.log_size);
        r = queue_start_message(container, err);
        if (r < 0)
                return r;

        snprintf(scratch, sizeof(scratch), "%llu", (unsigned long long) container->spec.scratch_size);
        argv[n++] = program;
        argv[n++] = "--machine";
        argv[n++] = container->machine;
        argv[n++] = "--init";
        argv[n++] = init;
        argv[n++] = "--scratch";
        argv[n++] = scratch;
        snprintf(memory, sizeof(memory), "%llu", (unsigned long long) container->spec.memory_max);
        snprintf(tasks, sizeof(tasks), "%u", container->spec.tasks_max);
        argv[n++] = "--memory";
        argv[n++] = memory;
        argv[n++] = "--tasks";
        argv[n++] = tasks;
        argv[n++] = "--layer";
        argv[n++] = container->image->rootfs;
        if (container->engine->id == MAYFLY_ENGINE_SYSTEMD)
                argv[n++] = "--register";
        if (container->spec.network == MAYFLY_NETWORK_HOST)
                argv[n++] = "--host-network";
        argv[n] = NULL;
        return container->engine->start(container, (char *const *) (uintptr_t) argv, control, err);
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

int mf_container_poll(struct mayfly_container *container, struct pollfd *extra, int timeout_ms,
                      struct mayfly_error *err)
{
        struct pollfd fds[5] = { { .fd = container->control, .events = POLLIN },
                                 { .fd = container->leader_fd, .events = POLLIN } };
        int engine_timeout = -1;
        size_t n = 2 + container->engine->poll_fds(container, fds + 2, &engine_timeout);

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
        return container->engine->dispatch(container, err);
}

/* Until *flag is set. */
static int await(struct mayfly_container *container, const int *flag, uint64_t deadline_us, const char *what,
                 struct mayfly_error *err)
{
        while (!*flag) {
                if (container->control < 0 || container->gone)
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

static int boot(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), deadline = begin + (uint64_t) container->spec.start_timeout_ms * 1000;

        int r = launch(container, err);
        if (r == 0)
                r = await(container, &container->ready, deadline, "starting", err);
        if (r == 0)
                r = container->engine->verify(container, err);
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
        const struct mf_engine *engine;
        int r = check_spec(spec, err);

        if (r == 0 && !ret)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_start() needs a place for its result");
        if (r == 0)
                r = mf_engine_choose(spec->engine, &engine, err);
        if (r == 0)
                r = mf_host_check(engine, err);
        if (r < 0)
                return r;

        struct mayfly_container *container = calloc(1, sizeof(*container));
        if (!container)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *container = (struct mayfly_container){ .spec = *spec,
                                                .owner = getpid(),
                                                .engine = engine,
                                                .control = -1,
                                                .boot_log = -1,
                                                .log = -1,
                                                .leader_fd = -1,
                                                .janitor_fd = -1,
                                                .supervisor_fd = -1,
                                                .report = -1 };
        set_defaults(&container->spec);
        r = choose_name(container, err);
        uint64_t begin = mf_now_us();
        if (r == 0)
                r = mayfly_image_open(&container->image, spec->image, spec->image_options, err);
        container->timings.image_us = mf_now_us() - begin;
        if (r == 0)
                r = check_app(container, err);
        if (r == 0)
                r = build_env(container, err);
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
        return container->gone && container->leader_fd < 0;
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
                await_gone(container, mf_now_us() + (uint64_t) (spec->stop_timeout_ms + STOP_MARGIN_MS) * 1000);
        } else {
                container->control = mf_close(container->control);
                await_gone(container, mf_now_us() + (uint64_t) STOP_MARGIN_MS * 1000);
        }
        struct mayfly_error last = MAYFLY_ERROR_INIT;
        for (unsigned attempt = 0; !is_gone(container) && attempt < 4; attempt++) {
                last = (struct mayfly_error) MAYFLY_ERROR_INIT;
                (void) container->engine->terminate(container, attempt, &last);
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
                container->engine->release(container);
        }
        mf_close(container->control);
        mf_close(container->leader_fd);
        mf_close(container->boot_log);
        mf_close(container->log);
        mayfly_image_close(container->image);
        for (char **e = container->env; e && *e; e++)
                free(*e);
        free(container->env);
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
        return container->engine->id;
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
