/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/activation.h"
#include "container/boot.h"
#include "container/container.h"
#include "container/ids.h"
#include "container/logs.h"
#include "container/run-options.h"
#include "container/seccomp.h"
#include "container/share.h"
#include "container/snapshot.h"
#include "container/volumes.h"
#include "image/open.h"
#include "image/owners.h"
#include "model/capabilities.h"
#include "model/image-name.h"
#include "privilege/userns.h"
#include "protocol/exec-block.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log-dir.h"
#include "util/macro.h"
#include "util/program-path.h"
#include "util/strv.h"
#include "util/trace.h"

/* From a spec and an image to the arguments of mayfly-launch and the first message to mayfly-init. */

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int build_env(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        const char *const *sources[] = { (const char *const *) config->format_env, (const char *const *) config->env,
                                         container->spec.env };
        size_t n = 2;

        for (size_t s = 0; s < MF_ELEMENTSOF(sources); s++)
                for (const char *const *e = sources[s]; e && *e; e++)
                        n++;
        container->env = calloc(n + 1, sizeof(char *));
        if (!container->env)
                return mf_error_oom(err, MAYFLY_STAGE_START);

        /* A later assignment overrides an earlier one, in mayfly-init. */
        n = 0;
        container->env[n++] = strdup(DEFAULT_PATH);
        if (container->spec.metadata_url && config->metadata_env) {
                if (asprintf(&container->env[n], "%s=%s", config->metadata_env, container->spec.metadata_url) < 0)
                        container->env[n] = NULL;
                n++;
        }
        for (size_t s = 0; s < MF_ELEMENTSOF(sources); s++)
                for (const char *const *e = sources[s]; e && *e; e++)
                        container->env[n++] = strdup(*e);
        for (size_t i = 0; i < n; i++)
                if (!container->env[i])
                        return mf_error_oom(err, MAYFLY_STAGE_START);
        return 0;
}

static struct mf_app_words words_of(const struct mayfly_container *container)
{
        return mf_app_words(container->image->config, container->spec.entrypoint, container->spec.argv);
}

int mf_container_runs_app(const struct mayfly_container *container)
{
        if (container->reports.ready)
                return container->reports.expects_app;
        const struct mf_app_words words = words_of(container);
        return container->spec.boot || (!container->spec.idle && mf_app_program(&words) != NULL);
}

/* Decides whether the container runs an app. */
static int choose_app(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_spec *spec = &container->spec;
        const struct mf_app_words words = words_of(container);
        const char *program = mf_app_program(&words);

        container->reports.expects_hosts = container->membership != NULL;
        if (spec->idle)
                return 0;
        if (spec->boot ? spec->entrypoint && (!spec->entrypoint[0] || !*spec->entrypoint[0])
                       : (spec->entrypoint || spec->argv) && (!program || !*program))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec's %s leaves no program to run in image %s; name one, or set idle",
                                spec->argv ? "argv" : "entrypoint", container->image->config->name);
        container->reports.expects_app = spec->boot || program != NULL;
        container->reports.expects_notify = container->with_notify;
        return 0;
}

/* Only the kernel knows what it can execute: programs of 32 bits, and those that binfmt_misc has an emulator for. So an image
 * for another architecture is started, and its label counts when the kernel has refused. */
void mf_container_explain_arch(const struct mayfly_container *container, const char *why, enum mayfly_stage stage,
                               struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        const char *arch = NULL;
        char host[65];

        for (char **label = config->labels; *label; label++)
                if (strncmp(*label, "arch=", 5) == 0)
                        arch = *label + 5;
        mf_host_arch(host);
        if (arch && strcmp(arch, host) != 0)
                mf_error_set(err, -ENOEXEC, stage,
                             "image %s is for %.60s, this host is %s: %s; use an image for %s, or register an emulator "
                             "for %.60s "
                             "with binfmt_misc",
                             config->name, arch, host, why, host, arch);
}

static void add_number(struct mf_exec_block *block, enum mf_exec_tag tag, uint64_t value)
{
        char number[32];

        snprintf(number, sizeof(number), "%" PRIu64, value);
        mf_exec_block_add(block, tag, number);
}

static void add_bits(struct mf_exec_block *block, enum mf_exec_tag tag, uint64_t bits)
{
        char number[32];

        snprintf(number, sizeof(number), "%" PRIx64, bits);
        mf_exec_block_add(block, tag, number);
}

