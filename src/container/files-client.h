/* SPDX-License-Identifier: MIT */
#ifndef MF_FILES_CLIENT_H
#define MF_FILES_CLIENT_H

/* Requests to mayfly-files, which does what a test wants with the files of its container: see protocol/files.h. It is started by the
 * first request. */

#include <mayfly/file.h>

#include "privilege/call.h"
#include "tree/stream.h"

struct mayfly_container;

struct mf_files {
        struct mf_call_result call; /* the process; its socket is -1 while there is none */
        uint64_t deadline_us;       /* of a start that puts the files of its spec; 0: none */
};

#define MF_FILES_NONE ((struct mf_files){ .call = MF_CALL_RESULT_INIT })

/* Ends the process. In a forked child it is the parent's, and stays. */
void mf_files_close(struct mayfly_container *container);
/* Kills it, so that a thread that waits for it goes on. */
void mf_files_kill(struct mayfly_container *container);

/* Sees that there is a process. If the spec keeps the files, they are there as long as it is. Returns 0 or negative errno with an
 * error. */
int mf_files_start(struct mayfly_container *container, struct mayfly_error *err);

/* Asks for an operation, and waits for its result: mf_files_result() reads it. Takes what `arguments` has. Returns 0 or negative errno
 * with an error. */
int mf_files_ask(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
                 struct mayfly_error *err);
struct mf_unpack mf_files_result(const struct mayfly_container *container);

/* Begins an operation that has a stream, which the caller closes by mf_files_finish(). Takes what `arguments` has. Returns 0 or negative
 * errno with an error; then there is nothing to finish. */
int mf_files_begin(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
                   struct mf_stream *ret, struct mayfly_error *err);
/* Ends the operation; `r` is how the stream ended for the caller, with `why` its error, if there is one. Returns 0 or negative errno with
 * the error of who knows most. */
int mf_files_finish(struct mayfly_container *container, struct mf_stream *stream, int r, const struct mayfly_error *why,
                    struct mayfly_error *err);

/* files.c: checks the files of a spec (NULL is fine). Returns 0 or negative errno with an error. */
int mf_files_check_all(const struct mayfly_file *files, struct mayfly_error *err);
/* Puts them into the container, unless it has them, and sees that its files are kept, before its app starts. Returns 0 or negative errno with an error. */
int mf_files_prepare(struct mayfly_container *container, struct mayfly_error *err);
/* Checks a path of the container. */
int mf_files_check_path(const char *path, struct mayfly_error *err);

#endif
