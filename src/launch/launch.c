/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"

/* How long the container may take to follow its owner before it is pushed, each time harder, in ms. */
#define GRACE_MS 250

/* The library gets a pidfd of the supervisor there, in the engine direct. */
#define REPORT_FD 3

static const char *or_exit(const char *argument)
{
        if (argument)
                return argument;
        launch_error(-ENOMEM, "systemd-nspawn's arguments");
        _exit(127);
}

/* Adds what is there once for each volume, device and limit. Returns how many words that is. */
static size_t add_each(const struct launch_options *options, const char **argv)
{
        size_t n = 0;

        for (size_t i = 0; i < options->n_volumes; i++)
                argv[n++] = or_exit(launch_volume_option(options, i));
        for (size_t i = 0; i < options->n_devices; i++)
                argv[n++] = or_exit(launch_device_option(options, i));
        for (size_t i = 0; i < options->n_ulimits; i++)
                argv[n++] = or_exit(launch_ulimit_option(options->ulimits[i]));
        return n;
}

static _Noreturn void execute_nspawn(const struct launch_options *options)
{
        char machine[128], users[64], hostname[80];
        const char **argv =
                calloc(29 + options->n_volumes + options->n_devices + options->n_ulimits + 2 * options->n_capabilities,
                       sizeof(char *));
        size_t n = 0;

        if (!argv) {
                launch_error(-ENOMEM, "systemd-nspawn's arguments");
                _exit(127);
        }
        snprintf(machine, sizeof(machine), "--machine=%s", options->machine);
        argv[n++] = "systemd-nspawn";
        argv[n++] = "--quiet";
        argv[n++] = "--keep-unit";
        argv[n++] = options->registered ? "--register=yes" : "--register=no";
        argv[n++] = machine;
        argv[n++] = "--directory=" SCRATCH "/root";
        argv[n++] = "--bind-ro=" SCRATCH "/init:/run/mayfly/init";
        argv[n++] = "--console=pipe";
        argv[n++] = "--settings=no";
        argv[n++] = "--resolv-conf=off"; /* these three keep it from writing into the image's /etc */
        argv[n++] = "--timezone=off";
        argv[n++] = "--link-journal=no";
        if (!options->host_network)
                argv[n++] = "--private-network";
        for (size_t i = 0; i < options->n_capabilities; i++) {
                argv[n++] = "--capability";
                argv[n++] = options->capabilities[i];
        }
        if (options->ids) {
                snprintf(users, sizeof(users), "--private-users=%u:%u", (unsigned) options->ids,
                         (unsigned) options->n_ids);
                argv[n++] = users;
                argv[n++] = "--private-users-ownership=off"; /* the layers are idmapped */
        }
        if (options->hostname) {
                snprintf(hostname, sizeof(hostname), "--hostname=%s", options->hostname);
                argv[n++] = hostname;
        }
        n += add_each(options, argv + n);
        argv[n++] = "/run/mayfly/init";
        argv[n] = NULL;

        setenv("SYSTEMD_SECCOMP", "0", 1);          /* mayfly-init loads one that needs no compiling */
        setenv("SYSTEMD_NSPAWN_TMPFS_TMP", "0", 1); /* the image's /tmp, not one over it */
        setenv("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1", 1);
        setenv("SYSTEMD_LOG_LEVEL", "warning", 1); /* 262 prints a note on the payload's error output otherwise */
        setenv("SYSTEMD_LOG_TARGET", "console", 1);
        unsetenv("NOTIFY_SOCKET");
        execvp(argv[0], (char **) (void *) argv);
        launch_error(-errno, "executing systemd-nspawn; install the package systemd-container");
        _exit(127);
}

/* A fork whose child is in the cgroup, NULL for ours. A child that is born there (Linux 5.7) spares the wait for a grace
 * period of RCU, about 12 ms, which a move into a cgroup takes. */
static pid_t fork_into(const struct launch_cgroup *cgroup)
{
        struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };

        if (cgroup) {
                args.cgroup = (uint64_t) cgroup->fd;
                pid_t born = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
                if (born >= 0)
                        return born;
        }
        pid_t pid = fork();
        if (pid == 0 && cgroup && launch_cgroup_enter(cgroup) < 0)
                _exit(1);
        return pid;
}

static pid_t start_nspawn(const struct launch_options *options, const struct launch_cgroup *cgroup)
{
        pid_t parent = getpid(), pid = fork_into(cgroup);

        if (pid == 0) {
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                /* On SIGTERM it kills its payload; it must get that when we are gone without having sent it. */
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != parent)
                        _exit(1);
                close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
                launch_pass_locks(options);
                launch_allow_oom_score(options->oom_score_adj);
                execute_nspawn(options);
        }
        if (pid < 0)
                launch_error(-errno, "fork");
        return pid;
}

