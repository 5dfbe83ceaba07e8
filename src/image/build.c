/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <mayfly/build.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/archive-rules.h"
#include "aci/manifest-write.h"
#include "archive/read.h"
#include "archive/write.h"
#include "image/app-check.h"
#include "image/contents.h"
#include "image/oci-build.h"
#include "image/oci-examine.h"
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
#include "util/temporary.h"

/* --- manifest and options */

/* Reads a manifest from a file. The caller frees *ret, which is not NUL-terminated. */
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
                return mf_error_errno(err, -errno, MAYFLY_STAGE_MANIFEST, "the manifest %s cannot be read", path);
        if (n > MF_MANIFEST_MAX)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_MANIFEST,
                                "the manifest %s is over 1 MiB; name the file of an image manifest", path);
        *ret = mf_take(text);
        *ret_size = n;
        return 0;
}

/* Reads or makes the image's manifest, which is then parsed. The caller owns *ret and *ret_config. */
static int get_manifest(const struct mayfly_build_options *options, char **ret, size_t *ret_size,
                        struct mf_image_config **ret_config, struct mayfly_error *err)
{
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
        return r < 0 ? r : mf_manifest_parse(ret_config, *ret, *ret_size, err);
}

/* Sets *ret to the latest time that a file in the image may have: of the option, or of the variable that
 * reproducible-builds.org defines. Returns 0 or -EINVAL. */
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

/* Gives a warning to the caller, as one line of text that can be printed. */
static void warn(void *userdata, const char *text)
{
        const struct mayfly_build_options *options = userdata;
        char shown[1024];

        (void) mf_escape(shown, sizeof(shown), text);
        if (options->warning)
                options->warning(shown, options->warning_userdata);
}

/* Warns that ACLs are left out; `path` has one. */
static void warn_of_acl(struct mayfly_build_options *options, const char *path)
{
        char text[512];

        snprintf(text, sizeof(text), MF_WARNING_ACL, path);
        warn(options, text);
}

/* Warns when options for the app are given, but no app. */
static void warn_of_no_app(struct mayfly_build_options *options)
{
        if (options->manifest || (options->exec && options->exec[0]))
                return;
        if (options->user || options->group || options->cwd || (options->env && options->env[0]))
                warn(options,
                     "the image has no program, so its user, group, environment and working directory are left out; "
                     "name a program");
}

/* Warns when the image's file is made in the root file system, a directory. */
static void warn_of_place(struct mayfly_build_options *options, const char *rootfs, int output_directory)
{
        char proc[64], directory[PATH_MAX];
        mf_cleanup(mf_freep) char *root = realpath(rootfs, NULL);

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", output_directory);
        ssize_t n = output_directory >= 0 ? readlink(proc, directory, sizeof(directory) - 1) : -1;
        if (!root || n < 0)
                return;
        directory[n] = '\0';
        const size_t length = strlen(root);
        if (strncmp(directory, root, length) == 0 && (directory[length] == '/' || directory[length] == '\0'))
                warn(options,
                     "the image's file is in the root file system, so the next build puts it into the image; choose "
                     "another directory for it");
}

/* What an archive is made from. */
struct source {
        const char *rootfs;
        char *manifest;
        size_t manifest_size;
        struct mf_image_config *config; /* that the manifest has */
        struct mf_contents *contents;   /* of the root file system; NULL for an image without an app */
        int64_t latest;
};

static void source_clear(struct source *source)
{
        mf_contents_free(source->contents);
        mf_image_config_free(source->config);
        free(source->manifest);
}

/* Writes all entries. `rewrite` takes note of what is left out. */
static int put_all(struct mf_writer *writer, const struct source *source, struct mf_rewrite *rewrite,
                   struct mayfly_error *err)
{
        const struct mf_entry entry = { .name = "manifest",
                                        .mode = S_IFREG | 0644,
                                        .mtime.tv_sec = source->latest == INT64_MAX ? 0 : (time_t) source->latest,
                                        .size = source->manifest_size };

