/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_FILE_H
#define MAYFLY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>
#include <mayfly/struct.h>

/**
 * @file
 * Files of a container: put into it, got from it, looked at and changed. See mayfly_container_put(3).
 *
 * Nothing is needed in the image. A path is absolute, has no "..", and is resolved as a process in the container would: through
 * the container's links, and never out of its root. What is asked for is done as root of the container; users and groups are numbers
 * of the container.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;

/** A file or a directory tree to put into a container: one of `text`, `data` and `source` says what. */
struct mayfly_file {
        size_t size;        /**< sizeof this struct; 0 will do in an entry of MAYFLY_FILES() */
        const char *path;   /**< where it goes; missing parents are made, mode 0755 and root's */
        const char *text;   /**< the content of a file, */
        const void *data;   /**< or `data_size` bytes of content */
        size_t data_size;   /**< of `data` */
        const char *source; /**< or a file or directory of the host, which is copied */
        mode_t mode; /**< of a file; default 0644, or the mode of a source. The files of a directory keep theirs */
        uid_t uid;   /**< owner of all; default root */
        gid_t gid;   /**< group of all; default root */
        /** Non-zero: what comes from `source` keeps its owners' numbers, set-user-ID bits and file capabilities. */
        int keep_owners;
};

#define MAYFLY_FILE_INIT MAYFLY_INIT_(struct mayfly_file)

/**
 * Files for a spec: `.files = MAYFLY_FILES({ .path = "/etc/redis.conf", .text = "port 6379\n" }, { .path = "/srv", .source = "www" })`.
 * They are there before the app starts. The braces are for C only; `MAYFLY_FILES(MAYFLY_FILE(.path = "/srv", .source = "www"))` is for
 * C and C++.
 */
#ifndef __cplusplus
#define MAYFLY_FILE(...)                                        \
        {                                                       \
                .size = sizeof(struct mayfly_file), __VA_ARGS__ \
        }
#define MAYFLY_FILES(...) \
        ((const struct mayfly_file[]){ { .size = sizeof(struct mayfly_file) }, __VA_ARGS__, { .size = 0 } })
#else
#define MAYFLY_FILE(...) (*MAYFLY_MAKE_(struct mayfly_file, MAYFLY_UNIQUE_(file_), __VA_ARGS__))
#define MAYFLY_FILES(...) MAYFLY_KEEP_(mayfly_file, __VA_ARGS__)
#endif

/**
 * Puts a file or a directory tree into the container. A file takes the place of one that is there, at once when it is whole. A new
 * directory appears when it is whole, too; one that is there already gets what it lacks, file by file, and keeps its own mode and owner.
 * @return 0 or negative errno: -EISDIR (a file over a directory), -EEXIST (a directory over a file), -EPERM (a file system of the
 *         kernel, such as /proc), -EROFS, -ENOSPC, -EBUSY (a source changed meanwhile, or a volume is in the way), ...
 */
int mayfly_container_put(struct mayfly_container *container, const struct mayfly_file *file, struct mayfly_error *err);

/** How to get files. Start from MAYFLY_GET_OPTIONS_INIT; zero means the default everywhere. */
struct mayfly_get_options {
        size_t size; /**< sizeof this struct */
        /** Non-zero: files keep their owners' numbers, set-user-ID bits and file capabilities, for which the caller must be root.
         * Without it all is the caller's. */
        int keep_owners;
        uint64_t max_bytes;   /**< most bytes of content, without holes; default 4 GiB */
        uint64_t max_entries; /**< most files and directories; default 1,000,000 */
};

#define MAYFLY_GET_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_get_options)

/**
 * Gets a file or a directory tree out of the container.
 * @param target   path on the host, which the copy will have. A file takes the place of one that is there; a directory must not be
 *                 there yet. All is in place when it is whole
 * @param options  NULL for the defaults
 * @return 0 or negative errno: -ENOENT, -EEXIST, -EINVAL (a device, a FIFO), -EBUSY (a file changed meanwhile), -EFBIG (more than
 *         max_bytes or max_entries), ...
 */
int mayfly_container_get(struct mayfly_container *container, const char *path, const char *target,
                         const struct mayfly_get_options *options, struct mayfly_error *err);