/* A user that is not the image's comes with the groups that the container's files give to it. */
static void add_identity(const char *user, const struct mf_image_config *config, struct mf_exec_block *block)
{
        if (user) {
                const char *group = mf_user_group(user);
                mf_cleanup(mf_freep) char *name = mf_user_name(user);
                mf_exec_block_add(block, MF_EXEC_USER, name ? name : user); /* one that is not found */
                if (group)
                        mf_exec_block_add(block, MF_EXEC_GROUP, group);
                return;
        }
        if (config->user)
                mf_exec_block_add(block, MF_EXEC_USER, config->user);
        if (config->group)
                mf_exec_block_add(block, MF_EXEC_GROUP, config->group);
        for (size_t i = 0; i < config->n_extra_groups; i++)
                add_number(block, MF_EXEC_EXTRA_GROUP, config->extra_groups[i]);
        if (config->only_groups)
                mf_exec_block_add(block, MF_EXEC_ONLY_GROUPS, "");
}

void mf_container_add_who(const struct mayfly_container *container, const char *user, struct mf_exec_block *block)
{
        const struct mf_image_config *config = container->image->config;

        add_identity(user, config, block);
        if (config->isolation.has_capabilities)
                add_bits(block, MF_EXEC_CAPABILITIES, config->isolation.capabilities & container->granted);
        if (config->isolation.no_new_privs)
                mf_exec_block_add(block, MF_EXEC_NO_NEW_PRIVS, "");
}

static int add_app(struct mayfly_container *container, struct mf_exec_block *block, struct mf_activation *activation,
                   struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        const struct mf_isolation *isolation = &config->isolation;
        const struct mayfly_spec *spec = &container->spec;
        const struct mf_app_words words = words_of(container);
        char number[16];

        mf_exec_block_add_all(block, MF_EXEC_ARGV, (char *const *) (uintptr_t) words.entrypoint);
        mf_exec_block_add_all(block, MF_EXEC_ARGV, (char *const *) (uintptr_t) words.arguments);
        mf_exec_block_add_all(block, MF_EXEC_PRE_START, config->pre_start);
        mf_exec_block_add_all(block, MF_EXEC_POST_STOP, config->post_stop);
        add_number(block, MF_EXEC_HOOK_TIMEOUT, container->spec.stop_timeout_ms);
        if (spec->cwd || config->cwd)
                mf_exec_block_add(block, MF_EXEC_CWD, spec->cwd ? spec->cwd : config->cwd);
        mf_container_add_who(container, spec->user, block);
        if (isolation->has_oom_score_adj) {
                snprintf(number, sizeof(number), "%d", isolation->oom_score_adj);
                mf_exec_block_add(block, MF_EXEC_OOM_SCORE_ADJ, number);
        }
        return mf_activation_add(container, block, activation, err);
}

static int queue_start_message(struct mayfly_container *container, int link, struct mayfly_error *err)
{
        const struct mf_isolation *isolation = &container->image->config->isolation;
        mf_cleanup(mf_closep) int exec_block = -1, filter = -1;
        struct mf_activation activation = { 0 };
        struct mf_exec_block block = { 0 };
        int fds[MF_MESSAGE_FDS_MAX], r = 0;
        size_t n = 0;

        if (container->spec.boot) {
                mf_boot_add(&container->spec, &block);
        } else if (container->reports.expects_app) {
                r = add_app(container, &block, &activation, err);
                if (r == 0)
                        r = mf_syscalls_compile(isolation, &container->isolators, &filter, err);
                if (r < 0) {
                        mf_exec_block_clear(&block);
                        return r;
                }
        }
        add_bits(&block, MF_EXEC_BOUND, container->granted);
        mf_exec_block_add_all(&block, MF_EXEC_DIRECTORY, container->image->config->directories);
        mf_exec_block_add(&block, MF_EXEC_ENV, "container=systemd-nspawn");
        mf_exec_block_add_all(&block, MF_EXEC_ENV, container->env);
        if (container->with_notify)
                mf_notify_add(container, &block);
        mf_run_options_tell(&container->spec, &block);
        r = mf_exec_block_finish(&block, &exec_block);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "the app's arguments");

        fds[n++] = container->log.fd;
        fds[n++] = exec_block;
        fds[n++] = link;
        if (filter >= 0)
                fds[n++] = filter;
        for (size_t i = 0; i < activation.n; i++)
                fds[n++] = activation.fds[i];
        const struct mf_message message = { .type = MF_MESSAGE_START,
                                            .value = { filter >= 0, container->spec.network == MAYFLY_NETWORK_HOST,
                                                       mf_container_waits_for_go(container) } };
        r = mf_message_send(container->control, &message, fds, n);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "the control socket") : 0;
}

