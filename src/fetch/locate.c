/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "fetch/locate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/discovery.h"
#include "fetch/mirrors.h"
#include "model/show.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

struct search {
        const struct mf_image_name *name; /* NULL: there is a URL */
        const struct mayfly_image_options *options;
        int (*each)(void *userdata, const char *url, const char *signature, struct mayfly_error *err);
        void *userdata;
        struct mf_urls tried;
        struct mayfly_error failures;
};

/* Checks the CA file before anything is fetched: an error of the handshake would not name it. Returns 0 or negative errno. */
static int check_ca_file(const char *path, struct mayfly_error *err)
{
        static const char mark[] = "-----BEGIN CERTIFICATE-----";
        mf_cleanup(mf_fclosep) FILE *f = path ? fopen(path, "re") : NULL;
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;

        if (!path)
                return 0;
        if (!f)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC,
                                      "the CA file \"%.300s\" (MAYFLY_CA_FILE, or the option ca_file) cannot be read",
                                      path);
        while (getline(&line, &size, f) >= 0)
                if (strncmp(line, mark, strlen(mark)) == 0)
                        return 0;
        return mf_error(
                err, -EINVAL, MAYFLY_STAGE_SPEC,
                "the CA file \"%.300s\" (MAYFLY_CA_FILE, or the option ca_file) has no certificate in PEM; convert "
                "a certificate in DER with openssl x509 -inform der",
                path);
}

/* Whether another place cannot help: the trouble is at this host, or the user has cancelled. */
static int is_final(const struct mayfly_error *why)
{
        return why->code == -ECANCELED || why->code == -ENOMEM || why->code == -EFBIG || why->code == -ENOSPC ||
               why->code == -EDQUOT || why->code == -ENOPKG || why->stage == MAYFLY_STAGE_STORE ||
               why->stage == MAYFLY_STAGE_SPEC;
}

