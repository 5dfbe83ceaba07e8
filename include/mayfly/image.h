/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_IMAGE_H
#define MAYFLY_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

/**
 * @file
 * Images: fetched once, verified against their pin, kept in a content-addressed store.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** A verified image in the store, held open against removal. Opaque; release with mayfly_image_close(). */
struct mayfly_image;

/** The phases of a fetch. */
enum mayfly_progress_phase {
        MAYFLY_PROGRESS_WAIT = 0,  /**< another process is fetching the same image */
        MAYFLY_PROGRESS_FETCH,     /**< downloading, verifying and unpacking, all at once */
        MAYFLY_PROGRESS_DONE,      /**< the image is in the store */
        MAYFLY_PROGRESS_COLLECTED, /**< other images were removed: see store_max_bytes in struct mayfly_image_options */
        MAYFLY_PROGRESS_WARNING    /**< something of the image is left out: see warning in struct mayfly_progress */
};

/** A report of progress. Valid during the callback only. */
struct mayfly_progress {
        size_t size;                      /**< sizeof this struct in the library that fills it */
        enum mayfly_progress_phase phase; /**< what is being done */
        const char *reference;            /**< the image's reference, borrowed */
        uint64_t bytes_done;              /**< bytes of the blob as served that have arrived */
        uint64_t bytes_total;             /**< the blob's size as the server says, 0 when it does not say */
        uint64_t bytes_unpacked;          /**< bytes of the uncompressed archive that were unpacked */
        uint64_t entries;                 /**< archive entries unpacked */
        uint64_t elapsed_ms;              /**< time since the fetch began, in milliseconds */
        uint64_t images_removed;          /**< with COLLECTED: how many images were removed from the store */
        uint64_t bytes_freed;             /**< with COLLECTED: the space that they took on disk */
        const char *warning;              /**< with WARNING: what is left out, in one line of English; else NULL */
};

/**
 * Called about ten times a second during a fetch, in the thread that called mayfly. Several dependencies of an image
 * are fetched at the same time: their reports come in any order, each with its own reference.
 * Return 0 to go on; anything else cancels the fetch, which then fails with -ECANCELED.
 */
typedef int (*mayfly_progress_fn)(const struct mayfly_progress *progress, void *userdata);

/** Whether images must be signed by keys that are trusted for their names: see mayfly(7). */
enum mayfly_signatures {
        /** $MAYFLY_SIGNATURES (required, if-present, off); else off for mayfly_image_open(), where the pin says enough.
         * mayfly_image_pin() then looks for one and reports it: a missing or untrusted signature is no error. */
        MAYFLY_SIGNATURES_DEFAULT = 0,
        MAYFLY_SIGNATURES_REQUIRED,   /**< without a good signature it is an error, for images in the store, too */
        MAYFLY_SIGNATURES_IF_PRESENT, /**< one that is there when the image is fetched must be good */
        MAYFLY_SIGNATURES_OFF         /**< none is asked for */
};

/** What may be fetched. */
enum mayfly_fetch {
        MAYFLY_FETCH_DEFAULT = 0, /**< $MAYFLY_FETCH ("missing" or "never"), else as MAYFLY_FETCH_MISSING */
        MAYFLY_FETCH_MISSING,     /**< what the store does not have */
        MAYFLY_FETCH_NEVER /**< nothing but file: references: the store must have all that comes from elsewhere */
};

/** The state of an image's signature. */
enum mayfly_signature_state {
        MAYFLY_SIGNATURE_NOT_ASKED = 0, /**< it was not asked for */
        MAYFLY_SIGNATURE_MISSING,       /**< there is none */
        MAYFLY_SIGNATURE_GOOD,          /**< good, by a key that is trusted for the image's name */
        MAYFLY_SIGNATURE_UNTRUSTED      /**< by a key that is not */
};

