/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/build.h>

#include "aci/archive-rules.h"
#include "aci/manifest-write.h"
#include "aci/manifest.h"
#include "archive/spool.h"
#include "image/flatten.h"
#include "image/oci-fetch.h"
#include "image/oci-pin.h"
#include "image/pull-layer.h"
#include "model/ac-types.h"
#include "model/image-options.h"
#include "model/oci-name.h"
#include "oci/layer-rules.h"
#include "oci/local.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/file-url.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/temporary.h"

/* From an OCI image to an ACI, and back. All files of the image become one tar, of which mayfly_image_build() makes the other image. */

#define LAYERS_MAX 128
#define PASSWD_MAX ((size_t) 1024 * 1024)
#define NAME_SIZE ((size_t) 200)

struct conversion {
        struct mayfly_build_options options;
        struct mayfly_image_options limits;
        const char *given; /* what is converted */
        struct mf_flat *flat;
        int copies[LAYERS_MAX]; /* descriptors of the layers, without compression */
        size_t n_copies;
        char *manifest; /* in appc's format */
        struct mf_layer_totals totals;
};

static void clear(struct conversion *conversion)
{
        mf_flat_free(conversion->flat);
        for (size_t i = 0; i < conversion->n_copies; i++)
                mf_close(conversion->copies[i]);
        free(conversion->manifest);
}

/* Makes a file for a copy. Returns a descriptor or negative errno. */
static int make_copy(struct mayfly_error *err)
{
        const char *directory;

        int fd = mf_temporary_file(&directory);
        return fd < 0 ? mf_error_errno(err, fd, MAYFLY_STAGE_ARCHIVE,
                                       "no temporary file can be made in %s (set TMPDIR to another directory)",
                                       directory)
                      : fd;
}

static void warn(const struct conversion *conversion, const char *text)
{
        char shown[1024];

        (void) mf_escape(shown, sizeof(shown), text);
        if (conversion->options.warning)
                conversion->options.warning(shown, conversion->options.warning_userdata);
}

/* --- from OCI ----------------------------------------------------------------------------------------------------- */

static int place_in_layer(void *userdata, const struct mf_entry *entry, struct mf_flat_place *ret,
                          struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct mf_oci_place *place = calloc(1, sizeof(*place));

        (void) userdata;
        int r = place ? mf_oci_entry_place(entry, place, err) : -ENOMEM;
        if (r < 0)
                return r;
        ret->is_gone = place->role == MF_OCI_WHITEOUT;
        ret->is_opaque = place->role == MF_OCI_OPAQUE;
        ret->is_ignored = place->role == MF_OCI_IGNORED;
        strcpy(ret->path, place->path);
        strcpy(ret->target, place->target);
        return 0;
}

/* Copies a layer, which is checked on the way, and adds it. Returns 0 or negative errno. */
static int add_layer(struct conversion *conversion, struct mf_oci_source *source, const struct mf_oci_image *image,
                     size_t i, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char shown[100];

        if (conversion->n_copies == LAYERS_MAX)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE, "the image has more than %d layers", LAYERS_MAX);
        int fd = make_copy(err);
        if (fd < 0)
                return fd;
        conversion->copies[conversion->n_copies++] = fd;
        snprintf(shown, sizeof(shown), "layer %zu of %zu", i + 1, image->manifest.n);
        const struct mf_layer_pull pull = { .source = source,
                                            .blob = &image->manifest.list[i],
                                            .id = image->config.image->dependencies[i].id,
                                            .shown = shown,
                                            .text = conversion->given,
                                            .totals = &conversion->totals,
                                            .copy = &fd };
        int r = mf_check_layer(&pull, &conversion->limits, &why);
        if (r == 0)
                r = mf_flat_add(conversion->flat, fd, place_in_layer, NULL, &why);
        return r < 0 ? mf_error(err, r, why.stage, "%s%s", why.message,
                                r == -ENOSPC
                                        ? "; the copy of the layer is in TMPDIR: set it to a directory with more space"
                                        : "")
                     : 0;
}

