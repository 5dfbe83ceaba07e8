/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/digest.h"
#include "fetch/http.h"
#include "fetch/mirrors.h"
#include "model/image-id.h"
#include "model/reference.h"
#include "model/show.h"
#include "registry/endpoint.h"
#include "util/error.h"
#include "util/macro.h"

#define MANIFESTS                                                     \
        "application/vnd.oci.image.index.v1+json, "                   \
        "application/vnd.docker.distribution.manifest.list.v2+json, " \
        "application/vnd.oci.image.manifest.v1+json, "                \
        "application/vnd.docker.distribution.manifest.v2+json"

struct registry {
        struct mf_oci_source source;
        const struct mayfly_image_options *options;
        struct mf_endpoint **endpoints; /* the mirrors, then the registry itself */
        size_t n, allocated;
};

static void free_registry(struct mf_oci_source *source)
{
        struct registry *registry = (struct registry *) source;

        for (size_t i = 0; i < registry->n; i++)
                mf_endpoint_free(registry->endpoints[i]);
        free(registry->endpoints);
        free(source->shown);
        free(registry);
}

/* --- documents --------------------------------------------------------------------------------------------------- */

struct document {
        struct mf_buffer body;
        int (*cancelled)(void *userdata);
        void *userdata;
};

static int on_document(void *userdata, const void *data, size_t size)
{
        struct document *document = userdata;

        if (size > MF_OCI_DOCUMENT_MAX - document->body.size)
                return -EFBIG;
        return mf_buffer_add(&document->body, data, size);
}

static int poll_document(void *userdata)
{
        const struct document *document = userdata;

        return document->cancelled && document->cancelled(document->userdata);
}

/* Checks the digest of a document that a mirror gave; that of the registry itself is for the caller to check, who knows more. Returns 0 or negative errno. */
static int check_document(const struct mf_endpoint *endpoint, const struct mf_ask *ask, const struct document *document,
                          struct mayfly_error *err)
{
        char expected[MF_ID_LENGTH + 1], actual[MF_ID_LENGTH + 1], shown[MF_ID_LENGTH + 1];

        if (!endpoint->is_mirror || mf_image_id_of_digest(ask->which, expected) < 0)
                return 0;
        struct mf_digest *digest = mf_digest_new_like(expected);
        int r = digest && mf_digest_update(digest, document->body.data, document->body.size) == 0 &&
                                mf_digest_final(digest, actual) == 0
                        ? 0
                        : mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "a digest cannot be computed: libcrypto failed");
        mf_digest_free(digest);
        if (r == 0 && strcmp(expected, actual) != 0) {
                mf_digest_of_image_id(actual, shown);
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                             "the mirror %.280s gave another %s of %.300s than it was asked for: expected %s, "
                             "actual %s; correct "
                             "the mirror, or leave it out",
                             endpoint->registry, ask->kind, endpoint->repository, ask->which, shown);
        }
        return r;
}

/* --- questions --------------------------------------------------------------------------------------------------- */

/* Whether another place cannot help: the trouble is at this host, or the user has cancelled. */
static int is_final(const struct mf_ask *ask, const struct mayfly_error *why)
{
        return ask->sink_failed || why->code == -ECANCELED || why->code == -ENOMEM || why->code == -EFBIG ||
               why->stage == MAYFLY_STAGE_SPEC;
}

/* Tells the sink that this place gave it bytes, when it did. `before` is the number of bytes that it had before. */
static void name_giver(const char *place, const struct mf_ask *ask, uint64_t before, const struct mf_oci_sink *sink)
{
        if (sink && sink->given_by && (ask->handed > before || ask->sink_failed))
                sink->given_by(sink->userdata, place);
}

/* Asks one endpoint after another. A document is taken from one endpoint, which must have the right one; bytes without `document` (NULL)
 * are continued by the next endpoint, and `sink` (may be NULL) hears which ones gave them. Returns 0, or negative errno with the
 * messages of all. */
static int ask_all(struct registry *registry, struct mf_ask *ask, struct document *document,
                   const struct mf_oci_sink *sink, struct mayfly_error *err)
{
        struct mayfly_error failures = MAYFLY_ERROR_INIT;
        char mirror[300];

        for (size_t i = 0; i < registry->n; i++) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                if (document) {
                        mf_buffer_clear(&document->body);
                        ask->handed = 0;
                }
                uint64_t before = ask->handed;
                int r = mf_endpoint_get(registry->endpoints[i], ask, &why);
                snprintf(mirror, sizeof(mirror), "the mirror %.280s", registry->endpoints[i]->registry);
                name_giver(registry->endpoints[i]->is_mirror ? mirror : registry->source.shown, ask, before, sink);
                if (r == 0 && document)
                        r = check_document(registry->endpoints[i], ask, document, &why);
                if (r == 0 || ask->sink_failed)
                        return r;
                if (is_final(ask, &why))
                        return mf_error(err, r, why.stage, "%s", why.code ? why.message : "out of memory");
                mf_error_join(&failures, &why);
        }
        return mf_error(err, failures.code, failures.stage, "%s", failures.message);
}

