/* SPDX-License-Identifier: MIT */
#ifndef MF_PROTOCOL_H
#define MF_PROTOCOL_H

/* What the library and mayfly-init say to each other. Both come from one build, so there is no negotiation, but the
 * version is checked: a stale mayfly-init is a common accident of half an upgrade.
 *
 *   control socket (SOCK_SEQPACKET; the container's end is mayfly-init's standard input)
 *       library -> launch LAUNCH  descriptors: owner pidfd; share socket; link to mayfly-init; the library's end of
 *                                 mayfly-forward's socket; value[0] mount namespaces of shared volumes,
 *                                 and locks of those on disk, which it has until it ends; value[1] of
 *                                 snapshots, the lowest layer first; those of enum mf_launch_fd that value[2] has
 *       library -> init   START   descriptors: log, exec block, link to mayfly-launch; the app's filter if value[0]; sockets
 *                                 for the app; value[1]: the container is on the network of the host; value[2]: the app
 *                                 waits for GO. Both are queued before their reader exists
 *       launch -> library SCRATCH descriptor: a copy of the scratch's mount, attached nowhere, so that a later start can
 *                                 have it
 *       launch -> library HOSTS   descriptor: the container's /etc/hosts, if its spec has networks
 *       both   -> library LIMITS  value[0] those of enum mf_limit that are not in force
 *       init -> library   READY   the container answers; credentials carry its PID
 *       library -> init   GO      the container's networks are there: the app and its hook can start
 *       init -> library   HOOK    the app's pre-start hook has been started
 *       init -> library   APP     value[0] 0, or the errno that kept the app from starting, and text
 *       init -> library   NOTIFIED  READY=1 came to $NOTIFY_SOCKET from a process of the container
 *       library -> init   LOOK    descriptor: reply socket; text is the absolute path of a file
 *       library -> init   DRAIN   descriptor: reply socket; what the app has written so far is wanted in the log
 *       library -> init   RUN     descriptors: reply socket, exec block, standard input, output, error; or the first two
 *                                 if value[0], and then the command gets a terminal with value[1] rows, value[2] columns;
 *                                 value[3]: the command's time in ms, 0 for no end
 *       library -> init   STOP    value[0] signal, value[1] timeout in ms
 *       library -> init   SIGNAL  value[0] signal for the app
 *       library -> init   RELEASE  mayfly-launch watches another owner: the end of the control socket is not the container's
 *       init -> library   USAGE   what the container used, just before EXIT; text is as protocol/usage.h has it
 *       init -> library   EXIT    the app ended: value[0] si_code, value[1] si_status, value[2] 1 if it outlived
 *                                 its time after STOP and was killed; the container ends after the app's
 *                                 post-stop hook
 *   share socket (the library and its forked children have one end, mayfly-launch the other)
 *       library -> launch ATTACH  descriptors: an end of a new channel, and of a new socket for mayfly-forward. Other processes send
 *                                 it over a connection to the listening socket of SHARE
 *       library -> launch SHARE   descriptors: those of enum mf_share_fd, the last two only if value[0]; text: the name of the state
 *                                 file in its directory
 *       launch -> library RESULT  over the reply socket of SHARE: value[0] errno or 0
 *   link (mayfly-launch to mayfly-init)
 *       launch -> init    CHANNEL  descriptor: that end of a channel
 *   channel (of a process that uses the container and does not own it)
 *       launch -> library ATTACHED  descriptors: value[0] pidfds of mayfly-launch's processes, and those of enum mf_attached_fd that
 *                                 value[1] has
 *       init -> library   READY and all later reports, as over the control socket
 *       init -> library   CURRENT  these were all so far
 *       library -> init   LOOK, DRAIN, RUN, SIGNAL; STOP after RELEASE
 *   standard input of mayfly-keep
 *       library -> keep   KEEP    descriptor: pidfd of the container's PID 1. mayfly-keep owns the container from now on
 *       keep -> library   KEEP    it has it
 *   reply socket (one a command)
 *       init -> library   STARTED  the command has been executed: value[0] its PID in the container; descriptor: the master
 *                                 of the terminal, if RUN wanted one
 *       init -> library   RESULT  value[0] errno or 0, value[1] si_code, value[2] si_status, value[3] of enum mf_kill; text
 *       init -> library   RESULT  after LOOK: value[0] errno or 0, value[1] st_mode; after DRAIN
 *       library -> init   KILL    the command and its descendants
 *       library -> init   SIGNAL  value[0] a signal for the command
 *
 * protocol/reports.h has the order of the messages that come to the library.
 * Strings of any length travel in an exec block, see protocol/exec-block.h. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MF_PROTOCOL_VERSION 8U

enum mf_message_type {
        MF_MESSAGE_START = 1,
        MF_MESSAGE_READY,
        MF_MESSAGE_APP,
        MF_MESSAGE_RUN,
        MF_MESSAGE_STOP,
        MF_MESSAGE_EXIT,
        MF_MESSAGE_RESULT,
        MF_MESSAGE_KILL,
        MF_MESSAGE_HOOK,
        MF_MESSAGE_LIMITS,
        MF_MESSAGE_LAUNCH,
        MF_MESSAGE_HOSTS,
        MF_MESSAGE_GO,
        MF_MESSAGE_NOTIFIED,
        MF_MESSAGE_LOOK,
        MF_MESSAGE_SIGNAL,
        MF_MESSAGE_USAGE,
        MF_MESSAGE_STARTED,
        MF_MESSAGE_SCRATCH,
        MF_MESSAGE_ATTACH,
        MF_MESSAGE_CHANNEL,
        MF_MESSAGE_ATTACHED,
        MF_MESSAGE_CURRENT,
        MF_MESSAGE_SHARE,
        MF_MESSAGE_RELEASE,
        MF_MESSAGE_KEEP,
        MF_MESSAGE_DRAIN,
};

/* Descriptors of LAUNCH, in this order. */
enum mf_launch_fd {
        MF_LAUNCH_IDS = 1,     /* lock of the container's range of IDs */
        MF_LAUNCH_USERNS = 2,  /* user namespace of an ordinary user */
        MF_LAUNCH_FORWARD = 4, /* socket of mayfly-forward */
        MF_LAUNCH_SCRATCH = 8, /* of an earlier start, from SCRATCH */
        MF_LAUNCH_LOG = 16,    /* the log, */
        MF_LAUNCH_KEPT = 32    /* and a file to which mayfly-launch copies it at the end; both or none */
};

