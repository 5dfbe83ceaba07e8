/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "privilege/userns.h"
#include "store/check.h"
#include "store/delegate.h"
#include "store/directory.h"
#include "store/layer-cache.h"
#include "store/list.h"
#include "store/record.h"
#include "store/unflushed.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/options.h"

#define WAIT_US 20000U

struct verify {
        struct mayfly_verify_options options;
        struct mayfly_verify_result result;
        const char *path; /* of the store */
        int store;
        const char *id;               /* of the image being checked */
        char given[MF_ID_LENGTH + 1]; /* the ID for the digest that the caller gave */
        struct mayfly_error *err;
};

static int tell(struct verify *verify, enum mayfly_store_event event, const char *path, const char *what,
                uint64_t bytes)
{
        const struct mayfly_store_report report = {
                .size = sizeof(report), .event = event, .image = verify->id, .path = path, .what = what, .bytes = bytes
        };

        return verify->options.report ? verify->options.report(&report, verify->options.userdata) : 0;
}

static int on_difference(void *userdata, const char *path, const char *what)
{
        return tell(userdata, MAYFLY_STORE_DIFFERS, path, what, 0);
}

/* Takes the name away from the damaged image `fd`, which we hold. 0 also when somebody else did. */
static int drop(struct verify *verify, int fd, const char *path)
{
        mf_cleanup(mf_closep) int lock = -1;
        char name[MF_TMP_NAME_MAX];
        int r;

        /* Whoever holds the lock is about to fetch the image, and has it out of the way first. */
        while ((r = mf_store_lock(verify->store, verify->id, &lock)) == -EWOULDBLOCK) {
                if (!mf_store_is_current(verify->store, MF_IMAGES, verify->id, fd))
                        return 0;
                usleep(WAIT_US);
        }
        if (r < 0)
                return mf_error_errno(verify->err, r, MAYFLY_STAGE_STORE,
                                      "the image %s is damaged and cannot be dropped: locking it", path);
        if (mf_store_is_current(verify->store, MF_IMAGES, verify->id, fd)) {
                r = mf_store_move_to_tmp(verify->store, MF_IMAGES, verify->id, name);
                if (r < 0)
                        mf_error_set_errno(verify->err, r, MAYFLY_STAGE_STORE,
                                           "the image %s is damaged and cannot be dropped: moving it away", path);
                else
                        mf_store_remove_lock(verify->store, verify->id); /* who wants to fetch it again can */
                if (r == 0) {
                        mf_store_remove_if_unused(verify->store, name, fd);
                        mf_layer_cache_drop(verify->store, verify->id);
                }
        }
        mf_unlock(lock);
        return r;
}

static int judge(struct verify *verify, int fd, const char *path, uint64_t differences)
{
        enum mayfly_store_event event = MAYFLY_STORE_SOUND;
        struct mf_record_summary summary = { 0 };
        const char *why;

        verify->result.images++;
        (void) mf_record_peek(fd, &summary, &why);
        if (differences > 0) {
                verify->result.damaged++;
                event = MAYFLY_STORE_DAMAGED;
                if (!verify->options.keep) {
                        int r = drop(verify, fd, path);
                        if (r < 0)
                                return r;
                        verify->result.dropped++;
                        event = MAYFLY_STORE_DROPPED;
                }
        }
        if (tell(verify, event, path, NULL, summary.bytes) != 0)
                return mf_error(verify->err, -ECANCELED, MAYFLY_STAGE_STORE, "verifying the store was cancelled");
        return 0;
}

/* Drops a layer that is no more what was made; it is made again when it is wanted. */
static int judge_layer(struct verify *verify, int fd, const char *path, uint64_t differences)
{
        enum mayfly_store_event event = MAYFLY_STORE_DAMAGED;

        verify->result.layers++;
        if (differences == 0)
                return 0;
        verify->result.damaged_layers++;
        if (!verify->options.keep) {
                int r = mf_layer_cache_remove(verify->store, verify->id, fd);
                if (r < 0)
                        return mf_error_errno(verify->err, r, MAYFLY_STAGE_STORE,
                                              "the layer %s is damaged and cannot be dropped: moving it away", path);
                event = MAYFLY_STORE_DROPPED;
        }
        return tell(verify, event, path, NULL, 0) == 0
                       ? 0
                       : mf_error(verify->err, -ECANCELED, MAYFLY_STAGE_STORE, "verifying the store was cancelled");
}

