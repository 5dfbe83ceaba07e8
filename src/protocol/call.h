/* SPDX-License-Identifier: MIT */
#ifndef MF_CALL_PROTOCOL_H
#define MF_CALL_PROTOCOL_H

/* What the library and mayfly-helper say to each other, and the library and mayfly-network or mayfly-files in the same way. All come
 * from one build and belong to one user; the version of each frame finds half an upgrade. One process does one operation, but for
 * mayfly-files.
 *
 *   socket (SOCK_SEQPACKET; the helper's end is its standard input)
 *       library -> helper REQUEST  value: the operation. Descriptors: pidfd of the owner, the working directory; the user
 *                                  namespace to join, but for NAMESPACE; those of the operation. Payload: its arguments
 *       helper -> library REPORT   payload: a report of the operation, for a callback
 *       helper -> library OWNER    descriptor: a file whose owner may have no ID in the namespace
 *       library -> helper ANSWER   one for each of these. Value: what the callback returned; or payload: the UID of the owner and
 *                                  the library's own
 *       helper -> library RESULT   value, descriptors, payload: those of the operation
 *       helper -> library ERROR    value: the code. Payload: stage, message; then the result as far as it came
 *       library -> helper END      the library has what it wants; the helper gives up its locks and ends
 *
 * The helper ends as well when the owner does, or its end of the socket. A payload is a struct mf_pack.
 *
 *   operation   arguments -> result
 *   NAMESPACE   none -> a descriptor of a new user namespace that has all subordinate IDs of the user
 *   OPEN        reference, image options -> value: 1 if something was fetched. Reports of progress. The image stays open
 *   TMPFS       size; path of a directory that is mounted in its place, or none -> descriptors of a mount namespace with a new tmpfs, and of
 *               the root directory of that
 *   TMPFS_OWN   descriptor of that directory; mode, user, group -> nothing
 *   SNAPSHOT    descriptors of a container's scratch, and of snapshots that are to be part of it -> descriptors as of TMPFS, with a copy of what the container wrote
 *   VERIFY, GC  options -> the result struct, also with an error. Reports about the store
 *
 *   of mayfly-network, see protocol/network.h
 *   NETWORK_CREATE  none -> a descriptor of a new hub, a network namespace with a bridge
 *   NETWORK_ATTACH  descriptor of the hub, pidfd of a container's PID 1; number of the network, number of the member, which of
 *                   the container's interfaces -> value: 1 if the member has an IPv6 address
 *   NETWORK_CUT     descriptor of the hub; number of the network, how many members, and for each: number, how many others are cut
 *                   off from it, their numbers. What these send no longer arrives there, and what others send does
 *
 *   of mayfly-files, see protocol/files.h
 *   FILES_...       FILES_ENTER comes first, and has a pidfd of the container's PID 1. After it the process takes more requests,
 *                   which have no descriptors but their own, until END or, unless it keeps the files, the container's end
 *
 *   of mayfly-mount; each has a pidfd of the container's PID 1
 *   VOLUME_ATTACH   source or, without one, a descriptor of the mount namespace of a tmpfs; path inside; whether it is read-only;
 *                   whether it has the container's IDs already; those: the first and how many, 0 for none, user and group that are
 *                   kept -> the path without links
 *   VOLUME_DETACH   that path -> nothing
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/pack.h"

#define MF_CALL_VERSION 1U
#define MF_CALL_FDS_MAX 16

enum mf_operation {
        MF_OPERATION_NAMESPACE = 1,
        MF_OPERATION_OPEN,
        MF_OPERATION_VERIFY,
        MF_OPERATION_GC,
        MF_OPERATION_TMPFS,
        MF_OPERATION_TMPFS_OWN,
        MF_OPERATION_SNAPSHOT,
        MF_OPERATION_NETWORK_CREATE,
        MF_OPERATION_NETWORK_ATTACH,
        MF_OPERATION_NETWORK_CUT,
        MF_OPERATION_FILES_ENTER,
        MF_OPERATION_FILES_PUT,
        MF_OPERATION_FILES_GET,
        MF_OPERATION_FILES_STAT,
        MF_OPERATION_FILES_LIST,
        MF_OPERATION_FILES_MKDIR,
        MF_OPERATION_FILES_REMOVE,
        MF_OPERATION_FILES_CHMOD,
        MF_OPERATION_FILES_CHOWN,
        MF_OPERATION_VOLUME_ATTACH,
        MF_OPERATION_VOLUME_DETACH,
};

enum mf_frame_type {
        MF_FRAME_REQUEST = 1,
        MF_FRAME_REPORT,
        MF_FRAME_OWNER,
        MF_FRAME_ANSWER,
        MF_FRAME_RESULT,
        MF_FRAME_ERROR,
        MF_FRAME_END,
};

struct mf_frame {
        enum mf_frame_type type;
        int32_t value;
        struct mf_buffer payload;
        int fds[MF_CALL_FDS_MAX];
        size_t n_fds;
};

/* Sends a frame; `payload` may be NULL. One that is long goes in a memfd. Returns 0 or negative errno (-EPIPE,
 * -ECONNRESET: the peer is gone). */
int mf_frame_send(int fd, enum mf_frame_type type, int32_t value, const struct mf_pack *payload, const int *fds,
                  size_t n_fds);

/* Receives a frame. Its descriptors (close-on-exec) and payload are the caller's, see mf_frame_clear(). `flags` as for
 * recvmsg(2). Returns 1, 0 at the end of the stream, -EAGAIN, -EPROTO (not ours), or another negative errno. */
int mf_frame_recv(int fd, struct mf_frame *ret, int flags);

/* Returns a reader of the payload, which has to outlive it. */
struct mf_unpack mf_frame_payload(const struct mf_frame *frame);

/* Takes the descriptor number `i` out of the frame. Returns it, or -1 when the frame has none there. */
int mf_frame_take_fd(struct mf_frame *frame, size_t i);

/* Frees the payload and closes the descriptors that are left. */
void mf_frame_clear(struct mf_frame *frame);

#endif
