/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_BUILD_H
#define MAYFLY_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>
#include <mayfly/image.h>

/**
 * @file
 * Building images: from a root file system and a manifest to an ACI. The same input gives the same bytes.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** How an image's archive is compressed. The image ID is the same with all of them. */
enum mayfly_compression { MAYFLY_COMPRESSION_GZIP = 0, MAYFLY_COMPRESSION_XZ, MAYFLY_COMPRESSION_NONE };

/** How to build. Start from MAYFLY_BUILD_OPTIONS_INIT; zero means the default everywhere. */
struct mayfly_build_options {
        size_t size;          /**< sizeof this struct */
        const char *manifest; /**< path of the image's manifest, which is taken as it is; or NULL, and a name */
        const char *name;     /**< without a manifest: the image's name, an AC Identifier */
        /** Without a manifest: each "NAME=VALUE", NULL-terminated; os and arch default to those of this host. */
        const char *const *labels;
        /** Without a manifest: the app's program and arguments, NULL-terminated; default no app. */
        const char *const *exec;
        const char *user;       /**< without a manifest: the app's user; default "0" */
        const char *group;      /**< without a manifest: the app's group; default "0" */
        const char *const *env; /**< without a manifest: the app's environment, each "NAME=VALUE", NULL-terminated */
        const char *cwd;        /**< without a manifest: the app's working directory */
        enum mayfly_compression compression;
        int owner_root; /**< non-zero: all files in the image belong to root */
        /**
         * Latest time of a file, in seconds since 1970: later ones become this one (default $SOURCE_DATE_EPOCH, else
         * times stay as they are, in whole seconds). -1 for 1970 itself.
         */
        int64_t source_date_epoch;
        /** Called with one line of text for each thing that is valid but likely wrong, such as a program that is missing
         * in the root file system, or that is left out. NULL: nobody. */
        void (*warning)(const char *text, void *userdata);
        void *warning_userdata; /**< given to it */
        int oci;                /**< non-zero: an OCI image in place of an ACI, in an OCI layout or an archive of one */
};

#define MAYFLY_BUILD_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_build_options)

/**
 * Builds an image. The archive is read back and checked before it gets its name, so that a file of that name is
 * always a whole and valid image.
 *
 * @param ret      set on success to a description of the image and the reference that pins it; free with
 *                 mayfly_pin_free(). May be NULL.
 * @param rootfs   a directory, or a tar archive (plain, gzip, bzip2, xz or zstd; /dev/stdin will do). The entries of a
 *                 directory are sorted by name, those of an archive keep their order. Owners, modes, hard links,
 *                 devices and the extended attributes `user.*` and `security.capability` are kept.
 * @param output   path of the image. A regular file that is there is replaced, also where a symbolic link leads to
 *                 one; to a device or a pipe the image is written. An OCI image is built into a layout if the path
 *                 ends in "/" or is a directory; a layout that is there is replaced, another directory is not.
 * @param options  NULL for the defaults
 * @return 0, or negative errno: -EINVAL (options), -EBADMSG (manifest, or a name in the archive), -EBUSY (a file
 *         changed meanwhile), -ENOSPC and others. Nothing is left behind on failure.
 */
int mayfly_image_build(struct mayfly_pin **ret, const char *rootfs, const char *output,
                       const struct mayfly_build_options *options, struct mayfly_error *err);

/**
 * Makes an ACI of an OCI image, or an OCI image of an ACI. All layers become one, and what the other format cannot say is left out with
 * a warning. The same image gives the same bytes.
 *
 * @param ret      as for mayfly_image_build()
 * @param image    an OCI image: a reference "oci:...", whose pin may be missing, or the path of a layout or an archive; or the path of an
 *                 ACI
 * @param output   path of the new image, as for mayfly_image_build()
 * @param options  name (of an ACI that is made), compression, owner_root, source_date_epoch and warning; NULL for the defaults
 * @return 0, or negative errno: -EINVAL (options), -EBADMSG (a digest, an archive), -EOPNOTSUPP (an ACI with dependencies),
 *         -ENOSPC and others. Nothing is left behind on failure.
 */
int mayfly_image_convert(struct mayfly_pin **ret, const char *image, const char *output,
                         const struct mayfly_build_options *options, struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
