/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_STORE_H
#define MAYFLY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

/**
 * @file
 * The image store as a whole: what is in it, whether its images are still what was published, and making room.
 *
 * All of these may run at any time, from any number of processes, while others fetch images and run containers from
 * them. What is in use is never taken away, and a process that is killed halfway leaves nothing that the next one does
 * not clear.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** The events of a struct mayfly_store_report. */
enum mayfly_store_event {
        MAYFLY_STORE_SOUND = 0, /**< verify: an image is as it was published */
        MAYFLY_STORE_DIFFERS,   /**< verify: one thing in an image is not; there may be more */
        MAYFLY_STORE_DAMAGED,   /**< verify: an image is damaged, after all its differences; it stays */
        MAYFLY_STORE_DROPPED,   /**< verify: an image is damaged and dropped: its next user fetches it again */
        MAYFLY_STORE_KEPT,      /**< gc: an image stays */
        MAYFLY_STORE_IN_USE,    /**< gc: an image would go, but a process or a container uses it */
        MAYFLY_STORE_REMOVED,   /**< gc: an image goes */
        MAYFLY_STORE_LEFTOVER,  /**< gc: a leftover of a killed process goes */
        MAYFLY_STORE_LAYER      /**< gc: a layer that was made of images goes */
};

/** One thing to tell of. Valid during the callback only. */
struct mayfly_store_report {
        size_t size;                   /**< sizeof this struct in the library that fills it */
        enum mayfly_store_event event; /**< the event */
        const char *image;             /**< the image's ID, or a damaged layer's; otherwise NULL */
        /** The directory of the image or leftover, absolute; with DIFFERS the name in the image, with `\ooo` in place
         * of bytes that are not printable. */
        const char *path;
        const char *what;  /**< with DIFFERS, how it differs, in English; otherwise NULL */
        uint64_t bytes;    /**< size on disk; 0 with DIFFERS */
        int64_t last_used; /**< gc, images: when, in seconds since 1970; otherwise 0 */
        const char *name;  /**< gc, images that are there: the name in the manifest; NULL when that cannot be read */
        const char *const *labels; /**< gc, images that are there: the labels, each "NAME=VALUE", NULL-terminated */
};

/** Called with each report, in the thread that called mayfly. Anything but 0 ends the call, which then fails with
 * -ECANCELED. It may not call mayfly with the same store. */
typedef int (*mayfly_store_fn)(const struct mayfly_store_report *report, void *userdata);

/** What to verify. Start from MAYFLY_VERIFY_OPTIONS_INIT; zero means the default everywhere. */
struct mayfly_verify_options {
        size_t size;       /**< sizeof this struct */
        const char *store; /**< the store's directory; default as in struct mayfly_image_options */
        const char *image; /**< the ID of one image, `sha512-<128 hex>`, or a reference that ends in it; default all */
        int keep;          /**< non-zero: tell of damaged images, but leave them where they are */
        mayfly_store_fn report; /**< called with sound images and with differences; default none */
        void *userdata;         /**< handed to report */
};

#define MAYFLY_VERIFY_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_verify_options)

/** What mayfly_store_verify() did. Start from MAYFLY_VERIFY_RESULT_INIT. */
struct mayfly_verify_result {
        size_t size;             /**< sizeof this struct */
        uint64_t images;         /**< images checked */
        uint64_t damaged;        /**< of them, those that are not what was published */
        uint64_t dropped;        /**< of those, those that were dropped */
        uint64_t differences;    /**< in all of them */
        uint64_t entries;        /**< files, directories and so on that were looked at */
        uint64_t bytes;          /**< of files that were read */
        uint64_t layers;         /**< layers that were checked, which are made of images */
        uint64_t damaged_layers; /**< of them, those that are not what was made */
};

#define MAYFLY_VERIFY_RESULT_INIT MAYFLY_INIT_(struct mayfly_verify_result)

/**
 * Compares stored images with the records made when they were published: every entry's type, mode, owner, size, content
 * (all of it is read), extended attributes, link target; and nothing may be missing or be there besides. Times are not
 * compared. A damaged image is dropped, unless `keep` is set: moved out of the way by one rename, so that its next
 * user fetches it again. Containers that run from it keep their files; these go when the containers end. A damaged
 * layer, which was made of images for their dependencies or pathWhitelists, is dropped, too; it is made again when
 * needed.
 *
 * @param ret      filled in, also on failure, as far as it came; NULL is fine
 * @param options  NULL for the defaults
 * @return 0 when everything could be checked, whether damage was found or not: see ret->damaged. Negative errno:
 *         -EINVAL (options), -ENOENT (options->image is not stored; a store that does not exist has no images),
 *         -EPERM (the store is somebody else's), -EROFS or -EACCES (a damaged image could not be dropped),
 *         -ECANCELED, -EIO and others. The first error is reported, and the rest of the images checked all the same.
 */