/* Tries one URL, unless it was tried before. Returns 0 when it has the image, 1 to go on, or negative errno. */
static int try_one(struct search *search, const char *url, const char *signature, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        enum mf_scheme scheme;

        for (size_t i = 0; i < search->tried.n; i++)
                if (strcmp(search->tried.list[i], url) == 0)
                        return 1;
        if (mf_urls_add(&search->tried, strdup(url), strdup(signature)) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        int r = mf_url_check(url, search->options->allow_http, &scheme, &why);
        if (r == 0)
                r = search->each(search->userdata, url, signature, &why);
        if (r == 0)
                return 0;
        if (is_final(&why))
                return mf_error(err, r, why.stage, "%s", why.message);
        mf_error_join(&search->failures, &why);
        return 1;
}

/* Tries URLs until one has the image. Returns as try_one(). */
static int try_all(struct search *search, const struct mf_urls *urls, struct mayfly_error *err)
{
        int r = 1;

        for (size_t i = 0; i < urls->n && r == 1; i++)
                r = try_one(search, urls->list[i], urls->signatures[i], err);
        return r;
}

/* Tries the mirrors of a URL, then the URL. Returns as try_one(). */
static int try_mirrored(struct search *search, const struct mf_mirrors *mirrors, const char *url, const char *signature,
                        struct mayfly_error *err)
{
        struct mf_urls urls = { 0 };

        int r = mf_urls_add_mirrored(&urls, mirrors, url, signature);
        r = r < 0 ? mf_error_oom(err, MAYFLY_STAGE_STORE) : try_all(search, &urls, err);
        mf_urls_clear(&urls);
        return r;
}

/* Tries the user's templates for the name. Returns as try_one(). */
static int try_templates(struct search *search, const struct mf_mirrors *mirrors, struct mayfly_error *err)
{
        int r = 1;

        for (size_t i = 0; i < mirrors->n && r == 1; i++) {
                const struct mf_mirror *mirror = &mirrors->list[i];
                mf_cleanup(mf_freep) char *url = NULL, *signature = NULL;
                if (!mirror->is_template || strncmp(search->name->name, mirror->prefix, strlen(mirror->prefix)) != 0)
                        continue;
                r = mf_image_name_render(search->name, mirror->target, "aci", &url);
                if (r == -EINVAL)
                        return mf_error(err, r, MAYFLY_STAGE_SPEC,
                                        "the mirror \"%.200s %.300s\" has %.60s, which has no value for %.300s; give "
                                        "that label, or change the mirror",
                                        mirror->prefix, mirror->target, url, search->name->text);
                signature = r < 0 ? NULL : mf_url_of_template_signature(search->name, mirror->target, url);
                r = !signature ? mf_error_oom(err, MAYFLY_STAGE_STORE) : try_one(search, url, signature, err);
        }
        return r;
}

/* Tries the URLs of simple discovery, but not for a name that is a host alone: it would become another host. Returns as
 * try_one(). */
static int try_simple(struct search *search, const struct mf_mirrors *mirrors, struct mayfly_error *err)
{
        static const char *const templates[] = { "https://{name}-{version}-{os}-{arch}.{ext}",
                                                 "http://{name}-{version}-{os}-{arch}.{ext}" };
        int r = 1;

        if (!strchr(search->name->name, '/'))
                return 1;
        for (size_t i = 0; i < (search->options->allow_http ? 2U : 1U) && r == 1; i++) {
                mf_cleanup(mf_freep) char *url = NULL, *signature = NULL;
                if (mf_image_name_render(search->name, templates[i], "aci", &url) == 0)
                        signature = mf_url_of_template_signature(search->name, templates[i], url);
                r = !signature ? mf_error_oom(err, MAYFLY_STAGE_STORE)
                               : try_mirrored(search, mirrors, url, signature, err);
        }
        return r;
}

/* Tries the URLs from meta discovery. Returns as try_one(). */
static int try_discovered(struct search *search, const struct mf_mirrors *mirrors, const char *text,
                          struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_urls urls = { 0 };

        int r = mf_discover(&urls, search->name, mirrors, text, search->options, &why);
        if (r < 0) {
                if (is_final(&why) && why.code != -EFBIG)
                        return mf_error(err, r, why.stage, "%s", why.message);
                mf_error_join(&search->failures, &why);
                return 1;
        }
        r = 1;
        for (size_t i = 0; i < urls.n && r == 1; i++)
                r = try_mirrored(search, mirrors, urls.list[i], urls.signatures[i], err);
        mf_urls_clear(&urls);
        return r;
}

static int try_url(struct search *search, const struct mf_mirrors *mirrors, const char *url, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *signature = mf_url_of_signature(url);

        return signature ? try_mirrored(search, mirrors, url, signature, err) : mf_error_oom(err, MAYFLY_STAGE_STORE);
}

static int try_name(struct search *search, const struct mf_mirrors *mirrors, const char *text, struct mayfly_error *err)
{
        int r = try_templates(search, mirrors, err);

        if (r == 1)
                r = try_simple(search, mirrors, err);
        if (r == 1)
                r = try_discovered(search, mirrors, text, err);
        return r;
}

int mf_locate(const struct mf_reference *reference, const char *text, const struct mayfly_image_options *options,
              int (*each)(void *userdata, const char *url, const char *signature, struct mayfly_error *err),
              void *userdata, struct mayfly_error *err)
{
        struct search search = { .name = reference->name, .options = options, .each = each, .userdata = userdata };
        struct mf_mirrors mirrors = { 0 };

        int r = check_ca_file(options->ca_file, err);
        if (r == 0)
                r = mf_mirrors_load(options->mirrors, &mirrors, err);
        if (r < 0)
                return r;
        r = reference->name ? try_name(&search, &mirrors, text, err) : try_url(&search, &mirrors, reference->url, err);
        mf_mirrors_clear(&mirrors);
        mf_urls_clear(&search.tried);
        if (r <= 0)
                return r;
        if (!reference->name)
                return mf_error(err, search.failures.code, search.failures.stage, "%s", search.failures.message);
        char shown[MF_SHOWN_MAX], hint[MF_HINT_MAX];
        mf_show_url(shown, reference->name->text, 0);
        mf_reference_hint(reference->name->text, hint);
        return mf_error(err, search.failures.code, search.failures.stage, "no image for %s: %.3000s%s", shown,
                        search.failures.message, hint);
}