/* What the library sends before mayfly-init exists, and nothing inside may have. */
struct handles {
        int owner; /* pidfd */
        struct launch_share share;
        int namespaces[MF_SHARED_VOLUMES_MAX];
        size_t n_namespaces;
        int snapshots[MF_SNAPSHOTS_MAX]; /* mount namespaces, too */
        size_t n_snapshots;
        int ids;     /* lock of the range of IDs, or -1 */
        int forward; /* socket of mayfly-forward, or -1 */
        int scratch; /* mount that is attached nowhere, of an earlier start, or -1 */
        int log;     /* what the container has written, or -1, */
        int kept;    /* and where it is to be kept */
};

/* Takes the first message, which was queued before we were started. Returns 0 or negative errno. */
static int receive_handles(struct handles *ret)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(STDIN_FILENO, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == 0)
                return -ECHILD; /* the owner is gone */
        if (r < 0)
                return launch_error(r,
                                    "reading the first message; is this mayfly-launch from another version of mayfly?");
        unsigned n = (unsigned) message.value[0], n_snapshots = (unsigned) message.value[1];
        unsigned more = (unsigned) message.value[2];
        if (message.type != MF_MESSAGE_LAUNCH || n > MF_SHARED_VOLUMES_MAX || n_snapshots > MF_SNAPSHOTS_MAX ||
            n_fds != 4 + n + n_snapshots + (unsigned) __builtin_popcount(more))
                return launch_error(-EPROTO, "the first message");
        const int *next = fds;
        ret->owner = *next++;
        ret->share.socket = *next++;
        ret->share.init = *next++;
        ret->share.forward = *next++;
        ret->n_namespaces = n;
        memcpy(ret->namespaces, next, n * sizeof(int));
        next += n;
        ret->n_snapshots = n_snapshots;
        memcpy(ret->snapshots, next, n_snapshots * sizeof(int));
        next += n_snapshots;
        ret->ids = more & MF_LAUNCH_IDS ? *next++ : -1;
        ret->share.userns = more & MF_LAUNCH_USERNS ? *next++ : -1;
        ret->forward = more & MF_LAUNCH_FORWARD ? *next++ : -1;
        ret->scratch = more & MF_LAUNCH_SCRATCH ? *next++ : -1;
        ret->log = more & MF_LAUNCH_LOG ? *next++ : -1;
        ret->kept = more & MF_LAUNCH_KEPT ? *next : -1;
        return 0;
}

/* Our children, as seen by the kernel: nspawn, and the container's PID 1 once nspawn has died before it. */
static void kill_children(int signal_number, pid_t except)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/thread-self/children", "re");
        long pid;

        while (f && fscanf(f, "%ld", &pid) == 1)
                if ((pid_t) pid != except)
                        kill((pid_t) pid, signal_number);
}

/* Kills PID 1 of the container: a child of nspawn, which then cleans up, or of ours. */
static void kill_payload(pid_t child, int is_payload)
{
        char path[64];
        long pid;

        if (is_payload) {
                kill(child, SIGKILL);
                return;
        }
        snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long) child, (long) child);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        while (f && fscanf(f, "%ld", &pid) == 1)
                kill((pid_t) pid, SIGKILL);
}

/* Asks nspawn, or without it mayfly-init, to end, harder each time. */
static void push(pid_t child, int is_payload, unsigned attempt)
{
        kill(child, SIGTERM);
        if (attempt > 0)
                kill_payload(child, is_payload);
        if (attempt > 1) /* what it leaves is in namespaces of ours */
                kill(child, SIGKILL);
}

/* Whether somebody asked by a signal that the container end. Takes what is queued. */
static int end_was_asked_for(int signals)
{
        struct signalfd_siginfo info;
        int asked = 0;

        while (read(signals, &info, sizeof(info)) == (ssize_t) sizeof(info))
                asked |= info.ssi_signo != SIGCHLD;
        return asked;
}

/* Reaps what has ended. Returns whether the child has; *ret_lost is set when a process has without which the container is
 * broken. */
static int has_ended(pid_t child, struct launch_forward *forward, int *ret_lost)
{
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == child)
                        return 1;
                *ret_lost |= launch_forward_has_failed(forward, pid, status);
        }
        return 0;
}

