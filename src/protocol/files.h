/* SPDX-License-Identifier: MIT */
#ifndef MF_FILES_PROTOCOL_H
#define MF_FILES_PROTOCOL_H

#define MF_FILES_ENTRIES_MAX 1000000U /* of a list, and of a tree unless the caller says otherwise */

/* The operations of mayfly-files, which protocol/call.h has the frames of. Paths are absolute, and resolved in the container's root.
 *
 *   ENTER   descriptor: pidfd of the container's PID 1; whether to stay when that ends. Enters the container's file system
 *   PUT     descriptor: a stream socket with the file or tree, see tree/record.h; path, enum mf_files_put flags, user, group
 *   GET     descriptor: a stream socket for the file or tree; path, whether it must be a file, most files in one directory
 *   STAT    path, whether to follow a link at its end -> an information
 *   LIST    path of a directory -> their number, and for each file in it: its name and an information
 *   MKDIR   path, mode. Makes missing parents, too
 *   REMOVE  path, with all that is below it
 *   CHMOD   path, mode
 *   CHOWN   path, user, group
 *
 * An information is: st_mode, user, group, size, time of the last change in nanoseconds, number of names, target of a
 * symbolic link or none. */

enum mf_files_put {
        MF_FILES_KEEP_OWNERS = 1, /* those in the stream count */
        MF_FILES_KEEP_SET_IDS = 2 /* and set-user-ID bits as well */
};

#endif