static int get_manifest(struct mf_oci_source *source, const char *which, struct mf_buffer *ret, char **ret_media_type,
                        int (*cancelled)(void *userdata), void *userdata, struct mayfly_error *err)
{
        struct document document = { .cancelled = cancelled, .userdata = userdata };
        mf_cleanup(mf_freep) char *path = NULL;

        if (!which)
                which = "latest";
        if (asprintf(&path, "manifests/%s", which) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        struct mf_ask ask = {
                .kind = "manifest",
                .which = which,
                .path = path,
                .accept = MANIFESTS,
                .body = on_document,
                .cancelled = poll_document,
                .userdata = &document,
        };
        int r = ask_all((struct registry *) source, &ask, &document, NULL, err);
        if (r == -EFBIG && ask.sink_failed)
                r = mf_error(err, r, MAYFLY_STAGE_MANIFEST,
                             "the manifest %.150s of %.300s has more than %zu bytes, which no manifest may have; ask "
                             "the operator of "
                             "the registry",
                             which, source->shown, MF_OCI_DOCUMENT_MAX);
        else if (r == -ENOMEM)
                mf_error_oom(err, MAYFLY_STAGE_HTTP);
        if (r < 0) {
                mf_buffer_clear(&document.body);
                free(ask.media_type);
                return r;
        }
        *ret = document.body;
        *ret_media_type = ask.media_type;
        return 0;
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static int on_foreign(void *userdata, const void *data, size_t size)
{
        return mf_ask_take(userdata, data, size);
}

static int poll_foreign(void *userdata)
{
        return mf_ask_is_cancelled(userdata);
}

/* Fetches what is left of a blob from a URL outside of the registry, without credentials. Returns 0 or negative errno. */
static int get_foreign(const struct registry *registry, const char *url, struct mf_ask *ask, struct mayfly_error *err)
{
        struct mf_http_request request = mf_http_request(url, registry->options);
        enum mf_scheme scheme;

        int r = mf_url_check(url, registry->options->allow_http, &scheme, err);
        if (r == 0 && scheme == MF_SCHEME_FILE)
                r = mf_error(err, -EACCES, MAYFLY_STAGE_HTTP,
                             "the manifest gives the file \"%.300s\" for the blob %.150s, and images may not read "
                             "files of this host",
                             url, ask->which);
        if (r < 0)
                return r;
        request.body = on_foreign;
        request.cancelled = poll_foreign;
        request.userdata = ask;
        request.offset = ask->handed;
        request.immutable = 1;
        return mf_http_get(&request, err);
}

/* Gets a config into memory, so that a wrong one of a mirror is not the last word, and hands it on. Returns 0 or negative errno. */
static int get_config(struct registry *registry, const struct mf_oci_blob *blob, const char *path,
                      const struct mf_oci_sink *sink, struct mayfly_error *err)
{
        struct document document = { .cancelled = sink->cancelled, .userdata = sink->userdata };
        struct mf_ask ask = {
                .kind = "config",
                .which = blob->digest,
                .path = path,
                .size = blob->size,
                .body = on_document,
                .cancelled = poll_document,
                .userdata = &document,
        };

        int r = ask_all(registry, &ask, &document, NULL, err);
        if (r == 0 && document.body.size > 0)
                r = sink->data(sink->userdata, document.body.data, document.body.size);
        free(ask.media_type);
        mf_buffer_clear(&document.body);
        return r;
}

static int get_blob(struct mf_oci_source *source, const struct mf_oci_blob *blob, const struct mf_oci_sink *sink,
                    struct mayfly_error *err)
{
        struct registry *registry = (struct registry *) source;
        struct mayfly_error failures = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_freep) char *path = NULL;

        if (asprintf(&path, "blobs/%s", blob->digest) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        if (blob->is_document)
                return get_config(registry, blob, path, sink, err);
        struct mf_ask ask = {
                .kind = "blob",
                .which = blob->digest,
                .path = path,
                .size = blob->size,
                .body = sink->data,
                .cancelled = sink->cancelled,
                .userdata = sink->userdata,
        };
        int r = ask_all(registry, &ask, NULL, sink, &failures);
        free(ask.media_type);
        for (size_t i = 0; r < 0 && !is_final(&ask, &failures) && blob->urls && blob->urls[i]; i++) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                uint64_t before = ask.handed;
                char shown[MF_SHOWN_MAX];
                r = get_foreign(registry, blob->urls[i], &ask, &why);
                mf_show_url(shown, blob->urls[i], 1);
                name_giver(shown, &ask, before, sink);
                if (r < 0 && !ask.sink_failed)
                        mf_error_join(&failures, &why);
        }
        if (r < 0 && !ask.sink_failed)
                return mf_error(err, failures.code, failures.stage, "%s", failures.message);
        return r;
}

/* --- endpoints --------------------------------------------------------------------------------------------------- */

/* Adds an endpoint with this base, "SCHEME://HOST/...", and takes it over. `host` is what credentials are kept for; NULL: that of
 * the base. Returns the endpoint, or NULL when memory is short. */
static struct mf_endpoint *add(struct registry *registry, char *base, const char *host, const char *repository)
{
        struct mf_endpoint **grown = mf_grow(registry->endpoints, registry->n, &registry->allocated, sizeof(*grown));

        if (!grown || !base) {
                registry->endpoints = grown ? grown : registry->endpoints;
                free(base);
                return NULL;
        }
        registry->endpoints = grown;
        const char *authority = strstr(base, "://") + 3, *at = memchr(authority, '@', strcspn(authority, "/"));
        if (at)
                authority = at + 1;
        char *name = host ? strdup(host) : strndup(authority, strcspn(authority, "/"));
        struct mf_endpoint *added = mf_endpoint_new(base, name, strdup(repository), registry->options);
        if (added)
                grown[registry->n++] = added;
        return added;
}

/* Returns what `url` is on a mirror; NULL when the mirror does not have it or memory is short: then *r is -ENOMEM. */
static char *mirrored(const struct mf_mirror *mirror, const char *url, int *r)
{
        size_t n = strlen(mirror->prefix);
        char *ret;

        if (mirror->is_template || strncasecmp(mirror->target, "http", 4) != 0 || strncmp(url, mirror->prefix, n) != 0)
                return NULL;
        if (asprintf(&ret, "%s%s", mirror->target, url + n) >= 0)
                return ret;
        *r = -ENOMEM;
        return NULL;
}

/* Adds the mirrors that are for the repository under this host. Returns 0 or -ENOMEM. */
static int add_mirrors_of(struct registry *registry, const struct mf_mirrors *mirrors, const char *host,
                          const char *repository)
{
        mf_cleanup(mf_freep) char *url = NULL;
        int r = 0;

        if (asprintf(&url, "https://%s/v2/%s/", host, repository) < 0) {
                url = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; i < mirrors->n && r == 0; i++) {
                char *base = mirrored(&mirrors->list[i], url, &r);
                struct mf_endpoint *added = base ? add(registry, base, NULL, repository) : NULL;
                if (base && !added)
                        r = -ENOMEM;
                if (added)
                        added->is_mirror = 1;
        }
        return r;
}

/* Adds the mirrors of the repository. A mirror is for the name that references have, "docker.io", or for the host of the API.
 * Returns 0 or negative errno. */
static int add_mirrors(struct registry *registry, const struct mf_oci_name *name, struct mayfly_error *err)
{
        const char *api = mf_oci_api_host(name->registry);
        struct mf_mirrors mirrors = { 0 };

        int r = mf_mirrors_load(registry->options->mirrors, &mirrors, err);
        if (r < 0)
                return r;
        r = add_mirrors_of(registry, &mirrors, name->registry, name->repository);
        if (r == 0 && strcmp(api, name->registry) != 0)
                r = add_mirrors_of(registry, &mirrors, api, name->repository);
        mf_mirrors_clear(&mirrors);
        return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_HTTP) : r;
}

int mf_registry_open(struct mf_oci_source **ret, const struct mf_oci_name *name,
                     const struct mayfly_image_options *options, struct mayfly_error *err)
{
        static const struct mf_oci_source_type type = { get_manifest, get_blob, free_registry };
        struct registry *registry = calloc(1, sizeof(*registry));
        char *base = NULL;

        if (!registry)
                return mf_error_oom(err, MAYFLY_STAGE_HTTP);
        registry->source.type = &type;
        registry->options = options;
        if (asprintf(&registry->source.shown, "%s/%s", name->registry, name->repository) < 0)
                registry->source.shown = NULL;
        int r = registry->source.shown ? add_mirrors(registry, name, err) : mf_error_oom(err, MAYFLY_STAGE_HTTP);
        if (r == 0 && asprintf(&base, "https://%s/v2/%s/", mf_oci_api_host(name->registry), name->repository) < 0)
                base = NULL;
        if (r == 0) {
                struct mf_endpoint *own = add(registry, base, name->registry, name->repository);
                if (own)
                        own->probe = 1;
                else
                        r = mf_error_oom(err, MAYFLY_STAGE_HTTP);
        }
        if (r == 0)
                *ret = &registry->source;
        else
                free_registry(&registry->source);
        return r;
}
