/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aci/archive-rules.h"
#include "fetch/locate.h"
#include "image/dependencies.h"
#include "image/pull.h"
#include "image/render.h"
#include "model/image-options.h"
#include "store/directory.h"
#include "store/layer-cache.h"
#include "store/record.h"
#include "trust/verify-signature.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/time.h"

#define WAIT_US 20000U
#define REPORT_US 100000U

/* --- an image that is there ----------------------------------------------------------------------------------- */

/* What is damaged is as good as not there: it is fetched again. */
static int damaged(struct mayfly_image *image, const char *why)
{
        snprintf(image->damage, sizeof(image->damage), "%.200s", why);
        return -ENOENT;
}

int mf_image_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = NULL;
        size_t size = 0;

        int r = mf_read_file_at(dir_fd, "manifest", MF_MANIFEST_MAX, &text, &size);
        if (r == -ENOENT)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE, "its manifest is missing");
        if (r == -ELOOP || r == -EINVAL || r == -EFBIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE,
                                r == -EFBIG ? "its manifest is over 1 MiB" : "its manifest is no file");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading %s/manifest", path);
        return mf_manifest_parse(ret, text, size, err);
}

static int load_manifest(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = mf_image_config(image->dir_fd, image->path, &image->config, &why);
        if (r == -EBADMSG)
                return damaged(image, why.message);
        return r < 0 ? mf_error(err, r, why.stage, "%s", why.message) : 0;
}

/* The image, whose folder is held. -ENOENT, with no error filled: it must be fetched. Only what costs next to nothing
 * is looked at; mayfly_store_verify() looks at everything. */
static int load(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mf_record_summary summary;
        const char *why;
        struct stat st;

        if (fstatat(image->dir_fd, "rootfs", &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return damaged(image, "its rootfs is missing");
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "looking at %s", image->rootfs);
        }
        if (!S_ISDIR(st.st_mode))
                return damaged(image, "its rootfs is no folder");
        int r = mf_record_peek(image->dir_fd, &summary, &why);
        if (r == -EBADMSG)
                return damaged(image, why);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading %s/record", image->path);
        return load_manifest(image, err);
}

/* 0, -ENOENT when it must be fetched, -EWOULDBLOCK while somebody is about it. */
static int open_stored(int store, struct mayfly_image *image, struct mayfly_error *err)
{
        image->damage[0] = '\0';
        int r = mf_store_open_locked(store, MF_IMAGES, image->id, LOCK_SH, &image->dir_fd);
        if (r == -ENOTDIR || r == -ELOOP)
                return damaged(image, "it is no folder");
        if (r == -ENOENT || r == -EWOULDBLOCK)
                return r;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "opening the stored image %s", image->path);
        r = load(image, err);
        if (r < 0)
                image->dir_fd = mf_close(image->dir_fd);
        else
                mf_store_touch(image->dir_fd);
        return r;
}

/* --- fetching one --------------------------------------------------------------------------------------------- */

struct job {
        int store;
        const char *path; /* of the store */
        struct mayfly_image *image;
        const struct mf_reference *reference;
        const char *text; /* of the reference */
        uint64_t size;    /* as in struct mf_image_request */
        const struct mayfly_image_options *options;
};

static int cannot_put(const struct job *job, int code, const char *what, struct mayfly_error *err)
{
        if (job->image->damage[0])
                return mf_error_errno(err, code, MAYFLY_STAGE_STORE,
                                      "the stored image %s is damaged (%.300s) and cannot be fetched again into this "
                                      "store (choose another with MAYFLY_STORE): %s",
                                      job->image->path, job->image->damage, what);
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE,
                              "the image is not in the store %s and cannot be put there (choose another store with "
                              "MAYFLY_STORE): %s",
                              job->path, what);
}

/* Makes what is missing of the folders; a store that cannot be written may still have the image. */
static int make_folders(const struct job *job, struct mayfly_error *err)
{
        static const char *const folders[] = { "images", "locks", "tmp" };

        for (size_t i = 0; i < MF_ELEMENTSOF(folders); i++) {
                char what[32];
                snprintf(what, sizeof(what), "making its folder %s", folders[i]);
                if (mkdirat(job->store, folders[i], 0700) < 0 && errno != EEXIST)
                        return cannot_put(job, -errno, what, err);
        }
        return 0;
}

static int wants_signature(const struct mayfly_image_options *options)
{
        return options->signatures == MAYFLY_SIGNATURES_REQUIRED || options->signatures == MAYFLY_SIGNATURES_IF_PRESENT;
}

