/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/get.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/locate.h"
#include "image/pull.h"
#include "image/stored.h"
#include "store/directory.h"
#include "store/layer-cache.h"
#include "store/unflushed.h"
#include "trust/verify-signature.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/time.h"

#define WAIT_US 20000U
#define REPORT_US 100000U

struct job {
        int store;
        const char *path; /* of the store */
        struct mayfly_image *image;
        const struct mf_reference *reference;
        const char *text; /* of the reference */
        const struct mf_image_request *request;
        const struct mayfly_image_options *options;
};

/* Sets the error for an image that cannot be put into the store; `what` failed. Returns `code`. */
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

/* Makes the missing directories of the store. It comes after the search for the image: a read-only store may have it. Returns
 * 0 or negative errno. */
static int make_directories(const struct job *job, struct mayfly_error *err)
{
        static const char *const names[] = { "images", "locks", "tmp" };

        for (size_t i = 0; i < MF_ELEMENTSOF(names); i++) {
                char what[32];
                snprintf(what, sizeof(what), "making its directory %s", names[i]);
                int r = mf_mkdir_private(job->store, names[i]);
                if (r < 0 && r != -EEXIST)
                        return cannot_put(job, r, what, err);
        }
        return 0;
}

int mf_wants_signature(const struct mayfly_image_options *options)
{
        return options->signatures == MAYFLY_SIGNATURES_REQUIRED || options->signatures == MAYFLY_SIGNATURES_IF_PRESENT;
}

int mf_check_fetch(const struct mf_image_request *request, struct mayfly_error *err)
{
        const char *url = request->reference->url;

        if (request->options->fetch != MAYFLY_FETCH_NEVER || (url && strncmp(url, "file:", 5) == 0))
                return 0;
        return mf_error(
                err, -ENOENT, MAYFLY_STAGE_STORE,
                "the store %s does not have %.300s, which must not be fetched (MAYFLY_FETCH is \"never\"); fetch "
                "it before the tests run: mayfly pull '%.300s'",
                request->path, request->text, request->text);
}

/* Sets the error of a fetch. A full store gets a remedy. */
static void fail_fetch(const struct job *job, int r, const struct mayfly_error *why, struct mayfly_error *err)
{
        if ((r == -ENOSPC || r == -EDQUOT) && why->stage == MAYFLY_STAGE_STORE)
                (void) mf_error(err, r, MAYFLY_STAGE_STORE,
                                "the image store %s has no room for the image: %s; free some (mayfly gc), or choose "
                                "another store with MAYFLY_STORE",
                                job->path, why->message);
        else
                (void) mf_error(err, r, why->stage, "%s", why->message);
}

/* Fetches the archive at `url` into the new directory `dirfd`, with the note of its signature. Returns 0 or negative
 * errno. */
static int fetch_into(const struct job *job, int dirfd, const char *url, const char *signature,
                      struct mayfly_error *err)
{
        struct mf_signature_note note = { .state = MAYFLY_SIGNATURE_NOT_ASKED };
        const struct mf_source source = { .url = url,
                                          .id = job->image->id,
                                          .size = job->request->size,
                                          .text = job->text,
                                          .signature = mf_wants_signature(job->options) ? signature : NULL,
                                          .note = &note };

        int r = mf_unflushed_mark(dirfd);
        if (r < 0 && r != -ENOSYS)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "image %s cannot be marked as not yet flushed",
                                      job->image->id);
        if (job->request->fetcher)
                return job->request->fetcher->fetch(job->request->fetcher->userdata, job->request, dirfd, err);
        r = mf_pull(&source, dirfd, job->options, err);
        if (r < 0 || note.state != MAYFLY_SIGNATURE_GOOD)
                return r;
        r = mf_signature_note_write(dirfd, job->image->id, &note);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the signature of image %s cannot be stored",
                                      job->image->path)
                     : 0;
}

/* Gives the directory `name` the image's name. A power cut must not leave a hollow image behind a good pin, so the
 * directory has the mark of what is not flushed. Losing the rename only means another fetch. */
static int publish(const struct job *job, const char *name, int dirfd, struct mayfly_error *err)
{
        char target[MF_ID_LENGTH + 16];

        snprintf(target, sizeof(target), "%s/%s", MF_IMAGES, job->image->id);
        int r = mf_unflushed_or_flush(dirfd);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "image %s cannot be flushed to the disk",
                                      job->image->id);
        if (fchmod(dirfd, 0755) < 0 || renameat(job->store, name, job->store, target) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE,
                                      "image %s cannot be moved to its place in the store", job->image->path);
        return 0;
}

/* The callback of mf_locate(): tries one place. */
static int fetch_from(void *userdata, const char *url, const char *signature, struct mayfly_error *err)
{
        const struct job *job = userdata;
        mf_cleanup(mf_closep) int dirfd = -1;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char name[MF_TMP_NAME_MAX];

        int r = mf_store_make_temporary(job->store, name, &dirfd);
        if (r < 0)
                return cannot_put(job, r, "making a directory in its tmp", err);
        r = fetch_into(job, dirfd, url, signature, &why);
        if (r == 0)
                r = publish(job, name, dirfd, &why);
        if (r < 0) {
                (void) mf_remove_tree(job->store, name);
                fail_fetch(job, r, &why, err);
        }
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
                return cannot_put(job, r, "making a directory in its tmp", err);
        r = mf_signature_note_write(dirfd, job->image->id, &note);
        if (r == 0 && renameat(dirfd, "signature", job->image->dir_fd, "signature") < 0)
                r = -errno;
        (void) mf_remove_tree(job->store, name);
        mf_unlock(dirfd);
        return r < 0 ? cannot_put(job, r, "noting its signature", err) : 0;
}

