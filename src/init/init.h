/* SPDX-License-Identifier: MIT */
#ifndef MF_INIT_H
#define MF_INIT_H

/* mayfly-init: PID 1 of a container. Static, and needs nothing of the image. */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/exec-block-read.h"
#include "protocol/log.h"
#include "protocol/message.h"

/* identity.c: the user and group to run as (appc spec, "user" and "group"): a name in the image's /etc/passwd or /etc/group, else a
 * number, or the owner of the file at an absolute path. */
struct mf_identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* supplementary ones */
        size_t n_groups;
        const char *home; /* from /etc/passwd, or NULL */
};

int mf_identity_find(const struct mf_exec *exec, struct mf_identity *ret, char *text, size_t text_size);

/* init.c: the time of CLOCK_MONOTONIC. */
int64_t mf_now_ms(void);

/* spawn.c: starts argv as `exec` says (and not exec->argv), with the three descriptors as its standard ones, in a
 * session of its own. `sockets`, NULL for none, are to be activated by. Returns its PID once it was executed, or -errno
 * with text. */
struct mf_sockets;
pid_t mf_spawn(char *const *argv, const struct mf_exec *exec, const int stdio[3], const struct mf_sockets *sockets,
               int with_home, char *text, size_t text_size);

/* interpreter.c: what a program needs to be executed: the interpreter of a script, or the dynamic loader. */
struct mf_interpreter {
        int is_script;
        char name[61];
};

/* Whether the file names one, and that is not there. */
int mf_interpreter_missing(const char *program, struct mf_interpreter *ret);

/* sockets.c: bound, and listening where the protocol knows that; from descriptor 3 on in the app (sd_listen_fds(3)). */
struct mf_sockets {
        int *fds;
        size_t n;
        char *names; /* "web:web:admin" */
};
/* Sockets that came with the first message. */
struct mf_passed {
        int fds[MF_ACTIVATED_MAX];
        size_t n, taken;
};

int mf_sockets_open(char *const *descriptions, struct mf_passed *passed, struct mf_sockets *ret, char *text,
                    size_t text_size);
void mf_sockets_close(struct mf_sockets *sockets);
/* Waits, a second at most, until ::1 can be bound: when the loopback interface comes up, Linux checks the address in the background, and
 * until then bind(2) fails with EADDRNOTAVAIL. */
void mf_await_loopback(void);

/* supervise.c: runs one command to its end and answers on the reply socket; for a process forked for it. `request` is the RUN that
 * asked for it, with its descriptors. */
_Noreturn void mf_supervise(const struct mf_exec *exec, const struct mf_message *request, const int *fds, size_t n_fds);

/* terminal.c: makes a pseudo-terminal of the container, of this size. *ret_master is the end that the library gets. Returns 0 or -errno
 * with text. */
int mf_terminal_open(int rows, int columns, int *ret_master, int *ret_terminal, char *text, size_t text_size);

/* kill.c: kills every descendant of this process, which is their subreaper, `pid` among them. *ret gets the end of that if it was
 * still running. */
void mf_kill_descendants(pid_t pid, siginfo_t *ret);

/* channels.c: the sockets to the library in all processes that use the container. mf_channels_fd() is readable when one has a
 * message. */
int mf_channels_open(int control, int link);
int mf_channels_fd(void);
typedef void (*mf_channels_fn)(const struct mf_message *message, const int *fds, size_t n_fds, int may_stop);
/* Takes the messages that are there, and ends this process when the owner is gone. */
void mf_channels_receive(mf_channels_fn obey);
/* Tells all of them. Returns 0, or -errno when the owner cannot be told. */
int mf_channels_report(const struct mf_message *report);
/* Closes them, in a child. */
void mf_channels_close(void);

/* log-ring.c: writes the log (protocol/log.h). mf_log_drain() copies what arrives on a pipe, or on the master of a terminal, whose
 * lines end in "\r\n", without waiting; it returns 0 at the end of the stream, and 1 when there is nothing for now. */
int mf_log_open(int memfd);
int mf_log_is_separate(void); /* whether output and error output have a pipe each */
int mf_log_drain(int fd, enum mf_log_stream stream, int is_terminal);
void mf_log_note(const char *line);

/* notify.c: opens the socket of $NOTIFY_SOCKET, whose value is "@NAME". Returns 0 or -errno. */
int mf_notify_open(const char *name, int *ret);
/* Reads what has arrived. Returns 1 when it has READY=1 of this process or, if that is 0, of any of this container. */
int mf_notify_receive(int fd, pid_t from);

/* mask.c: hides the files of /proc and /sys that are of the whole machine; before mf_confine(). Returns 0 or -errno with
 * text. */
int mf_mask_kernel_files(char *text, size_t text_size);
/* Does the same for an init system, and makes read-only what systemd-nspawn makes so of the proc that it mounts. */
int mf_mask_for_boot(char *text, size_t text_size);

/* set-up.c: makes the container's own network usable: every port, and the loopback interface. Returns 0 or -errno with text. */
int mf_set_up_network(char *text, size_t text_size);
/* Does what the spec says of the container's namespaces and mounts; before mf_confine(). Returns 0 or -errno with text. */
int mf_set_up(const struct mf_exec *exec, char *text, size_t text_size);
/* Makes the directories and device files that apps expect. Returns 0 or -errno with text. */
int mf_set_up_files(const struct mf_exec *exec, char *text, size_t text_size);
/* Makes the root read-only if mf_set_up() prepared that. Returns 0 or -errno. */
int mf_root_protect(void);
/* Limits this process: see MF_EXEC_ULIMIT. Returns 0 or -errno with text. */
int mf_limits_set(char *const *ulimits, char *text, size_t text_size);

/* boot.c: an init system as the app. mf_boot_prepare() sets argv[0], if that is empty, to the image's, makes the console, of which
 * *ret_master is to be read, and lets what is forked next be PID 1 of a namespace, and all after that be in the namespace. PID 1 calls
 * mf_boot_enter() before the execution. Both return 0 or -errno with text. */
int mf_boot_prepare(char **argv, int *ret_master, int *ret_terminal, char *text, size_t text_size);
int mf_boot_enter(char *text, size_t text_size);

/* confine.c: limits this process and all after it to the capabilities of the container and to mayfly's system call filter. The app has
 * yet to be confined more: what that needs of capabilities is kept, unused, until mf_confine_fully(). Both return 0
 * or -errno with text. */
int mf_confine(const struct mf_exec *exec, int host_network, char *text, size_t text_size);
int mf_confine_fully(char *text, size_t text_size);

/* Whether this host lets the score be set, after mf_confine(). */
int mf_confine_can_score(const char *oom_score_adj);

/* Confine a process that is about to execute a program: before setuid(2), after it, and right before the execution. Each
 * returns 0 or -errno. */
int mf_confine_pre_setuid(const struct mf_confinement *confinement, char *text, size_t text_size);
int mf_confine_post_setuid(const struct mf_confinement *confinement, char *text, size_t text_size);
int mf_confine_pre_exec(const struct mf_confinement *confinement);

#endif