/* Flushes an image or layer, and compares it with its record. A boot later the comparison alone shows that the disk has
 * all of it. Returns 0 when it could be checked, or negative errno. */
static int check(struct verify *verify, int fd, const char *path, int is_layer, struct mf_check *ret)
{
        enum mf_unflushed state = mf_unflushed_look(fd);

        if (state == MF_FLUSH_FAILED || (state == MF_UNFLUSHED && mf_unflushed_flush(fd, is_layer) < 0)) {
                ret->differences++;
                return on_difference(verify, "record", "it could not be written to the disk") == 0
                               ? 0
                               : mf_error(verify->err, -ECANCELED, MAYFLY_STAGE_STORE, "checking %s was cancelled",
                                          path);
        }
        int r = mf_check_image(fd, verify->id, path, ret, verify->err);
        if (r == 0 && ret->differences == 0 && state == MF_UNFLUSHED_BEFORE)
                mf_unflushed_remove(fd);
        return r;
}

/* Opens DIRECTORY/ID of the store and locks it, and allocates its path. Returns 0, -ENOENT without a message when it is
 * gone, or another error. */
static int open_entry(struct verify *verify, const char *directory, const char *id, char **ret_path, int *ret_fd)
{
        mf_cleanup(mf_freep) char *path = NULL;
        int r;

        verify->id = id;
        if (asprintf(&path, "%s/%s/%s", verify->path, directory, id) < 0) {
                path = NULL;
                return mf_error_oom(verify->err, MAYFLY_STAGE_STORE);
        }
        /* Another process removes it, or asks whether it is in use. */
        while ((r = mf_store_open_locked(verify->store, directory, id, LOCK_SH, ret_fd)) == -EWOULDBLOCK)
                usleep(WAIT_US);
        if (r == 0)
                *ret_path = mf_take(path);
        return r == 0 || r == -ENOENT ? r : mf_error_errno(verify->err, r, MAYFLY_STAGE_STORE, "opening %s", path);
}