/* Queues what mayfly-launch holds as long as the container lives. Nothing of it gets inside. */
static int queue_launch_message(struct mayfly_container *container, const struct mf_volumes *volumes,
                                const struct mf_share_ends *ends, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int owner = (int) syscall(SYS_pidfd_open, getpid(), 0);
        mf_cleanup(mf_closep) int forward = -1;
        mf_cleanup(mf_closep) int kept_log = mf_log_dir_open(container->machine, ".log");
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n = 0;

        if (owner < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "pidfd_open; mayfly needs Linux 5.14 or later");
        int r = mf_forward_open(&container->forward, &forward);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "socketpair");
        fds[n++] = owner;
        fds[n++] = ends->launch;
        fds[n++] = ends->link_launch;
        fds[n++] = container->forward.socket;
        for (size_t i = 0; i < volumes->n_namespaces; i++)
                fds[n++] = volumes->namespaces[i];
        int more = MF_LAUNCH_FORWARD;
        size_t n_snapshots = mf_snapshot_namespaces(container->snapshot, fds + n);
        n += n_snapshots;
        if (container->ids.base) {
                more |= MF_LAUNCH_IDS;
                fds[n++] = container->ids.lock;
        }
        int is_users = mf_privilege_is_delegated();
        r = is_users ? mf_userns_get(&fds[n++], err) : 0;
        if (r < 0)
                return r;
        r = mf_ports_queue(container, err);
        if (r < 0)
                return r;
        if (is_users)
                more |= MF_LAUNCH_USERNS;
        fds[n++] = forward;
        if (container->scratch >= 0) {
                more |= MF_LAUNCH_SCRATCH;
                fds[n++] = container->scratch;
        }
        if (kept_log >= 0) {
                more |= MF_LAUNCH_LOG | MF_LAUNCH_KEPT;
                fds[n++] = container->log.fd;
                fds[n++] = kept_log;
        }
        const struct mf_message message = {
                .type = MF_MESSAGE_LAUNCH,
                .value = { (int32_t) volumes->n_namespaces, (int32_t) n_snapshots, more },
        };
        r = mf_message_send(container->control, &message, fds, n);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "the control socket") : 0;
}

/* Takes the container's IDs: those of the tmpfs that it shares with others, or its own. */
static int take_ids(struct mayfly_container *container, const struct mf_volumes *volumes, struct mayfly_error *err)
{
        MF_TRACE("IDs", container->machine);
        /* An ordinary user's containers have all IDs that the user has. */
        if (container->spec.userns == MAYFLY_USERNS_HOST || mf_privilege_is_delegated() || container->ids.base)
                return 0;
        int r = mf_owners_check(container->image, container->spec.userns_ids, err);
        if (r < 0)
                return r;
        if (!volumes->ids)
                return mf_ids_take(&container->ids, container->spec.userns_ids, err);
        if (container->spec.userns_ids > volumes->ids->size)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "userns_ids is %u, but before Linux 6.3 containers that share a tmpfs share their IDs, which "
                        "are %u; leave out the tmpfs or userns_ids",
                        (unsigned) container->spec.userns_ids, (unsigned) volumes->ids->size);
        return mf_ids_copy(&container->ids, volumes->ids, err);
}

static int open_channels(struct mayfly_container *container, int *ret_control, struct mf_share_ends *ret_ends,
                         struct mayfly_error *err)
{
        int pair[2], one = 1;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "socketpair");
        container->control = pair[0];
        *ret_control = pair[1];
        if (setsockopt(container->control, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "SO_PASSCRED");
        int r = mf_share_open(container, ret_ends);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "socketpair");
        r = mf_boot_log_create(&container->boot_log);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "the file for the messages of the start");
        if (container->log.fd < 0) /* or it goes on */
                r = mf_log_create(&container->log, container->spec.log_size, container->spec.separate_streams != 0);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "the log of %llu bytes (see log_size, and ulimit -f)",
                                      (unsigned long long) container->spec.log_size)
                     : 0;
}

static void combine_limits(const struct mayfly_container *container, struct mf_limits *ret)
{
        mf_limits_combine(&container->image->config->isolation, container->spec.memory_max, container->spec.tasks_max,
                          ret);
}

static int add_option(char ***argv, const char *option, uint64_t value)
{
        char *text = NULL;

        if (asprintf(&text, "%" PRIu64, value) < 0)
                text = NULL;
        int r = mf_strv_add(argv, strdup(option));
        if (r < 0) {
                free(text);
                return r;
        }
        return mf_strv_add(argv, text);
}