static int fetch_from(void *userdata, const char *url, const char *signature, struct mayfly_error *err)
{
        const struct job *job = userdata;
        struct mf_signature_note note = { .state = MAYFLY_SIGNATURE_NOT_ASKED };
        const struct mf_source source = { .url = url,
                                          .id = job->image->id,
                                          .size = job->size,
                                          .text = job->text,
                                          .signature = wants_signature(job->options) ? signature : NULL,
                                          .note = &note };
        mf_cleanup(mf_closep) int dirfd = -1;
        struct mayfly_error cause = MAYFLY_ERROR_INIT;
        char name[MF_TMP_NAME_MAX], target[MF_ID_LENGTH + 16];

        int r = mf_store_make_temporary(job->store, name, &dirfd);
        if (r < 0)
                return cannot_put(job, r, "making a folder in its tmp", err);
        r = mf_pull(&source, dirfd, job->options, &cause);
        if (r == 0 && note.state == MAYFLY_SIGNATURE_GOOD) {
                r = mf_signature_note_write(dirfd, job->image->id, &note);
                if (r < 0)
                        mf_error_errno(&cause, r, MAYFLY_STAGE_STORE, "writing %s/%s/signature", job->path, name);
        }
        if (r == -ENOSPC || r == -EDQUOT)
                (void) mf_error(err, r, MAYFLY_STAGE_STORE,
                                "the image store %s has no room for the image: %s; free some (mayfly gc), or choose "
                                "another store with MAYFLY_STORE",
                                job->path, cause.message);
        else if (r < 0)
                (void) mf_error(err, r, cause.stage, "%s", cause.message);
        /* All of it on disk before it has its name: a power cut must not leave a hollow image behind a good pin. One
         * syncfs() for the whole tree: an fsync() a file would cost a disk flush each. The rename itself is not
         * flushed: losing it only means another fetch. */
        if (r == 0 && syncfs(dirfd) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "writing image %s to disk", job->image->id);
        snprintf(target, sizeof(target), "images/%s", job->image->id);
        if (r == 0 && (fchmod(dirfd, 0755) < 0 || renameat(job->store, name, job->store, target) < 0))
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "publishing %s", job->image->path);
        if (r < 0)
                (void) mf_remove_tree(job->store, name);
        mf_unlock(dirfd);
        return r;
}

/* --- the signature of one that is there ----------------------------------------------------------------------- */

/* The archive as served is not kept, so it is fetched again, checked, and thrown away. */
static int attest_from(void *userdata, const char *url, const char *signature, struct mayfly_error *err)
{
        const struct job *job = userdata;
        struct mf_signature_note note = { .state = MAYFLY_SIGNATURE_NOT_ASKED };
        const struct mf_source source = {
                .url = url, .id = job->image->id, .text = job->text, .signature = signature, .note = &note
        };
        mf_cleanup(mf_closep) int dirfd = -1;
        struct mf_examined examined;
        char name[MF_TMP_NAME_MAX];

        int r = mf_examine(&examined, &source, job->options, err);
        if (r < 0)
                return r;
        mf_examined_clear(&examined);
        r = mf_store_make_temporary(job->store, name, &dirfd);
        if (r < 0)
                return cannot_put(job, r, "making a folder in its tmp", err);
        r = mf_signature_note_write(dirfd, job->image->id, &note);
        if (r == 0 && renameat(dirfd, "signature", job->image->dir_fd, "signature") < 0)
                r = -errno;
        (void) mf_remove_tree(job->store, name);
        mf_unlock(dirfd);
        return r < 0 ? cannot_put(job, r, "noting its signature", err) : 0;
}

/* With the image's lock held. */
static int attest(const struct job *job, const char *why_not, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct job mine = *job;

        int r = mf_locate(job->reference, job->text, job->options, attest_from, &mine, &why);
        job->image->attested = 1;
        if (r < 0)
                mf_error(err, r, why.stage,
                         "the stored image %s cannot be used where signatures are required: %s; and %.3000s",
                         job->image->path, why_not, why.message);
        return r;
}

/* Whether the open image is signed as it must be: 1, or 0 and why not; or an error. */
static int is_signed(const struct job *job, char why[400], struct mayfly_error *err)
{
        struct mf_signature_note note;

        if (job->options->signatures != MAYFLY_SIGNATURES_REQUIRED)
                return 1;
        if (mf_signature_note_read(job->image->dir_fd, job->image->id, &note) < 0) {
                snprintf(why, 400, "no signature of it was checked so far");
                return 0;
        }
        return mf_signature_note_counts(&note, job->image->config->name, job->options->trusted_keys, why, err);
}

