/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/inspect.h>

#include "aci/archive-rules.h"
#include "aci/manifest-notes.h"
#include "aci/manifest.h"
#include "archive/read.h"
#include "fetch/locate.h"
#include "image/oci-examine.h"
#include "image/oci-stored.h"
#include "image/pull.h"
#include "model/image-config.h"
#include "model/image-options.h"
#include "model/reference.h"
#include "oci/config.h"
#include "oci/local.h"
#include "store/directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"

/* A struct mayfly_inspection, and the memory that it points to. */
struct inspection {
        struct mayfly_inspection public;
        struct mf_examined image; /* for a manifest or layout, only the manifest is set */
        struct mf_notes notes;
        void *lists[8]; /* allocated for the public struct */
        size_t n_lists;
};

/* --- making it public ----------------------------------------------------------------------------------------- */

static const char *const no_strings[] = { NULL };

/* Returns the list, or an empty one for NULL. */
static const char *const *strings(char **list)
{
        return list ? (const char *const *) list : no_strings;
}

/* Returns a NULL-terminated list of pointers to `n` zeroed structs of `size` bytes, which are in the same allocation; NULL when
 * memory is short. The inspection owns it. */
static void *make_list(struct inspection *inspection, size_t n, size_t size)
{
        char **list = calloc(1, (n + 1) * sizeof(void *) + n * size);

        for (size_t i = 0; list && i < n; i++)
                list[i] = (char *) (list + n + 1) + i * size;
        inspection->lists[inspection->n_lists++] = list;
        return list;
}

/* Fills in the lists of the public struct. Returns 0 or -ENOMEM. */
static int publish_lists(struct inspection *inspection)
{
        const struct mf_image_config *config = inspection->image.config;
        struct mayfly_inspection *public = &inspection->public;
        size_t n = inspection->notes.isolators.n;

        struct mayfly_manifest_mount **mounts = make_list(inspection, config->n_mount_points, sizeof(**mounts));
        struct mayfly_manifest_port **ports = make_list(inspection, config->n_ports, sizeof(**ports));
        struct mayfly_manifest_dependency **dependencies =
                make_list(inspection, config->n_dependencies, sizeof(**dependencies));
        struct mayfly_manifest_isolator **isolators = make_list(inspection, n, sizeof(**isolators));
        if (!mounts || !ports || !dependencies || !isolators)
                return -ENOMEM;
        for (size_t i = 0; i < config->n_mount_points; i++) {
                const struct mf_mount_point *m = &config->mount_points[i];
                *mounts[i] = (struct mayfly_manifest_mount){
                        .size = sizeof(**mounts), .name = m->name, .path = m->path, .read_only = m->read_only
                };
        }
        for (size_t i = 0; i < config->n_ports; i++) {
                const struct mf_port *p = &config->ports[i];
                *ports[i] = (struct mayfly_manifest_port){ .size = sizeof(**ports),
                                                           .name = p->name,
                                                           .protocol = p->protocol,
                                                           .port = p->port,
                                                           .count = p->count,
                                                           .socket_activated = p->socket_activated };
        }
        for (size_t i = 0; i < config->n_dependencies; i++) {
                const struct mf_dependency *d = &config->dependencies[i];
                *dependencies[i] = (struct mayfly_manifest_dependency){ .size = sizeof(**dependencies),
                                                                        .name = d->name,
                                                                        .id = d->id,
                                                                        .labels = strings(d->labels),
                                                                        .image_size = d->size };
        }
        for (size_t i = 0; i < n; i++)
                *isolators[i] =
                        (struct mayfly_manifest_isolator){ .size = sizeof(**isolators),
                                                           .name = inspection->notes.isolators.list[i],
                                                           .value = inspection->notes.values.list[i],
                                                           .outcome = config->isolation.isolators.list[i]->outcome,
                                                           .detail = config->isolation.isolators.list[i]->detail };
        public->mounts = (const struct mayfly_manifest_mount *const *) mounts;
        public->ports = (const struct mayfly_manifest_port *const *) ports;
        public->dependencies = (const struct mayfly_manifest_dependency *const *) dependencies;
        public->isolators = (const struct mayfly_manifest_isolator *const *) isolators;
        return 0;
}

static int is_oci(const struct inspection *inspection)
{
        return inspection->image.config && inspection->image.config->is_layers_only;
}

/* Fills in the notes of an OCI image. Returns 0 or -ENOMEM. */
static int note_oci(struct inspection *inspection, struct mayfly_error *err)
{
        inspection->notes.pretty = mf_oci_config_pretty(inspection->image.manifest, inspection->image.manifest_size);
        return inspection->notes.pretty ? 0 : mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
}

