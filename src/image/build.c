/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <mayfly/build.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/archive-rules.h"
#include "aci/manifest-write.h"
#include "archive/read.h"
#include "archive/write.h"
#include "image/output.h"
#include "image/pin.h"
#include "image/pull.h"
#include "image/rootfs.h"
#include "model/image-options.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/file-url.h"
#include "util/macro.h"
#include "util/options.h"

/* --- manifest and options */

static int read_manifest(const char *path, char **ret, size_t *ret_size, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        mf_cleanup(mf_freep) char *text = malloc(MF_MANIFEST_MAX + 1);
        size_t n = 0;
        ssize_t got = -1;

        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        while (fd >= 0 && n <= MF_MANIFEST_MAX && (got = read(fd, text + n, MF_MANIFEST_MAX + 1 - n)) > 0)
                n += (size_t) got;
        if (got < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_MANIFEST, "the manifest %s", path);
        if (n > MF_MANIFEST_MAX)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_MANIFEST, "the manifest %s is over 1 MiB", path);
        *ret = mf_take(text);
        *ret_size = n;
        return 0;
}

static int get_manifest(const struct mayfly_build_options *options, char **ret, size_t *ret_size,
                        struct mayfly_error *err)
{
        struct mf_image_config *config = NULL;
        int r;

        if (options->manifest && options->name)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "there is both the manifest %s and the name \"%.100s\"; give one of them",
                                options->manifest, options->name);
        if (!options->manifest && !options->name)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "there is neither a manifest nor a name; give one of them");
        if (options->manifest) {
                r = read_manifest(options->manifest, ret, ret_size, err);
        } else {
                r = mf_manifest_write(options, ret, err);
                *ret_size = r == 0 ? strlen(*ret) : 0;
        }
        if (r == 0)
                r = mf_manifest_parse(&config, *ret, *ret_size, err);
        mf_image_config_free(config);
        return r;
}

/* The option, or the variable of reproducible-builds.org. */
static int get_latest(const struct mayfly_build_options *options, int64_t *ret, struct mayfly_error *err)
{
        const char *text = getenv("SOURCE_DATE_EPOCH");
        char *end;

        *ret = options->source_date_epoch < 0   ? 0
               : options->source_date_epoch > 0 ? options->source_date_epoch
                                                : INT64_MAX;
        if (options->source_date_epoch != 0 || !text || !*text)
                return 0;
        errno = 0;
        *ret = strtoll(text, &end, 10);
        if (errno || *end || *ret < 0 || *text < '0' || *text > '9')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "SOURCE_DATE_EPOCH is \"%.60s\"; give seconds since 1970, as \"date +%%s\" prints",
                                text);
        return 0;
}

/* --- the archive */

__attribute__((format(printf, 2, 3))) static void warn(const struct mayfly_build_options *options, const char *format,
                                                       ...)
{
        char text[1024], shown[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void) mf_escape(shown, sizeof(shown), text);
        if (options->warning)
                options->warning(shown, options->warning_userdata);
}

static int write_archive(int fd, const char *rootfs, const struct mayfly_build_options *options, int64_t latest,
                         char id[MF_ID_LENGTH + 1], struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *manifest = NULL;
        struct mf_writer *writer = NULL;
        struct mf_rewrite rewrite = { .owner_root = options->owner_root, .latest = latest };
        struct mf_entry entry = { .name = "manifest",
                                  .mode = S_IFREG | 0644,
                                  .mtime.tv_sec = latest == INT64_MAX ? 0 : (time_t) latest };
        size_t size = 0;

        int r = get_manifest(options, &manifest, &size, err);
        if (r == 0)
                r = mf_writer_new(&writer, fd, options->compression, NULL, err);
        if (r < 0)
                return r;
        entry.size = size;
        r = mf_writer_put(writer, &entry, err);
        if (r == 0)
                r = mf_writer_data(writer, manifest, size, err);
        if (r == 0)
                r = mf_rootfs_add(writer, rootfs, &rewrite, err);
        if (r == 0)
                r = mf_writer_finish(writer, id, err);
        if (r == 0 && rewrite.acl)
                warn(options, MF_WARNING_ACL, rewrite.acl);
        mf_writer_free(writer);
        free(rewrite.acl);
        return r;
}

/* Reads up to MF_ARCHIVE_HEAD bytes. */
static int read_head(int fd, char *head, size_t *ret_size, struct mayfly_error *err)
{
        ssize_t n = mf_read_full(fd, head, MF_ARCHIVE_HEAD);

        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_ARCHIVE, "reading what was written");
        *ret_size = (size_t) n;
        return 0;
}

/* Reads what was written, as `mayfly validate` does: what is published is an image. */
static int check_archive(int fd, const char *url, const char *id, struct mf_examined *ret, struct mayfly_error *err)
{
        struct mayfly_image_options options;
        char head[MF_ARCHIVE_HEAD];
        struct mf_file file = { .fd = fd, .head = head };
        const struct mf_source source = { .url = url, .text = url, .file = &file };
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = mf_image_options_take(NULL, &options, err);
        if (r < 0)
                return r;
        options.max_unpacked = UINT64_MAX;
        options.max_entries = UINT64_MAX;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "reading what was written");
        r = read_head(fd, head, &file.head_size, err);
        if (r < 0)
                return r;
        r = mf_examine(ret, &source, &options, &why);
        if (r < 0)
                return mf_error(err, r, why.stage, "the image would not be valid: %s", why.message);
        if (strcmp(ret->id, id) != 0) {
                mf_examined_clear(ret);
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST,
                                "what was written is not what is read; look at the disk");
        }
        return 0;
}

static int check_options(const char *rootfs, const char *output, const struct mayfly_build_options *given,
                         struct mayfly_build_options *ret, struct mayfly_error *err)
{
        static const struct mf_option_kind kind = MF_OPTION_KIND("the build options", "MAYFLY_BUILD_OPTIONS_INIT",
                                                                 struct mayfly_build_options, source_date_epoch);

        *ret = (struct mayfly_build_options) MAYFLY_BUILD_OPTIONS_INIT;
        if (!rootfs || !output || !*output)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_image_build() needs a root file system and the path of an image");
        int r = mf_options_take(ret, given, &kind, err);
        if (r == 0 && (unsigned) ret->compression > MAYFLY_COMPRESSION_NONE)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "compression %d is none of enum mayfly_compression",
                             (int) ret->compression);
        return r;
}

MF_EXPORT int mayfly_image_build(struct mayfly_pin **ret, const char *rootfs, const char *path,
                                 const struct mayfly_build_options *given, struct mayfly_error *err)
{
        struct mayfly_build_options options;
        struct mf_examined built = { 0 };
        mf_cleanup(mf_freep) char *url = NULL;
        mf_cleanup(mf_output_clear) struct mf_output output = MF_OUTPUT_NONE;
        char id[MF_ID_LENGTH + 1];
        int64_t latest = INT64_MAX;

        int r = check_options(rootfs, path, given, &options, err);
        if (r == 0)
                r = get_latest(&options, &latest, err);
        if (r == 0)
                r = mf_output_open(&output, path, err);
        if (r < 0)
                return r;
        url = mf_output_url(&output);
        r = url ? write_archive(output.fd, rootfs, &options, latest, id, err) : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0)
                r = check_archive(output.fd, url, id, &built, err);
        if (r == 0)
                r = mf_output_publish(&output, err);
        if (r == 0 && ret)
                r = mf_pin_make(ret, &built, url, err);
        mf_examined_clear(&built);
        return r;
}
