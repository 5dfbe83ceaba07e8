/* SPDX-License-Identifier: MIT */
#ifndef MF_FILES_H
#define MF_FILES_H

/* The inside of mayfly-files: one process for a container, outside of it but for user and mount namespace. It waits for its library,
 * and ends with that, or with the container unless it keeps the files. See protocol/files.h. */

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "privilege/serve.h"

struct files_call {
        const int *fds; /* of the operation */
        struct mf_unpack arguments;
        struct mf_answer answer;
};

/* files.c: waits until `fd` is ready, and gives up when the library or the container has ended; for struct mf_stream. */
int files_wait(void *userdata, int fd, short events);

/* enter.c: enters the file system of the container whose PID 1 `leader` is a pidfd of, with the capabilities for files and `more`, a bit
 * for each. Returns 0 or negative errno. */
int files_enter(int leader, uint32_t more, struct mayfly_error *err);

/* place.c */

void files_set_root(int root,
                    int proc); /* takes both descriptors: O_PATH, of the container's root and of /proc/self/fd */
int files_proc(void);
/* Opens a path of the container. Returns a descriptor or negative errno. */
int files_open(const char *path, int flags);
/* Opens the directory above, making it first if `is_made`; `name` is the path's last part. Returns a descriptor, or negative errno
 * with the error filled. */
int files_open_parent(const char *path, int is_made, char name[NAME_MAX + 1], struct mayfly_error *err);
/* Makes the directory and those above it, as far as they are not there. Only the last gets `mode`. Returns a descriptor, or negative
 * errno with the error filled. */
int files_make_dirs(const char *path, mode_t mode, struct mayfly_error *err);
/* Sets the error "PATH in the container cannot be WHAT: ...". Returns r. */
int files_say(struct mayfly_error *err, int r, const char *path, const char *what);

/* The operations. Each returns 0, or a negative errno with the error filled. */
int files_put(struct files_call *call, struct mayfly_error *err);
int files_get(struct files_call *call, struct mayfly_error *err);
int files_stat(struct files_call *call, struct mayfly_error *err);
int files_list(struct files_call *call, struct mayfly_error *err);
int files_mkdir(struct files_call *call, struct mayfly_error *err);
int files_remove(struct files_call *call, struct mayfly_error *err);
int files_chmod(struct files_call *call, struct mayfly_error *err);
int files_chown(struct files_call *call, struct mayfly_error *err);

#endif