int mayfly_store_verify(struct mayfly_verify_result *ret, const struct mayfly_verify_options *options,
                        struct mayfly_error *err);

/** What to collect. Start from MAYFLY_GC_OPTIONS_INIT; zero means the default everywhere. Without any limit
 * only the leftovers of killed processes are removed. */
struct mayfly_gc_options {
        size_t size;        /**< sizeof this struct */
        const char *store;  /**< the store's directory; default as in struct mayfly_image_options */
        uint64_t max_age_s; /**< remove images that were not used for so long, in seconds; default no limit */
        uint64_t max_bytes; /**< remove the longest unused until the store is no larger, in bytes; default no limit */
        int all;            /**< non-zero: remove every image that is not in use */
        int dry_run;        /**< non-zero: only report, and remove nothing */
        mayfly_store_fn report; /**< called with every image and leftover; default none */
        void *userdata;         /**< handed to report */
};

#define MAYFLY_GC_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_gc_options)

/** What mayfly_store_gc() did, or, with dry_run, would have done. Start from MAYFLY_GC_RESULT_INIT. */
struct mayfly_gc_result {
        size_t size;          /**< sizeof this struct */
        uint64_t removed;     /**< images */
        uint64_t kept;        /**< images, those in use included */
        uint64_t in_use;      /**< images that would have gone, were they not in use */
        uint64_t leftovers;   /**< of killed processes: half-unpacked images, dropped images, locks of none */
        uint64_t bytes_freed; /**< on disk */
        uint64_t bytes_kept;  /**< by images, on disk */
        uint64_t layers;      /**< layers that were removed, which were made of images */
};

#define MAYFLY_GC_RESULT_INIT MAYFLY_INIT_(struct mayfly_gc_result)

/**
 * Collects garbage: removes what killed processes left, and images by age and by size. An image was last used when it
 * was last opened or closed; a time in the future (the clock was set back) is made to be now, so that age counts from
 * there. What a process has open or a container runs from stays, whatever its age, with all that it depends on. An
 * image that is removed while somebody is about to open it is fetched again by them. The layers made of images for
 * their dependencies and pathWhitelists go with those, and by age; they take next to no room.
 *
 * @param ret      filled in, also on failure, as far as it came; NULL is fine
 * @param options  NULL for the defaults
 * @return 0, or negative errno: -EINVAL (options), -EPERM (the store is somebody else's), -EROFS, -EACCES, -EIO and
 *         others (something could not be removed; the first such error, and the rest is collected all the same),
 *         -ECANCELED. A store that does not exist has nothing to collect.
 */
int mayfly_store_gc(struct mayfly_gc_result *ret, const struct mayfly_gc_options *options, struct mayfly_error *err);

/** An image in the store. */
struct mayfly_stored_image {
        size_t size;               /**< sizeof this struct in the library that fills it */
        const char *id;            /**< the image's ID, `sha512-<128 hex>` */
        const char *path;          /**< its directory, absolute */
        const char *name;          /**< the name in its manifest; NULL when that cannot be read */
        const char *const *labels; /**< its labels, each "NAME=VALUE", NULL-terminated; NULL when name is */
        uint64_t bytes;            /**< size on disk */
        int64_t last_used;         /**< when it was last opened or closed, in seconds since 1970 */
        int in_use;                /**< non-zero: a process has it open, or a container runs from it */
        const char *signer;        /**< fingerprint of the key whose signature was found good; NULL: none was noted */
        const char *signer_name;   /**< that key's user ID; NULL when signer is */
};

/**
 * Lists the images in the store, the one that was used the longest ago first. It changes nothing, and waits for nobody.
 *
 * @param ret    set on success: a NULL-terminated list, to be released with mayfly_store_list_free()
 * @param store  the store's directory; NULL for the default, as in struct mayfly_image_options
 * @return 0, or negative errno: -EPERM (the store is somebody else's), -EIO and others. A store that does not exist has
 *         no images.
 */
int mayfly_store_list(struct mayfly_stored_image ***ret, const char *store, struct mayfly_error *err);

/** Releases a list of images (NULL is fine), with all its strings. Always returns NULL. */
struct mayfly_stored_image **mayfly_store_list_free(struct mayfly_stored_image **images);

#ifdef __cplusplus
}
#endif

#endif