/* Writes the name that the image has as an ACI: that of its repository or file, with "-" for what appc does not allow in it. */
static void make_name(const struct mf_reference *reference, const struct mf_oci_name *name, char ret[NAME_SIZE])
{
        mf_cleanup(mf_freep) char *path = reference->url ? mf_file_url_path(reference->url) : NULL;
        const char *base = path && strrchr(path, '/') ? strrchr(path, '/') + 1 : "image";
        size_t n;

        if (reference->url)
                snprintf(ret, NAME_SIZE, "%.*s", (int) (strcspn(base, ".") < 100 ? strcspn(base, ".") : 100), base);
        else
                snprintf(ret, NAME_SIZE, "%s/%s", name->registry, name->repository);
        for (n = 0; ret[n]; n++) {
                if (ret[n] >= 'A' && ret[n] <= 'Z')
                        ret[n] = (char) (ret[n] - 'A' + 'a');
                const int is_plain = (ret[n] >= 'a' && ret[n] <= 'z') || (ret[n] >= '0' && ret[n] <= '9');
                if (!is_plain && (!strchr("-._/", ret[n]) || n == 0 || strchr("-._/", ret[n - 1])))
                        ret[n] = n == 0 || strchr("-._/", ret[n - 1]) ? 'x' : '-';
        }
        if (n > 0 && strchr("-._/", ret[n - 1]))
                ret[n - 1] = '\0';
        if (!mf_is_ac_identifier(ret))
                strcpy(ret, "image");
}

/* Finds the primary group of a user, by name or number, in the text of /etc/passwd. Returns its number, allocated; "0" when the user is not
 * there, as with docker; NULL when memory is short. */
static char *find_group(char *text, const char *user)
{
        for (char *line; text && (line = strsep(&text, "\n"));) {
                const char *name = strsep(&line, ":");
                strsep(&line, ":");
                const char *uid = strsep(&line, ":"), *gid = strsep(&line, ":");
                if (uid && gid && *gid && (strcmp(name, user) == 0 || strcmp(uid, user) == 0))
                        return strdup(gid);
        }
        return strdup("0");
}

/* Gives the app what an ACI must say and an OCI image need not: a group, and the directories that are made when they are missing. Returns 0
 * or negative errno. */
static int complete(struct conversion *conversion, struct mf_image_config *config, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *passwd = NULL;
        char path[PATH_MAX];
        int r = 0;

        if (config->user && !config->group) {
                r = mf_flat_text(conversion->flat, "rootfs/etc/passwd", PASSWD_MAX, &passwd, err);
                if (r < 0 && r != -ENOENT)
                        return r;
                config->group = find_group(passwd, config->user);
                r = config->group ? 0 : -ENOMEM;
        }
        for (char **directory = config->directories; directory && *directory && r == 0; directory++) {
                const char *why;
                char clean[PATH_MAX];
                mf_entry_normalize(*directory + strspn(*directory, "/"), clean, &why);
                if (!why && *clean && (size_t) snprintf(path, sizeof(path), "rootfs/%s", clean) < sizeof(path))
                        r = mf_flat_make_directory(conversion->flat, path, err);
        }
        return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : r;
}

/* Makes the manifest of the configuration, and warns of what it cannot say. Returns 0 or negative errno. */
static int make_manifest(struct conversion *conversion, const struct mf_oci_config *config,
                         const struct mf_reference *reference, struct mayfly_error *err)
{
        struct mf_oci_name name = { 0 };
        char chosen[NAME_SIZE], text[400];
        const char *left_out = NULL;

        int r = reference->url ? 0 : mf_oci_name_parse(&name, reference->repository, err);
        if (r < 0)
                return r;
        make_name(reference, &name, chosen);
        const struct mf_manifest_extra extra = {
                .name = conversion->options.name ? conversion->options.name : chosen,
                .version = name.tag,
                .created = config->created && mf_is_rfc3339(config->created) ? config->created : NULL,
        };
        r = mf_manifest_write_config(config->image, &extra, &conversion->manifest, &left_out, err);
        mf_oci_name_clear(&name);
        if (r < 0)
                return r;
        if (left_out) {
                snprintf(text, sizeof(text), "the label \"%.200s\" is left out, because an ACI cannot have its name",
                         left_out);
                warn(conversion, text);
        }
        if (config->image->stop_signal)
                warn(conversion, "the StopSignal is left out, because an ACI has none; set it in the spec");
        if (config->image->health.command || config->image->health.fault)
                warn(conversion,
                     "the Healthcheck is left out, because an ACI has none; wait for a command in the spec");
        return 0;
}