static int let_go(struct mayfly_image *image, int r)
{
        image->dir_fd = mf_close(image->dir_fd);
        image->config = mf_image_config_free(image->config);
        return r;
}

/* --- all together --------------------------------------------------------------------------------------------- */

/* With the image's lock held, and a damaged one out of the way. */
static int fetch(const struct job *job, struct mayfly_error *err)
{
        struct job mine = *job;

        (void) mf_store_sweep(job->store, NULL, NULL);
        return mf_locate(job->reference, job->text, job->options, fetch_from, &mine, err);
}

/* To be tried again: no error number, for EWOULDBLOCK is EAGAIN, which a fetch may well fail with. */
#define BUSY 1

static int busy_if_locked(int r)
{
        return r == -EWOULDBLOCK ? BUSY : r;
}

/* With locks/ID held: 0 when the image is open, fetched or put there since we looked; BUSY. */
static int fetch_locked(const struct job *job, struct mayfly_error *err)
{
        struct mayfly_image *image = job->image;
        char old[MF_TMP_NAME_MAX], why[400];

        int r = open_stored(job->store, image, err);
        if (r == 0) {
                r = is_signed(job, why, err);
                if (r == 0)
                        r = attest(job, why, err);
                return r < 0 ? let_go(image, r) : 0;
        }
        if (r != -ENOENT)
                return busy_if_locked(r);
        if (image->damage[0]) { /* half of one, or worse; who uses it keeps it */
                r = mf_store_move_to_tmp(job->store, MF_IMAGES, image->id, old);
                if (r < 0)
                        return cannot_put(job, r, "moving it out of the way", err);
                mf_store_remove_if_unused(job->store, old, -1);
                mf_layer_cache_drop(job->store, image->id);
        }
        r = fetch(job, err);
        if (r < 0) {
                mf_store_remove_lock(job->store, image->id);
                return r;
        }
        image->fetched = 1;
        r = open_stored(job->store, image, err); /* what is signed was just written */
        if (r != -ENOENT)
                return busy_if_locked(r);
        snprintf(why, sizeof(why), "%s", image->damage[0] ? image->damage : "it is gone");
        return mf_error(err, -EIO, MAYFLY_STAGE_STORE,
                        "the image %s was fetched, verified and written, and yet: %s; look at the disk and at who else "
                        "writes there",
                        image->path, why);
}

static int report(const struct mayfly_image_options *options, enum mayfly_progress_phase phase, const char *text,
                  uint64_t begin_us)
{
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = phase,
                                                  .reference = text,
                                                  .elapsed_ms = (mf_now_us() - begin_us) / 1000 };

        return options->progress ? options->progress(&progress, options->progress_userdata) : 0;
}

/* One try: 0 when the image is open, BUSY while somebody else is about it. Looks before it locks, so that the
 * many who wait for a fetch do not keep each other from starting it. */
static int try_get(const struct job *job, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int lock = -1;
        char why[400];

        int r = open_stored(job->store, job->image, err);
        if (r == 0) {
                r = is_signed(job, why, err);
                if (r != 0)
                        return r < 0 ? let_go(job->image, r) : 0;
                r = let_go(job->image, -ENOENT);
        }
        if (r != -ENOENT)
                return busy_if_locked(r);
        r = make_folders(job, err);
        if (r < 0)
                return r;
        r = mf_store_lock(job->store, job->image->id, &lock);
        if (r == -EWOULDBLOCK)
                return BUSY;
        if (r < 0)
                return cannot_put(job, r, "locking it", err);
        r = fetch_locked(job, err);
        mf_unlock(lock);
        return r;
}

static int get(const struct job *job, struct mayfly_error *err)
{
        uint64_t begin = mf_now_us(), reported = 0;

        for (;;) {
                int r = try_get(job, err);
                if (r == 0 && (job->image->fetched || job->image->attested || reported))
                        (void) report(job->options, MAYFLY_PROGRESS_DONE, job->text, begin);
                if (r != BUSY)
                        return r;
                if (mf_now_us() - reported >= REPORT_US) {
                        reported = mf_now_us();
                        if (report(job->options, MAYFLY_PROGRESS_WAIT, job->text, begin) != 0)
                                return mf_error(err, -ECANCELED, MAYFLY_STAGE_STORE,
                                                "waiting for another process to fetch %s was cancelled",
                                                job->image->id);
                }
                usleep(WAIT_US);
        }
}