/* Checks the signature of a stored image, with the image's lock held. Returns 0 or negative errno. */
static int attest(const struct job *job, const char *why_not, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct job mine = *job;

        int r = mf_check_fetch(job->request, &why);
        if (r == 0)
                r = mf_locate(job->reference, job->text, job->options, attest_from, &mine, &why);
        job->image->attested = 1;
        if (r < 0)
                mf_error(err, r, why.stage,
                         "the stored image %s cannot be used where signatures are required: %s; and %.3000s",
                         job->image->path, why_not, why.message);
        return r;
}

/* Whether the open image has the signature that the options require. Returns 1, 0 and sets `why`, or negative errno. */
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

/* --- all together --------------------------------------------------------------------------------------------- */

/* Fetches the image, with its lock held and a damaged one moved away. Returns 0 or negative errno. */
static int fetch(const struct job *job, struct mayfly_error *err)
{
        struct job mine = *job;

        (void) mf_store_sweep(job->store, NULL, NULL);
        if (job->request->fetcher)
                return fetch_from(&mine, NULL, NULL, err);
        int r = mf_check_fetch(job->request, err);
        return r < 0 ? r : mf_locate(job->reference, job->text, job->options, fetch_from, &mine, err);
}

/* Returned when the caller is to try again. It is not an error number, since a fetch can fail with EAGAIN. */
#define BUSY 1

static int busy_if_locked(int r)
{
        return r == -EWOULDBLOCK ? BUSY : r;
}

static int missing_if_locked(int r)
{
        return r == -EWOULDBLOCK ? -ENOENT : r;
}

/* Returns the kind of entry that the store has to have for the request. */
static enum mf_stored_kind wanted_kind(const struct job *job)
{
        if (job->request->is_layer)
                return MF_STORED_OCI_LAYER;
        return job->reference->format == MF_FORMAT_OCI ? MF_STORED_OCI_IMAGE : MF_STORED_ACI;
}

/* Opens the image, with locks/ID held, and fetches it unless another process has put it there. Returns 0, BUSY, or negative
 * errno. */
static int fetch_locked(const struct job *job, struct mayfly_error *err)
{
        struct mayfly_image *image = job->image;
        char old[MF_TMP_NAME_MAX], why[400];

        int r = mf_stored_open(job->store, image, wanted_kind(job), err);
        if (r == 0) {
                r = is_signed(job, why, err);
                if (r == 0)
                        r = attest(job, why, err);
                return r < 0 ? mf_stored_close(image, r) : 0;
        }
        if (r != -ENOENT)
                return busy_if_locked(r);
        if (image->damage[0]) { /* containers that run on the damaged image keep it */
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
        r = mf_stored_open(job->store, image, wanted_kind(job), err); /* its signature was just checked */
        if (r != -ENOENT)
                return busy_if_locked(r);
        snprintf(why, sizeof(why), "%s", image->damage[0] ? image->damage : "it is gone");
        return mf_error(
                err, -EIO, MAYFLY_STAGE_STORE,
                "the image %s was fetched, verified and written, but it cannot be used: %s; check the disk, and "
                "whether another program writes to the store",
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

/* Opens the image if it is stored, and has the signature that the options require. Returns as mf_stored_open(). */
static int try_stored(const struct job *job, struct mayfly_error *err)
{
        char why[400];

        int r = mf_stored_open(job->store, job->image, wanted_kind(job), err);
        if (r < 0)
                return r;
        r = is_signed(job, why, err);
        if (r > 0)
                return 0;
        return mf_stored_close(job->image, r < 0 ? r : -ENOENT);
}

/* Tries once to open or fetch the image. Returns 0, BUSY while another process fetches it, or negative errno. Looks before it
 * locks, so that processes that wait do not delay each other. */
static int try_get(const struct job *job, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int lock = -1;

        int r = try_stored(job, err);
        if (r != -ENOENT)
                return busy_if_locked(r);
        r = make_directories(job, err);
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

/* Tries until the image is open, and reports progress while another process fetches it. Returns 0 or negative errno. */
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

/* Sets the ID and the paths of the image. Returns 0 or -ENOMEM. */
static int name_image(struct mayfly_image *image, const char *path, const char *id, struct mayfly_error *err)
{
        image->id = strdup(id);
        if (asprintf(&image->path, "%s/images/%s", path, id) < 0)
                image->path = NULL;
        if (asprintf(&image->rootfs, "%s/images/%s/" MF_ROOTFS, path, id) < 0)
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
        const struct job job = { .store = request->store,
                                 .path = request->path,
                                 .image = image,
                                 .reference = request->reference,
                                 .text = request->text,
                                 .request = request,
                                 .options = request->options };
        if (r == 0)
                r = only_stored ? missing_if_locked(try_stored(&job, err)) : get(&job, err);
        if (r < 0)
                mayfly_image_close(image);
        else
                *ret = image;
        return r;
}