/* Waits for nspawn or, with `is_payload`, mayfly-init, and ends the container when the owner or mayfly-forward dies. */
static void supervise(pid_t child, int is_payload, struct handles *handles, int signals, struct launch_forward *forward)
{
        struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
                                { .fd = handles->owner, .events = POLLIN },
                                { .fd = forward->socket, .events = POLLIN },
                                { .fd = handles->share.epoll, .events = POLLIN } };
        int is_to_end = 0, is_lost = 0;
        unsigned attempts = 0;

        while (!has_ended(child, forward, &is_lost)) {
                if (!is_lost && poll(fds, MF_ELEMENTSOF(fds), is_to_end ? GRACE_MS : -1) == 0)
                        push(child, is_payload, attempts++);
                if (end_was_asked_for(signals)) {
                        push(child, is_payload, attempts++);
                        is_to_end = 1;
                }
                if (is_lost || (fds[1].fd >= 0 && fds[1].revents)) { /* or the owner died */
                        fds[1].fd = -1;
                        is_lost = 0;
                        kill_payload(child, is_payload);
                        is_to_end = 1;
                }
                if (fds[2].fd >= 0 && fds[2].revents) {
                        fds[2].fd = -1;
                        launch_forward_start(forward);
                }
                if (fds[3].revents) {
                        launch_share_serve(&handles->share, &handles->owner);
                        fds[1].fd = fds[1].fd < 0 ? -1 : handles->owner;
                }
        }
}

static int refuse_boot(int r)
{
        return launch_error(r, "boot: the init system needs a cgroup that belongs to the user; run the test in one "
                               "(systemd-run --user --scope -p Delegate=yes COMMAND), or as root");
}

/* Makes the container of an ordinary user. In a unit its processes get a cgroup of their own. Returns PID 1 or negative errno. */
static pid_t contain(const struct launch_options *options, const struct launch_cgroup *cgroup)
{
        struct launch_cgroup inside;
        int r = options->in_unit ? launch_cgroup_create_inside(&inside) : 0;

        if (options->in_unit && r == 0)
                cgroup = &inside;
        if (options->boot && !cgroup)
                return refuse_boot(r);
        return launch_contain(options, cgroup);
}

/* Makes the file systems of the container, of what the library has sent for that. Returns 0 or negative errno. */
static int prepare(const struct launch_options *options, struct handles *handles)
{
        const struct launch_sources sources = { .volumes = handles->namespaces,
                                                .n_volumes = handles->n_namespaces,
                                                .snapshots = handles->snapshots,
                                                .n_snapshots = handles->n_snapshots,
                                                .scratch = handles->scratch };

        int r = launch_mounts(options, &sources);
        if (r == 0)
                r = launch_hosts_send(options);
        /* The namespaces of shared volumes stay open, and what keeps those on disk. */
        for (size_t i = 0; i < handles->n_snapshots; i++)
                close(handles->snapshots[i]);
        handles->scratch = mf_close(handles->scratch);
        return r;
}

static int run(const struct launch_options *options, const struct launch_cgroup *cgroup)
{
        sigset_t mask;

        prctl(PR_SET_CHILD_SUBREAPER, 1);
        struct handles handles = { .owner = -1,
                                   .share = { .socket = -1, .init = -1, .forward = -1, .userns = -1, .epoll = -1 },
                                   .ids = -1,
                                   .forward = -1,
                                   .scratch = -1,
                                   .log = -1,
                                   .kept = -1 };
        int r = receive_handles(&handles);
        struct launch_forward forward = { .socket = handles.forward, .program = -1 };
        if (r == 0)
                r = launch_share_open(&handles.share, options->machine, !options->in_unit);
        if (r == 0)
                r = launch_forward_open(&forward, options->forward);
        if (r == 0 && options->is_users)
                r = launch_join_namespace(handles.share.userns);
        if (r == 0)
                r = prepare(options, &handles);
        if (r < 0)
                return EXIT_FAILURE;
        struct mf_message limits = { .type = MF_MESSAGE_LIMITS,
                                     .value = { launch_cgroup_image_limits(cgroup, options) } };
        if (limits.value[0])
                (void) mf_message_send(STDIN_FILENO, &limits, NULL, 0); /* unless the owner is gone */

        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0) {
                launch_error(-errno, "signalfd");
                return EXIT_FAILURE;
        }

        pid_t child = options->is_users ? contain(options, cgroup) : start_nspawn(options, cgroup);
        if (child < 0)
                return EXIT_FAILURE;
        /* Inside, only mayfly-init may have the control socket. */
        close(STDIN_FILENO);
        (void) !open("/dev/null", O_RDWR | O_CLOEXEC);
        supervise(child, options->is_users, &handles, signals, &forward);
        launch_share_end(&handles.share);

        /* A killed nspawn leaves its payload to us. */
        for (;;) {
                kill_children(SIGKILL, 0);
                if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
                        break;
        }
        launch_log_keep(handles.log, handles.kept);
        return EXIT_SUCCESS;
}