static int name_image(struct mayfly_image *image, const char *path, const char *id, struct mayfly_error *err)
{
        image->id = strdup(id);
        if (asprintf(&image->path, "%s/images/%s", path, id) < 0)
                image->path = NULL;
        if (asprintf(&image->rootfs, "%s/images/%s/rootfs", path, id) < 0)
                image->rootfs = NULL;
        return image->id && image->path && image->rootfs ? 0 : mf_error_oom(err, MAYFLY_STAGE_STORE);
}

int mf_image_get(struct mayfly_image **ret, const struct mf_image_request *request, int only_stored,
                 struct mayfly_error *err)
{
        struct mayfly_image *image = calloc(1, sizeof(*image));
        int r;

        if (!image)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        image->dir_fd = -1;
        r = name_image(image, request->path, request->reference->id, err);
        if (r == 0 && only_stored) {
                r = open_stored(request->store, image, err);
                r = r == -EWOULDBLOCK ? -ENOENT : r;
        } else if (r == 0) {
                const struct job job = { .store = request->store,
                                         .path = request->path,
                                         .image = image,
                                         .reference = request->reference,
                                         .text = request->text,
                                         .size = request->size,
                                         .options = request->options };
                r = get(&job, err);
        }
        if (r < 0)
                mayfly_image_close(image);
        else
                *ret = image;
        return r;
}

MF_EXPORT int mayfly_image_open(struct mayfly_image **ret, const char *reference_text,
                                const struct mayfly_image_options *given, struct mayfly_error *err)
{
        struct mayfly_image_options options;
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int store = -1;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_image_open() needs a place for its result");
        int r = mf_image_options_take(given, &options, err);
        if (r == 0)
                r = mf_reference_parse(&reference, reference_text, options.allow_http, err);
        if (r < 0)
                return r;

        struct mayfly_image *image = NULL;
        r = mf_store_path(options.store, &path, err);
        if (r == 0)
                r = mf_store_open(path, 1, &store, err);
        const struct mf_image_request request = {
                .store = store, .path = path, .reference = &reference, .text = reference_text, .options = &options
        };
        if (r == 0)
                r = mf_image_get(&image, &request, 0, err);
        if (r == 0 && reference.name)
                r = mf_image_name_match(reference.name, image->config, err);
        if (r == 0)
                r = mf_dependencies_open(image, &request, err);
        if (r == 0)
                r = mf_render(image, store, path, err);
        mf_reference_clear(&reference);
        if (r < 0) {
                mayfly_image_close(image);
                return r;
        }
        *ret = image;
        return 0;
}

MF_EXPORT struct mayfly_image *mayfly_image_close(struct mayfly_image *image)
{
        if (image) {
                mf_image_config_free(image->config);
                for (size_t i = 0; i < image->n_dependencies; i++)
                        mayfly_image_close(image->dependencies[i]);
                free(image->dependencies);
                for (size_t i = 0; i < image->n_locks; i++) {
                        mf_store_touch(image->locks[i]);
                        mf_close(image->locks[i]);
                }
                free(image->locks);
                mf_strv_free(image->layers);
                if (image->dir_fd >= 0)
                        mf_store_touch(image->dir_fd);
                mf_close(image->dir_fd); /* and the lock with the last copy of it */
                free(image->id);
                free(image->path);
                free(image->rootfs);
                free(image);
        }
        return NULL;
}

MF_EXPORT const char *mayfly_image_id(const struct mayfly_image *image)
{
        return image->id;
}

MF_EXPORT const char *mayfly_image_name(const struct mayfly_image *image)
{
        return image->config->name;
}

MF_EXPORT const char *const *mayfly_image_labels(const struct mayfly_image *image)
{
        return (const char *const *) image->config->labels;
}

MF_EXPORT const char *mayfly_image_rootfs(const struct mayfly_image *image)
{
        return image->rootfs;
}

MF_EXPORT const char *const *mayfly_image_layers(const struct mayfly_image *image)
{
        return (const char *const *) image->layers;
}

MF_EXPORT int mayfly_image_was_fetched(const struct mayfly_image *image)
{
        int fetched = image->fetched;

        for (size_t i = 0; i < image->n_dependencies; i++)
                fetched |= image->dependencies[i]->fetched;
        return fetched;
}

MF_EXPORT const struct mayfly_isolator *const *mayfly_image_isolators(const struct mayfly_image *image)
{
        return mf_isolators_list(&image->config->isolation.isolators);
}