static int verify_layer(void *userdata, const char *id)
{
        struct verify *verify = userdata;
        struct mf_check found = { .difference = on_difference, .userdata = verify };
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int fd = -1;

        int r = open_entry(verify, MF_LAYERS, id, &path, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = check(verify, fd, path, 1, &found);
        verify->result.differences += found.differences;
        if (r == 0)
                r = judge_layer(verify, fd, path, found.differences);
        mf_unlock(fd);
        return r;
}

/* 0 also when the image is gone by now. */
static int verify_image(void *userdata, const char *id)
{
        struct verify *verify = userdata;
        struct mf_check found = { .difference = on_difference, .userdata = verify };
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int fd = -1;

        int r = open_entry(verify, MF_IMAGES, id, &path, &fd);
        if (r == -ENOENT)
                return verify->options.image ? mf_error(verify->err, r, MAYFLY_STAGE_STORE,
                                                        "there is no image %s in the store %s", id, verify->path)
                                             : 0;
        if (r < 0)
                return r;
        r = check(verify, fd, path, 0, &found);
        verify->result.differences += found.differences;
        verify->result.entries += found.entries;
        verify->result.bytes += found.bytes;
        if (r == 0)
                r = judge(verify, fd, path, found.differences);
        mf_unlock(fd);
        return r;
}

static int verify_directory(struct verify *verify, const char *directory, int (*one)(void *verify, const char *id))
{
        struct mf_store_images images;

        int r = mf_store_list(verify->store, directory, &images);
        if (r < 0)
                return mf_error_errno(verify->err, r, MAYFLY_STAGE_STORE, "reading %s/%s", verify->path, directory);
        r = mf_store_images_each(&images, one, verify);
        mf_store_images_clear(&images);
        return r;
}

static int verify_all(struct verify *verify)
{
        int result = verify_directory(verify, MF_IMAGES, verify_image);
        int r = result == -ECANCELED ? 0 : verify_directory(verify, MF_LAYERS, verify_layer);

        return result < 0 ? result : r;
}

/* Reads which other entries of the store have the files of the image. *ret is empty when it has its own. Returns 0 or negative errno. */
static int read_parts(struct verify *verify, const char *id, char **ret)
{
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int fd = -1;
        size_t size;

        int r = open_entry(verify, MF_IMAGES, id, &path, &fd);
        if (r == 0)
                r = mf_read_file_at(fd, MF_PARTS, MF_PARTS_MAX, ret, &size);
        mf_unlock(fd);
        if (r == -ENOENT) /* dropped, or whole by itself */
                r = (*ret = strdup("")) ? 0 : -ENOMEM;
        return r < 0 ? mf_error_errno(verify->err, r, MAYFLY_STAGE_STORE, "the list of the layers of %s cannot be read",
                                      id)
                     : 0;
}

/* Verifies the image that was asked for, and the layers that it consists of. */
static int verify_asked(struct verify *verify)
{
        mf_cleanup(mf_freep) char *parts = NULL;
        const char *id = verify->options.image;

        int r = read_parts(verify, id, &parts);
        if (r == 0)
                r = verify_image(verify, id);
        verify->options.image = NULL; /* a layer may be missing; it is fetched again */
        for (char *line = parts, *next; r == 0 && line && *line; line = next) {
                next = line + strcspn(line, "\n");
                next += *next ? (*next = '\0', 1) : 0;
                if (mf_store_is_id(line))
                        r = verify_image(verify, line);
        }
        return r;
}

/* An ID, or what ends in "@" and one. */
static int find_id(struct verify *verify)
{
        const char *at = strrchr(verify->options.image, '@');
        const char *id = at ? at + 1 : verify->options.image;

        if (mf_image_id_of_digest(id, verify->given) == 0) /* as references of OCI images have it */
                id = verify->given;
        if (!mf_store_is_id(id))
                return mf_error(verify->err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "\"%.300s\" is no image ID; give sha512- and 128 lower-case hex digits, or sha256- and "
                                "64, or a reference that ends in @ and that",
                                id);
        verify->options.image = id;
        return 0;
}

/* Lets mayfly-helper verify, for a user who cannot read all files. */
static int delegate(struct verify *verify)
{
        verify->options.store = verify->path;
        return mf_delegate_verify(&verify->options, &verify->result, verify->err);
}

MF_EXPORT int mayfly_store_verify(struct mayfly_verify_result *ret, const struct mayfly_verify_options *given,
                                  struct mayfly_error *err)
{
        static const struct mf_option_kind kind = MF_OPTION_KIND("the verify options", "MAYFLY_VERIFY_OPTIONS_INIT",
                                                                 struct mayfly_verify_options, userdata);
        static const struct mf_option_kind result_kind = MF_OPTION_KIND(
                "the verify result to fill", "MAYFLY_VERIFY_RESULT_INIT", struct mayfly_verify_result, damaged_layers);
        struct verify verify = {
                .options = MAYFLY_VERIFY_OPTIONS_INIT, .result = MAYFLY_VERIFY_RESULT_INIT, .store = -1, .err = err
        };
        mf_cleanup(mf_freep) char *path = NULL;

        int r = mf_options_take(&verify.options, given, &kind, err);
        if (r == 0)
                r = mf_result_check(ret, &result_kind, err);
        if (r == 0 && verify.options.image)
                r = find_id(&verify);
        if (r == 0)
                r = mf_store_path(verify.options.store, &path, err);
        if (r < 0)
                return r;
        verify.path = path;
        r = mf_store_open(path, 0, &verify.store, err);
        if (r == -ENOENT)
                r = verify.options.image
                            ? mf_error(err, r, MAYFLY_STAGE_STORE, "there is no image %s: there is no store %s",
                                       verify.options.image, path)
                            : 0;
        else if (r == 0 && mf_privilege_is_delegated())
                r = delegate(&verify);
        else if (r == 0)
                r = verify.options.image ? verify_asked(&verify) : verify_all(&verify);
        mf_close(verify.store);
        mf_result_give(ret, &verify.result, &result_kind);
        return r;
}