/* Returns the words of the app's command line, entrypoint and arguments; NULL when memory is short. The inspection owns the list. */
static const char *const *command_line(struct inspection *inspection)
{
        const struct mf_image_config *config = inspection->image.config;
        char *const *const parts[] = { config->entrypoint, config->argv };
        size_t n = 0;

        for (size_t i = 0; i < MF_ELEMENTSOF(parts); i++)
                for (size_t k = 0; parts[i] && parts[i][k]; k++)
                        n++;
        char **words = calloc(n + 1, sizeof(char *));
        inspection->lists[inspection->n_lists++] = words;
        n = 0;
        for (size_t i = 0; words && i < MF_ELEMENTSOF(parts); i++)
                for (size_t k = 0; parts[i] && parts[i][k]; k++)
                        words[n++] = parts[i][k];
        return (const char *const *) words;
}

/* Fills in the public struct from the manifest and its notes. Returns 0 or negative errno. */
static int publish(struct inspection *inspection, enum mayfly_kind kind, struct mayfly_error *err)
{
        const struct mf_image_config *config = inspection->image.config;
        const struct mf_examined *image = &inspection->image;
        struct mayfly_inspection *public = &inspection->public;

        int r = !config ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST)
                : is_oci(inspection)
                        ? note_oci(inspection, err)
                        : mf_manifest_notes(&inspection->notes, image->manifest, image->manifest_size, err);
        for (char **w = image->warnings; r == 0 && w && *w; w++)
                if (mf_strings_add(&inspection->notes.warnings, strdup(*w)) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r < 0)
                return r;
        public->size = sizeof(*public);
        public->kind = is_oci(inspection) ? MAYFLY_KIND_OCI : kind;
        public->warnings = strings(inspection->notes.warnings.list);
        public->manifest = image->manifest;
        public->manifest_size = image->manifest_size;
        public->manifest_pretty = inspection->notes.pretty;
        public->id = image->id[0] ? image->id : NULL;
        public->blob_size = image->blob_size;
        public->archive_size = image->archive_size;
        public->name = config->name;
        public->labels = strings(config->labels);
        public->annotations = strings(inspection->notes.annotations.list);
        public->whitelist = (const char *const *) config->whitelist;
        if (mf_image_config_has_app(config)) {
                public->exec = command_line(inspection);
                public->user = config->user;
                public->group = config->group;
                public->cwd = config->cwd;
        }
        public->env = strings(config->env);
        public->groups = config->extra_groups;
        public->n_groups = config->n_extra_groups;
        public->pre_start = (const char *const *) config->pre_start;
        public->post_stop = (const char *const *) config->post_stop;
        return publish_lists(inspection) < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}

/* Sets *ret to the inspection when `r` is 0, else frees it. Returns 0 or negative errno. */
static int conclude(struct mayfly_inspection **ret, struct inspection *inspection, enum mayfly_kind kind, int r,
                    struct mayfly_error *err)
{
        if (r == 0)
                r = publish(inspection, kind, err);
        if (r == 0)
                *ret = &inspection->public;
        else
                mayfly_inspection_free(&inspection->public);
        return r;
}

MF_EXPORT struct mayfly_inspection *mayfly_inspection_free(struct mayfly_inspection *public)
{
        struct inspection *inspection = (struct inspection *) public; /* its first member */

        if (inspection) {
                mf_examined_clear(&inspection->image);
                mf_notes_clear(&inspection->notes);
                for (size_t i = 0; i < inspection->n_lists; i++)
                        free(inspection->lists[i]);
                free(inspection);
        }
        return NULL;
}

/* --- files and layouts --------------------------------------------------------------------------------------- */

/* Reads and parses a manifest. The file may have been read up to its head. Returns 0 or negative errno. */
static int read_manifest(struct mf_examined *ret, const struct mf_file *file, struct mayfly_error *err)
{
        char *text = malloc(MF_MANIFEST_MAX + 2);

        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        if (file->head_size)
                memcpy(text, file->head, file->head_size);
        ssize_t n = mf_read_full(file->fd, text + file->head_size, MF_MANIFEST_MAX + 1 - file->head_size);
        ret->manifest = text;
        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_MANIFEST, "the manifest cannot be read");
        ret->manifest_size = (size_t) n + file->head_size;
        if (ret->manifest_size > MF_MANIFEST_MAX)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "image manifest: it is larger than 1 MiB");
        text[ret->manifest_size] = '\0';
        return mf_manifest_parse(&ret->config, text, ret->manifest_size, err);
}