/* Reads all of the image that the pinned reference leads to. Returns 0 or negative errno. */
static int read_pinned(struct conversion *conversion, const struct mf_reference *reference, struct mayfly_error *err)
{
        struct mf_oci_patience patience = { .options = &conversion->limits, .text = conversion->given };
        mf_cleanup(mf_oci_source_freep) struct mf_oci_source *source = NULL;
        struct mf_oci_image image = { 0 };
        char pin[MF_ID_LENGTH + 1];

        mf_digest_of_image_id(reference->id, pin);
        int r = mf_oci_source_open(&source, reference, &patience, err);
        if (r < 0)
                return r;
        const struct mf_oci_request request = {
                .source = source, .pin = pin, .name = "image", .cancelled = mf_oci_is_cancelled, .userdata = &patience
        };
        r = mf_oci_resolve(&image, &request, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < image.manifest.n && r == 0; i++)
                r = add_layer(conversion, source, &image, i, err);
        if (r == 0)
                r = complete(conversion, image.config.image, err);
        if (r == 0)
                r = make_manifest(conversion, &image.config, reference, err);
        mf_oci_image_clear(&image);
        return r;
}

/* Reads an OCI image. Without a pin the image is taken that is there now. Returns 0 or negative errno. */
static int read_oci(struct conversion *conversion, const char *text, struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *bare = NULL;
        struct mf_oci_pin *pin = NULL;

        int r = mf_reference_parse_unpinned(&reference, &bare, text, 0, err);
        if (r == 0 && !reference.id[0]) {
                r = mf_oci_pin_make(&pin, &reference, bare, &conversion->limits, err);
                if (r == 0)
                        strcpy(reference.id, pin->id);
                mf_oci_pin_free(pin);
        }
        if (r == 0)
                r = read_pinned(conversion, &reference, err);
        mf_reference_clear(&reference);
        return r;
}

/* --- from appc ---------------------------------------------------------------------------------------------------- */

static int place_in_aci(void *userdata, const struct mf_entry *entry, struct mf_flat_place *ret,
                        struct mayfly_error *err)
{
        struct conversion *conversion = userdata;
        mf_cleanup(mf_freep) struct mf_place *place = calloc(1, sizeof(*place));

        int r = place ? mf_entry_place(entry, place, err) : -ENOMEM;
        if (r < 0)
                return r;
        if (atomic_fetch_add(&conversion->totals.entries, 1) + 1 > conversion->limits.max_entries)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE, "it has more than max_entries = %llu entries",
                                (unsigned long long) conversion->limits.max_entries);
        ret->is_ignored = !*place->path || strcmp(place->path, "manifest") == 0;
        if (*place->path && ret->is_ignored && entry->size > MF_MANIFEST_MAX)
                return mf_entry_bad(err, entry, "is larger than 1 MiB");
        if (*place->path && ret->is_ignored && !conversion->manifest)
                return mf_entry_text(entry, &conversion->manifest, err);
        strcpy(ret->path, place->path);
        strcpy(ret->target, place->target);
        return 0;
}

/* Checks that the image is whole by itself. Returns 0 or negative errno. */
static int check_manifest(const struct conversion *conversion, struct mayfly_error *err)
{
        struct mf_image_config *config = NULL;

        if (!conversion->manifest)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "it has no manifest, so it is no ACI");
        int r = mf_manifest_parse(&config, conversion->manifest, strlen(conversion->manifest), err);
        if (r == 0 && (config->n_dependencies > 0 || config->whitelist))
                r = mf_error(err, -EOPNOTSUPP, MAYFLY_STAGE_MANIFEST,
                             "it has %s, which an OCI image cannot have; convert an ACI that has all its files",
                             config->n_dependencies > 0 ? "dependencies" : "a pathWhitelist");
        mf_image_config_free(config);
        return r;
}