static int add_limits(char ***argv, const struct mf_limits *limits)
{
        static const char *const memory_options[] = { [MF_LIMIT_OF_DEFAULT] = "--default-memory",
                                                      [MF_LIMIT_OF_IMAGE] = "--image-memory",
                                                      [MF_LIMIT_OF_SPEC] = "--memory" };
        int r = 0;

        if (limits->memory_max)
                r = add_option(argv, memory_options[limits->memory_origin], limits->memory_max);
        if (r == 0 && limits->tasks_max)
                r = add_option(argv, limits->tasks_origin == MF_LIMIT_OF_SPEC ? "--tasks" : "--default-tasks",
                               limits->tasks_max);
        if (r == 0 && limits->memory_low)
                r = add_option(argv, "--image-memory-low", limits->memory_low);
        if (r == 0 && limits->cpu_max)
                r = add_option(argv, "--image-cpu", limits->cpu_max);
        if (r == 0 && limits->cpu_weight)
                r = add_option(argv, "--image-cpu-weight", limits->cpu_weight);
        return r;
}

struct programs {
        char *launch, *init, *forward; /* paths */
};

static void clear_programs(struct programs *programs)
{
        free(programs->launch);
        free(programs->init);
        free(programs->forward);
}

static int find_programs(struct programs *ret, struct mayfly_error *err)
{
        int r = mf_program_path("mayfly-launch", &ret->launch, err);

        if (r == 0)
                r = mf_program_path("mayfly-init", &ret->init, err);
        return r < 0 ? r : mf_program_path("mayfly-forward", &ret->forward, err);
}

static int add_flags(char ***argv, const struct mayfly_container *container)
{
        const struct {
                const char *option;
                int is_set;
        } flags[] = {
                { "--unit", container->engine_type->id == MAYFLY_ENGINE_SYSTEMD },
                { "--register", mayfly_container_is_registered(container) },
                { "--user", mf_privilege_is_delegated() },
                { "--host-network", container->spec.network == MAYFLY_NETWORK_HOST },
                { "--networks", container->membership != NULL },
                { "--boot", container->spec.boot },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(flags); i++)
                if (flags[i].is_set)
                        r = mf_strv_add(argv, strdup(flags[i].option));
        return r;
}

static int build_argv(const struct mayfly_container *container, const struct mf_volumes *volumes,
                      const struct programs *programs, char ***ret)
{
        const struct mf_isolation *isolation = &container->image->config->isolation;
        const char *const words[] = {
                programs->launch, "--machine", container->machine, "--init",
                programs->init,   "--forward", programs->forward,
        };
        struct mf_limits limits;
        int r = 0;

        combine_limits(container, &limits);
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(words); i++)
                r = mf_strv_add(ret, strdup(words[i]));
        for (char **layer = container->image->layers; r == 0 && *layer; layer++) {
                r = mf_strv_add(ret, strdup("--layer"));
                if (r == 0)
                        r = mf_strv_add(ret, strdup(*layer));
        }
        if (r == 0)
                r = add_option(ret, "--scratch", container->spec.scratch_size);
        if (r == 0)
                r = add_limits(ret, &limits);
        for (uint64_t rest = container->granted & ~mf_capabilities_default; r == 0 && rest; rest &= rest - 1) {
                r = mf_strv_add(ret, strdup("--capability"));
                if (r == 0)
                        r = mf_strv_add(ret, strdup(mf_capability_name(rest)));
        }
        if (r == 0)
                r = add_flags(ret, container);
        if (r == 0 && isolation->has_oom_score_adj && isolation->oom_score_adj < 0 && container->reports.expects_app &&
            !container->spec.boot && (r = mf_strv_add(ret, strdup("--oom-score-adj"))) == 0) {
                char score[16];
                snprintf(score, sizeof(score), "%d", isolation->oom_score_adj);
                r = mf_strv_add(ret, strdup(score));
        }
        if (r == 0 && container->ids.base && (r = add_option(ret, "--ids", container->ids.base)) == 0)
                r = add_option(ret, "--id-count", container->ids.size);
        if (r == 0 && (r = add_option(ret, "--keep-uid", container->kept.uid)) == 0)
                r = add_option(ret, "--keep-gid", container->kept.gid);
        if (r == 0 && container->spec.host_ports->size) {
                r = mf_strv_add(ret, strdup("--host-address"));
                if (r == 0)
                        r = mf_strv_add(ret, strdup(mf_host_address(container->spec.network)));
        }
        if (r == 0)
                r = mf_run_options_add(&container->spec, ret);
        for (char **v = volumes->argv; r == 0 && v && *v; v++)
                r = mf_strv_add(ret, strdup(*v));
        return r;
}