/* Reads the manifest of a layout or of a stored image. Returns 0 or negative errno. */
static int read_manifest_in(struct mf_examined *ret, int directory, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = openat(directory, "manifest", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        const struct mf_file file = { .fd = fd };
        struct stat st;

        if (fd < 0 && (errno == ENOENT || errno == ELOOP))
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                errno == ENOENT ? "there is no manifest"
                                                : "the manifest is a symbolic link, not a regular file");
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_MANIFEST, "the manifest cannot be opened");
        return S_ISREG(st.st_mode)
                       ? read_manifest(ret, &file, err)
                       : mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST, "the manifest is not a regular file");
}

/* Checks that a layout has a manifest, a rootfs, and nothing else. Returns 0 or negative errno. */
static int check_layout(int directory, struct mayfly_error *err)
{
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        struct stat st;
        int r = 0;

        if (!dir) {
                mf_close(fd);
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the layout cannot be read");
        }
        while (r == 0 && (entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    strcmp(entry->d_name, "manifest") != 0 && strcmp(entry->d_name, "rootfs") != 0)
                        r = mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                     "\"%.255s\" is neither \"manifest\" nor \"rootfs\", the only two names that a "
                                     "layout may have",
                                     entry->d_name);
        closedir(dir);
        if (r < 0)
                return r;
        if (fstatat(directory, "rootfs", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "there is no rootfs")
                                       : mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the rootfs cannot be read");
        return S_ISDIR(st.st_mode) ? 0 : mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the rootfs is not a directory");
}

static int inspect_layout(struct inspection *inspection, int directory, struct mayfly_error *err)
{
        int r = read_manifest_in(&inspection->image, directory, err);

        if (r == 0)
                r = check_layout(directory, err);
        if (r == 0)
                inspection->public.stored_size = mf_tree_bytes(directory, ".");
        return r;
}

/* Whether the beginning of a file is text, and not that of a known archive: the file counts as a manifest then. */
static int is_text(const char *head, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (((unsigned char) head[i] < ' ' && !strchr("\t\n\f\r\x1b", head[i])) || !head[i] || head[i] == 0x7f)
                        return 0;
        return !mf_archive_is_known(head, size);
}

/* Inspects an open file. *kind becomes the kind of the file when it is MAYFLY_KIND_ANY. Returns 0 or negative errno. */
static int inspect_open(struct inspection *inspection, int fd, const char *path, enum mayfly_kind *kind,
                        struct mayfly_error *err)
{
        char head[MF_ARCHIVE_HEAD];
        struct mayfly_image_options options;
        struct mf_file file = { .fd = fd, .head = head };
        const struct mf_source source = { .url = path, .text = path, .file = &file };

        ssize_t n = mf_read_full(fd, head, sizeof(head));
        if (n < 0)
                return mf_error_errno(err, (int) n, MAYFLY_STAGE_ARCHIVE, "%s cannot be read", path);
        file.head_size = (size_t) n;
        if (*kind == MAYFLY_KIND_ANY)
                *kind = is_text(head, file.head_size) ? MAYFLY_KIND_MANIFEST : MAYFLY_KIND_APPIMAGE;
        if (*kind == MAYFLY_KIND_MANIFEST)
                return read_manifest(&inspection->image, &file, err);
        int r = mf_image_options_take(NULL, &options, err);
        return r < 0 ? r : mf_examine(&inspection->image, &source, &options, err);
}

/* Inspects a layout or archive of OCI images. Returns 0 or negative errno. */
static int inspect_oci(struct inspection *inspection, const char *path, struct mayfly_error *err)
{
        struct mayfly_image_options options;

        int r = mf_image_options_take(NULL, &options, err);
        return r < 0 ? r : mf_oci_validate(&inspection->image, path, &options, err);
}

MF_EXPORT int mayfly_inspect_file(struct mayfly_inspection **ret, const char *path, enum mayfly_kind kind,
                                  struct mayfly_error *err)
{
        if (!ret || !path || (unsigned) kind > MAYFLY_KIND_OCI)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_inspect_file() needs a pointer for its result, a path and a valid kind");
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be opened", path);
        int is_directory = S_ISDIR(st.st_mode);
        if (kind == MAYFLY_KIND_ANY && (is_directory || S_ISREG(st.st_mode)) && mf_oci_is_local(path) > 0)
                kind = MAYFLY_KIND_OCI;
        if (is_directory && kind == MAYFLY_KIND_ANY)
                kind = MAYFLY_KIND_LAYOUT;
        if (kind != MAYFLY_KIND_OCI && is_directory != (kind == MAYFLY_KIND_LAYOUT))
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                is_directory ? "it is a directory, which is neither an image archive nor a manifest"
                                             : "it is not a directory, so it is not a layout");
        struct inspection *inspection = calloc(1, sizeof(*inspection));
        if (!inspection)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (kind == MAYFLY_KIND_OCI)
                return conclude(ret, inspection, kind, inspect_oci(inspection, path, err), err);
        int r = is_directory ? inspect_layout(inspection, fd, err) : inspect_open(inspection, fd, path, &kind, err);
        return conclude(ret, inspection, kind, r, err);
}