/* Descriptors of SHARE. */
enum mf_share_fd {
        MF_SHARE_REPLY,          /* a socket for the answer */
        MF_SHARE_LISTENER,       /* of processes that attach, bound to MACHINE MF_SHARE_SUFFIX in */
        MF_SHARE_DIRECTORY,      /* this directory */
        MF_SHARE_FILE_DIRECTORY, /* of the state file, */
        MF_SHARE_FILE,           /* and that */
        MF_SHARE_DESCRIPTION,    /* for processes that attach, */
        MF_SHARE_LOG,
        MF_SHARE_LEADER, /* pidfd of the container's PID 1 */
        MF_SHARE_OWNER,  /* pidfd of the process that owns the container from now on */
        MF_SHARE_NETWORKS /* from there on: network namespaces of the container's networks, which must not end with their maker */
};

#define MF_SHARE_SUFFIX ".socket"

/* Descriptors of ATTACHED. */
enum mf_attached_fd {
        MF_ATTACHED_DESCRIPTION = 1, /* three: description, log, pidfd of the container's PID 1 */
        MF_ATTACHED_USERNS = 2       /* user namespace of an ordinary user */
};

/* Why the supervisor of a command killed it. */
enum mf_kill { MF_KILL_NONE = 0, MF_KILL_ASKED, MF_KILL_TIMEOUT };

/* Limits that an image wants, and a host may have no controller for. */
enum mf_limit {
        MF_LIMIT_MEMORY = 1,
        MF_LIMIT_MEMORY_LOW = 2,
        MF_LIMIT_CPU = 4,
        MF_LIMIT_CPU_SHARES = 8,
        MF_LIMIT_OOM_SCORE = 16
};

struct mf_message {
        uint32_t version;
        uint32_t type;
        int32_t value[4];
        char text[232]; /* for a human, may be empty */
};

#define MF_SHARED_VOLUMES_MAX 8
#define MF_SNAPSHOTS_MAX 8
#define MF_ACTIVATED_MAX 32
#define MF_MESSAGE_FDS_MAX (5 + MF_ACTIVATED_MAX)

/* Sends with MSG_NOSIGNAL. 0 or -errno (-EPIPE, -ECONNRESET: the peer is gone). */
int mf_message_send(int fd, const struct mf_message *message, const int *fds, size_t n_fds);
/* Does the same without waiting. Returns -EAGAIN when the socket is full, -ETOOMANYREFS when too many descriptors of this user are
 * under way. */
int mf_message_try_send(int fd, const struct mf_message *message, const int *fds, size_t n_fds);

/* Receives one message and at most MF_MESSAGE_FDS_MAX descriptors (close-on-exec, the caller's). `ret_pid` may be NULL.
 * `flags` as for recvmsg(2). Returns 1, 0 at the end of the stream, -EAGAIN, -EPROTO (not ours), or another -errno. */
int mf_message_recv(int fd, struct mf_message *ret, int *fds, size_t *ret_n_fds, pid_t *ret_pid, int flags);

#endif