/** How to get an image. Start from MAYFLY_IMAGE_OPTIONS_INIT; zero means the default everywhere. */
struct mayfly_image_options {
        size_t size; /**< sizeof this struct */
        /**
         * The store's directory, made when missing. Default: $MAYFLY_STORE, else /var/cache/mayfly for root and
         * $XDG_CACHE_HOME/mayfly (~/.cache/mayfly) for others.
         */
        const char *store;
        int allow_http;              /**< non-zero: http: to hosts other than this one is fine too */
        unsigned retries;            /**< tries after the first; 0 is the default of 4, UINT32_MAX is none */
        unsigned stall_timeout_ms;   /**< give a try up when nothing arrives for so long, in ms; default 30,000 */
        unsigned connect_timeout_ms; /**< for reaching the server, in ms; default 10,000 */
        uint64_t max_unpacked;       /**< largest uncompressed archive, in bytes; default 64 GiB */
        uint64_t max_entries;        /**< most archive entries; default 4,000,000 */
        mayfly_progress_fn progress; /**< called with progress; default none */
        void *progress_userdata;     /**< handed to progress */
        /** File of the certificate authorities (PEM) to trust for https, in place of the system's; default
         * $MAYFLY_CA_FILE. */
        const char *ca_file;
        /** Where to look first, in pairs of words as in mayfly(7); default $MAYFLY_MIRRORS, else the mirrors files. */
        const char *mirrors;
        enum mayfly_signatures signatures; /**< whether images must be signed */
        /** Directories of trusted keys, with ":" between them; default $MAYFLY_TRUSTED_KEYS, else as in mayfly(7). */
        const char *trusted_keys;
        /** When something was fetched, the longest unused images are removed until the store has no more than so many
         * bytes. Default: $MAYFLY_STORE_MAX_BYTES, else 20 GiB; UINT64_MAX for no limit. An image that is in use stays. */
        uint64_t store_max_bytes;
        /** Likewise images that were not used for so many seconds. Default: $MAYFLY_STORE_MAX_AGE, else 30 days;
         * UINT64_MAX for no limit. */
        uint64_t store_max_age_s;
        enum mayfly_fetch fetch; /**< whether an image may be fetched that the store does not have */
};

#define MAYFLY_IMAGE_OPTIONS_INIT MAYFLY_INIT_(struct mayfly_image_options)

/**
 * Opens an image, with all that it depends on. Fetches whatever the store does not have.
 *
 * @param ret        set on success; the caller owns it
 * @param reference  `aci:URL@sha512-<128 hex>`, URL being https:, file: or http: (see allow_http), or
 *                   `aci:NAME[:VERSION][,LABEL=VALUE]...@sha512-<128 hex>`, which is looked for by appc's discovery
 *                   and whose manifest must have that name and those labels; or, for an OCI image,
 *                   `oci:REGISTRY/NAME[:TAG]@sha256:<64 hex>` or `oci:file:///PATH@sha256:<64 hex>`
 * @param options    NULL for the defaults
 * @return 0, or negative errno: -EINVAL (reference or option), -EBADMSG (digest, archive or manifest; another image
 *         than the one named), -ENOENT (no such image), -ETIMEDOUT, -ECANCELED, -ENOSPC, -EFBIG (over a limit), -EIO
 * and others. Any number of processes and threads may open the same image at once: one fetches, the others wait.
 */
int mayfly_image_open(struct mayfly_image **ret, const char *reference, const struct mayfly_image_options *options,
                      struct mayfly_error *err);

/*
 * What the following functions return belongs to the image. For NULL instead of an image they return NULL, an empty
 * list, or 0.
 */

/** The image ID, `sha512-` and 128 hex digits (appc spec, "Image ID"); of an OCI image its pin, `sha256-` and 64 digits. */
const char *mayfly_image_id(const struct mayfly_image *image);

/** The name in the image's manifest; of an OCI image what it was first fetched by. */
const char *mayfly_image_name(const struct mayfly_image *image);

/** The labels in the image's manifest, each "NAME=VALUE", NULL-terminated. */
const char *const *mayfly_image_labels(const struct mayfly_image *image);

