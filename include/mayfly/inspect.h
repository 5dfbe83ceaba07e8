/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_INSPECT_H
#define MAYFLY_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>
#include <mayfly/image.h>

/**
 * @file
 * Looking at images and manifests without running them: whether they are valid, and what is in them.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** The kinds of things that can be inspected. */
enum mayfly_kind {
        MAYFLY_KIND_ANY = 0,  /**< whatever its content says */
        MAYFLY_KIND_APPIMAGE, /**< an image archive, compressed or not; an image of the store */
        MAYFLY_KIND_MANIFEST, /**< an image manifest, a JSON text */
        MAYFLY_KIND_LAYOUT,   /**< a directory with a manifest and a rootfs */
        MAYFLY_KIND_OCI       /**< an OCI image: a layout directory, an archive of one, an archive of docker save */
};

/** A manifest's `app.mountPoints[]`. */
struct mayfly_manifest_mount {
        size_t size; /**< sizeof this struct in the library */
        const char *name, *path;
        int read_only;
};

/** A manifest's `app.ports[]`. */
struct mayfly_manifest_port {
        size_t size; /**< sizeof this struct in the library */
        const char *name, *protocol;
        unsigned port; /**< the first */
        unsigned count;
        int socket_activated;
};

/** A manifest's `dependencies[]`. */
struct mayfly_manifest_dependency {
        size_t size; /**< sizeof this struct in the library */
        const char *name;
        const char *id;            /**< NULL when the manifest has none */
        const char *const *labels; /**< each "NAME=VALUE", NULL-terminated */
        uint64_t image_size;       /**< in bytes, as the manifest says; 0 when it does not */
};

/** A manifest's `app.isolators[]`. */
struct mayfly_manifest_isolator {
        size_t size; /**< sizeof this struct in the library */
        const char *name;
        const char *value; /**< as JSON */
        /** The outcome, as in mayfly_image_isolators(); a container may have to ignore more. */
        enum mayfly_isolator_outcome outcome;
        const char *detail; /**< the change, or why it is ignored, in English; NULL when it is enforced */
};

/**
 * A description of a valid image, manifest or layout. Its lists are NULL-terminated and never NULL, unless stated.
 * Release with mayfly_inspection_free(), with all it points to.
 */
struct mayfly_inspection {
        size_t size;           /**< sizeof this struct in the library */
        enum mayfly_kind kind; /**< never MAYFLY_KIND_ANY */
        /** Things that are valid but probably a mistake: "PATH: VALUE is ...", each one line. */
        const char *const *warnings;
        const char *manifest; /**< the manifest's bytes, NUL-terminated */
        /* (of an OCI image: its configuration) */
        size_t manifest_size;        /**< how many */
        const char *manifest_pretty; /**< the manifest, indented */
        const char *id;              /**< the image ID, `sha512-` and 128 hex digits; NULL when it is no image */
        uint64_t blob_size;          /**< of the archive as it is, in bytes; 0 when it was not looked at */
        uint64_t archive_size;       /**< of the archive uncompressed, in bytes; 0 when it was not looked at */
        uint64_t stored_size;        /**< on disk, of an image of the store or a layout, in bytes; otherwise 0 */
        const char *name;
        const char *const *labels;      /**< each "NAME=VALUE", as are annotations and env */
        const char *const *annotations; /**< of the image */
        const struct mayfly_manifest_dependency *const *dependencies;
        const char *const *whitelist; /**< NULL: all paths */
        const char *const *exec;      /**< NULL when there is no app to start; user, group and cwd are NULL then, too */
        const char *user, *group, *cwd;
        const char *const *env;
        const uint32_t *groups; /**< supplementary, n_groups of them */
        size_t n_groups;
        const char *const *pre_start, *const *post_stop; /**< NULL without them */
        const struct mayfly_manifest_mount *const *mounts;
        const struct mayfly_manifest_port *const *ports;
        const struct mayfly_manifest_isolator *const *isolators;
};

/**
 * Checks a file or directory against all the rules of the appc specification, and describes it. Nothing is unpacked.
 *
 * @param ret   set on success; the caller owns it
 * @param path  of an image archive, a manifest or a layout; /dev/stdin will do
 * @param kind  what it must be
 * @return 0, or negative errno: -EBADMSG when it is not valid, with the first thing that is wrong in the message, which
 *         does not name the file; -ENOENT and others when it cannot be read
 */
int mayfly_inspect_file(struct mayfly_inspection **ret, const char *path, enum mayfly_kind kind,
                        struct mayfly_error *err);

/**
 * Describes an image of the store, or, if the store does not have it, the image that the reference leads to. That one
 * is read to its end but not kept.
 *
 * @param ret      set on success; the caller owns it
 * @param image    an image ID, which the store must have, or a reference, as for mayfly_image_pin()
 * @param options  NULL for the defaults
 * @return 0, or negative errno, as mayfly_image_open()
 */
int mayfly_inspect_image(struct mayfly_inspection **ret, const char *image, const struct mayfly_image_options *options,
                         struct mayfly_error *err);

/** Frees an inspection (NULL is fine). Always returns NULL. */
struct mayfly_inspection *mayfly_inspection_free(struct mayfly_inspection *inspection);

#ifdef __cplusplus
}
#endif

#endif