        int r = mf_writer_put(writer, &entry, err);
        if (r == 0)
                r = mf_writer_data(writer, source->manifest, source->manifest_size, err);
        return r == 0 ? mf_rootfs_add(writer, source->rootfs, rewrite, err) : r;
}

/* Opens a file without a name for the layer, beside the image's, for it may be large. Returns a descriptor or negative errno. */
static int open_layer(const struct mf_output *output, struct mayfly_error *err)
{
        int fd = output->directory < 0 ? -1 : openat(output->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        const char *directory;

        if (fd < 0) /* not every file system can */
                fd = mf_temporary_file(&directory);
        return fd >= 0 ? fd
                       : mf_error_errno(err, fd, MAYFLY_STAGE_ARCHIVE, "no file for the layer can be made beside %s",
                                        output->path);
}

/* Writes the files and links. `is_whole`: with the manifest, as an ACI has it. */
static int put_files(struct mf_writer *writer, const struct source *source, struct mf_rewrite *rewrite, int is_whole,
                     struct mayfly_error *err)
{
        return is_whole ? put_all(writer, source, rewrite, err) : mf_rootfs_add(writer, source->rootfs, rewrite, err);
}

/* Writes the archive, and warns of what is left out of it and of what would keep its app from starting. */
static int write_archive(int fd, struct source *source, struct mayfly_build_options *options, char id[MF_ID_LENGTH + 1],
                         struct mayfly_error *err)
{
        int (*const begin)(struct mf_writer **, int, enum mayfly_compression, const struct mf_watch *,
                           struct mayfly_error *) = options->oci ? mf_writer_new_layer : mf_writer_new;
        struct mf_rewrite rewrite = { .owner_root = options->owner_root, .latest = source->latest };
        struct mf_writer *writer = NULL;

        int r = get_manifest(options, &source->manifest, &source->manifest_size, &source->config, err);
        if (r == 0 && mf_image_config_has_app(source->config))
                r = mf_contents_new(&source->contents, source->config, err);
        if (r == 0)
                r = begin(&writer, fd, options->compression,
                          source->contents ? mf_contents_watch(source->contents) : NULL, err);
        if (r < 0)
                return r;
        r = put_files(writer, source, &rewrite, !options->oci, err);
        if (r == 0)
                r = mf_writer_finish(writer, id, err);
        if (r == 0 && source->contents)
                r = mf_contents_finish(source->contents, err);
        if (r == 0 && rewrite.acl)
                warn_of_acl(options, rewrite.acl);
        if (r == 0 && source->contents)
                mf_app_check(source->config, source->contents, warn, options);
        mf_writer_free(writer);
        free(rewrite.acl);
        return r;
}

/* Reads up to MF_ARCHIVE_HEAD bytes of the image that was written. */
static int read_head(int fd, char *head, size_t *ret_size, struct mayfly_error *err)
{
        ssize_t n = mf_read_full(fd, head, MF_ARCHIVE_HEAD);

        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_ARCHIVE,
                                      "the image that was written cannot be read back");
        *ret_size = (size_t) n;
        return 0;
}

/* Reads the image that was written, as `mayfly validate` does, so that nothing but a valid image is published. The caller clears
 * *ret, also on failure. */
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
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE,
                                      "the image that was written cannot be read back");
        r = read_head(fd, head, &file.head_size, err);
        if (r < 0)
                return r;
        r = mf_examine(ret, &source, &options, &why);
        if (r < 0)
                return mf_error(err, r, why.stage, "the image would not be valid: %s", why.message);
        if (strcmp(ret->id, id) != 0) {
                mf_examined_clear(ret);
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST,
                                "the image that is read back is not the one that was written; check the disk");
        }
        return 0;
}