/* Gives the library a pidfd of this process, so that it knows when all of us are gone whoever is killed first. It does
 * not wait for one that it has not heard of: then there is nothing to start for. */
static int introduce(void)
{
        const struct mf_message message = { .type = MF_MESSAGE_READY };
        int pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
        int r = pidfd < 0 ? -errno : launch_send(REPORT_FD, &message, pidfd);

        mf_close(pidfd);
        mf_close(REPORT_FD);
        return r < 0 ? launch_error(r, "the library") : 0;
}

/* Waits for the supervisor, and hands a wish to end on to it. */
static void wait_for(pid_t pid, int *ret_status)
{
        sigset_t mask;
        int signal_number;

        sigfillset(&mask);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        while (waitpid(pid, ret_status, WNOHANG) == 0)
                if (sigwait(&mask, &signal_number) == 0 && signal_number != SIGCHLD)
                        kill(pid, SIGTERM);
}

/* Makes the container's cgroup and sets its limits. A user may have no right to; then *ret_cgroup is NULL, and a limit is
 * an error. Returns 0 or negative errno. */
static int make_cgroup(const struct launch_options *options, struct launch_cgroup *cgroup,
                       const struct launch_cgroup **ret_cgroup)
{
        if (options->is_users && !launch_cgroup_is_ours()) {
                int is_memory = options->memory_max != 0;
                *ret_cgroup = NULL;
                if (options->boot)
                        return refuse_boot(-ENOTSUP);
                return is_memory || options->tasks_max
                               ? launch_error(-ENOTSUP,
                                              "%s = %llu needs a cgroup that belongs to the user; run the test in one "
                                              "(systemd-run --user --scope -p Delegate=yes COMMAND)",
                                              is_memory ? "memory_max" : "tasks_max",
                                              is_memory ? (unsigned long long) options->memory_max : options->tasks_max)
                               : 0;
        }
        int r = launch_cgroup_create(options->machine, cgroup);
        if (r < 0)
                return r;
        r = launch_cgroup_limit(cgroup, options);
        if (r < 0)
                launch_cgroup_remove(cgroup);
        *ret_cgroup = cgroup;
        return r;
}

static void remove_cgroup(const struct launch_cgroup *cgroup)
{
        if (cgroup)
                launch_cgroup_remove(cgroup);
}

/* Without systemd somebody must remove the cgroup, whoever else is killed: the container's supervisor and its parent
 * both can, and whichever is left does. */
static int run_with_janitor(const struct launch_options *options)
{
        struct launch_cgroup own = { .parent = -1, .fd = -1 };
        const struct launch_cgroup *cgroup = NULL;
        int status = 0;

        if (make_cgroup(options, &own, &cgroup) < 0)
                return EXIT_FAILURE;
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        pid_t pid = fork();
        if (pid == 0) {
                int r = introduce() == 0 ? run(options, cgroup) : EXIT_FAILURE;
                remove_cgroup(cgroup);
                _exit(r);
        }
        if (pid < 0)
                launch_error(-errno, "fork");

        close(STDIN_FILENO); /* the control socket must close when the supervisor ends */
        (void) !open("/dev/null", O_RDWR | O_CLOEXEC);
        close(REPORT_FD);
        prctl(PR_SET_NAME, "mayfly-janitor");
        if (pid > 0)
                wait_for(pid, &status);
        /* Had it been killed, nspawn ends by its parent-death signal and is ours to wait for now. */
        for (unsigned i = 0; i < GRACE_MS && waitpid(-1, NULL, WNOHANG) >= 0; i++)
                usleep(1000);
        remove_cgroup(cgroup);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        struct launch_options options = { 0 };

        umask(022); /* the owner's may be anything */
        if (launch_options_parse(argc, argv, &options) < 0)
                return 2;
        if (!options.in_unit)
                launch_reset_inherited();
        struct stat st;
        if (fstat(STDIN_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode))
                return launch_error(-ENOTSOCK, "standard input must be the control socket") ? EXIT_FAILURE : 0;
        if (launch_ulimits_raise(&options) < 0)
                return EXIT_FAILURE;
        if (launch_lock_layers(&options) < 0)
                return EXIT_FAILURE;
        if (!options.in_unit)
                return run_with_janitor(&options);
        return launch_cgroup_check_limits(&options) < 0 ? EXIT_FAILURE : run(&options, NULL);
}
