/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_ERROR_H
#define MAYFLY_ERROR_H

#include <mayfly/struct.h>

/**
 * @file
 * How every mayfly function fails.
 *
 * A function that can fail returns a negative errno value and takes a last argument `struct mayfly_error *err`,
 * owned by the caller, which may be NULL. On failure it is filled, unless it already holds an error: the first
 * error wins, so that a teardown cannot hide its cause. Start from MAYFLY_ERROR_INIT.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** Room for a message, its final NUL included, in bytes. It will never change. */
#define MAYFLY_ERROR_MESSAGE_MAX 4096

/** Where on the road from a reference to a stopped container something failed. */
enum mayfly_stage {
        MAYFLY_STAGE_NONE = 0,
        MAYFLY_STAGE_SPEC,      /**< an option or environment variable of the caller */
        MAYFLY_STAGE_REFERENCE, /**< the text of an image reference */
        MAYFLY_STAGE_DISCOVERY, /**< finding out where a named image is */
        MAYFLY_STAGE_HTTP,      /**< fetching the image */
        MAYFLY_STAGE_DIGEST,    /**< the image is not the one that was pinned */
        MAYFLY_STAGE_ARCHIVE,   /**< decompressing or unpacking the image */
        MAYFLY_STAGE_MANIFEST,  /**< the image's manifest */
        MAYFLY_STAGE_STORE,     /**< the image store on disk */
        MAYFLY_STAGE_HOST,      /**< this host cannot run containers */
        MAYFLY_STAGE_BUS,       /**< talking to systemd or machined */
        MAYFLY_STAGE_START,     /**< booting the container or starting its app */
        MAYFLY_STAGE_EXEC,      /**< running a command */
        MAYFLY_STAGE_LOGS,      /**< reading the container's logs */
        MAYFLY_STAGE_STOP,      /**< taking the container down */
        MAYFLY_STAGE_SIGNATURE, /**< the image's signature, or the keys that are trusted */
        MAYFLY_STAGE_NETWORK,   /**< the ports and networks of a container */
        MAYFLY_STAGE_WAIT,      /**< waiting until the container is ready */
        MAYFLY_STAGE_FILES      /**< the files of a container */
};

/**
 * One error: caller-owned, nothing to free. Start from MAYFLY_ERROR_INIT, or from all zero: size 0 counts as the size
 * that this struct had in the first release. With any other size that no release had, nothing is filled in.
 */
struct mayfly_error {
        size_t size;             /**< sizeof this struct */
        int code;                /**< negative errno, 0 when there is no error */
        enum mayfly_stage stage; /**< what was being done */
        /**
         * What failed, with which value, and what to do about it: one line. When a container died, the end of its
         * log follows on lines of their own that start with "  | ". UTF-8 where the log is; always NUL-terminated.
         */
        char message[MAYFLY_ERROR_MESSAGE_MAX];
};

/** Initializer for an empty error. */
#define MAYFLY_ERROR_INIT MAYFLY_INIT_(struct mayfly_error)

/** The name of a stage in English, such as "archive"; never NULL, static. */
const char *mayfly_stage_name(enum mayfly_stage stage);

#ifdef __cplusplus
}
#endif

#endif