/* Builds an OCI image: first its layer, then the archive that has it. Returns 0 or negative errno. */
static int write_oci(const struct mf_output *output, struct source *source, struct mayfly_build_options *options,
                     struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int layer = open_layer(output, err);
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mayfly_image_options defaults;
        struct mf_examined built = { 0 };
        char id[MF_ID_LENGTH + 1], path[40];

        int r = layer < 0 ? layer : write_archive(layer, source, options, id, err);
        if (r < 0)
                return r;
        const struct mf_oci_parts parts = { .layer = layer,
                                            .diff_id = id,
                                            .is_gzip = options->compression == MAYFLY_COMPRESSION_GZIP,
                                            .config = source->config,
                                            .name = source->config->name,
                                            .created = source->latest };
        r = mf_oci_layout_write(output->fd, &parts, err);
        if (r == 0)
                r = mf_image_options_take(NULL, &defaults, err);
        if (r < 0)
                return r;
        defaults.max_unpacked = defaults.max_entries = UINT64_MAX;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", output->fd);
        r = mf_oci_validate(&built, path, &defaults, &why);
        mf_examined_clear(&built);
        return r < 0 ? mf_error(err, r, why.stage, "the image would not be valid: %s", why.message) : 0;
}

/* Gives an OCI image its name, and pins it. Returns 0 or negative errno. */
static int publish_oci(struct mayfly_pin **ret, struct mf_output *output, const char *url, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *reference = NULL;

        int r = mf_output_publish(output, err);
        if (r < 0 || !ret)
                return r;
        if (asprintf(&reference, "oci:%s", url) < 0) {
                reference = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        }
        return mayfly_image_pin(ret, reference, NULL, err);
}

/* Sets *ret to the options with all defaults, and checks the arguments. Returns 0 or -EINVAL. */
static int check_options(const char *rootfs, const char *output, const struct mayfly_build_options *given,
                         struct mayfly_build_options *ret, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the build options", "MAYFLY_BUILD_OPTIONS_INIT", struct mayfly_build_options, oci);

        *ret = (struct mayfly_build_options) MAYFLY_BUILD_OPTIONS_INIT;
        if (!rootfs || !*rootfs || !output || !*output)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_image_build() needs a root file system and the path of an image");
        int r = mf_options_take(ret, given, &kind, err);
        if (r == 0 && (unsigned) ret->compression > MAYFLY_COMPRESSION_NONE)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "compression %d is none of enum mayfly_compression",
                             (int) ret->compression);
        if (r == 0 && ret->oci && ret->compression == MAYFLY_COMPRESSION_XZ)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "layers of OCI images cannot be compressed by xz; choose gzip or none");
        return r;
}

MF_EXPORT int mayfly_image_build(struct mayfly_pin **ret, const char *rootfs, const char *path,
                                 const struct mayfly_build_options *given, struct mayfly_error *err)
{
        struct mayfly_build_options options;
        struct mf_examined built = { 0 };
        mf_cleanup(mf_freep) char *url = NULL;
        mf_cleanup(mf_output_clear) struct mf_output output = MF_OUTPUT_NONE;
        mf_cleanup(source_clear) struct source source = { .rootfs = rootfs };
        char id[MF_ID_LENGTH + 1];

        int r = check_options(rootfs, path, given, &options, err);
        if (r == 0)
                r = get_latest(&options, &source.latest, err);
        if (r == 0)
                r = mf_output_open(&output, path, options.oci, err);
        if (r < 0)
                return r;
        warn_of_no_app(&options);
        warn_of_place(&options, rootfs, output.directory);
        url = mf_output_url(&output);
        if (url && options.oci && output.through)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s is neither a regular file nor a directory, and an OCI image is built into one of "
                                "these; choose "
                                "another path",
                                path);
        if (url && options.oci) {
                r = write_oci(&output, &source, &options, err);
                return r == 0 ? publish_oci(ret, &output, url, err) : r;
        }
        r = url ? write_archive(output.fd, &source, &options, id, err) : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0)
                r = check_archive(output.fd, url, id, &built, err);
        if (r == 0)
                r = mf_output_publish(&output, err);
        if (r == 0 && ret)
                r = mf_pin_make(ret, &built, url, err);
        mf_examined_clear(&built);
        return r;
}