static int read_aci(struct conversion *conversion, const char *path, struct mayfly_error *err)
{
        const struct mf_spool_limits limits = { .max_unpacked = conversion->limits.max_unpacked };
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be opened", path);
        int copy = mf_spool(fd, path, &limits, err);
        if (copy < 0)
                return copy;
        conversion->copies[conversion->n_copies++] = copy;
        int r = mf_flat_add(conversion->flat, copy, place_in_aci, conversion, &why);
        if (r == 0)
                r = check_manifest(conversion, &why);
        return r < 0 ? mf_error(err, r, why.stage, "%s: %s", path, why.message) : 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Writes the files to a tar without a name. Returns a descriptor or negative errno. */
static int write_files(struct conversion *conversion, struct mayfly_error *err)
{
        struct mf_writer *writer = NULL;
        char id[MF_ID_LENGTH + 1];

        mf_cleanup(mf_closep) int fd = make_copy(err);
        if (fd < 0)
                return fd;
        int r = mf_writer_new_layer(&writer, fd, MAYFLY_COMPRESSION_NONE, NULL, err);
        if (r == 0)
                r = mf_flat_write(conversion->flat, writer, err);
        if (r == 0)
                r = mf_writer_finish(writer, id, err);
        mf_writer_free(writer);
        return r < 0 ? r : mf_take_fd(&fd);
}

/* Builds the image of the files and the manifest. Returns 0 or negative errno. */
static int build(struct mayfly_pin **ret, struct conversion *conversion, const char *output, struct mayfly_error *err)
{
        char rootfs[40], manifest[40];

        mf_cleanup(mf_closep) int text = make_copy(err);
        if (text < 0)
                return text;
        mf_cleanup(mf_closep) int files = write_files(conversion, err);
        if (files < 0)
                return files;
        int r = mf_write_full(text, conversion->manifest, strlen(conversion->manifest));
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_MANIFEST, "the manifest cannot be written to TMPDIR");
        snprintf(rootfs, sizeof(rootfs), "/proc/self/fd/%d", files);
        snprintf(manifest, sizeof(manifest), "/proc/self/fd/%d", text);
        conversion->options.name = NULL;
        conversion->options.manifest = manifest;
        return mayfly_image_build(ret, rootfs, output, &conversion->options, err);
}

/* Whether it is an OCI image, and not an ACI, which is no directory. Returns 1, 0 or -ENOMEM. */
static int is_oci(const char *image)
{
        struct stat st;

        if (strncmp(image, "oci:", 4) == 0 || (stat(image, &st) == 0 && S_ISDIR(st.st_mode)))
                return 1;
        return mf_oci_is_local(image);
}

/* Reads the image, whichever it is. Returns 0 or negative errno. */
static int read_image(struct conversion *conversion, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *reference = NULL;
        mf_cleanup(mf_freep) char *url = NULL;
        const char *image = conversion->given;

        int r = is_oci(image);
        if (r < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        conversion->options.oci = r == 0;
        if (r == 0 && conversion->options.name)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%s is an ACI, whose manifest has its name; leave the name \"%.100s\" out", image,
                                conversion->options.name);
        if (r == 0)
                return read_aci(conversion, image, err);
        if (strncmp(image, "oci:", 4) == 0)
                return read_oci(conversion, image, err);
        url = mf_file_url_of(image);
        if (!url || asprintf(&reference, "oci:%s", url) < 0) {
                reference = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        }
        return read_oci(conversion, reference, err);
}

MF_EXPORT int mayfly_image_convert(struct mayfly_pin **ret, const char *image, const char *output,
                                   const struct mayfly_build_options *given, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the build options", "MAYFLY_BUILD_OPTIONS_INIT", struct mayfly_build_options, oci);
        mf_cleanup(clear) struct conversion conversion = { .options = MAYFLY_BUILD_OPTIONS_INIT, .given = image };
        const struct mayfly_build_options *o = &conversion.options;

        if (!image || !*image || !output || !*output)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_image_convert() needs an image and the path of another one");
        int r = mf_options_take(&conversion.options, given, &kind, err);
        if (r == 0)
                r = mf_image_options_take(NULL, &conversion.limits, err);
        if (r < 0)
                return r;
        if (o->manifest || o->labels || o->exec || o->user || o->group || o->env || o->cwd || o->oci)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "mayfly_image_convert() takes all but the name from the image; leave manifest, labels, exec, "
                        "user, group, env, cwd and oci out");
        conversion.flat = mf_flat_new(&conversion.totals.entries, conversion.limits.max_entries);
        r = conversion.flat ? read_image(&conversion, err) : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return r == 0 ? build(ret, &conversion, output, err) : r;
}