/** How far an isolator is enforced. */
enum mayfly_isolator_outcome {
        MAYFLY_ISOLATOR_ENFORCED = 0, /**< as asked for */
        MAYFLY_ISOLATOR_CHANGED,      /**< enforced, though not to the letter */
        MAYFLY_ISOLATOR_IGNORED       /**< not enforced at all */
};

/** An isolator of an image's app (appc specification, "Isolators"). */
struct mayfly_isolator {
        size_t size;      /**< sizeof this struct in the library */
        const char *name; /**< such as "resource/memory" */
        enum mayfly_isolator_outcome outcome;
        const char *detail; /**< the change, or why it is ignored, in English; NULL when it is enforced */
};

/**
 * The isolators of the image's app, NULL-terminated, in the manifest's order. Their outcome is the one
 * that is known without a container: see mayfly_container_isolators().
 */
const struct mayfly_isolator *const *mayfly_image_isolators(const struct mayfly_image *image);

/** The directory of the image's own files in the store, not to be changed. A container shows exactly these files only
 * if the image has neither dependencies nor a pathWhitelist: see mayfly_image_layers(). For an ordinary user, files whose
 * owner is another than root belong to subordinate IDs of the user: the program may be unable to read some, and `mayfly
 * unshare COMMAND` can. */
const char *mayfly_image_rootfs(const struct mayfly_image *image);

/**
 * The directories that, laid over each other, are the image's root file system: first its dependencies, then the image
 * itself. Each overrides those before it, as in overlayfs (whose `lowerdir` is in the opposite order). At least one;
 * NULL-terminated. They are in the store, not to be changed.
 */
const char *const *mayfly_image_layers(const struct mayfly_image *image);

/** 1 when the image, or one that it depends on, had to be fetched by this call, 0 when the store had all. */
int mayfly_image_was_fetched(const struct mayfly_image *image);

/** Closes an image (NULL is fine). Always returns NULL. The store keeps the image. */
struct mayfly_image *mayfly_image_close(struct mayfly_image *image);

/** A description of an image, and the reference that pins it. mayfly_pin_free() releases it with all its strings. */
struct mayfly_pin {
        size_t size;                           /**< sizeof this struct in the library */
        const char *reference;                 /**< pinned: to be given to mayfly_image_open(), or to be written down */
        const char *id;                        /**< the image ID, `sha512-` and 128 hex digits */
        const char *url;                       /**< where the image was found */
        const char *name;                      /**< the name in its manifest */
        const char *const *labels;             /**< the labels in its manifest, each "NAME=VALUE", NULL-terminated */
        uint64_t blob_size;                    /**< of the archive as served, in bytes */
        uint64_t archive_size;                 /**< of the archive uncompressed, in bytes */
        enum mayfly_signature_state signature; /**< the state of its signature */
        const char *fingerprint; /**< of the key that signed it, or the key's ID; NULL when there is no signature */
        const char *user_id;     /**< of that key; NULL when it is not known */
        /** What the digest in the reference of an OCI image is of: "index", "manifest" or "config"; NULL for an ACI. */
        const char *digest_of;
        /** The platforms that an OCI image is there for, such as "linux/arm/v7", NULL-terminated; NULL for an ACI. */
        const char *const *platforms;
        const char *created; /**< when an OCI image was made, as its configuration says; NULL when it is not known */
};

/**
 * Finds the image that a reference leads to now, and pins the reference to that image. The archive is read to its end,
 * but not kept: the store is not touched.
 *
 * @param ret        set on success; the caller owns it
 * @param reference  as for mayfly_image_open(), but `aci:` and the pin may be missing; a pin is replaced. The new
 *                   reference of a name has the os and arch of the image, too, if the image has them.
 * @param options    NULL for the defaults
 * @return 0, or negative errno, as mayfly_image_open()
 */
int mayfly_image_pin(struct mayfly_pin **ret, const char *reference, const struct mayfly_image_options *options,
                     struct mayfly_error *err);

/** Frees a pin (NULL is fine). Always returns NULL. */
struct mayfly_pin *mayfly_pin_free(struct mayfly_pin *pin);

#ifdef __cplusplus
}
#endif

#endif