/* --- images --------------------------------------------------------------------------------------------------- */

/* Reads the manifest or configuration of a stored image. Returns 0 or negative errno. */
static int read_stored(struct inspection *inspection, int directory, const char *id, struct mayfly_error *err)
{
        struct mf_examined *image = &inspection->image;

        int r = mf_oci_stored_config(directory, id, &image->config, err);
        if (r == -ENOENT)
                return read_manifest_in(image, directory, err);
        if (r < 0)
                return r;
        r = mf_read_file_at(directory, MF_OCI_CONFIG_FILE, MF_OCI_DOCUMENT_MAX, &image->manifest,
                            &image->manifest_size);
        if (r == -ENOENT)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_STORE, "%s is a layer of OCI images, not an image", id);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the configuration of %s cannot be read", id) : 0;
}

/* Inspects a stored image. Returns 0, -ENOENT without an error when the store does not have it, or another negative errno. */
static int inspect_stored(struct inspection *inspection, const char *id, const struct mayfly_image_options *options,
                          struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int store = -1, directory = -1;
        mf_cleanup(mf_freep) char *path = NULL;

        int r = mf_store_path(options->store, &path, err);
        if (r == 0)
                r = mf_store_open(path, 0, &store, err);
        if (r < 0)
                return r;
        r = mf_store_open_locked(store, MF_IMAGES, id, LOCK_SH, &directory);
        if (r < 0)
                return r == -ENOENT || r == -EWOULDBLOCK
                               ? -ENOENT
                               : mf_error_errno(err, r, MAYFLY_STAGE_STORE, "image %s in the store %s cannot be opened",
                                                id, path);
        r = read_stored(inspection, directory, id, err);
        inspection->public.stored_size = mf_tree_bytes(directory, ".");
        strcpy(inspection->image.id, id);
        mf_unlock(directory);
        return r;
}

struct job {
        struct mf_examined *image;
        const struct mf_reference *reference;
        const char *text;
        const struct mayfly_image_options *options;
};

/* Examines the image at `url`. Returns 0 or negative errno. */
static int look(void *userdata, const char *url, const char *signature, struct mayfly_error *err)
{
        const struct job *job = userdata;
        const struct mf_source source = { .url = url,
                                          .text = job->text,
                                          .id = job->reference->id[0] ? job->reference->id : NULL };

        (void) signature; /* only mayfly_image_pin() reports it */
        int r = mf_examine(job->image, &source, job->options, err);
        if (r == 0 && job->reference->name)
                r = mf_image_name_match(job->reference->name, job->image->config, err);
        if (r < 0)
                mf_examined_clear(job->image);
        return r;
}

/* Inspects the image of a reference: the stored one when it is pinned and stored, else a fetched one. Returns 0 or negative
 * errno. */
static int inspect_reference(struct inspection *inspection, const char *text,
                             const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *bare = NULL;

        int r = mf_reference_parse_unpinned(&reference, &bare, text, options->allow_http, err);
        if (r < 0)
                return r;
        struct job job = { &inspection->image, &reference, bare, options };
        r = reference.id[0] ? inspect_stored(inspection, reference.id, options, err) : -ENOENT;
        if (r == 0 && reference.name)
                r = mf_image_name_match(reference.name, inspection->image.config, err);
        else if (r == -ENOENT && reference.format == MF_FORMAT_OCI)
                r = mf_oci_examine(&inspection->image, &reference, bare, options, err);
        else if (r == -ENOENT)
                r = mf_locate(&reference, bare, options, look, &job, err);
        mf_reference_clear(&reference);
        return r;
}

MF_EXPORT int mayfly_inspect_image(struct mayfly_inspection **ret, const char *image,
                                   const struct mayfly_image_options *given, struct mayfly_error *err)
{
        struct mayfly_image_options options;

        if (!ret || !image)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_inspect_image() needs a pointer for its result and an image");
        int r = mf_image_options_take(given, &options, err);
        if (r < 0)
                return r;
        struct inspection *inspection = calloc(1, sizeof(*inspection));
        if (!inspection)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        if (mf_store_is_id(image)) {
                r = inspect_stored(inspection, image, &options, err);
                if (r == -ENOENT)
                        (void) mf_error(err, r, MAYFLY_STAGE_STORE, "there is no image %s in the store", image);
        } else {
                r = inspect_reference(inspection, image, &options, err);
        }
        return conclude(ret, inspection, MAYFLY_KIND_APPIMAGE, r, err);
}