/**
 * Gets the core file that the app left when a signal ended it, for a debugger. The spec needs `.ulimits = MAYFLY_STRINGS("core=-1")`,
 * `.keep_files = 1`, and a working directory that the app may write to.
 * @param target  path on the host, as for mayfly_container_get()
 * @return 0 or negative errno: -ENODATA (the app ended without one), -EBUSY (it runs), -ENOENT (it is not where the app began), -ENOTSUP
 *         (this host's kernel.core_pattern gives core files to a program of its own), or as mayfly_container_get()
 */
int mayfly_container_core(struct mayfly_container *container, const char *target, struct mayfly_error *err);

/**
 * Tells where each thread of the app was when a signal ended it: a backtrace by gdb, which this host must have, of the core file with the
 * program and the libraries of the container. The spec needs what mayfly_container_core() needs. gdb runs confined, for at most a minute
 * each time.
 * @param ret  set on success to the text, for the caller to free(3). What is in it comes from the container
 * @return 0 or negative errno: -ENOPKG (there is no gdb), -EBADMSG (gdb cannot read the core file), -ETIMEDOUT, -EFBIG, or as
 *         mayfly_container_core()
 */
int mayfly_container_backtrace(struct mayfly_container *container, char **ret, struct mayfly_error *err);

/**
 * Reads a file of the container into memory. Files of /proc and /sys can be read, too.
 * @param max       most bytes; 0 stands for 64 MiB
 * @param ret       set on success to the content and a NUL, for the caller to free(3)
 * @param ret_size  set to its size in bytes without that NUL; may be NULL
 * @return 0 or negative errno: -EFBIG (more than max), ...
 */
int mayfly_container_read_file(struct mayfly_container *container, const char *path, size_t max, char **ret,
                               size_t *ret_size, struct mayfly_error *err);

/** What is known of a file. */
struct mayfly_file_info {
        size_t size;        /**< sizeof this struct in the library */
        const char *name;   /**< last part of the path; never NULL */
        mode_t mode;        /**< type and permissions, as stat(2) has them */
        uid_t uid;          /**< owner, as the container numbers them */
        gid_t gid;          /**< group */
        uint64_t bytes;     /**< size of the content */
        int64_t mtime_ns;   /**< last change of the content, in nanoseconds since 1970 */
        uint64_t links;     /**< how many names the file has */
        const char *target; /**< of a symbolic link; otherwise NULL */
};

/**
 * Says what a file is; links are followed. mayfly_container_lstat() does not follow one at the path's end.
 * @param ret  set on success; release with mayfly_file_info_free()
 */
int mayfly_container_stat(struct mayfly_container *container, const char *path, struct mayfly_file_info **ret,
                          struct mayfly_error *err);
int mayfly_container_lstat(struct mayfly_container *container, const char *path, struct mayfly_file_info **ret,
                           struct mayfly_error *err);

/** Frees an information (NULL is fine). Always returns NULL. */
struct mayfly_file_info *mayfly_file_info_free(struct mayfly_file_info *info);

/** Whether the path exists; links are followed. @return 1, 0, or negative errno */
int mayfly_container_exists(struct mayfly_container *container, const char *path, struct mayfly_error *err);

/**
 * Lists a directory, sorted by name: -EFBIG for one of more than 1,000,000 files.
 * @param ret  set on success to a list that ends with NULL; release with mayfly_file_list_free()
 */
int mayfly_container_list(struct mayfly_container *container, const char *path, struct mayfly_file_info ***ret,
                          struct mayfly_error *err);

/** Frees a list (NULL is fine). Always returns NULL. */
struct mayfly_file_info **mayfly_file_list_free(struct mayfly_file_info **list);

/** Makes a directory, with `mode` and root's, and missing ones above it (0755). One that is there is fine, and stays as it is. */
int mayfly_container_mkdir(struct mayfly_container *container, const char *path, mode_t mode, struct mayfly_error *err);

/**
 * Removes a file, or a directory with all that is in it. Follows no link at the path's end. A mounted volume is not removed, and not
 * entered from a directory above it: -EXDEV. A path in a volume is removed there, so also from the host's directory.
 */
int mayfly_container_remove(struct mayfly_container *container, const char *path, struct mayfly_error *err);

/** Changes the permissions of a file; links are followed. */
int mayfly_container_chmod(struct mayfly_container *container, const char *path, mode_t mode, struct mayfly_error *err);

/** Changes owner and group of a file; links are followed. -1 leaves either as it is. */
int mayfly_container_chown(struct mayfly_container *container, const char *path, uid_t uid, gid_t gid,
                           struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