static int ask_engine(struct mayfly_container *container, char *const *argv, int control, struct mayfly_error *err)
{
        struct mf_engine_request request = { .machine = container->machine,
                                             .argv = argv,
                                             .control = control,
                                             .boot_log = container->boot_log,
                                             .max_runtime_s = container->spec.max_runtime_s,
                                             .is_unregistered = container->is_unregistered,
                                             .deadline_us = container->start_deadline_us };

        combine_limits(container, &request.limits);
        return container->engine_type->start(&container->engine, &request, err);
}

static int launch(struct mayfly_container *container, const struct mf_volumes *volumes, struct mayfly_error *err)
{
        mf_cleanup(clear_programs) struct programs programs = { 0 };
        mf_cleanup(mf_share_ends_clear) struct mf_share_ends ends = MF_SHARE_ENDS_NONE;
        mf_cleanup(mf_closep) int control = -1;
        char **argv = NULL;

        int r = find_programs(&programs, err);
        if (r == 0)
                r = open_channels(container, &control, &ends, err);
        if (r == 0)
                r = take_ids(container, volumes, err);
        if (r == 0)
                r = queue_launch_message(container, volumes, &ends, err);
        if (r == 0)
                r = queue_start_message(container, ends.link_init, err);
        if (r == 0 && build_argv(container, volumes, &programs, &argv) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_START);
        if (r == 0)
                r = ask_engine(container, argv, control, err);
        mf_strv_free(argv);
        return r;
}

/* Decides which capabilities there are in the container: appc's 14, and those that the spec adds. */
static int grant_capabilities(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_spec *spec = &container->spec;
        uint64_t added = 0;

        int r = mf_capabilities_parse(spec->capabilities, &added, err);
        if (r < 0)
                return r;
        if (spec->userns == MAYFLY_USERNS_HOST && mf_privilege_is_delegated())
                return mf_error(err, -EPERM, MAYFLY_STAGE_SPEC,
                                "userns is MAYFLY_USERNS_HOST, which only root can have; leave it out, or run the test "
                                "as root");
        uint64_t refused = added & mf_capabilities_of_namespace;
        if (spec->userns == MAYFLY_USERNS_HOST && refused)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec's capabilities have %s, which acts on the host where the container has no user "
                        "namespace; leave it out, or userns",
                        mf_capability_name(refused));
        container->granted = mf_capabilities_default | added | (spec->boot ? mf_boot_capabilities() : 0);
        /* There it would see everything that the host sends and receives. */
        if (spec->network == MAYFLY_NETWORK_HOST)
                container->granted &= ~(mf_capability_find("CAP_NET_RAW") | mf_capability_find("CAP_NET_ADMIN"));
        /* The network belongs to another user namespace, so that it would have no effect. */
        if (spec->network == MAYFLY_NETWORK_HOST && spec->userns != MAYFLY_USERNS_HOST)
                container->granted &= ~mf_capability_find("CAP_NET_BIND_SERVICE");
        return 0;
}

/* What can be known of the isolators before the container is there. */
static int note_isolators(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_isolation *isolation = &container->image->config->isolation;
        struct mf_limits limits;
        int r = 0;

        if (mf_isolators_copy(&isolation->isolators, &container->isolators) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        if (container->spec.boot)
                r = mf_boot_note_isolators(&container->isolators);
        for (uint64_t rest = isolation->capabilities & ~container->granted; r == 0 && rest; rest &= rest - 1) {
                char detail[128];
                snprintf(detail, sizeof(detail), "the spec does not grant %s", mf_capability_name(rest));
                r = mf_isolators_note(&container->isolators, MF_ISOLATOR_CAPABILITIES_RETAIN, MAYFLY_ISOLATOR_CHANGED,
                                      detail);
        }
        combine_limits(container, &limits);
        if (r == 0 && isolation->memory_max && limits.memory_max < isolation->memory_max)
                r = mf_isolators_note(&container->isolators, MF_ISOLATOR_MEMORY, MAYFLY_ISOLATOR_CHANGED,
                                      container->spec.memory_max
                                              ? "the spec's memory_max is less"
                                              : "half the memory of the host, the default of memory_max, is less");
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_START) : 0;
}

int mf_container_launch(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mf_volumes volumes = { 0 };
        MF_TRACE("launch", container->machine);
        int r = choose_app(container, err);
        if (r == 0)
                r = build_env(container, err);
        if (r == 0)
                r = grant_capabilities(container, err);
        if (r == 0)
                r = note_isolators(container, err);
        if (r == 0)
                r = mf_volumes_plan(container, &volumes, err);
        if (r == 0)
                r = launch(container, &volumes, err);
        mf_volumes_clear(&volumes);
        return r;
}
